/**
 * `$SYS/broker/load/…`: what a counter grows by per minute, averaged over 1, 5 and 15 minutes
 * with exponential decay, as Mosquitto and Unix load averages do.
 */
const MINUTE_MS = 60_000;

/** Minutes; the names of the topics follow from them. */
export const loadMinutes = [1, 5, 15] as const;

export class LoadAverage {
  /** Per minute. Index as in `loadMinutes`. */
  readonly averages: number[] = loadMinutes.map(() => 0);
  private total: number;

  constructor(total: number) {
    this.total = total;
  }

  /** `total` is what the counter stands at, `elapsedMs` after the last call. */
  update(total: number, elapsedMs: number): void {
    const perMinute = ((total - this.total) * MINUTE_MS) / elapsedMs;
    this.total = total;
    loadMinutes.forEach((minutes, index) => {
      const decay = Math.exp(-elapsedMs / (minutes * MINUTE_MS));
      this.averages[index] = perMinute + decay * (this.averages[index]! - perMinute);
    });
  }
}
