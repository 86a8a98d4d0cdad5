/**
 * What one broker puts in another one's inbox at a time: a frame of items. Hot path. All integers
 * are big-endian.
 *
 *     u8   version (1)
 *     8 B  writer of the sender
 *     u48  number of the call: grows from frame to frame; the same one again is a repeat
 *     items: u8 kind, u32 length, body
 *
 *     1 publish    mark, record
 *     2 publishTo  client, mark, record
 *     3 appended   client, u64 endSeq, u32 count, u48 number that gave way…, then (u32 length,
 *                  record)…
 *     4 claimed    u64 epoch, client id to the end
 *     5 applied    u8 shard, u64 number of the last call of the recipient that was applied
 *     6 look       somebody joined or left: look at the members now
 *     7 lastWill   client, u32 length, what the core knows of the client, will
 *     8 note       u64 number: of the recipient to itself, see `Hearing`
 *
 *     client: u16 length, client id      mark: u8 0, or u8 1, client as publisher, u64 birth,
 *                                        u64 number
 *
 * Items of an unknown kind are passed over, so that a later version may add some; a frame of
 * another version, or one that is damaged, is passed over as a whole.
 */
import { moveBytes, writeU32 } from '../../../base/block.js';
import type { SharedMark } from '../../fabric.js';
import { readU64, writeU48, writeU64 } from '../command-buffer.js';

const VERSION = 1;
const WRITER_BYTES = 8;
export const FRAME_HEAD_BYTES = 1 + WRITER_BYTES + 6;
const ITEM_HEAD_BYTES = 5;

const Kind = {
  Publish: 1,
  PublishTo: 2,
  Appended: 3,
  Claimed: 4,
  Applied: 5,
  Look: 6,
  LastWill: 7,
  Note: 8,
} as const;

export type FrameItem =
  | { readonly kind: 'publish'; readonly record: Buffer; readonly mark: SharedMark | null }
  | {
      readonly kind: 'publishTo';
      readonly clientId: string;
      readonly record: Buffer;
      readonly mark: SharedMark | null;
    }
  | {
      readonly kind: 'appended';
      readonly clientId: string;
      readonly endSeq: number;
      readonly records: readonly Buffer[];
      /** Its own: it grows while it waits. */
      readonly dropped: number[];
    }
  | { readonly kind: 'claimed'; readonly clientId: string; readonly epoch: number }
  | { readonly kind: 'applied'; readonly shard: number; readonly call: number }
  | { readonly kind: 'look' }
  | {
      readonly kind: 'lastWill';
      readonly clientId: string;
      readonly info: Buffer;
      readonly will: Buffer;
    }
  | { readonly kind: 'note'; readonly number: number };

/** See `FabricObserver.onAppended`. */
export interface Appended {
  readonly clientId: string;
  readonly endSeq: number;
  /** Of the last numbers, those that gave way included. */
  readonly records: readonly Buffer[];
  readonly dropped: readonly number[];
}

export interface Frame {
  readonly writer: string;
  readonly number: number;
  /** Records are views of the frame. */
  readonly items: readonly FrameItem[];
  /** Items of kinds that only later versions know. */
  readonly unknown: number;
}

/** Bytes of an item, with its head. */
export function itemBytes(item: FrameItem): number {
  return ITEM_HEAD_BYTES + bodyBytes(item);
}

function bodyBytes(item: FrameItem): number {
  switch (item.kind) {
    case 'publish':
      return markBytes(item.mark) + item.record.length;
    case 'publishTo':
      return textBytes(item.clientId) + markBytes(item.mark) + item.record.length;
    case 'appended':
      return item.records.reduce(
        (sum, one) => sum + 4 + one.length,
        textBytes(item.clientId) + 12 + 6 * item.dropped.length,
      );
    case 'claimed':
      return 8 + Buffer.byteLength(item.clientId);
    case 'applied':
      return 9;
    case 'look':
      return 0;
    case 'lastWill':
      return textBytes(item.clientId) + 4 + item.info.length + item.will.length;
    case 'note':
      return 8;
  }
}

