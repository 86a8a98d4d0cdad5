/**
 * What was written since the last checkpoint began: the newest value of every record, and the
 * queues' new entries. It is in one or two segments of the journal, and here until it is in the
 * database. Of what came and went in between, the database never hears.
 */
import type { SessionQueue } from './session-queue.js';

/** An entry of a queue that is not known to be in the database. */
export class Entry {
  readonly number: number;
  readonly firstSeq: number;
  readonly count: number;
  readonly buffer: Buffer;
  /** Where the entry's bytes are in `buffer`. */
  readonly at: number;
  readonly bytes: number;
  readonly generation: Generation;
  /** Null: read from the journal of an earlier process. */
  readonly queue: SessionQueue | null;
  /** All of it was done before the generation was closed: the database need not have it. */
  isGone = false;

  constructor(
    number: number,
    firstSeq: number,
    count: number,
    buffer: Buffer,
    at: number,
    bytes: number,
    generation: Generation,
    queue: SessionQueue | null,
  ) {
    this.number = number;
    this.firstSeq = firstSeq;
    this.count = count;
    this.buffer = buffer;
    this.at = at;
    this.bytes = bytes;
    this.generation = generation;
    this.queue = queue;
  }

  get endSeq(): number {
    return this.firstSeq + this.count;
  }
}

export class Generation {
  /** False once a checkpoint has begun with it. */
  isOpen = true;
  /** The database has it. */
  isStored = false;
  /** The highest that was given out, also to sessions that have ended. */
  lastEpoch = 0;
  /** Records of sessions by key; null: removed. */
  readonly records = new Map<string, Buffer | null>();
  readonly entries: Entry[] = [];
  /** Retained messages by topic name; null: deleted. */
  readonly retained = new Map<string, Buffer | null>();
  /** Numbers of sessions that ended. */
  readonly ended = new Set<number>();
  /** Numbers of sessions with entries in the database that are done. */
  readonly trimmed = new Set<number>();

  get isEmpty(): boolean {
    return (
      this.records.size === 0 &&
      this.entries.length === 0 &&
      this.retained.size === 0 &&
      this.ended.size === 0 &&
      this.trimmed.size === 0
    );
  }
}
