/**
 * How long it takes a client whose broker was killed to go on elsewhere: from the beginning of its
 * first attempt to connect to another broker to the CONNACK, with its session present. Times
 * during which something else was broken are kept apart: then it may have to wait for that.
 */

interface Orphan {
  /** Of the broker that was killed. */
  readonly port: number;
  /** The first attempt elsewhere; null: there was none yet. */
  sinceMs: number | null;
  isDisturbed: boolean;
}

export class ResumeMeter {
  /** Milliseconds, while nothing but that one broker was broken. */
  readonly undisturbedMs: number[] = [];
  /** … all of them. */
  readonly allMs: number[] = [];
  private readonly orphans = new Map<string, Orphan>();

  /** @param isDisturbed something else is broken, too */
  onKill(port: number, clientIds: readonly string[], isDisturbed: boolean): void {
    for (const clientId of clientIds) {
      this.orphans.set(clientId, { port, sinceMs: null, isDisturbed });
    }
  }

  /** Something else is broken from now on. */
  onDisturbance(): void {
    for (const orphan of this.orphans.values()) orphan.isDisturbed = true;
  }

  onAttempt(clientId: string, port: number, nowMs: number): void {
    const orphan = this.orphans.get(clientId);
    if (orphan !== undefined && orphan.port !== port) orphan.sinceMs ??= nowMs;
  }

  onWelcome(clientId: string, port: number, nowMs: number): void {
    const orphan = this.orphans.get(clientId);
    if (orphan === undefined) return;
    this.orphans.delete(clientId);
    // At the same broker, which is there again: that is no other one.
    if (orphan.port === port || orphan.sinceMs === null) return;
    const tookMs = nowMs - orphan.sinceMs;
    this.allMs.push(tookMs);
    if (!orphan.isDisturbed) this.undisturbedMs.push(tookMs);
  }
}

/** The value that `percent` of 100 are not above; 0 of none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = Math.ceil((sorted.length * percent) / 100) - 1;
  return sorted[Math.max(0, at)] ?? 0;
}
