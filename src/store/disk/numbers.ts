/**
 * Numbers of six bytes, big-endian, so that keys sort by them: session numbers, queue numbers,
 * epochs. 2^48 lasts for 8 900 years at a thousand a second.
 */
export const SIX = 6;

export function writeSix(bytes: Buffer, value: number, at: number): number {
  const high = Math.floor(value / 0x1_0000_0000);
  bytes[at] = high >>> 8;
  bytes[at + 1] = high & 0xff;
  return bytes.writeUInt32BE(value % 0x1_0000_0000, at + 2);
}

export function readSix(bytes: Buffer, at: number): number {
  return (bytes[at]! * 256 + bytes[at + 1]!) * 0x1_0000_0000 + bytes.readUInt32BE(at + 2);
}
