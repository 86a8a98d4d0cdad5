/**
 * One stream of the history, read in steps from either end. What does not match is passed over;
 * what matches waits here, in the order of the stream or against it, until it is its turn among
 * those of other streams.
 */
import type { HistoryMessage, HistoryQuery } from '../../history.js';
import type { Question } from '../reader.js';
import { messagesOf, type StreamEntry, takenMsOf } from './entry.js';
import { LATE_MS, SKEW_MS, STEP_BYTES, STEP_ENTRIES, STEP_ENTRIES_MAX } from './limits.js';

/** Above any identifier of an entry. */
const LAST_ID = '+';

export class StreamScan {
  /** Nothing more is there, for now. */
  isAtEnd = false;
  private readonly key: string;
  private readonly isForward: boolean;
  private readonly query: HistoryQuery;
  private readonly isMatch: (topic: string) => boolean;
  private waiting: HistoryMessage[] = [];
  private at = 0;
  /** Where the next step begins; behind an entry that was read: `(<id>`. */
  private from: string;
  private count = STEP_ENTRIES;
  /** What lies beyond the time that is asked for is not read. */
  private isOver = false;

  constructor(
    key: string,
    query: HistoryQuery,
    isForward: boolean,
    isMatch: (topic: string) => boolean,
  ) {
    this.key = key;
    this.query = query;
    this.isForward = isForward;
    this.isMatch = isMatch;
    const { sinceMs, untilMs } = query;
    const lastMs = Math.min(query.takenUntilMs, untilMs + LATE_MS);
    if (isForward) this.from = idOf(sinceMs - SKEW_MS);
    else this.from = lastMs === Number.POSITIVE_INFINITY ? LAST_ID : idOf(lastMs + 1);
  }

  /** The next message; null: there is none, or it has to be read first. */
  get head(): HistoryMessage | null {
    return this.waiting[this.at] ?? null;
  }

  get needsMore(): boolean {
    return this.head === null && !this.isAtEnd && !this.isOver;
  }

  /** True when a later look may find something. */
  get canGrow(): boolean {
    return this.isForward && !this.isOver;
  }

  take(): HistoryMessage {
    const message = this.waiting[this.at++]!;
    if (this.at === this.waiting.length) {
      this.waiting = [];
      this.at = 0;
    }
    return message;
  }

  question(): Question {
    const count = String(this.count);
    if (this.isForward) return ['XRANGE', this.key, this.from, '+', 'COUNT', count];
    return ['XREVRANGE', this.key, this.from, '-', 'COUNT', count];
  }

  /**
   * What the question brought. @returns messages that were looked at
   *
   * @throws BrokerError `RECORD_INVALID`
   */
  onAnswer(entries: readonly StreamEntry[]): number {
    let scanned = 0;
    let bytes = 0;
    if (entries.length < this.count) this.isAtEnd = true;
    for (const entry of entries) {
      const [id, fields] = entry;
      if (this.isBeyond(takenMsOf(id))) {
        this.isOver = true;
        break;
      }
      this.from = `(${String(id)}`;
      for (const field of fields) bytes += field.length;
      scanned += this.takeEntry(entry);
    }
    const each = Math.max(1, bytes / Math.max(1, entries.length));
    this.count = Math.min(STEP_ENTRIES_MAX, Math.max(1, Math.floor(STEP_BYTES / each)));
    return scanned;
  }

  private takeEntry(entry: StreamEntry): number {
    const { isWanted, sinceMs, untilMs } = this.query;
    const isMatch = (topic: string, timeMs: number): boolean =>
      timeMs >= sinceMs && timeMs <= untilMs && this.isMatch(topic);
    const { count, wanted } = messagesOf(entry, isMatch, isWanted);
    if (this.isForward) this.waiting.push(...wanted);
    else this.waiting.push(...[...wanted].reverse());
    return count;
  }

  private isBeyond(ms: number): boolean {
    const { sinceMs, takenUntilMs, untilMs } = this.query;
    if (!this.isForward) return ms < sinceMs - SKEW_MS;
    return ms > takenUntilMs || ms > untilMs + LATE_MS;
  }
}

function idOf(ms: number): string {
  return String(Math.max(0, Math.floor(ms)));
}
