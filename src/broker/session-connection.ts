/** A session's connection. */
import type { Pausable } from './pressure.js';

/** The connection of a session, as far as its session must know it. */
export interface SessionConnection extends Pausable {
  /** Another connection takes the session over [MQTT-3.1.4-3]. */
  onTakenOver(): void;
  /** An operator or an embedding program ends the connection. */
  disconnect(reasonCode: number, detail: string): void;
}
