/**
 * Checks what the embedding program hands over: a text that MQTT cannot carry must fail here, in
 * the program's own call, and not at every subscriber.
 */
import type { MessageProperties } from './protocol/message-properties.js';
import { MqttError } from './protocol/mqtt-error.js';
import { ReasonCode } from './protocol/reason-codes.js';
import {
  hasWildcard,
  isShared,
  isTopicFilter,
  isTopicName,
  parseSharedFilter,
} from './protocol/topic.js';
import { isUtf8Payload } from './protocol/utf8.js';

const TEXT_BYTES_MAX = 65_535;
const UINT32_MAX = 0xffff_ffff;

/** @throws MqttError 0x90 when `topic` is no topic name */
export function checkTopicName(topic: string): void {
  if (isTopicName(topic) && isText(topic)) return;
  throw new MqttError(ReasonCode.TopicNameInvalid, `${JSON.stringify(topic)} is no topic name`);
}

/** @throws MqttError 0x8F when `filter` is no topic filter */
export function checkTopicFilter(filter: string): void {
  const isFilter = isShared(filter) ? parseSharedFilter(filter) !== null : isTopicFilter(filter);
  if (isFilter && isText(filter)) return;
  throw new MqttError(
    ReasonCode.TopicFilterInvalid,
    `${JSON.stringify(filter)} is no topic filter`,
  );
}

/** @throws MqttError for a property that no client could take */
export function checkProperties(properties: MessageProperties, payload: Uint8Array): void {
  const { contentType = '', responseTopic, correlationData, messageExpiryInterval } = properties;
  if (!isText(contentType)) throw refused('contentType');
  if (responseTopic !== undefined && (!isText(responseTopic) || hasWildcard(responseTopic))) {
    throw refused('responseTopic');
  }
  if (correlationData !== undefined && correlationData.length > TEXT_BYTES_MAX) {
    throw refused('correlationData');
  }
  if (messageExpiryInterval !== undefined && !isUint32(messageExpiryInterval)) {
    throw refused('messageExpiryInterval');
  }
  for (const { name, value } of properties.userProperties ?? []) {
    if (!isText(name) || !isText(value)) throw refused('userProperties');
  }
  if (properties.payloadFormatIndicator !== 1) return;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  if (isUtf8Payload(bytes, 0, bytes.length)) return;
  throw new MqttError(ReasonCode.PayloadFormatInvalid, 'the payload is not UTF-8');
}

/** False for U+0000, lone surrogates [MQTT-1.5.4-1] [MQTT-1.5.4-2], and more than 65 535 bytes. */
function isText(text: string): boolean {
  const bytes = Buffer.from(text);
  return !text.includes('\u0000') && bytes.length <= TEXT_BYTES_MAX && bytes.toString() === text;
}

function isUint32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= UINT32_MAX;
}

function refused(name: string): MqttError {
  return new MqttError(ReasonCode.MalformedPacket, `${name} is nothing that MQTT can carry`);
}
