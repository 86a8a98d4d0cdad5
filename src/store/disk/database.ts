/**
 * The database that the journal is put into: LMDB, and the only file that knows of it.
 *
 * `overlappingSync` is off: a transaction is on the medium before its promise resolves and before
 * the next one begins, so a failure is known before anything is built on it. Readers see what is
 * committed; each read is over before the function returns, so no page is pinned.
 */
import { type Database as LmdbTable, open, type RootDatabase } from 'lmdb';
import { assert } from '../../base/assert.js';
import { messageOf } from '../../base/errors.js';
import { checkHeader, damaged } from './database-header.js';
import {
  entryKey,
  RecordKind,
  recordKey,
  recordRange,
  retainedKey,
  seqOfEntry,
  topicOfKey,
} from './keys.js';
import { readSix, SIX, writeSix } from './numbers.js';
import { countOf } from './queue-entry.js';

type Table = LmdbTable<Buffer, Buffer>;

const TABLES_MAX = 4;
/** A transaction has some 16 MB at most: a disk that takes longer is not one to go on with. */
const PATIENCE_MS = 60_000;
const ALL = Number.MAX_SAFE_INTEGER;
const FLOOR = Buffer.from('floor');
const EPOCH = Buffer.from('epoch');

export interface StoredEntry {
  readonly firstSeq: number;
  /** See queue-entry.ts; the reader's own. */
  readonly bytes: Buffer;
}

export class Database {
  /** Begun; each is on the medium when it is over. */
  transactions = 0;
  private readonly root: RootDatabase<Buffer, Buffer>;
  private readonly sessions: Table;
  private readonly queues: Table;
  private readonly retained: Table;
  private readonly about: Table;
  private readonly patienceMs: number;

  /** @throws BrokerError `STORE_DAMAGED` when the file is not what it should be */
  constructor(file: string, patienceMs = PATIENCE_MS) {
    this.patienceMs = patienceMs;
    checkHeader(file);
    try {
      const options = { encoding: 'binary', keyEncoding: 'binary' } as const;
      const rootOptions = {
        ...options,
        path: file,
        noSubdir: true,
        overlappingSync: false,
        // Each transaction is one `batch`. With it, a failure rejects promises that nobody has.
        eventTurnBatching: false,
        maxDbs: TABLES_MAX,
        // Messages are nobody else's business. The binding has it, its types do not.
        permissionsMode: 0o600,
      };
      this.root = open<Buffer, Buffer>(rootOptions);
      this.sessions = this.root.openDB({ ...options, name: 'sessions' });
      this.queues = this.root.openDB({ ...options, name: 'queues' });
      this.retained = this.root.openDB({ ...options, name: 'retained' });
      this.about = this.root.openDB({ ...options, name: 'about' });
    } catch (error) {
      throw damaged(file, messageOf(error), error);
    }
  }

