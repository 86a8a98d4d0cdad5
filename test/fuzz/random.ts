/** Seeded draws for the fuzzer: the same seed and stream give the same attack again. */
import { XorShift32 } from '../../src/base/prng.js';

export class Random {
  private readonly prng: XorShift32;

  /** `stream` tells attacks of one run apart, so that one of them can be replayed alone. */
  constructor(seed: number, stream = 0) {
    this.prng = new XorShift32(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b));
    // The first numbers of neighbouring seeds are alike.
    for (let round = 0; round < 8; round++) this.prng.below(2);
  }

  /** A whole number from 0 up to and without `bound`. */
  below(bound: number): number {
    return this.prng.below(bound);
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True in `percent` of 100 draws. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)];
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }

  /** Mostly small, sometimes at a border, rarely anything. */
  uint16(): number {
    const kind = this.below(10);
    if (kind < 6) return this.below(12);
    return kind < 9 ? this.pick([0, 1, 127, 128, 255, 256, 0x7fff, 0xffff]) : this.below(0x10000);
  }
}
