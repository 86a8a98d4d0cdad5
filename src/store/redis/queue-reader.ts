/** Reads a session's queue: entries in steps, as many as a budget of bytes allows. */
import { nothingRead } from '../answers.js';
import type { QueuedRecord, QueueRead } from '../store.js';
import { type Keys, sessionTag } from './keys.js';
import type { Reader } from './reader.js';
import {
  decodeHeader,
  HeaderFlag,
  numbersIn,
  numbersOf,
  rangeOf,
  rangesOf,
  type SessionHeader,
} from './scripts/header.js';
import { slotOf } from './slot.js';
import { ASK_MS, READ_ENTRIES, READ_ENTRIES_MAX } from './tuning.js';

/**
 * @param fromSeq where to begin
 * @param bytesMax enough; the last entry is read to its end all the same
 * @throws BrokerError `STORE_AWAY`
 */
export async function readQueue(
  reader: Reader,
  keys: Keys,
  clientId: string,
  fromSeq: number,
  bytesMax: number,
): Promise<QueueRead> {
  const tag = sessionTag(clientId);
  const slot = slotOf(tag);
  const hash = keys.session(tag, 's');
  const queue = keys.session(tag, 'q');
  const window = new Window(fromSeq, bytesMax);
  let count = READ_ENTRIES;
  for (;;) {
    // The state first: what came between the two is left to the next read.
    const [state, entries] = await reader.ask(
      slot,
      [
        ['HMGET', hash, 'h', 'd', 'g', 'o'],
        ['XRANGE', queue, String(window.fromSeq), '+', 'COUNT', String(count)],
      ],
      ASK_MS,
    );
    const [header, done, gone, lapsed] = state as readonly (Buffer | null)[];
    const decoded = header === null || header === undefined ? null : decodeHeader(header);
    if (decoded === null || decoded.flags >= HeaderFlag.Ended) {
      return nothingRead(fromSeq);
    }
    const isOver = window.take(entries as readonly StreamEntry[], count, {
      header: decoded,
      done: new Set(numbersOf(done?.toString() ?? '')),
      ranges: rangesOf(gone?.toString() ?? ''),
    });
    if (isOver) {
      const nextSeq = window.fromSeq;
      const all = numbersIn(rangesOf(lapsed?.toString() ?? ''));
      const passed = all.filter((seq) => seq >= fromSeq && seq < nextSeq);
      return { records: window.records, nextSeq, lapsed: passed };
    }
    count = window.nextCount();
  }
}

type StreamEntry = readonly [id: Buffer, fields: readonly Buffer[]];

interface QueueState {
  readonly header: SessionHeader;
  readonly done: ReadonlySet<number>;
  /** First and last number in turn of what gave way. */
  readonly ranges: readonly number[];
}

class Window {
  readonly records: QueuedRecord[] = [];
  /** Where to go on. */
  fromSeq: number;
  private readonly bytesMax: number;
  private bytes = 0;
  private entries = 0;

  constructor(fromSeq: number, bytesMax: number) {
    this.fromSeq = fromSeq;
    this.bytesMax = bytesMax;
  }

  /** Takes what a step read; true when it is enough, or all. */
  take(entries: readonly StreamEntry[], count: number, state: QueueState): boolean {
    const { endSeq, firstSeq } = state.header;
    this.fromSeq = Math.max(this.fromSeq, firstSeq);
    for (const [id, fields] of entries) {
      this.entries++;
      if (this.takeEntry(id.toString(), fields[1]!, state)) return this.skip(state);
    }
    if (entries.length === count) return this.skip(state) && this.fromSeq >= endSeq;
    this.fromSeq = Math.max(this.fromSeq, endSeq);
    return true;
  }

  /** How many entries the next step may ask for. */
  nextCount(): number {
    const each = Math.max(1, this.bytes / Math.max(1, this.entries));
    const fitting = Math.ceil((this.bytesMax - this.bytes) / each);
    return Math.min(READ_ENTRIES_MAX, Math.max(1, fitting));
  }

  /** True when there is enough. */
  private takeEntry(id: string, data: Buffer, state: QueueState): boolean {
    const dash = id.indexOf('-');
    const last = Number(id.slice(0, dash));
    let seq = last - Number(id.slice(dash + 1)) + 1;
    for (let at = 0; seq <= last; seq++) {
      const length = data.readUInt32BE(at);
      const start = at + 8;
      at = start + length;
      if (seq < this.fromSeq || seq >= state.header.endSeq || isMissing(seq, state)) continue;
      // A slice would keep the whole answer in memory.
      this.records.push({ seq, record: Buffer.from(data.subarray(start, at)) });
      this.bytes += length;
      this.fromSeq = seq + 1;
      if (this.bytes >= this.bytesMax) return true;
    }
    // What arrived since the header was read is not passed over: its numbers come next.
    this.fromSeq = Math.max(this.fromSeq, Math.min(last + 1, state.header.endSeq));
    return false;
  }

  /** Moves behind numbers that are missing. */
  private skip({ done, header, ranges }: QueueState): true {
    for (let from = -1; from !== this.fromSeq; ) {
      from = this.fromSeq;
      while (this.fromSeq < header.endSeq && done.has(this.fromSeq)) this.fromSeq++;
      const range = rangeOf(this.fromSeq, ranges);
      if (range >= 0) this.fromSeq = ranges[range + 1]! + 1;
    }
    return true;
  }
}

function isMissing(seq: number, { done, ranges }: QueueState): boolean {
  return done.has(seq) || rangeOf(seq, ranges) >= 0;
}
