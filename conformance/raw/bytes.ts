/**
 * Fields and packets as bytes, right ones and deliberately wrong ones. Nothing here checks what
 * it is told to write: tests of malformed packets need exactly that.
 */

/** A string field: a Buffer is written as it is, so it may be ill-formed UTF-8. */
export type Text = string | Buffer;

export function u8(value: number): Buffer {
  return Buffer.of(value & 0xff);
}

export function u16(value: number): Buffer {
  return Buffer.of((value >>> 8) & 0xff, value & 0xff);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A Variable Byte Integer; a `width` above what the value needs makes it overlong. */
export function varint(value: number, width = 1): Buffer {
  const bytes: number[] = [];
  do {
    bytes.push(value % 128);
    value = Math.floor(value / 128);
  } while (value > 0 || bytes.length < width);
  return Buffer.from(bytes.map((byte, at) => (at < bytes.length - 1 ? byte | 0x80 : byte)));
}

/** Bytes of a text without a length. */
export function raw(text: Text): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
}

/** A text or binary field: two length bytes, then the bytes. */
export function field(text: Text): Buffer {
  const bytes = raw(text);
  return Buffer.concat([u16(bytes.length), bytes]);
}

/** A whole packet: first byte, remaining length, body. */
export function frame(firstByte: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([u8(firstByte), varint(body.length), body]);
}

/** Ill-formed UTF-8 in every way that the standards name, by what is wrong. */
export const illFormedTexts: readonly (readonly [string, Buffer])[] = [
  ['a stray continuation byte', Buffer.of(0x61, 0x80, 0x62)],
  ['a cut sequence', Buffer.of(0x61, 0xe2, 0x82)],
  ['an overlong slash', Buffer.of(0x61, 0xc0, 0xaf)],
  ['an encoded surrogate', Buffer.of(0x61, 0xed, 0xa0, 0x80)],
  ['a code point above U+10FFFF', Buffer.of(0x61, 0xf4, 0x90, 0x80, 0x80)],
  ['the byte FF', Buffer.of(0x61, 0xff)],
];

/** A string that holds U+0000. */
export const nulText: Buffer = Buffer.of(0x61, 0x00, 0x62);

/** Short hexadecimal form for messages. */
export function hex(bytes: Buffer): string {
  const shown = bytes.subarray(0, 40).toString('hex').replace(/../g, '$& ').trim();
  return bytes.length > 40 ? `${shown} … (${bytes.length} bytes)` : shown;
}
