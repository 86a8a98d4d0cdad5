/**
 * Puts a closed generation into the database, in transactions that are small enough not to hold
 * up the event loop. Everything in it is safe in the journal before it begins, and its segments
 * stay until it is over: what a crash leaves half done is done again from the journal.
 */
import type { Database } from './database.js';
import { packEntries } from './entry-packer.js';
import type { Generation } from './generation.js';
import { RecordKind, recordKey, SEQ_END } from './keys.js';
import { decodeLists, readState } from './session-records.js';

const OPERATIONS_MAX = 2_000;
const BYTES_MAX = 16 * 1024 * 1024;

export class Checkpoint {
  private readonly database: Database;
  private readonly generation: Generation;
  private readonly mayBeRepeat: boolean;

  /** @param mayBeRepeat some of the generation may be in the database already */
  constructor(database: Database, generation: Generation, mayBeRepeat = false) {
    this.database = database;
    this.generation = generation;
    this.mayBeRepeat = mayBeRepeat;
  }

  /** @param floor the first segment of the journal that is needed afterwards */
  async run(floor: number): Promise<void> {
    const { database } = this;
    const { records, retained } = this.generation;
    await this.drain(records, ([key, value]) => {
      if (value === null) database.removeRecord(key);
      else database.putRecord(key, value);
      return value?.length ?? 0;
    });
    await this.putEntries();
    await this.drain(retained, ([topic, record]) => {
      if (record === null) database.removeRetained(topic);
      else database.putRetained(topic, record);
      return record?.length ?? 0;
    });
    for (const number of this.generation.ended) await this.removeSession(number);
    await this.drain(this.trimmed(), ({ number, seq }) => {
      database.removeEntry(number, seq);
      return 0;
    });
    const lastEpoch = Math.max(database.lastEpoch, this.generation.lastEpoch);
    await database.transact(() => database.putProgress(floor, lastEpoch));
  }

  private putEntries(): Promise<void> {
    return this.drain(packEntries(this.generation), ({ number, firstSeq, value, isFirst }) => {
      if (isFirst && this.mayBeRepeat) this.removeFrom(number, firstSeq);
      this.database.putEntry(number, firstSeq, value);
      return value.length;
    });
  }

  /** What the database has of these messages is from a checkpoint that was cut short. */
  private removeFrom(number: number, firstSeq: number): void {
    const seqs = this.database.entrySeqs(number, firstSeq, SEQ_END);
    for (const seq of seqs) this.database.removeEntry(number, seq);
  }

  private async removeSession(number: number): Promise<void> {
    const { database } = this;
    for (;;) {
      const keys = database.recordKeys(number, OPERATIONS_MAX);
      const seqs = database.entrySeqs(number, 0, SEQ_END, OPERATIONS_MAX);
      if (keys.length === 0 && seqs.length === 0) return;
      await database.transact(() => {
        for (const key of keys) database.removeRecordKey(key);
        for (const seq of seqs) database.removeEntry(number, seq);
      });
    }
  }

  /** The entries that are done, of the sessions that have such. */
  private *trimmed(): Generator<{ number: number; seq: number }> {
    const { trimmed, ended } = this.generation;
    for (const number of trimmed) {
      const state = this.record(number, RecordKind.State);
      if (state === null || ended.has(number)) continue;
      yield* this.covered(number, 0, readState(state).firstSeq);
      const lists = this.record(number, RecordKind.Lists);
      const gaps = lists === null ? [] : decodeLists(lists).gaps;
      for (let index = 0; index < gaps.length; index += 2) {
        yield* this.covered(number, gaps[index]!, gaps[index + 1]!);
      }
    }
  }

  /** The entries that lie in `from` … `to` with all their messages. */
  private *covered(
    number: number,
    from: number,
    to: number,
  ): Generator<{ number: number; seq: number }> {
    for (let start = from; ; ) {
      const seqs = this.database.entrySeqs(number, start, to, OPERATIONS_MAX);
      for (const [index, seq] of seqs.entries()) {
        const isLast = index === seqs.length - 1;
        // The others end where the next one begins, or before.
        if (!isLast || seq + this.database.entryCount(number, seq) <= to) yield { number, seq };
      }
      if (seqs.length < OPERATIONS_MAX) return;
      start = seqs[seqs.length - 1]! + 1;
    }
  }

  /** As the generation has it: what was written since may not be safe yet. */
  private record(number: number, kind: RecordKind): Buffer | null {
    const value = this.generation.records.get(recordKey(number, kind));
    return value === undefined ? this.database.record(number, kind) : value;
  }

  private async drain<T>(items: Iterable<T>, put: (item: T) => number): Promise<void> {
    const iterator = items[Symbol.iterator]();
    let next = iterator.next();
    while (!next.done) {
      await this.database.transact(() => {
        let bytes = 0;
        for (let count = 0; !next.done && count < OPERATIONS_MAX && bytes < BYTES_MAX; count++) {
          bytes += put(next.value);
          next = iterator.next();
        }
      });
    }
  }
}
