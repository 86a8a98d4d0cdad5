/**
 * Time by Redis, since stored deadlines must mean the same to every broker: the offset between its
 * clock and our monotonic one, measured now and then. An answer that took long says little about
 * when it was given, so of several the quickest counts.
 */
import type { Clock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { Reader } from './reader.js';
import { ASK_MS, CLOCK_MS, CLOCK_QUICK_MS, CLOCK_SAMPLES, OPEN_MS } from './tuning.js';

/** The slot whose primary is asked: any will do. */
const SLOT = 0;

export class RedisClock {
  /** How far `wallMs` may be off, milliseconds: Redis read its clock before it answered. */
  errorMs = Number.POSITIVE_INFINITY;
  private readonly clock: Clock;
  private readonly reader: Reader;
  private readonly log: Log;
  private offsetMs: number;
  private askedMs = 0;
  private isAsking = false;

  constructor(clock: Clock, reader: Reader, log: Log) {
    this.clock = clock;
    this.reader = reader;
    this.log = log;
    this.offsetMs = clock.wallMs() - clock.nowMs();
  }

  wallMs(): number {
    return this.clock.nowMs() + this.offsetMs;
  }

  /** @throws BrokerError `STORE_AWAY` */
  open(): Promise<void> {
    return this.measure(OPEN_MS);
  }

  tick(): void {
    if (this.isAsking || this.clock.nowMs() - this.askedMs < CLOCK_MS) return;
    this.isAsking = true;
    this.measure(ASK_MS)
      .catch((error: unknown) => {
        this.log.write('debug', 'redis did not tell the time', { detail: messageOf(error) });
      })
      .finally(() => {
        this.isAsking = false;
      });
  }

  private async measure(deadlineMs: number): Promise<void> {
    this.askedMs = this.clock.nowMs();
    let best = await this.sample(deadlineMs);
    for (let count = 1; count < CLOCK_SAMPLES && best.errorMs > CLOCK_QUICK_MS; count++) {
      const next = await this.sample(deadlineMs);
      if (next.errorMs < best.errorMs) best = next;
    }
    this.offsetMs = best.offsetMs;
    this.errorMs = best.errorMs;
  }

  private async sample(deadlineMs: number): Promise<Sample> {
    const beforeMs = this.clock.nowMs();
    const [reply] = await this.reader.ask(SLOT, [['TIME']], deadlineMs);
    const afterMs = this.clock.nowMs();
    const [seconds, micros] = reply as readonly unknown[];
    const redisMs = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    const offsetMs = redisMs - Math.round((beforeMs + afterMs) / 2);
    // Half a millisecond is lost to rounding at either end.
    return { offsetMs, errorMs: (afterMs - beforeMs) / 2 + 1 };
  }
}

interface Sample {
  readonly offsetMs: number;
  readonly errorMs: number;
}