/**
 * Writes a frame; the items' bytes and `FRAME_HEAD_BYTES` must have room from `at` on.
 *
 * @returns where it ends
 */
export function writeFrame(
  bytes: Buffer,
  at: number,
  writer: Uint8Array,
  number: number,
  items: readonly FrameItem[],
): number {
  bytes[at] = VERSION;
  bytes.set(writer, at + 1);
  at = writeU48(bytes, number, at + 1 + WRITER_BYTES);
  for (let index = 0; index < items.length; index++) {
    const item = items[index]!;
    const bodyAt = at + ITEM_HEAD_BYTES;
    const end = writeBody(bytes, bodyAt, item);
    bytes[at] = kindOf(item);
    writeU32(bytes, end - bodyAt, at + 1);
    at = end;
  }
  return at;
}

function kindOf(item: FrameItem): number {
  switch (item.kind) {
    case 'publish':
      return Kind.Publish;
    case 'publishTo':
      return Kind.PublishTo;
    case 'appended':
      return Kind.Appended;
    case 'claimed':
      return Kind.Claimed;
    case 'applied':
      return Kind.Applied;
    case 'look':
      return Kind.Look;
    case 'lastWill':
      return Kind.LastWill;
    case 'note':
      return Kind.Note;
  }
}

function writeBody(bytes: Buffer, at: number, item: FrameItem): number {
  switch (item.kind) {
    case 'publish':
      return writeRecord(bytes, writeMark(bytes, at, item.mark), item.record);
    case 'publishTo':
      at = writeText(bytes, at, item.clientId);
      return writeRecord(bytes, writeMark(bytes, at, item.mark), item.record);
    case 'appended':
      at = writeU64(bytes, item.endSeq, writeText(bytes, at, item.clientId));
      at = writeU32(bytes, item.dropped.length, at);
      for (const seq of item.dropped) at = writeU48(bytes, seq, at);
      for (const record of item.records) {
        at = writeRecord(bytes, writeU32(bytes, record.length, at), record);
      }
      return at;
    case 'claimed':
      at = writeU64(bytes, item.epoch, at);
      return at + bytes.write(item.clientId, at);
    case 'applied':
      bytes[at] = item.shard;
      return writeU64(bytes, item.call, at + 1);
    case 'look':
      return at;
    case 'lastWill':
      at = writeU32(bytes, item.info.length, writeText(bytes, at, item.clientId));
      return writeRecord(bytes, writeRecord(bytes, at, item.info), item.will);
    case 'note':
      return writeU64(bytes, item.number, at);
  }
}

/** A frame, or why it is passed over. */
export function readFrame(bytes: Buffer): Frame | string {
  const version = bytes[0];
  if (version === undefined) return 'empty';
  if (version !== VERSION) return `of version ${version}, this broker knows ${VERSION}`;
  try {
    return new FrameReader(bytes).read();
  } catch (error) {
    if (error instanceof RangeError) return `damaged: ${error.message}`;
    throw error;
  }
}

class FrameReader {
  private readonly bytes: Buffer;
  private at = 1;
  /** Nothing of what is being read lies behind it. */
  private end: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  read(): Frame {
    const writer = this.bytes.toString('latin1', this.at, this.skip(WRITER_BYTES));
    const number = this.bytes.readUIntBE(this.at, 6);
    this.at += 6;
    const items: FrameItem[] = [];
    let unknown = 0;
    while (this.at < this.bytes.length) {
      this.end = this.bytes.length;
      const kind = this.bytes.readUInt8(this.at);
      const length = this.bytes.readUInt32BE(this.at + 1);
      this.at += ITEM_HEAD_BYTES;
      const end = this.at + length;
      if (end > this.end) throw new RangeError('an item is cut off');
      this.end = end;
      const item = this.item(kind);
      if (item === null) unknown++;
      else items.push(item);
      // What a later version added at the end of an item is passed over.
      this.at = end;
    }
    return { writer, number, items, unknown };
  }

