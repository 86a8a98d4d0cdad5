/** Messages that come from no PUBLISH packet: the broker's own, the program's, and wills. */
import { Block } from '../base/block.js';
import { Message, NEVER, type TopicName } from '../protocol/message.js';
import { checkProperties, PropertyId, publishProperties } from '../protocol/properties.js';
import type { PendingWill } from './will.js';

export interface MessageOptions {
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** Raw MQTT 5.0 properties without their length; absent: none. */
  readonly properties?: Uint8Array;
}

/** A kept message; the bytes are copied. */
export function messageOf(
  topic: TopicName,
  payload: Uint8Array,
  options: MessageOptions,
  nowMs: number,
): Message {
  const properties = options.properties ?? new Uint8Array(0);
  let expiryAt = -1;
  let expiryInterval = -1;
  const bytes = Buffer.from(properties);
  checkProperties(bytes, 0, bytes.length, publishProperties, {
    onProperty: (id, value, _idAt, start) => {
      if (id !== PropertyId.MessageExpiryInterval) return;
      expiryAt = start;
      expiryInterval = value;
    },
  });
  const message = assemble(topic, properties, payload, expiryAt, expiryInterval, nowMs);
  message.qos = options.qos;
  message.retain = options.retain;
  return message;
}

/** A will's message, as it is published now; its expiry begins now. */
export function messageOfWill(topic: TopicName, pending: PendingWill, nowMs: number): Message {
  const { will, identity } = pending;
  const { properties, payload, expiryAt, messageExpiryInterval } = will;
  const message = assemble(topic, properties, payload, expiryAt, messageExpiryInterval, nowMs);
  message.qos = will.qos;
  message.retain = will.retain;
  message.publisherId = identity.clientId;
  return message;
}

function assemble(
  topic: TopicName,
  properties: Uint8Array,
  payload: Uint8Array,
  expiryAt: number,
  expiryInterval: number,
  nowMs: number,
): Message {
  const block = new Block(Buffer.concat([properties, payload]));
  const message = new Message(topic, block);
  message.payloadStart = properties.length;
  message.end = block.bytes.length;
  message.isV5 = true;
  message.expiryAt = expiryAt;
  message.expiresAtMs = expiryAt < 0 ? NEVER : nowMs + expiryInterval * 1000;
  message.kept = message;
  return message;
}
