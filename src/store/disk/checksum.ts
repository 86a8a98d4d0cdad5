/** CRC-32 as zlib computes it; Node before 20.15 has it only inside of gzip. */
import * as zlib from 'node:zlib';

const native: ((data: Uint8Array) => number) | undefined = zlib.crc32;

export const crc32: (data: Uint8Array) => number = native ?? slowCrc32;

/** Byte by byte, some 3 ns each. */
export function slowCrc32(data: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (let at = 0; at < data.length; at++) crc = table[(crc ^ data[at]!) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffff_ffff) >>> 0;
}

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++)
    value = (value & 1) === 1 ? 0xedb8_8320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});
