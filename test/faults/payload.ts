/**
 * The payload of a numbered message: which stream, which number, and a filling that follows from
 * the number, so that what arrives is known to be what was sent. Most are small; some are larger
 * than a socket's buffer, and cannot but be cut half-way now and then.
 */

const headerBytes = 8;

export function payloadOf(streamIndex: number, number: number): Buffer {
  const payload = Buffer.alloc(sizeOf(number), fillOf(number));
  payload.writeUInt32BE(streamIndex, 0);
  payload.writeUInt32BE(number, 4);
  return payload;
}

/** Null: it is not what was sent. */
export function readPayload(payload: Buffer): { streamIndex: number; number: number } | null {
  if (payload.length < headerBytes) return null;
  const streamIndex = payload.readUInt32BE(0);
  const number = payload.readUInt32BE(4);
  if (payload.length !== sizeOf(number)) return null;
  const fill = fillOf(number);
  const step = Math.max(1, payload.length >>> 4);
  for (let at = headerBytes; at < payload.length; at += step) {
    if (payload[at] !== fill) return null;
  }
  return { streamIndex, number };
}

function fillOf(number: number): number {
  return (number * 31 + 7) & 0xff;
}

function sizeOf(number: number): number {
  if (number % 997 === 996) return 150_000;
  if (number % 61 === 60) return 5_000;
  return headerBytes + ((number * 37) % 101);
}
