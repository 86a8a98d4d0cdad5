/** A message of the history as it goes out again: RETAIN 0, and marked with its time. */
import { Block } from '../base/block.js';
import { REPLAYED_PROPERTY } from '../broker/replays.js';
import type { TopicTable } from '../broker/topics.js';
import { Message, NEVER } from '../protocol/message.js';
import { encodeMessageProperties } from '../protocol/message-properties.js';
import type { HistoryMessage } from '../store/history.js';
import { viewRecord } from '../store/record.js';

/**
 * @param wallOffsetMs the store's clock minus the monotonic one
 * @throws BrokerError `RECORD_INVALID`, MqttError for a topic name beyond today's limits
 */
export function replayedMessage(
  { record, timeMs }: HistoryMessage,
  topics: TopicTable,
  wallOffsetMs: number,
): Message {
  const view = viewRecord(record);
  const { end, expiryAt, payloadStart, propertiesStart } = view;
  const value = new Date(timeMs).toISOString();
  const mark = encodeMessageProperties({ userProperties: [{ name: REPLAYED_PROPERTY, value }] });
  const bytes = Buffer.concat([
    record.subarray(propertiesStart, payloadStart),
    mark,
    record.subarray(payloadStart, end),
  ]);
  const topic = topics.fromStore(record, view.topicStart, view.topicEnd);
  const message = new Message(topic, new Block(bytes));
  message.qos = view.qos;
  message.isV5 = true;
  message.payloadStart = payloadStart - propertiesStart + mark.length;
  message.end = bytes.length;
  message.expiryAt = expiryAt;
  message.expiresAtMs = view.expiresAtMs === NEVER ? NEVER : view.expiresAtMs - wallOffsetMs;
  message.publisherId = view.publisherId;
  message.kept = message;
  return message;
}
