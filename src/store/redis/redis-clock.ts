/**
 * Time by Redis, since stored deadlines must mean the same to every broker: the offset between its
 * clock and our monotonic one, measured now and then.
 */
import type { Clock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { Reader } from './reader.js';
import { ASK_MS, CLOCK_MS, OPEN_MS } from './tuning.js';

/** The slot whose primary is asked: any will do. */
const SLOT = 0;

export class RedisClock {
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
    const beforeMs = this.clock.nowMs();
    this.askedMs = beforeMs;
    const [reply] = await this.reader.ask(SLOT, [['TIME']], deadlineMs);
    const afterMs = this.clock.nowMs();
    const [seconds, micros] = reply as readonly unknown[];
    const redisMs = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    this.offsetMs = redisMs - Math.round((beforeMs + afterMs) / 2);
  }
}
