/** A message as a program that embeds the broker gets it. */
import type { Message } from './protocol/message.js';
import { decodeMessageProperties, type MessageProperties } from './protocol/message-properties.js';

/** What a program receives. The payload is its own copy. */
export interface ReceivedMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly properties: MessageProperties;
  /** Client id of the publisher; null: the broker or this program. */
  readonly publisherId: string | null;
}

/** A copy of a message that the program may keep. */
export function receivedMessage(message: Message): ReceivedMessage {
  const { block, propertiesStart, payloadStart, end } = message;
  return {
    topic: message.topic.name,
    payload: Buffer.from(block.bytes.subarray(payloadStart, end)),
    qos: message.qos as 0 | 1 | 2,
    retain: message.retain,
    properties: message.isV5
      ? decodeMessageProperties(block.bytes, propertiesStart, payloadStart)
      : {},
    publisherId: message.publisherId,
  };
}
