/**
 * Dropped messages in the log (promise P6): the first one of a reason and session at once, then
 * one line per window with the count since. The counters in `$SYS` are exact in any case.
 */
import type { Clock } from '../base/clock.js';
import type { Log, LogLevel } from '../base/log.js';
import { DropReason, dropReasonNames } from '../broker/metrics.js';

export const DROPPED_WINDOW_MS = 10_000;
/** Pairs of reason and session with a line of their own; more share one line per reason. */
export const DROPPED_PAIRS_MAX = 1_000;
const LOOK_EVERY_MS = 1_000;

/** Drops that are nobody's fault and no surprise; all others are warnings. */
const expected: readonly number[] = [
  DropReason.Expired,
  DropReason.OfflineQos0,
  DropReason.SessionEnded,
  DropReason.NotAuthorized,
];

class Pair {
  readonly reason: number;
  /** Null: no session is concerned; undefined: all that have no line of their own. */
  readonly clientId: string | null | undefined;
  windowEndsMs: number;
  count = 0;
  /** Name of the last one. */
  topic = '';

  constructor(reason: number, clientId: string | null | undefined, windowEndsMs: number) {
    this.reason = reason;
    this.clientId = clientId;
    this.windowEndsMs = windowEndsMs;
  }
}

export class DroppedLog {
  private readonly log: Log;
  private readonly clock: Clock;
  /** Client id → pair. Index: drop reason. */
  private readonly byReason = dropReasonNames.map(() => new Map<string | null, Pair>());
  /** Index: drop reason; null while nobody shares. */
  private readonly others: (Pair | null)[] = dropReasonNames.map(() => null);
  private size = 0;
  private lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(log: Log, clock: Clock) {
    this.log = log;
    this.clock = clock;
  }

  /** As in `Observer`. */
  dropped(reason: number, clientId: string | null, topic: string, count = 1): void {
    const pair = this.byReason[reason]!.get(clientId) ?? this.add(reason, clientId);
    pair.count += count;
    pair.topic = topic;
    // A new pair is due at once, an old one at its tick.
    if (pair.windowEndsMs === 0) this.report(pair);
  }

  /** Writes the counts of windows that have ended. To be called at least once a second. */
  tick(): void {
    const nowMs = this.clock.nowMs();
    if (nowMs - this.lookedAtMs < LOOK_EVERY_MS) return;
    this.lookedAtMs = nowMs;
    for (const pairs of this.byReason) {
      for (const [clientId, pair] of pairs) {
        if (pair.windowEndsMs > nowMs) continue;
        if (pair.count > 0) {
          this.report(pair);
          continue;
        }
        pairs.delete(clientId);
        this.size--;
      }
    }
    this.others.forEach((pair, reason) => {
      if (pair === null || pair.windowEndsMs > nowMs) return;
      if (pair.count > 0) this.report(pair);
      else this.others[reason] = null;
    });
  }

  private add(reason: number, clientId: string | null): Pair {
    if (this.size >= DROPPED_PAIRS_MAX) {
      this.others[reason] ??= new Pair(reason, undefined, 0);
      return this.others[reason];
    }
    const pair = new Pair(reason, clientId, 0);
    this.byReason[reason]!.set(clientId, pair);
    this.size++;
    return pair;
  }

  private report(pair: Pair): void {
    const { reason, clientId, count, topic } = pair;
    pair.count = 0;
    pair.windowEndsMs = this.clock.nowMs() + DROPPED_WINDOW_MS;
    const level: LogLevel = expected.includes(reason) ? 'information' : 'warning';
    const name = dropReasonNames[reason]!;
    if (clientId === undefined) {
      this.log.write(level, 'messages of further clients dropped', { reason: name, count });
    } else {
      this.log.write(level, 'messages dropped', { reason: name, clientId, count, topic });
    }
  }
}
