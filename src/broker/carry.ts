/**
 * Bytes that were read and could not be parsed yet: the beginning of a packet, or what waits
 * while its connection is held. Most connections never have any.
 */
import { Block } from '../base/block.js';
import {
  INCOMPLETE,
  readVariableByteInteger,
  variableByteIntegerSize,
} from '../protocol/variable-byte-integer.js';
import type { ChunkPool } from './output.js';

/** Up to here a run gets memory of its own size: slow senders of single bytes stay cheap. */
const OWN_BYTES_MAX = 256;

export class Carry {
  /** The bytes are `block.bytes[start..end)`. */
  block: Block;
  start = 0;
  end: number;
  private readonly pool: ChunkPool;

  /** Copies `bytes[start..end)`. */
  constructor(pool: ChunkPool, bytes: Buffer, start: number, end: number) {
    this.pool = pool;
    this.block = this.take(end - start);
    this.block.bytes.set(bytes.subarray(start, end));
    this.end = end - start;
  }

  get length(): number {
    return this.end - this.start;
  }

  /** Grows by doubling, so that a length without its bytes costs the peer, not us. */
  append(bytes: Buffer, start: number, end: number): void {
    const added = end - start;
    if (this.end + added > this.block.bytes.length) {
      const grown = this.take(Math.max(this.length + added, this.length * 2));
      grown.bytes.set(this.block.bytes.subarray(this.start, this.end));
      this.pool.release(this.block);
      this.end = this.length;
      this.start = 0;
      this.block = grown;
    }
    this.block.bytes.set(bytes.subarray(start, end), this.end);
    this.end += added;
  }

  /** Gives the memory back. Nothing of it may be used any more. */
  release(): void {
    this.pool.release(this.block);
  }

  private take(size: number): Block {
    return size <= OWN_BYTES_MAX ? Block.allocate(size) : this.pool.take(size);
  }
}

/** End of the packet at `at`, as far as its header tells; Infinity when it does not yet. */
export function packetEnd(bytes: Buffer, at: number, end: number): number {
  const length = readVariableByteInteger(bytes, at + 1, end);
  if (length === INCOMPLETE) return Number.POSITIVE_INFINITY;
  return length < 0 ? end : at + 1 + variableByteIntegerSize(length) + length;
}
