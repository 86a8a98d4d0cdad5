/** Randomness, handed to everything that draws it, so that a seed replays a run. */
export interface Prng {
  /** A whole number from 0 up to and without `bound`; `bound` is at most 2^31. */
  below(bound: number): number;
}

/** xorshift32: fast, seedable, good enough to pick members and jitter; never for secrets. */
export class XorShift32 implements Prng {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0 || 0x9e3779b9;
  }

  below(bound: number): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return (x >>> 0) % bound;
  }
}
