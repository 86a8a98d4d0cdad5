/**
 * Blocks of bytes and the one way to copy between them. Hot path.
 *
 * Measured on Node 20: a copy through a typed array costs 110 ns whatever its length, because it
 * makes one; by words through a DataView, four to a step, 0.9 ns a byte. So short runs go by
 * words, long ones by `set`.
 */

const COPY_BY_WORDS_MAX = 128;
const MOVE_BY_BYTES_MAX = 64;
const ACKNOWLEDGEMENT_BYTES_MAX = 5;

export class Block {
  readonly bytes: Buffer;
  readonly view: DataView;
  private shortHead: Buffer | null = null;
  private longHead: Buffer | null = null;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /**
   * The first `length` bytes as a typed array of their own. The last two are remembered, one for
   * lengths of a single acknowledgement: making one costs more than the rest of a small write.
   */
  head(length: number): Buffer {
    if (length <= ACKNOWLEDGEMENT_BYTES_MAX) {
      const known = this.shortHead;
      if (known !== null && known.length === length) return known;
      this.shortHead = this.bytes.subarray(0, length);
      return this.shortHead;
    }
    const known = this.longHead;
    if (known !== null && known.length === length) return known;
    this.longHead = this.bytes.subarray(0, length);
    return this.longHead;
  }

  static allocate(size: number): Block {
    return new Block(Buffer.allocUnsafeSlow(size));
  }
}

/** Copies `source[start..end)` to `target` at `at`; the caller has checked that it fits. */
export function copyBytes(
  target: Block,
  at: number,
  source: Block,
  start: number,
  end: number,
): void {
  if (end - start > COPY_BY_WORDS_MAX) {
    const { buffer, byteOffset } = source.bytes;
    target.bytes.set(new Uint8Array(buffer, byteOffset + start, end - start), at);
    return;
  }
  const to = target.view;
  const from = source.view;
  const lastStep = end - 15;
  while (start < lastStep) {
    to.setInt32(at, from.getInt32(start, true), true);
    to.setInt32(at + 4, from.getInt32(start + 4, true), true);
    to.setInt32(at + 8, from.getInt32(start + 8, true), true);
    to.setInt32(at + 12, from.getInt32(start + 12, true), true);
    start += 16;
    at += 16;
  }
  const lastWord = end - 3;
  while (start < lastWord) {
    to.setInt32(at, from.getInt32(start, true), true);
    start += 4;
    at += 4;
  }
  while (start < end) {
    to.setUint8(at, from.getUint8(start));
    start++;
    at++;
  }
}

/** As `copyBytes`, between buffers that have no block. */
export function moveBytes(
  source: Buffer,
  start: number,
  end: number,
  target: Buffer,
  at: number,
): void {
  if (end - start > MOVE_BY_BYTES_MAX) {
    source.copy(target, at, start, end);
    return;
  }
  while (start < end) target[at++] = source[start++]!;
}

/** Big-endian, without a check of the range; returns the index behind it. */
export function writeU32(bytes: Buffer, value: number, at: number): number {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
  return at + 4;
}

/**
 * Hands out runs of bytes from blocks of one size. A run lives as long as somebody holds its
 * block, so short-lived and long-lived runs should come from different slabs.
 */
export class Slab {
  /** The block and offset of the last `take`. */
  block: Block;
  offset = 0;

  private current: Block;
  private used = 0;
  private readonly blockSize: number;

  constructor(blockSize: number) {
    this.blockSize = blockSize;
    this.current = Block.allocate(blockSize);
    this.block = this.current;
  }

  /** Reserves `size` bytes at `this.offset` of `this.block`. */
  take(size: number): void {
    if (size > this.blockSize >>> 2) {
      this.block = Block.allocate(size);
      this.offset = 0;
      return;
    }
    if (this.used + size > this.blockSize) {
      this.current = Block.allocate(this.blockSize);
      this.used = 0;
    }
    this.block = this.current;
    this.offset = this.used;
    this.used += size;
  }
}
