/** The most memory seen, sampled now and then. */
import { residentMiBOf } from './process-usage.js';

const SAMPLE_MS = 100;

export class PeakMemory {
  private readonly pids: readonly number[];
  private readonly measure: (pids: readonly number[]) => number;
  private readonly timer: NodeJS.Timeout;
  private peakMiB = 0;

  /** @param measure MiB of processes; default: resident ones */
  constructor(pids: readonly number[], measure = residentMiBOf) {
    this.pids = pids;
    this.measure = measure;
    this.timer = setInterval(() => this.sample(), SAMPLE_MS);
    this.sample();
  }

  /** @returns MiB */
  stop(): number {
    clearInterval(this.timer);
    this.sample();
    return this.peakMiB;
  }

  private sample(): void {
    this.peakMiB = Math.max(this.peakMiB, this.measure(this.pids));
  }
}
