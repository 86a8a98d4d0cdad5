/**
 * Reads PUBLISH and its four acknowledgements from raw bytes. Hot path: one reader is reused for
 * every packet, and a packet without properties costs no call.
 */
import { MqttError } from './mqtt-error.js';
import {
  acknowledgementProperties,
  checkProperties,
  malformed,
  PropertyId,
  protocolError,
  publishProperties,
} from './properties.js';
import { ReasonCode } from './reason-codes.js';
import { hasWildcard } from './topic.js';
import { isUtf8Payload } from './utf8.js';
import { readVariableByteInteger, variableByteIntegerSize } from './variable-byte-integer.js';

const DUP = 0x08;
const RETAIN = 0x01;

export class PublishReader {
  dup = false;
  qos = 0;
  retain = false;
  /** 0 at QoS 0. */
  packetId = 0;
  topicStart = 0;
  topicEnd = 0;
  propertiesStart = 0;
  payloadStart = 0;
  end = 0;
  /** Seconds; -1: absent. */
  messageExpiryInterval = -1;
  /** Index of its four bytes; -1: absent. */
  expiryAt = -1;
  /** 0: absent. */
  topicAlias = 0;
  /** Index of the three bytes of the alias property; -1: absent. */
  topicAliasAt = -1;
  payloadFormat = 0;
  private bytes: Buffer = Buffer.alloc(0);

  /**
   * Reads the packet whose fixed header is over at `start`. The topic's UTF-8 is not checked
   * here: whoever resolves the topic does, once per topic.
   *
   * @param flags the lower four bits of the first byte
   * @throws MqttError 0x81, 0x82, 0x90 or 0x94
   */
  read(bytes: Buffer, flags: number, start: number, end: number, isV5: boolean): void {
    this.qos = (flags >>> 1) & 3;
    this.dup = (flags & DUP) !== 0;
    this.retain = (flags & RETAIN) !== 0;
    if (this.qos === 3) throw malformed('QoS 3 [MQTT-3.3.1-4]');
    if (this.dup && this.qos === 0) throw malformed('DUP at QoS 0 [MQTT-3.3.1-2]');
    if (end - start < 2) throw malformed('PUBLISH cut short');
    this.topicStart = start + 2;
    let at = this.topicStart + ((bytes[start]! << 8) | bytes[start + 1]!);
    if (at > end) throw malformed('topic name cut short');
    this.topicEnd = at;
    this.packetId = 0;
    if (this.qos > 0) {
      if (at + 2 > end) throw malformed('packet identifier missing');
      this.packetId = (bytes[at]! << 8) | bytes[at + 1]!;
      if (this.packetId === 0) throw malformed('packet identifier is 0');
      at += 2;
    }
    this.end = end;
    this.messageExpiryInterval = -1;
    this.expiryAt = -1;
    this.topicAlias = 0;
    this.topicAliasAt = -1;
    this.payloadFormat = 0;
    if (isV5) at = this.readProperties(bytes, at, end);
    else this.propertiesStart = at;
    this.payloadStart = at;
  }

  /** False when the payload is not the UTF-8 that its Payload Format Indicator says. */
  hasValidPayload(bytes: Buffer): boolean {
    return this.payloadFormat === 0 || isUtf8Payload(bytes, this.payloadStart, this.end);
  }

  onProperty(id: number, value: number, idAt: number, start: number, end: number): void {
    switch (id) {
      case PropertyId.PayloadFormatIndicator:
        this.payloadFormat = value;
        break;
      case PropertyId.MessageExpiryInterval:
        this.messageExpiryInterval = value;
        this.expiryAt = start;
        break;
      case PropertyId.TopicAlias:
        this.topicAlias = value;
        this.topicAliasAt = idAt;
        break;
      case PropertyId.ResponseTopic:
        if (start === end || hasWildcard(this.bytes.toString('latin1', start, end))) {
          throw new MqttError(ReasonCode.ProtocolError, 'bad Response Topic [MQTT-3.3.2-14]');
        }
        break;
      default:
    }
  }

  private readProperties(bytes: Buffer, at: number, end: number): number {
    if (at < end && bytes[at] === 0) {
      this.propertiesStart = at + 1;
      return at + 1;
    }
    const length = readVariableByteInteger(bytes, at, end);
    if (length < 0) throw malformed('bad property length');
    at += variableByteIntegerSize(length);
    if (at + length > end) throw malformed('properties cut short');
    this.propertiesStart = at;
    this.bytes = bytes;
    checkProperties(bytes, at, at + length, publishProperties, this);
    return at + length;
  }
}

/** PUBACK, PUBREC, PUBREL and PUBCOMP, as a client sends them. */
export class AcknowledgementReader {
  packetId = 0;
  reasonCode = 0;

  /** @throws MqttError 0x81 or 0x82 */
  read(bytes: Buffer, start: number, end: number, isV5: boolean, isRelease: boolean): void {
    const length = end - start;
    if (length < 2) throw malformed('acknowledgement cut short');
    this.packetId = (bytes[start]! << 8) | bytes[start + 1]!;
    if (this.packetId === 0) throw malformed('packet identifier is 0');
    this.reasonCode = ReasonCode.Success;
    if (length === 2) return;
    if (!isV5) throw malformed('acknowledgement too long');
    this.reasonCode = bytes[start + 2]!;
    const isKnown = isRelease
      ? this.reasonCode === ReasonCode.Success ||
        this.reasonCode === ReasonCode.PacketIdentifierNotFound
      : publishReasonCodes.has(this.reasonCode);
    if (!isKnown) throw protocolError('reason code not allowed in this packet');
    if (length === 3) return;
    const propertyLength = readVariableByteInteger(bytes, start + 3, end);
    const at = start + 3 + variableByteIntegerSize(propertyLength);
    if (propertyLength < 0 || at + propertyLength !== end) throw malformed('bad property length');
    checkProperties(bytes, at, end, acknowledgementProperties, null);
  }
}

/** [MQTT-3.4.2-1] [MQTT-3.5.2-1] */
const publishReasonCodes: ReadonlySet<number> = new Set([
  ReasonCode.Success,
  ReasonCode.NoMatchingSubscribers,
  ReasonCode.UnspecifiedError,
  ReasonCode.ImplementationSpecificError,
  ReasonCode.NotAuthorized,
  ReasonCode.TopicNameInvalid,
  ReasonCode.PacketIdentifierInUse,
  ReasonCode.QuotaExceeded,
  ReasonCode.PayloadFormatInvalid,
]);
