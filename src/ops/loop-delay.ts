/** How late a regular tick comes: the time for which something else held the event loop. */
import type { Clock } from '../base/clock.js';

export class LoopDelay {
  private readonly clock: Clock;
  private readonly everyMs: number;
  private lastMs: number;
  private delayMs = 0;
  private longestMs = 0;

  /** @param everyMs how often `tick` is meant to be called */
  constructor(clock: Clock, everyMs: number) {
    this.clock = clock;
    this.everyMs = everyMs;
    this.lastMs = clock.nowMs();
  }

  tick(): void {
    const nowMs = this.clock.nowMs();
    this.delayMs = Math.max(0, nowMs - this.lastMs - this.everyMs);
    this.longestMs = Math.max(this.longestMs, this.delayMs);
    this.lastMs = nowMs;
  }

  /** Milliseconds that the last tick was late. */
  get lastDelayMs(): number {
    return this.delayMs;
  }

  /** Milliseconds that the latest tick since the last call was late. */
  takeLongestMs(): number {
    const longestMs = this.longestMs;
    this.longestMs = 0;
    return longestMs;
  }
}
