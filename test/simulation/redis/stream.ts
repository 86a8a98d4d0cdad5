/** A stream: entries by ascending id. */
import { ErrorReply } from './reply.js';

/** Two whole numbers below 2^53. */
export interface StreamId {
  readonly ms: number;
  readonly seq: number;
}

export interface Entry extends StreamId {
  readonly fields: readonly string[];
}

/** Redis trims whole nodes of so many entries where the limit is about. */
const NODE_ENTRIES = 100;

export class Stream {
  entries: Entry[] = [];
  last: StreamId = { ms: 0, seq: 0 };

  /** @throws ErrorReply for an id that is not above the last one */
  add(id: StreamId, fields: readonly string[]): void {
    if (compare(id, this.last) <= 0) {
      const detail = 'The ID specified in XADD is equal or smaller than the target stream top item';
      throw new ErrorReply(`ERR ${detail}`);
    }
    this.entries.push({ ...id, fields });
    this.last = id;
  }

  /** The id that `*` means. */
  nextId(nowMs: number): StreamId {
    if (nowMs > this.last.ms) return { ms: nowMs, seq: 0 };
    return { ms: this.last.ms, seq: this.last.seq + 1 };
  }

  range(from: StreamId, to: StreamId, count: number): Entry[] {
    const found: Entry[] = [];
    for (let at = this.indexOf(from); at < this.entries.length && found.length < count; at++) {
      const entry = this.entries[at]!;
      if (compare(entry, to) > 0) break;
      found.push(entry);
    }
    return found;
  }

  delete(id: StreamId): boolean {
    const at = this.indexOf(id);
    const entry = this.entries[at];
    if (entry === undefined || compare(entry, id) !== 0) return false;
    this.entries.splice(at, 1);
    return true;
  }

  /** Deletes what is below an id; returns how many that were. */
  trimBelow(id: StreamId): number {
    const at = this.indexOf(id);
    this.entries.splice(0, at);
    return at;
  }

  /** Keeps about, or exactly, so many. */
  trimTo(length: number, isExact: boolean): number {
    let more = Math.max(0, this.entries.length - length);
    if (!isExact) more -= more % NODE_ENTRIES;
    this.entries.splice(0, more);
    return more;
  }

  copy(): Stream {
    const copy = new Stream();
    copy.entries = [...this.entries];
    copy.last = this.last;
    return copy;
  }

  /** Index of the first entry that is not below an id. */
  private indexOf(id: StreamId): number {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(this.entries[middle]!, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function compare(a: StreamId, b: StreamId): number {
  return a.ms === b.ms ? a.seq - b.seq : a.ms - b.ms;
}

/** @param missing the second number, where only the first is given */
export function parseId(text: string, missing: number): StreamId {
  if (text === '-') return { ms: 0, seq: 0 };
  if (text === '+') return { ms: Number.MAX_VALUE, seq: Number.MAX_VALUE };
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (match === null) {
    throw new ErrorReply('ERR Invalid stream ID specified as stream command argument');
  }
  return { ms: Number(match[1]), seq: match[2] === undefined ? missing : Number(match[2]) };
}

export function idText({ ms, seq }: StreamId): string {
  return `${ms}-${seq}`;
}
