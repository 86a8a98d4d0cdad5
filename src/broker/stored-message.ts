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

/**
 * The record of a message for one subscription.
 *
 * @param wallOffsetMs the store's clock minus the monotonic one
 */
export function recordOf(
  message: Message,
  qos: number,
  retain: boolean,
  ids: readonly number[] | null,
  sharedFilter: string,
  wallOffsetMs: number,
): Buffer {
  const { bytes } = message.block;
  const { propertiesStart, payloadStart, end, expiryAt } = message;
  return encodeRecord({
    topic: message.topic.name,
    qos,
    retain,
    isV5: message.isV5,
    ids,
    sharedFilter,
    publisherId: message.publisherId,
    expiresAtMs: message.expiresAtMs === NEVER ? NEVER : message.expiresAtMs + wallOffsetMs,
    expiryAt: expiryAt < 0 ? -1 : expiryAt - propertiesStart,
    properties: bytes.subarray(propertiesStart, payloadStart),
    payload: bytes.subarray(payloadStart, end),
  });
}

/**
 * The message of a record; it keeps the record's bytes alive.
 *
 * @throws BrokerError `RECORD_INVALID`, MqttError for a topic name beyond today's limits
 */
export function messageOfRecord(
  record: Buffer,
  topics: TopicTable,
  wallOffsetMs: number,
): QueuedMessage {
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
  message.expiresAtMs = parts.expiresAtMs === NEVER ? NEVER : parts.expiresAtMs - wallOffsetMs;
  message.publisherId = parts.publisherId;
  message.kept = message;
  const { qos, retain, ids, sharedFilter } = parts;
  return { message, qos, retain, ids, sharedFilter };
}
