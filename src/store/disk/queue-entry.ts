/**
 * Messages of one write, packed into one entry of a session's queue. Hot path.
 *
 *     u16 count · count × (u32 bytes of the record, u32 bytes of its payload) · records
 *
 * The first one's number is in the entry's key, the others follow without a gap. An entry is
 * small, so that a message at its end costs little to read, unless one record is large.
 */
import type { Append } from '../store.js';

export const ENTRY_BYTES_MAX = 32 * 1024;
export const ENTRY_RECORDS_MAX = 512;

const COUNT_BYTES = 2;
const SIZES_BYTES = 8;

/** How many of `messages`, from `from` on, go into one entry. */
export function entryCount(messages: readonly Append[], from: number): number {
  let bytes = messages[from]!.record.length;
  let index = from + 1;
  while (index < messages.length && index - from < ENTRY_RECORDS_MAX) {
    bytes += messages[index]!.record.length;
    if (bytes > ENTRY_BYTES_MAX) break;
    index++;
  }
  return index - from;
}

export function entryBytes(messages: readonly Append[], from: number, count: number): number {
  let bytes = COUNT_BYTES + count * SIZES_BYTES;
  for (let index = from; index < from + count; index++) bytes += messages[index]!.record.length;
  return bytes;
}

export function writeEntry(
  target: Buffer,
  at: number,
  messages: readonly Append[],
  from: number,
  count: number,
): void {
  let sizesAt = target.writeUInt16BE(count, at);
  let recordAt = sizesAt + count * SIZES_BYTES;
  for (let index = from; index < from + count; index++) {
    const { record, payloadBytes } = messages[index]!;
    sizesAt = target.writeUInt32BE(record.length, sizesAt);
    sizesAt = target.writeUInt32BE(payloadBytes, sizesAt);
    recordAt += record.copy(target, recordAt);
  }
}

/** `bytes` at `at` in these functions is where the entry begins. */
export function countOf(bytes: Buffer, at: number): number {
  return bytes.readUInt16BE(at);
}

export function payloadBytesOf(bytes: Buffer, at: number, index: number): number {
  return bytes.readUInt32BE(at + COUNT_BYTES + index * SIZES_BYTES + 4);
}

export function recordBytesOf(bytes: Buffer, at: number, index: number): number {
  return bytes.readUInt32BE(at + COUNT_BYTES + index * SIZES_BYTES);
}

/** Where the records of an entry begin. */
export function recordsAt(bytes: Buffer, at: number): number {
  return at + COUNT_BYTES + countOf(bytes, at) * SIZES_BYTES;
}

/** A copy of the sizes alone, which `payloadBytesOf` understands with `at` 0. */
export function sizesOf(bytes: Buffer): Buffer {
  return Buffer.from(bytes.subarray(0, recordsAt(bytes, 0)));
}

/** One entry with the messages of several that follow each other. */
export function joinEntries(parts: readonly EntryBytes[]): Buffer {
  let count = 0;
  let bytes = COUNT_BYTES;
  for (const part of parts) {
    count += part.count;
    bytes += part.bytes - COUNT_BYTES;
  }
  const joined = Buffer.allocUnsafeSlow(bytes);
  let sizesAt = joined.writeUInt16BE(count, 0);
  let recordAt = sizesAt + count * SIZES_BYTES;
  for (const { buffer, at, bytes: partBytes } of parts) {
    const from = recordsAt(buffer, at);
    sizesAt += buffer.copy(joined, sizesAt, at + COUNT_BYTES, from);
    recordAt += buffer.copy(joined, recordAt, from, at + partBytes);
  }
  return joined;
}

/** Where the bytes of an entry are. */
export interface EntryBytes {
  readonly buffer: Buffer;
  readonly at: number;
  readonly bytes: number;
  readonly count: number;
}
