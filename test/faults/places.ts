/** Where clients connect to: one broker, or any of several. */

export interface Places {
  /** How long a client waits for CONNACK before it tries again, or elsewhere; milliseconds. */
  readonly patienceMs: number;
  /** What brokers may say in a DISCONNECT here. */
  readonly farewells: ReadonlySet<number>;
  /**
   * The port to connect to next.
   *
   * @param failed where an attempt has just failed; null: the last one did not
   */
  next(failed: number | null): number;
  /** Which life of which broker it is that listens there now. */
  lifeOf(port: number): string;
  /** Which process it is that listens there now. */
  processOf(port: number): string;
  /** A client with a durable session begins to connect. */
  onAttempt(clientId: string, port: number): void;
  /** … and has got its CONNACK. */
  onWelcome(clientId: string, port: number): void;
}

/** A broker that is stopped, or without its store, may take that long to answer. */
const patienceMs = 30_000;

/** Shutting down, and session taken over. */
export const usualFarewells: ReadonlySet<number> = new Set([0x8b, 0x8e]);

/** The one broker that there is. */
export function onePlace(port: number): Places {
  return {
    patienceMs,
    farewells: usualFarewells,
    next: () => port,
    lifeOf: () => '',
    processOf: () => '',
    onAttempt: () => undefined,
    onWelcome: () => undefined,
  };
}
