/**
 * How much of the resident memory is in use. The system's figure goes up at once but seldom comes
 * down: what was freed stays with the allocators for later use. A guard that waited for it to
 * fall might wait for ever, so freed memory is taken off.
 *
 * What the process has beyond the bytes that JavaScript knows of (code, stacks, native objects,
 * fragments) is measured when the resident memory reaches a new height, for then no freed memory
 * was left to reuse. Below that height, the known bytes plus this overhead are what is in use.
 */

/** A new height; less may be chance while much freed memory is left. */
const NEW_PEAK = 1.02;

export interface ProcessMemory {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

export class ResidentEstimate {
  private peakBytes = 0;
  private overheadBytes = 0;

  /** Takes a reading; returns the bytes in use, at most `rss`. */
  update({ rss, heapUsed, external }: ProcessMemory): number {
    const knownBytes = heapUsed + external;
    if (rss > this.peakBytes * NEW_PEAK) {
      this.peakBytes = rss;
      this.overheadBytes = rss - knownBytes;
    }
    return Math.min(rss, knownBytes + this.overheadBytes);
  }
}
