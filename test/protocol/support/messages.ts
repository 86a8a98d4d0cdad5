/** Messages for the writer and fields out of the reader, with bytes around both. */
import { Block } from '../../../src/base/block.js';
import { Message, NEVER, TopicName } from '../../../src/protocol/message.js';
import { PublishReader } from '../../../src/protocol/publish-reader.js';
import {
  noExtras,
  type PublishExtras,
  packetSize,
  publishRemainingLength,
  writePublish,
} from '../../../src/protocol/publish-writer.js';
import type { Decode } from './decode-anywhere.js';

const untouched = 0xa5;
const margin = 9;
const messageExpiry = 0x02;

export function topicOf(name: string): TopicName {
  const bytes = Buffer.from(name);
  const block = new Block(Buffer.concat([Buffer.alloc(5, untouched), bytes, Buffer.alloc(3)]));
  return new TopicName(name, block, 5, 5 + bytes.length);
}

export interface MessageParts {
  readonly topic: string;
  readonly payload: Buffer;
  /** A property section without its length. */
  readonly properties?: Buffer;
  /** Index in `properties` of the expiry's four bytes. */
  readonly expiryAt?: number;
  readonly expiresAtMs?: number;
}

export function messageOf(parts: MessageParts): Message {
  const properties = parts.properties ?? Buffer.alloc(0);
  const before = Buffer.alloc(7, untouched);
  const bytes = Buffer.concat([before, properties, parts.payload, Buffer.alloc(2, untouched)]);
  const message = new Message(topicOf(parts.topic), new Block(bytes));
  message.propertiesStart = before.length;
  message.payloadStart = before.length + properties.length;
  message.end = message.payloadStart + parts.payload.length;
  message.expiryAt = parts.expiryAt === undefined ? -1 : before.length + parts.expiryAt;
  message.expiresAtMs = parts.expiresAtMs ?? NEVER;
  return message;
}

export interface WriteOptions {
  readonly isV5: boolean;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly packetId?: number;
  readonly extras?: PublishExtras;
  readonly nowMs?: number;
}

/** The PUBLISH as it is written; throws when it touched a byte beside it or lied about the id. */
export function writeMessage(message: Message, options: WriteOptions): Buffer {
  const { isV5, qos = 0, retain = false, dup = false, packetId = 0, nowMs = 0 } = options;
  const extras = options.extras ?? noExtras;
  const length = publishRemainingLength(message, qos, isV5, extras);
  const size = packetSize(length);
  const target = new Block(Buffer.alloc(size + 2 * margin, untouched));
  const idAt = writePublish(
    target,
    margin,
    message,
    length,
    qos,
    retain,
    dup,
    packetId,
    isV5,
    extras,
    nowMs,
  );
  const { bytes } = target;
  const edges = [...bytes.subarray(0, margin), ...bytes.subarray(margin + size)];
  if (edges.some((byte) => byte !== untouched)) throw new Error('wrote outside its packet');
  const isIdRight = qos === 0 ? idAt === -1 : bytes.readUInt16BE(idAt) === packetId;
  if (!isIdRight) throw new Error('the packet identifier is not where it is said to be');
  return bytes.subarray(margin, margin + size);
}

/** Where the value of Message Expiry Interval begins, for a section that starts with it. */
export function expiryFirst(seconds: number, rest: Buffer = Buffer.alloc(0)): MessageParts {
  const expiry = Buffer.alloc(5);
  expiry[0] = messageExpiry;
  expiry.writeUInt32BE(seconds, 1);
  const properties = Buffer.concat([expiry, rest]);
  return { topic: 't', payload: Buffer.from('p'), properties, expiryAt: 1 };
}

/** A PublishReader's fields, copied out of the buffer; offsets count from the packet's start. */
export interface PublishFields {
  readonly qos: number;
  readonly dup: boolean;
  readonly retain: boolean;
  readonly packetId: number;
  readonly topic: string;
  readonly properties: string;
  readonly payload: string;
  readonly messageExpiryInterval: number;
  readonly expiryAt: number;
  readonly topicAlias: number;
  readonly topicAliasAt: number;
  readonly hasValidPayload: boolean;
}

/** Decodes by one PublishReader that is used again and again, as the broker does. */
export function publishDecoder(isV5: boolean): Decode<PublishFields> {
  return (bytes, at, start, end) => {
    reader.read(bytes, bytes[at] & 15, start, end, isV5);
    const from = (index: number): number => (index < 0 ? -1 : index - at);
    return {
      qos: reader.qos,
      dup: reader.dup,
      retain: reader.retain,
      packetId: reader.packetId,
      topic: bytes.toString('utf8', reader.topicStart, reader.topicEnd),
      properties: bytes.toString('hex', reader.propertiesStart, reader.payloadStart),
      payload: bytes.toString('hex', reader.payloadStart, reader.end),
      messageExpiryInterval: reader.messageExpiryInterval,
      expiryAt: from(reader.expiryAt),
      topicAlias: reader.topicAlias,
      topicAliasAt: from(reader.topicAliasAt),
      hasValidPayload: reader.hasValidPayload(bytes),
    };
  };
}

const reader = new PublishReader();
