/** Time, handed to everything that decides by it, so that tests can advance it. */
export interface Clock {
  /** Monotonic whole milliseconds since an arbitrary start; never jumps. */
  nowMs(): number;
  /** Milliseconds since the Unix epoch; may jump. For people and stored deadlines only. */
  wallMs(): number;
}

export const systemClock: Clock = {
  // Whole, so that sums and differences of intervals are exact.
  nowMs: () => Math.floor(performance.now()),
  wallMs: () => Date.now(),
};

/** A clock for tests: stands still until it is advanced. */
export class FakeClock implements Clock {
  private monotonicMs = 1_000;
  private epochMs = 1_700_000_000_000;

  nowMs(): number {
    return this.monotonicMs;
  }

  wallMs(): number {
    return this.epochMs;
  }

  advance(ms: number): void {
    this.monotonicMs += ms;
    this.epochMs += ms;
  }
}
