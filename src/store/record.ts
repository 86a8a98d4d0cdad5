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
/** What each record has, but for the bytes that its lengths tell of. */
const FIXED_BYTES = 2 + 2 + 1 + 2 + 4;
const EXPIRY_BYTES = 12;
/** Bytes up to which a loop is faster than a call of the engine's. */
const SHORT = 64;
const noIds: readonly number[] = [];
/** Of a Subscription Identifier. */
const IDENTIFIER_MAX = 268_435_455;

/** What a record says of a message beside its bytes. */
export interface RecordHead {
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
  /** Index in the properties of the four bytes of Message Expiry Interval; -1 without. */
  readonly expiryAt: number;
}

/** The parts of a record. */
export interface RecordParts extends RecordHead {
  readonly properties: Buffer;
  readonly payload: Buffer;
}

/** What a record is made of; the properties end where the payload begins. */
export interface RecordSource extends RecordHead {
  readonly bytes: Buffer;
  readonly propertiesStart: number;
  readonly payloadStart: number;
  readonly end: number;
}

export function sourceOf({ properties, payload, ...head }: RecordParts): RecordSource {
  const bytes = Buffer.concat([properties, payload]);
  const payloadStart = properties.length;
  return { ...head, bytes, propertiesStart: 0, payloadStart, end: bytes.length };
}

/** Hot path: allocates the record and nothing else. */
export function encodeRecord(source: RecordSource): Buffer {
  const { topic, sharedFilter, publisherId, bytes, propertiesStart, end } = source;
  const ids = source.ids === null ? noIds : source.ids;
  const idCount = Math.min(ids.length, IDS_MAX);
  const expires = source.expiresAtMs !== Number.POSITIVE_INFINITY;
  const topicLength = utf8Length(topic);
  const sharedLength = utf8Length(sharedFilter);
  const publisherLength = publisherId === null ? 0 : utf8Length(publisherId);
  const record = Buffer.allocUnsafe(
    FIXED_BYTES +
      topicLength +
      4 * idCount +
      sharedLength +
      (publisherId === null ? 0 : 2 + publisherLength) +
      (expires ? EXPIRY_BYTES : 0) +
      (end - propertiesStart),
  );
  record[0] = VERSION;
  record[1] =
    source.qos |
    (source.retain ? RETAIN : 0) |
    (source.isV5 ? IS_V5 : 0) |
    (publisherId === null ? 0 : HAS_PUBLISHER) |
    (expires ? EXPIRES : 0);
  let at = writeText(record, 2, topic, topicLength);
  record[at++] = idCount;
  for (let index = 0; index < idCount; index++) at = writeU32(record, at, ids[index]!);
  at = writeText(record, at, sharedFilter, sharedLength);
  if (publisherId !== null) at = writeText(record, at, publisherId, publisherLength);
  if (expires) {
    at = record.writeDoubleBE(source.expiresAtMs, at);
    at = writeU32(record, at, source.expiryAt);
  }
  at = writeU32(record, at, source.payloadStart - propertiesStart);
  copyBytes(bytes, propertiesStart, end, record, at);
  return record;
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

function utf8Length(text: string): number {
  if (text.length > SHORT) return Buffer.byteLength(text);
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) >= 0x80) return Buffer.byteLength(text);
  }
  return text.length;
}

/** @param length of the text in UTF-8 */
function writeText(record: Buffer, at: number, text: string, length: number): number {
  record[at] = length >>> 8;
  record[at + 1] = length;
  const start = at + 2;
  if (length > SHORT || length !== text.length) {
    record.write(text, start, length);
  } else {
    for (let index = 0; index < length; index++) record[start + index] = text.charCodeAt(index);
  }
  return start + length;
}

function writeU32(record: Buffer, at: number, value: number): number {
  record[at] = value >>> 24;
  record[at + 1] = value >>> 16;
  record[at + 2] = value >>> 8;
  record[at + 3] = value;
  return at + 4;
}

function copyBytes(from: Buffer, start: number, end: number, to: Buffer, at: number): void {
  if (end - start > SHORT) {
    from.copy(to, at, start, end);
    return;
  }
  for (let index = start, target = at; index < end; index++, target++) to[target] = from[index]!;
}

function readText(bytes: Buffer, at: number): string {
  const start = at + 2;
  const end = start + bytes.readUInt16BE(at);
  if (end > bytes.length) throw new RangeError('a text is cut off');
  return bytes.toString('utf8', start, end);
}
