/**
 * How long a bridge waits before it tries again: always as long, or "decorrelated jitter" as in
 * Mosquitto, so that many bridges do not come back to a remote broker all at once.
 */
import type { Prng } from '../base/prng.js';
import type { RestartDelay } from '../config/bridge-config.js';

const GROWTH = 3;

export class Backoff {
  private readonly prng: Prng;
  private lastMs = 0;

  constructor(prng: Prng) {
    this.prng = prng;
  }

  /** Milliseconds. */
  next({ baseS, capS }: RestartDelay): number {
    const baseMs = baseS * 1000;
    if (capS === null) return baseMs;
    const high = Math.max(baseMs, this.lastMs * GROWTH);
    const drawn = baseMs + this.prng.below(Math.min(high - baseMs + 1, 2 ** 31));
    this.lastMs = Math.min(drawn, capS * 1000);
    return this.lastMs;
  }

  /** There was a connection: the next wait is short again. */
  reset(): void {
    this.lastMs = 0;
  }
}