  private item(kind: number): FrameItem | null {
    switch (kind) {
      case Kind.Publish:
        return { kind: 'publish', mark: this.mark(), record: this.rest() };
      case Kind.PublishTo:
        return {
          kind: 'publishTo',
          clientId: this.text(),
          mark: this.mark(),
          record: this.rest(),
        };
      case Kind.Appended:
        return {
          kind: 'appended',
          clientId: this.text(),
          endSeq: this.u64(),
          dropped: this.numbers(),
          records: this.records(),
        };
      case Kind.Claimed:
        return { kind: 'claimed', epoch: this.u64(), clientId: this.rest().toString() };
      case Kind.Applied:
        return { kind: 'applied', shard: this.u8(), call: this.u64() };
      case Kind.Look:
        return { kind: 'look' };
      case Kind.LastWill:
        return {
          kind: 'lastWill',
          clientId: this.text(),
          info: this.sized(),
          will: this.rest(),
        };
      case Kind.Note:
        return { kind: 'note', number: this.u64() };
      default:
        return null;
    }
  }

  private u8(): number {
    return this.bytes[this.skip(1) - 1]!;
  }

  private u64(): number {
    const at = this.at;
    this.skip(8);
    return readU64(this.bytes, at);
  }

  private text(): string {
    const at = this.at;
    this.skip(2);
    const start = this.at;
    return this.bytes.toString('utf8', start, this.skip(this.bytes.readUInt16BE(at)));
  }

  private mark(): SharedMark | null {
    if (this.u8() === 0) return null;
    return { publisherId: this.text(), birth: this.u64(), number: this.u64() };
  }

  private rest(): Buffer {
    const start = this.at;
    return this.bytes.subarray(start, this.skip(this.end - start));
  }

  private sized(): Buffer {
    const at = this.at;
    this.skip(4);
    const start = this.at;
    return this.bytes.subarray(start, this.skip(this.bytes.readUInt32BE(at)));
  }

  private numbers(): number[] {
    const at = this.at;
    this.skip(4);
    const start = this.at;
    const count = this.bytes.readUInt32BE(at);
    this.skip(6 * count);
    return Array.from({ length: count }, (_, index) => this.bytes.readUIntBE(start + 6 * index, 6));
  }

  private records(): Buffer[] {
    const records: Buffer[] = [];
    // Copies: the owner keeps them, and a view would keep the whole answer of Redis.
    while (this.at < this.end) records.push(Buffer.from(this.sized()));
    return records;
  }

  /** Moves on, to the end of what is read. */
  private skip(length: number): number {
    this.at += length;
    if (this.at > this.end) throw new RangeError('a field is cut off');
    return this.at;
  }
}

function textBytes(text: string): number {
  return 2 + Buffer.byteLength(text);
}

function markBytes(mark: SharedMark | null): number {
  return mark === null ? 1 : 1 + textBytes(mark.publisherId) + 16;
}

function writeText(bytes: Buffer, at: number, text: string): number {
  const length = bytes.write(text, at + 2);
  bytes[at] = length >>> 8;
  bytes[at + 1] = length;
  return at + 2 + length;
}

function writeMark(bytes: Buffer, at: number, mark: SharedMark | null): number {
  bytes[at] = mark === null ? 0 : 1;
  if (mark === null) return at + 1;
  at = writeText(bytes, at + 1, mark.publisherId);
  return writeU64(bytes, mark.number, writeU64(bytes, mark.birth, at));
}

function writeRecord(bytes: Buffer, at: number, record: Buffer): number {
  moveBytes(record, 0, record.length, bytes, at);
  return at + record.length;
}
