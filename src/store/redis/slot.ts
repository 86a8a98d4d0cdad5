/** Hash slots of Redis Cluster: CRC16 (XMODEM) of the hash tag, mod 16 384. */
export const SLOTS = 16_384;

const table = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) !== 0 ? (crc << 1) ^ 0x1021 : crc << 1;
  table[byte] = crc & 0xffff;
}

/** Slot of all keys with this hash tag: what is between the braces. */
export function slotOf(tag: string): number {
  const bytes = Buffer.from(tag);
  let crc = 0;
  for (let at = 0; at < bytes.length; at++) {
    crc = ((crc << 8) & 0xffff) ^ table[(crc >>> 8) ^ bytes[at]!]!;
  }
  return crc % SLOTS;
}

/** A short hash tag of a slot. */
export function tagIn(slot: number): string {
  for (let number = 0; ; number++) {
    const tag = number.toString(36);
    if (slotOf(tag) === slot) return tag;
  }
}
