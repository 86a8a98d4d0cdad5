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
import { moveBytes, writeU32 } from '../base/block.js';
import { BrokerError } from '../base/errors.js';

export const RECORD_VERSION = 1;
const QOS = 3;
/** Bits of the second byte beside the QoS. */
export const RecordFlag = { Retain: 4, IsV5: 8, HasPublisher: 16, Expires: 32 } as const;
const IDS_MAX = 255;
/** What each record has, but for the bytes that its lengths tell of. */
const FIXED_BYTES = 2 + 2 + 1 + 2 + 4;
const EXPIRY_BYTES = 12;
/** Characters up to which a loop is faster than a call of the engine's. */
const SHORT = 64;
const noIds: readonly number[] = [];
/** Of a Subscription Identifier. */
const IDENTIFIER_MAX = 268_435_455;

/** What a record says of a message beside its bytes. */
export interface RecordFields {
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
export interface RecordParts extends RecordFields {
  readonly topic: string;
  readonly properties: Buffer;
  readonly payload: Buffer;
}

/** Where the bytes of a message are; the properties end where the payload begins. */
export interface RecordBytes extends RecordFields {
  readonly bytes: Buffer;
  readonly propertiesStart: number;
  readonly payloadStart: number;
  readonly end: number;
}

/** What a record is made of. */
export interface RecordSource extends RecordBytes {
  readonly topic: string;
}

/** What a record says, and where in it. */
export interface RecordView extends RecordBytes {
  readonly topicStart: number;
  readonly topicEnd: number;
}

export function sourceOf({ properties, payload, ...rest }: RecordParts): RecordSource {
  const bytes = Buffer.concat([properties, payload]);
  const payloadStart = properties.length;
  return { ...rest, bytes, propertiesStart: 0, payloadStart, end: bytes.length };
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
  record[0] = RECORD_VERSION;
  record[1] =
    source.qos |
    (source.retain ? RecordFlag.Retain : 0) |
    (source.isV5 ? RecordFlag.IsV5 : 0) |
    (publisherId === null ? 0 : RecordFlag.HasPublisher) |
    (expires ? RecordFlag.Expires : 0);
  let at = writeText(record, 2, topic, topicLength);
  record[at++] = idCount;
  for (let index = 0; index < idCount; index++) at = writeU32(record, ids[index]!, at);
  at = writeText(record, at, sharedFilter, sharedLength);
  if (publisherId !== null) at = writeText(record, at, publisherId, publisherLength);
  if (expires) {
    at = record.writeDoubleBE(source.expiresAtMs, at);
    at = writeU32(record, source.expiryAt, at);
  }
  at = writeU32(record, source.payloadStart - propertiesStart, at);
  moveBytes(bytes, propertiesStart, end, record, at);
  return record;
}

/**
 * The parts of a record; `properties` and `payload` are views of it.
 *
 * @throws BrokerError `RECORD_INVALID` for bytes that are no record of this version
 */
export function decodeRecord(bytes: Buffer): RecordParts {
  const { topicStart, topicEnd, propertiesStart, payloadStart, end, ...rest } = viewRecord(bytes);
  const { bytes: _, ...fields } = rest;
  return {
    ...fields,
    topic: bytes.toString('utf8', topicStart, topicEnd),
    properties: bytes.subarray(propertiesStart, payloadStart),
    payload: bytes.subarray(payloadStart, end),
  };
}

/**
 * As `decodeRecord`, without a copy of anything. Hot path of whoever starts, or drains a queue.
 *
 * @throws BrokerError `RECORD_INVALID`
 */
export function viewRecord(bytes: Buffer): RecordView {
  try {
    return view(bytes);
  } catch (error) {
    if (error instanceof BrokerError) throw error;
    throw new BrokerError('RECORD_INVALID', 'a stored message is damaged', { cause: error });
  }
}

function view(bytes: Buffer): RecordView {
  const version = bytes.readUInt8(0);
  if (version !== RECORD_VERSION) {
    const known = `this broker knows format ${RECORD_VERSION}`;
    const detail = `a stored message has format ${version}; ${known}`;
    throw new BrokerError('RECORD_INVALID', detail);
  }
  const flags = bytes.readUInt8(1);
  const topicStart = 4;
  const topicEnd = topicStart + bytes.readUInt16BE(2);
  const idCount = bytes.readUInt8(topicEnd);
  let at = topicEnd + 1;
  const ids = idCount === 0 ? null : readIds(bytes, at, idCount);
  at += 4 * idCount;
  let end = textEnd(bytes, at);
  const sharedFilter = sharedFilters.read(bytes, at + 2, end);
  at = end;
  let publisherId: string | null = null;
  if ((flags & RecordFlag.HasPublisher) !== 0) {
    end = textEnd(bytes, at);
    publisherId = publisherIds.read(bytes, at + 2, end);
    at = end;
  }
  let expiresAtMs = Number.POSITIVE_INFINITY;
  let expiryAt = -1;
  if ((flags & RecordFlag.Expires) !== 0) {
    expiresAtMs = bytes.readDoubleBE(at);
    const index = bytes.readUInt32BE(at + 8);
    expiryAt = index === 0xffff_ffff ? -1 : index;
    at += EXPIRY_BYTES;
  }
  const propertiesLength = bytes.readUInt32BE(at);
  const propertiesStart = at + 4;
  const payloadStart = propertiesStart + propertiesLength;
  if (payloadStart > bytes.length) throw new RangeError('properties are cut off');
  const hasPlace = expiryAt < 0 || expiryAt + 4 <= propertiesLength;
  if ((flags & QOS) === QOS || Number.isNaN(expiresAtMs) || !hasPlace) {
    throw new RangeError('a field has a value that it cannot have');
  }
  return {
    qos: flags & QOS,
    retain: (flags & RecordFlag.Retain) !== 0,
    isV5: (flags & RecordFlag.IsV5) !== 0,
    ids,
    sharedFilter,
    publisherId,
    expiresAtMs,
    expiryAt,
    bytes,
    topicStart,
    topicEnd,
    propertiesStart,
    payloadStart,
    end: bytes.length,
  };
}

function readIds(bytes: Buffer, at: number, count: number): number[] {
  const ids = Array.from({ length: count }, (_, index) => bytes.readUInt32BE(at + 4 * index));
  if (!ids.every(isIdentifier)) throw new RangeError('no Subscription Identifier');
  return ids;
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

function textEnd(bytes: Buffer, at: number): number {
  const end = at + 2 + bytes.readUInt16BE(at);
  if (end > bytes.length) throw new RangeError('a text is cut off');
  return end;
}

/** Texts that are mostly the same as the one before: decoded once, and once in memory. */
class LastText {
  private text = '';
  private bytes: Uint8Array = new Uint8Array();

  read(bytes: Buffer, start: number, end: number): string {
    if (start === end) return '';
    if (!this.isSame(bytes, start, end)) {
      this.text = bytes.toString('utf8', start, end);
      this.bytes = Uint8Array.prototype.slice.call(bytes, start, end);
    }
    return this.text;
  }

  private isSame(bytes: Buffer, start: number, end: number): boolean {
    const own = this.bytes;
    if (own.length !== end - start) return false;
    for (let index = 0; index < own.length; index++) {
      if (own[index] !== bytes[start + index]) return false;
    }
    return true;
  }
}

const sharedFilters = new LastText();
const publisherIds = new LastText();
