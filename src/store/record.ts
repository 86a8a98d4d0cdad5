/**
 * A message as bytes that outlive the process. All integers are big-endian.
 *
 *     u8   version (1)
 *     u8   bits 0–1 QoS, 2 RETAIN, 3 properties are of MQTT 5.0, 4 has a publisher, 5 expires
 *     u16  length of the topic name       topic name
 *     u8   number of Subscription Identifiers, then u32 each
 *     u16  length of the shared filter    `$share/…` that it came through; 0: none
 *     [u16 length of the client id        client id of the publisher]
 *     [f64 end of the message             milliseconds since the Unix epoch]
 *     [u32 index in the properties of the four bytes of Message Expiry Interval]
 *     u32  length of the properties       raw MQTT 5.0 properties
 *     …    payload, to the end
 */
import { BrokerError } from '../base/errors.js';

const VERSION = 1;
const QOS = 3;
const RETAIN = 4;
const IS_V5 = 8;
const HAS_PUBLISHER = 16;
const EXPIRES = 32;
const IDS_MAX = 255;
/** Of a Subscription Identifier. */
const IDENTIFIER_MAX = 268_435_455;

/** The parts of a record. */
export interface RecordParts {
  readonly topic: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly isV5: boolean;
  /** Ascending or not, as they are sent; at most 255 are kept. */
  readonly ids: readonly number[] | null;
  /** `$share/<name>/<filter>`; empty: none. */
  readonly sharedFilter: string;
  /** Null: the broker itself. */
  readonly publisherId: string | null;
  /** Milliseconds since the Unix epoch; Infinity: never. */
  readonly expiresAtMs: number;
  /** Index in `properties` of the four bytes of Message Expiry Interval; -1 without. */
  readonly expiryAt: number;
  readonly properties: Buffer;
  readonly payload: Buffer;
}

export function encodeRecord(parts: RecordParts): Buffer {
  const topic = Buffer.from(parts.topic);
  const shared = Buffer.from(parts.sharedFilter);
  const publisher = parts.publisherId === null ? null : Buffer.from(parts.publisherId);
  const ids = parts.ids?.slice(0, IDS_MAX) ?? [];
  const expires = parts.expiresAtMs !== Number.POSITIVE_INFINITY;
  const size =
    2 +
    2 +
    topic.length +
    1 +
    4 * ids.length +
    2 +
    shared.length +
    (publisher === null ? 0 : 2 + publisher.length) +
    (expires ? 12 : 0) +
    4 +
    parts.properties.length +
    parts.payload.length;
  const bytes = Buffer.allocUnsafe(size);
  let at = bytes.writeUInt8(VERSION, 0);
  at = bytes.writeUInt8(
    parts.qos |
      (parts.retain ? RETAIN : 0) |
      (parts.isV5 ? IS_V5 : 0) |
      (publisher === null ? 0 : HAS_PUBLISHER) |
      (expires ? EXPIRES : 0),
    at,
  );
  at = writeText(bytes, at, topic);
  at = bytes.writeUInt8(ids.length, at);
  for (const id of ids) at = bytes.writeUInt32BE(id, at);
  at = writeText(bytes, at, shared);
  if (publisher !== null) at = writeText(bytes, at, publisher);
  if (expires) {
    at = bytes.writeDoubleBE(parts.expiresAtMs, at);
    at = bytes.writeUInt32BE(parts.expiryAt < 0 ? 0xffff_ffff : parts.expiryAt, at);
  }
  at = bytes.writeUInt32BE(parts.properties.length, at);
  at += parts.properties.copy(bytes, at);
  parts.payload.copy(bytes, at);
  return bytes;
}

/**
 * The parts of a record; `properties` and `payload` are views of it.
 *
 * @throws BrokerError `RECORD_INVALID` for bytes that are no record of this version
 */
export function decodeRecord(bytes: Buffer): RecordParts {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof BrokerError) throw error;
    throw new BrokerError('RECORD_INVALID', 'a stored message is damaged', { cause: error });
  }
}

function decode(bytes: Buffer): RecordParts {
  const version = bytes.readUInt8(0);
  if (version !== VERSION) {
    const detail = `a stored message has format ${version}; this broker knows format ${VERSION}`;
    throw new BrokerError('RECORD_INVALID', detail);
  }
  const flags = bytes.readUInt8(1);
  const topicEnd = 4 + bytes.readUInt16BE(2);
  const topic = bytes.toString('utf8', 4, topicEnd);
  const idCount = bytes.readUInt8(topicEnd);
  let at = topicEnd + 1;
  const ids: number[] = [];
  for (let index = 0; index < idCount; index++, at += 4) ids.push(bytes.readUInt32BE(at));
  const sharedFilter = readText(bytes, at);
  at += 2 + bytes.readUInt16BE(at);
  let publisherId: string | null = null;
  if ((flags & HAS_PUBLISHER) !== 0) {
    publisherId = readText(bytes, at);
    at += 2 + bytes.readUInt16BE(at);
  }
  let expiresAtMs = Number.POSITIVE_INFINITY;
  let expiryAt = -1;
  if ((flags & EXPIRES) !== 0) {
    expiresAtMs = bytes.readDoubleBE(at);
    const index = bytes.readUInt32BE(at + 8);
    expiryAt = index === 0xffff_ffff ? -1 : index;
    at += 12;
  }
  const propertiesLength = bytes.readUInt32BE(at);
  at += 4;
  if (at + propertiesLength > bytes.length) throw new RangeError('properties are cut off');
  const hasPlace = expiryAt < 0 || expiryAt + 4 <= propertiesLength;
  if ((flags & QOS) === QOS || Number.isNaN(expiresAtMs) || !hasPlace || !ids.every(isIdentifier)) {
    throw new RangeError('a field has a value that it cannot have');
  }
  return {
    topic,
    qos: flags & QOS,
    retain: (flags & RETAIN) !== 0,
    isV5: (flags & IS_V5) !== 0,
    ids: ids.length === 0 ? null : ids,
    sharedFilter,
    publisherId,
    expiresAtMs,
    expiryAt,
    properties: bytes.subarray(at, at + propertiesLength),
    payload: bytes.subarray(at + propertiesLength),
  };
}

function isIdentifier(id: number): boolean {
  return id >= 1 && id <= IDENTIFIER_MAX;
}

function writeText(bytes: Buffer, at: number, text: Buffer): number {
  const start = bytes.writeUInt16BE(text.length, at);
  return start + text.copy(bytes, start);
}

function readText(bytes: Buffer, at: number): string {
  const start = at + 2;
  const end = start + bytes.readUInt16BE(at);
  if (end > bytes.length) throw new RangeError('a text is cut off');
  return bytes.toString('utf8', start, end);
}
