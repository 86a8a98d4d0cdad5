/**
 * Writes PUBLISH and its acknowledgements. Hot path.
 *
 * `publishSize` and `writePublish` serve the usual delivery. What only MQTT 5.0 needs per
 * recipient (Subscription Identifiers, Topic Alias) goes through `PublishExtras`.
 */
import { type Block, copyBytes } from '../base/block.js';
import type { Message } from './message.js';
import { PropertyId } from './properties.js';
import { variableByteIntegerSize, writeVariableByteInteger } from './variable-byte-integer.js';

const PUBLISH_HEADER = 0x30;
const DUP = 0x08;
const RETAIN = 0x01;
const ALIAS_BYTES = 3;

/** What one recipient's PUBLISH has beyond the message. */
export class PublishExtras {
  /** Identifiers of all matching subscriptions; null: none [MQTT-3.3.4-3]. */
  subscriptionIds: readonly number[] | null = null;
  /** 0: no alias. */
  topicAlias = 0;
  /** True: the alias is known to the client, the topic name is left empty. */
  isTopicOmitted = false;
  /** Bytes of the listener's mount point at the start of the topic, which the client never sees. */
  mountLength = 0;
}

/** For deliveries without anything of their own. Never changed. */
export const noExtras: PublishExtras = Object.freeze(new PublishExtras());

function topicSize(message: Message, extras: PublishExtras): number {
  if (extras.isTopicOmitted) return 0;
  return message.topic.end - message.topic.start - extras.mountLength;
}

function propertiesSize(message: Message, extras: PublishExtras): number {
  let size = message.payloadStart - message.propertiesStart;
  if (extras.topicAlias !== 0) size += ALIAS_BYTES;
  const ids = extras.subscriptionIds;
  if (ids !== null) for (const id of ids) size += 1 + variableByteIntegerSize(id);
  return size;
}

/** First byte of a PUBLISH. */
export function publishByte(qos: number, retain: boolean, dup: boolean): number {
  return PUBLISH_HEADER | (dup ? DUP : 0) | (qos << 1) | (retain ? RETAIN : 0);
}

/** Remaining Length of the PUBLISH. */
export function publishRemainingLength(
  message: Message,
  qos: number,
  isV5: boolean,
  extras: PublishExtras,
): number {
  let length = 2 + topicSize(message, extras) + message.end - message.payloadStart;
  if (qos > 0) length += 2;
  if (isV5) {
    const properties = propertiesSize(message, extras);
    length += variableByteIntegerSize(properties) + properties;
  }
  return length;
}

/** Bytes of the whole packet with this Remaining Length. */
export function packetSize(remainingLength: number): number {
  return 1 + variableByteIntegerSize(remainingLength) + remainingLength;
}

/**
 * Writes a PUBLISH at `at`; the caller has made room for `packetSize(remainingLength)` bytes.
 *
 * @param nowMs the turn's time, for the remaining Message Expiry Interval [MQTT-3.3.2-6]
 * @returns the index of the packet identifier; -1 at QoS 0
 */
export function writePublish(
  target: Block,
  at: number,
  message: Message,
  remainingLength: number,
  qos: number,
  retain: boolean,
  dup: boolean,
  packetId: number,
  isV5: boolean,
  extras: PublishExtras,
  nowMs: number,
): number {
  const bytes = target.bytes;
  bytes[at++] = publishByte(qos, retain, dup);
  at = writeVariableByteInteger(bytes, at, remainingLength);
  const topic = message.topic;
  const topicLength = topicSize(message, extras);
  bytes[at++] = topicLength >>> 8;
  bytes[at++] = topicLength & 0xff;
  if (topicLength > 0) {
    copyBytes(target, at, topic.block, topic.end - topicLength, topic.end);
    at += topicLength;
  }
  let packetIdAt = -1;
  if (qos > 0) {
    packetIdAt = at;
    bytes[at++] = packetId >>> 8;
    bytes[at++] = packetId & 0xff;
  }
  if (isV5) at = writeProperties(target, at, message, extras, nowMs);
  copyBytes(target, at, message.block, message.payloadStart, message.end);
  return packetIdAt;
}

function writeProperties(
  target: Block,
  at: number,
  message: Message,
  extras: PublishExtras,
  nowMs: number,
): number {
  const bytes = target.bytes;
  const size = propertiesSize(message, extras);
  at = writeVariableByteInteger(bytes, at, size);
  if (size === 0) return at;
  if (extras.topicAlias !== 0) {
    bytes[at++] = PropertyId.TopicAlias;
    bytes[at++] = extras.topicAlias >>> 8;
    bytes[at++] = extras.topicAlias & 0xff;
  }
  const ids = extras.subscriptionIds;
  if (ids !== null) {
    for (const id of ids) {
      bytes[at++] = PropertyId.SubscriptionIdentifier;
      at = writeVariableByteInteger(bytes, at, id);
    }
  }
  const start = message.propertiesStart;
  copyBytes(target, at, message.block, start, message.payloadStart);
  if (message.expiryAt >= 0) {
    const expiryAt = at + message.expiryAt - start;
    const remaining = Math.max(0, Math.ceil((message.expiresAtMs - nowMs) / 1000));
    // It never grows, although brokers' clocks may differ by some milliseconds.
    if (remaining < target.view.getUint32(expiryAt)) target.view.setUint32(expiryAt, remaining);
  }
  return at + message.payloadStart - start;
}

/** Bytes of an acknowledgement without a reason code. */
export const ACKNOWLEDGEMENT_BYTES = 4;

/** Writes PUBACK, PUBREC, PUBREL or PUBCOMP with reason code 0 in its shortest form. */
export function writeAcknowledgement(
  bytes: Buffer,
  at: number,
  firstByte: number,
  packetId: number,
): void {
  bytes[at] = firstByte;
  bytes[at + 1] = 2;
  bytes[at + 2] = packetId >>> 8;
  bytes[at + 3] = packetId & 0xff;
}

/** Bytes of an acknowledgement with a reason code and no properties. */
export const REASONED_ACKNOWLEDGEMENT_BYTES = 5;

/** Writes PUBACK, PUBREC, PUBREL or PUBCOMP of MQTT 5.0 with a reason code and no properties. */
export function writeReasonedAcknowledgement(
  bytes: Buffer,
  at: number,
  firstByte: number,
  packetId: number,
  reasonCode: number,
): void {
  bytes[at] = firstByte;
  bytes[at + 1] = 3;
  bytes[at + 2] = packetId >>> 8;
  bytes[at + 3] = packetId & 0xff;
  bytes[at + 4] = reasonCode;
}

/** First bytes of the acknowledgements. */
export const PUBACK_BYTE = 0x40;
export const PUBREC_BYTE = 0x50;
export const PUBREL_BYTE = 0x62;
export const PUBCOMP_BYTE = 0x70;