  /**
   * One transaction: all of it or nothing, and on the medium when the promise resolves.
   *
   * @param write calls the functions below that put and remove
   */
  async transact(write: () => void): Promise<void> {
    const { patienceMs } = this;
    let timer: NodeJS.Timeout | undefined;
    // The binding settles its promise, for all we know; if it ever did not, nobody would notice.
    const late = new Promise<never>((_, reject) => {
      const seconds = Math.round(patienceMs / 1000);
      const detail = `a transaction is not over after ${seconds} s; see the standard error output`;
      timer = setTimeout(() => reject(new Error(detail)), patienceMs);
    });
    this.transactions++;
    try {
      await Promise.race([this.batch(write), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  putRecord(key: string, value: Buffer): void {
    void this.sessions.put(Buffer.from(key, 'latin1'), value);
  }

  removeRecord(key: string): void {
    void this.sessions.remove(Buffer.from(key, 'latin1'));
  }

  removeRecordKey(key: Buffer): void {
    void this.sessions.remove(key);
  }

  putEntry(number: number, firstSeq: number, value: Buffer): void {
    void this.queues.put(entryKey(number, firstSeq), value);
  }

  removeEntry(number: number, firstSeq: number): void {
    void this.queues.remove(entryKey(number, firstSeq));
  }

  putRetained(topic: string, record: Buffer): void {
    const name = Buffer.from(topic);
    const { key, isHashed } = retainedKey(name);
    void this.retained.put(key, isHashed ? withTopic(name, record) : record);
  }

  removeRetained(topic: string): void {
    void this.retained.remove(retainedKey(Buffer.from(topic)).key);
  }

  /**
   * @param floor segments of the journal below are all in the database
   * @param lastEpoch the highest that was given out
   */
  putProgress(floor: number, lastEpoch: number): void {
    void this.about.put(FLOOR, bytesOf(floor));
    void this.about.put(EPOCH, bytesOf(lastEpoch));
  }

  get floor(): number {
    return numberIn(this.about.getBinary(FLOOR)) ?? 1;
  }

  get lastEpoch(): number {
    return numberIn(this.about.getBinary(EPOCH)) ?? 0;
  }

  record(number: number, kind: RecordKind): Buffer | null {
    const value = this.sessions.getBinary(Buffer.from(recordKey(number, kind), 'latin1'));
    return value === undefined ? null : bufferOf(value);
  }

  /** All records of all sessions, session by session. */
  forEachRecord(visit: (key: Buffer, value: Buffer) => void): void {
    for (const { key, value } of this.sessions.getRange()) visit(key, bufferOf(value));
  }

  forEachSubscription(number: number, visit: (key: Buffer, value: Buffer) => void): void {
    const start = Buffer.from(recordKey(number, RecordKind.Subscription), 'latin1');
    const { end } = recordRange(number);
    for (const { key, value } of this.sessions.getRange({ start, end })) {
      visit(key, bufferOf(value));
    }
  }

  /** Some keys of a session's records; empty: there are none left. */
  recordKeys(number: number, limit: number): Buffer[] {
    return [...this.sessions.getKeys({ ...recordRange(number), limit })];
  }

  /** Numbers of entries from `fromSeq` on and below `toSeq`, ascending, at most so many. */
  entrySeqs(number: number, fromSeq: number, toSeq: number, limit = ALL): number[] {
    const start = entryKey(number, fromSeq);
    const range = this.queues.getKeys({ start, end: entryKey(number, toSeq), limit });
    return [...range].map(seqOfEntry);
  }

  entryCount(number: number, firstSeq: number): number {
    const value = this.queues.getBinary(entryKey(number, firstSeq));
    assert(value !== undefined, 'the entry was there when its key was read');
    return countOf(bufferOf(value), 0);
  }

  /** The last entry that begins at or before `seq`; null: there is none. */
  entryAt(number: number, seq: number): StoredEntry | null {
    const range = { start: entryKey(number, seq), end: entryKey(number, 0), limit: 1 };
    for (const { key, value } of this.queues.getRange({ ...range, reverse: true })) {
      return { firstSeq: seqOfEntry(key), bytes: bufferOf(value) };
    }
    return null;
  }

  /** Entries that begin after `afterSeq` and before `toSeq`, ascending, while `visit` says so. */
  forEachEntry(
    number: number,
    afterSeq: number,
    toSeq: number,
    visit: (entry: StoredEntry) => boolean,
  ): void {
    const range = { start: entryKey(number, afterSeq + 1), end: entryKey(number, toSeq) };
    for (const { key, value } of this.queues.getRange(range)) {
      if (!visit({ firstSeq: seqOfEntry(key), bytes: bufferOf(value) })) return;
    }
  }

  forEachRetained(visit: (topic: string, record: Buffer) => void): void {
    for (const { key, value } of this.retained.getRange()) {
      const topic = topicOfKey(key);
      const bytes = bufferOf(value);
      if (topic !== null) visit(topic, bytes);
      else visit(...splitTopic(bytes));
    }
  }

  async close(): Promise<void> {
    await this.root.close();
  }

  private async batch(write: () => void): Promise<void> {
    try {
      await this.root.batch(write);
    } catch (error) {
      throw await reasonOf(error);
    }
  }

  /** After a failure: does not wait for what may never come. */
  abandon(): void {
    this.root.close().catch(() => undefined);
  }
}

/** lmdb rejects with an error that says only that there is another one. */
async function reasonOf(error: unknown): Promise<unknown> {
  const reason: unknown = (error as { commitError?: unknown }).commitError;
  if (!(reason instanceof Promise)) return error;
  try {
    await reason;
    return error;
  } catch (cause) {
    return cause;
  }
}

function bytesOf(value: number): Buffer {
  const bytes = Buffer.alloc(SIX);
  writeSix(bytes, value, 0);
  return bytes;
}

function numberIn(bytes: Uint8Array | undefined): number | null {
  return bytes === undefined ? null : readSix(bufferOf(bytes), 0);
}

function withTopic(topic: Buffer, record: Buffer): Buffer {
  const size = Buffer.alloc(2);
  size.writeUInt16BE(topic.length);
  return Buffer.concat([size, topic, record]);
}

function splitTopic(bytes: Buffer): [topic: string, record: Buffer] {
  const recordAt = 2 + bytes.readUInt16BE(0);
  return [bytes.toString('utf8', 2, recordAt), bytes.subarray(recordAt)];
}

/** lmdb hands out typed arrays of its own making in places. */
function bufferOf(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
