/** Reads a session's queue: first what is in the database, then what is not there yet. */
import type { QueuedRecord, QueueRead } from '../store.js';
import type { Database } from './database.js';
import type { DiskSession } from './disk-session.js';
import { countOf, recordBytesOf, recordsAt } from './queue-entry.js';
import type { SessionQueue } from './session-queue.js';

/**
 * Only what is safe is read: a number that a client has seen must never come to mean another
 * message, and that of a message that is not safe could after a crash.
 */
export function readQueue(
  session: DiskSession,
  database: Database,
  fromSeq: number,
  bytesMax: number,
): QueueRead {
  const { number, queue } = session;
  const reader = new QueueReader(queue, fromSeq, bytesMax);
  const { seq } = reader;
  if (seq >= queue.safeEndSeq) return reader.nothing;
  if (seq < queue.storedEnd) {
    const first = database.entryAt(number, seq);
    if (first !== null && !reader.take(first.firstSeq, first.bytes, 0, false)) return reader.result;
    database.forEachEntry(number, seq, queue.storedEnd, ({ firstSeq, bytes }) =>
      reader.take(firstSeq, bytes, 0, false),
    );
  }
  for (const { firstSeq, endSeq, buffer, at } of queue.recent ?? []) {
    if (reader.isFull) break;
    if (endSeq > seq) reader.take(firstSeq, buffer, at, true);
  }
  return reader.result;
}

class QueueReader {
  readonly seq: number;
  private readonly fromSeq: number;
  /** True when there is no room for the next record. */
  isFull = false;
  private nextSeq: number;
  private bytes = 0;
  private readonly records: QueuedRecord[] = [];
  private readonly queue: SessionQueue;
  private readonly bytesMax: number;

  constructor(queue: SessionQueue, fromSeq: number, bytesMax: number) {
    this.queue = queue;
    this.fromSeq = fromSeq;
    this.seq = Math.max(fromSeq, queue.firstSeq);
    this.nextSeq = queue.safeEndSeq;
    this.bytesMax = bytesMax;
  }

  get result(): QueueRead {
    return this.resultTo(this.nextSeq);
  }

  /** There is nothing to read. */
  get nothing(): QueueRead {
    return this.resultTo(this.seq);
  }

  private resultTo(nextSeq: number): QueueRead {
    const lapsed: number[] = [];
    for (const seq of this.queue.lapsed ?? []) {
      if (seq >= this.fromSeq && seq < nextSeq) lapsed.push(seq);
    }
    return { records: this.records, nextSeq, lapsed: lapsed.sort((a, b) => a - b) };
  }

  /**
   * Takes the records of an entry; false: enough.
   *
   * @param isShared the bytes are part of something larger, and are copied
   */
  take(firstSeq: number, bytes: Buffer, at: number, isShared: boolean): boolean {
    const { queue, records } = this;
    const endSeq = firstSeq + countOf(bytes, at);
    let recordAt = recordsAt(bytes, at);
    for (let seq = firstSeq; seq < endSeq; seq++) {
      const recordEnd = recordAt + recordBytesOf(bytes, at, seq - firstSeq);
      const isWanted = seq >= this.seq && seq < queue.safeEndSeq && !queue.isGone(seq);
      if (isWanted && records.length > 0 && this.bytes >= this.bytesMax) {
        this.nextSeq = seq;
        this.isFull = true;
        return false;
      }
      if (isWanted) {
        const view = bytes.subarray(recordAt, recordEnd);
        records.push({ seq, record: isShared ? Buffer.from(view) : view });
        this.bytes += view.length;
      }
      recordAt = recordEnd;
    }
    return true;
  }
}
