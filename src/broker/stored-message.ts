/** Messages as records of the store, and back. */
import { moveBytes, type Slab } from '../base/block.js';
import { Message, NEVER } from '../protocol/message.js';
import { encodeRecord, viewRecord } from '../store/record.js';
import type { Topic, TopicTable } from './topics.js';

/** A message as it lies in a session's queue. */
export interface QueuedMessage {
  readonly message: Message;
  readonly topic: Topic;
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
 * The message of a record.
 *
 * @param slab gets its bytes
 * @throws BrokerError `RECORD_INVALID`, MqttError for a topic name beyond today's limits
 */
export function messageOfRecord(
  record: Buffer,
  topics: TopicTable,
  clocks: Clocks,
  slab: Slab,
): QueuedMessage {
  const view = viewRecord(record);
  const { topicStart, topicEnd, propertiesStart, expiryAt, expiresAtMs } = view;
  const topic = topics.fromStore(record, topicStart, topicEnd);
  slab.take(view.end - propertiesStart);
  const { block, offset } = slab;
  moveBytes(record, propertiesStart, view.end, block.bytes, offset);
  const shift = offset - propertiesStart;
  const message = new Message(topic, block);
  message.qos = view.qos;
  message.retain = view.retain;
  message.isV5 = view.isV5;
  message.propertiesStart = offset;
  message.payloadStart = view.payloadStart + shift;
  message.end = view.end + shift;
  message.expiryAt = expiryAt < 0 ? -1 : offset + expiryAt;
  message.expiresAtMs = expiresAtMs === NEVER ? NEVER : expiresAtMs - clocks.wallOffsetMs;
  message.publisherId = view.publisherId;
  message.kept = message;
  const { qos, retain, ids, sharedFilter } = view;
  return { message, topic, qos, retain, ids, sharedFilter };
}
