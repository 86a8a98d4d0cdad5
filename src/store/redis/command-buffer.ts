/**
 * Commands as bytes for Redis (RESP), put together in one reused buffer. Hot path.
 *
 * A command is an array of byte strings: `*<count>\r\n`, then `$<length>\r\n<bytes>\r\n` each.
 */
const START_BYTES = 128 * 1024;
/** A buffer that one huge message made larger than this is given back. */
const KEPT_BYTES = 1024 * 1024;
const CR = 13;
const LF = 10;
const ASTERISK = 42;
const DOLLAR = 36;
const ZERO = 48;

export class CommandBuffer {
  /** Write here between `begin` and `end`. */
  bytes = Buffer.allocUnsafeSlow(START_BYTES);
  length = 0;

  /** Begins a command with so many parts, its name included. */
  command(parts: number): void {
    this.reserve(32);
    this.bytes[this.length++] = ASTERISK;
    this.decimal(parts);
  }

  /** Bytes that are already in Redis' form. */
  encoded(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  text(text: string): void {
    const size = Buffer.byteLength(text);
    const at = this.begin(size);
    this.bytes.write(text, at);
    this.end(size);
  }

  /** A whole number that is not negative, as text. */
  number(value: number): void {
    this.text(String(value));
  }

  blob(bytes: Uint8Array): void {
    const at = this.begin(bytes.length);
    this.bytes.set(bytes, at);
    this.end(bytes.length);
  }

  /** Begins a part of `size` bytes; returns where in `bytes` they belong. `end` follows. */
  begin(size: number): number {
    this.reserve(size + 32);
    this.bytes[this.length++] = DOLLAR;
    this.decimal(size);
    return this.length;
  }

  /** Ends a part whose `size` bytes have been written. */
  end(size: number): void {
    const at = this.length + size;
    this.bytes[at] = CR;
    this.bytes[at + 1] = LF;
    this.length = at + 2;
  }

  /** A copy of what was put together; begins anew. */
  take(): Buffer {
    const taken = Buffer.from(this.bytes.subarray(0, this.length));
    this.length = 0;
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafeSlow(START_BYTES);
    return taken;
  }

  private reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  private decimal(value: number): void {
    let digits = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    let at = this.length + digits;
    this.length = at;
    for (let rest = value; digits > 0; digits--) {
      this.bytes[--at] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.bytes[this.length++] = CR;
    this.bytes[this.length++] = LF;
  }
}

/** A whole number below 2^48, big-endian, as `I6` of Redis' struct library reads it. */
export function writeU48(bytes: Buffer, value: number, at: number): number {
  const high = Math.floor(value / 0x1_0000_0000);
  const low = value >>> 0;
  bytes[at] = high >>> 8;
  bytes[at + 1] = high;
  bytes[at + 2] = low >>> 24;
  bytes[at + 3] = low >>> 16;
  bytes[at + 4] = low >>> 8;
  bytes[at + 5] = low;
  return at + 6;
}

/** A whole number below 2^53, big-endian, as `I8` of Redis' struct library reads it. */
export function writeU64(bytes: Buffer, value: number, at: number): number {
  const high = Math.floor(value / 0x1_0000_0000);
  const low = value >>> 0;
  bytes[at] = high >>> 24;
  bytes[at + 1] = high >>> 16;
  bytes[at + 2] = high >>> 8;
  bytes[at + 3] = high;
  bytes[at + 4] = low >>> 24;
  bytes[at + 5] = low >>> 16;
  bytes[at + 6] = low >>> 8;
  bytes[at + 7] = low;
  return at + 8;
}

export function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}
