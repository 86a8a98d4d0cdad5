/** Messages as records of the store, and back. */
import { Block } from '../base/block.js';
import { Message, NEVER } from '../protocol/message.js';
import { decodeRecord, encodeRecord } from '../store/record.js';
import type { TopicTable } from './topics.js';

/** A message as it lies in a session's queue. */
export interface QueuedMessage {
  readonly message: Message;
  readonly qos: number;
  readonly retain: boolean;
  readonly ids: readonly number[] | null;
  /** `$share/…` that it came through; empty: none. */
  readonly sharedFilter: string;
}

export interface Clocks {
  /** The store's clock minus the monotonic one, milliseconds. */
  readonly wallOffsetMs: number;
}

/**
 * The record of a message for one subscription.
 *
 * @param clocks asked only for a message that expires
 */
export function recordOf(
  message: Message,
  qos: number,
  retain: boolean,
  ids: readonly number[] | null,
  sharedFilter: string,
  clocks: Clocks,
): Buffer {
  const { propertiesStart, expiryAt, expiresAtMs } = message;
  return encodeRecord({
    topic: message.topic.name,
    qos,
    retain,
    isV5: message.isV5,
    ids,
    sharedFilter,
    publisherId: message.publisherId,
    expiresAtMs: expiresAtMs === NEVER ? NEVER : expiresAtMs + clocks.wallOffsetMs,
    expiryAt: expiryAt < 0 ? -1 : expiryAt - propertiesStart,
    bytes: message.block.bytes,
    propertiesStart,
    payloadStart: message.payloadStart,
    end: message.end,
  });
}

/**
 * The message of a record; it keeps the record's bytes alive.
 *
 * @throws BrokerError `RECORD_INVALID`, MqttError for a topic name beyond today's limits
 */
export function messageOfRecord(record: Buffer, topics: TopicTable, clocks: Clocks): QueuedMessage {
  const parts = decodeRecord(record);
  const propertiesStart = record.length - parts.payload.length - parts.properties.length;
  const message = new Message(topics.fromName(parts.topic), new Block(record));
  message.qos = parts.qos;
  message.retain = parts.retain;
  message.isV5 = parts.isV5;
  message.propertiesStart = propertiesStart;
  message.payloadStart = record.length - parts.payload.length;
  message.end = record.length;
  message.expiryAt = parts.expiryAt < 0 ? -1 : propertiesStart + parts.expiryAt;
  message.expiresAtMs =
    parts.expiresAtMs === NEVER ? NEVER : parts.expiresAtMs - clocks.wallOffsetMs;
  message.publisherId = parts.publisherId;
  message.kept = message;
  const { qos, retain, ids, sharedFilter } = parts;
  return { message, qos, retain, ids, sharedFilter };
}
