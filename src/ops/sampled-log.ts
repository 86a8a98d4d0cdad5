/**
 * Repeated warnings and errors, once per window and with their count: a fault that repeats a
 * thousand times a second must neither fill the disk nor hide the others.
 */
import type { Clock } from '../base/clock.js';
import type { Log, LogFields, LogLevel } from '../base/log.js';

export const SAMPLE_WINDOW_MS = 10_000;
/** Different lines that are watched; when there are more, the oldest is given up. */
export const SAMPLED_LINES_MAX = 1_000;

class Sample {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
  windowEndsMs: number;
  /** Identical lines since the last one that was written. */
  repeated = 0;

  constructor(level: LogLevel, event: string, fields: LogFields, windowEndsMs: number) {
    this.level = level;
    this.event = event;
    this.fields = fields;
    this.windowEndsMs = windowEndsMs;
  }
}

export class SampledLog implements Log {
  private readonly log: Log;
  private readonly clock: Clock;
  /** In the order in which their windows end. */
  private readonly samples = new Map<string, Sample>();

  constructor(log: Log, clock: Clock) {
    this.log = log;
    this.clock = clock;
  }

  enabled(level: LogLevel): boolean {
    return this.log.enabled(level);
  }

  /** The first of identical warnings goes through; the rest is counted until `tick`. */
  write(level: LogLevel, event: string, fields: LogFields = {}): void {
    if (!this.log.enabled(level)) return;
    if (level !== 'warning' && level !== 'error') {
      this.log.write(level, event, fields);
      return;
    }
    this.tick();
    const key = `${level} ${event} ${JSON.stringify(fields)}`;
    const sample = this.samples.get(key);
    if (sample !== undefined) {
      sample.repeated++;
      return;
    }
    this.log.write(level, event, fields);
    if (this.samples.size >= SAMPLED_LINES_MAX) this.giveUpOldest();
    const endsMs = this.clock.nowMs() + SAMPLE_WINDOW_MS;
    this.samples.set(key, new Sample(level, event, fields, endsMs));
  }

  /** Writes the counts of windows that have ended. To be called now and then. */
  tick(): void {
    const nowMs = this.clock.nowMs();
    for (const [key, sample] of this.samples) {
      if (sample.windowEndsMs > nowMs) return;
      this.samples.delete(key);
      if (sample.repeated === 0) continue;
      this.report(sample);
      // It goes on: the next window follows.
      sample.repeated = 0;
      sample.windowEndsMs = nowMs + SAMPLE_WINDOW_MS;
      this.samples.set(key, sample);
    }
  }

  /** Writes all counts now. */
  flush(): void {
    for (const sample of this.samples.values()) this.report(sample);
    this.samples.clear();
  }

  private giveUpOldest(): void {
    const [oldest] = this.samples;
    if (oldest === undefined) return;
    this.samples.delete(oldest[0]);
    this.report(oldest[1]);
  }

  private report({ level, event, fields, repeated }: Sample): void {
    if (repeated > 0) this.log.write(level, event, { ...fields, repeated });
  }
}
