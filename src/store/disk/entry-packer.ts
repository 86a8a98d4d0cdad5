/**
 * Prepares the entries of a generation for the database: session by session, small ones that
 * follow each other joined to larger ones. A thousand turns with one message for a session are one
 * entry, not a thousand, and neighbours are put one after the other.
 */
import type { Entry, Generation } from './generation.js';
import { ENTRY_BYTES_MAX, ENTRY_RECORDS_MAX, joinEntries } from './queue-entry.js';

export interface PackedEntry {
  readonly number: number;
  readonly firstSeq: number;
  readonly value: Buffer;
  /** The first of its session in this generation. */
  readonly isFirst: boolean;
}

export function* packEntries({ entries, ended }: Generation): Iterable<PackedEntry> {
  const bySession = new Map<number, Entry[]>();
  for (const entry of entries) {
    if (entry.isGone || ended.has(entry.number)) continue;
    const others = bySession.get(entry.number);
    if (others === undefined) bySession.set(entry.number, [entry]);
    else others.push(entry);
  }
  const numbers = [...bySession.keys()].sort((a, b) => a - b);
  for (const number of numbers) yield* packSession(number, bySession.get(number)!);
}

function* packSession(number: number, entries: readonly Entry[]): Iterable<PackedEntry> {
  for (let from = 0; from < entries.length; ) {
    const count = countToJoin(entries, from);
    const first = entries[from]!;
    const { firstSeq, buffer, at, bytes } = first;
    const value =
      count === 1
        ? buffer.subarray(at, at + bytes)
        : joinEntries(entries.slice(from, from + count));
    yield { number, firstSeq, value, isFirst: from === 0 };
    from += count;
  }
}

function countToJoin(entries: readonly Entry[], from: number): number {
  const first = entries[from]!;
  let { bytes, endSeq, count: records } = first;
  let index = from + 1;
  while (index < entries.length) {
    const next = entries[index]!;
    bytes += next.bytes;
    records += next.count;
    const fits = bytes <= ENTRY_BYTES_MAX && records <= ENTRY_RECORDS_MAX;
    if (!fits || next.firstSeq !== endSeq) break;
    endSeq = next.endSeq;
    index++;
  }
  return index - from;
}
