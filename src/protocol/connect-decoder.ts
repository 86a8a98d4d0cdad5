/**
 * Decodes CONNECT. Our own walk over the bytes finds everything that is malformed and notes what
 * mqtt-packet would lose (the order of the will's User Properties); mqtt-packet then reads the
 * fields.
 */
import type { IConnectPacket } from 'mqtt-packet';
import type { ProtocolVersion } from '../config/config.js';
import type { ConnectPacket, Will } from './control-packets.js';
import { MqttError } from './mqtt-error.js';
import { parseWithMqttPacket } from './mqtt-packet-parser.js';
import {
  checkProperties,
  connectProperties,
  malformed,
  PropertyId,
  type PropertySet,
  type PropertyVisitor,
  protocolError,
  stringEnd,
  willProperties,
} from './properties.js';
import { ReasonCode } from './reason-codes.js';
import { hasWildcard, isTopicName } from './topic.js';
import { isUtf8Payload } from './utf8.js';
import { readVariableByteInteger, variableByteIntegerSize } from './variable-byte-integer.js';

const NEVER_EXPIRES = 0xffff_ffff;
const BRIDGE_BIT = 0x80;

/** Where a malformed CONNECT leaves the connection: what it may still be told depends on it. */
export interface ConnectVersion {
  /** 0: not known (yet), so no CONNACK can be sent. */
  readonly protocolVersion: ProtocolVersion | 0;
  readonly isBridge: boolean;
  /** Index behind the protocol level. */
  readonly next: number;
}

/**
 * Reads protocol name and level.
 *
 * @throws MqttError 0x84 when they name no version that we know; `unsupportedLevel` tells which.
 */
export function readConnectVersion(bytes: Buffer, start: number, end: number): ConnectVersion {
  const nameEnd = stringEnd(bytes, start, end, true);
  if (nameEnd >= end) throw malformed('CONNECT cut short');
  const name = bytes.toString('latin1', start + 2, nameEnd);
  const byte = bytes[nameEnd]!;
  const level = byte & ~BRIDGE_BIT;
  const next = nameEnd + 1;
  const isBridge = (byte & BRIDGE_BIT) !== 0;
  if (name === 'MQTT' && (level === 4 || level === 5)) {
    return { protocolVersion: level, isBridge, next };
  }
  if (name === 'MQIsdp' && level === 3) return { protocolVersion: 3, isBridge, next };
  throw new UnsupportedVersion(name === 'MQTT' || name === 'MQIsdp' ? byte : -1);
}

/** [MQTT-3.1.2-1] [MQTT-3.1.2-2] */
export class UnsupportedVersion extends MqttError {
  /** Protocol level of the CONNECT; -1: not even the protocol name is known. */
  readonly level: number;

  constructor(level: number) {
    super(ReasonCode.UnsupportedProtocolVersion, 'unsupported protocol version');
    this.level = level;
  }
}

/**
 * Decodes the CONNECT in `bytes[packetStart..end)`.
 *
 * @throws MqttError 0x81 or 0x82; 3.x connections are then closed without CONNACK [MQTT-3.1.4-1]
 */
export function decodeConnect(
  bytes: Buffer,
  packetStart: number,
  end: number,
  version: ConnectVersion,
): ConnectPacket {
  const isV5 = version.protocolVersion === 5;
  const willAt = checkConnect(bytes, version.next, end, isV5);
  const packet = parseWithMqttPacket(bytes, packetStart, end, 4) as IConnectPacket;
  const properties = packet.properties ?? {};
  const neverWithV3 = packet.clean ? 0 : NEVER_EXPIRES;
  return {
    protocolVersion: version.protocolVersion as ProtocolVersion,
    isBridge: version.isBridge,
    cleanStart: packet.clean === true,
    keepAlive: packet.keepalive ?? 0,
    clientId: packet.clientId,
    username: packet.username ?? null,
    password: packet.password ? Buffer.from(packet.password) : null,
    will: willAt === null ? null : buildWill(bytes, willAt, packet),
    sessionExpiryInterval: isV5 ? (properties.sessionExpiryInterval ?? 0) : neverWithV3,
    receiveMaximum: properties.receiveMaximum ?? 65_535,
    maximumPacketSize: properties.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    topicAliasMaximum: properties.topicAliasMaximum ?? 0,
    requestProblemInformation: asBoolean(properties.requestProblemInformation, true),
    requestResponseInformation: asBoolean(properties.requestResponseInformation, false),
    authenticationMethod: properties.authenticationMethod ?? null,
    authenticationData: properties.authenticationData
      ? Buffer.from(properties.authenticationData)
      : null,
  };
}

function asBoolean(value: boolean | undefined, absent: boolean): boolean {
  return value === undefined ? absent : Boolean(value);
}

/** Where the will's parts lie in the packet. */
interface WillRange {
  propertiesStart: number;
  propertiesEnd: number;
  payloadStart: number;
  payloadEnd: number;
}

/** Walks over everything behind the protocol level; returns where the will is, if any. */
function checkConnect(bytes: Buffer, at: number, end: number, isV5: boolean): WillRange | null {
  if (at + 3 > end) throw malformed('CONNECT cut short');
  const flags = bytes[at]!;
  checkFlags(flags, isV5);
  at += 3;
  const visitor = new AuthenticationVisitor();
  if (isV5) {
    at = propertySection(bytes, at, end, connectProperties, visitor).end;
    if (visitor.hasData && !visitor.hasMethod) {
      throw protocolError('Authentication Data without Authentication Method');
    }
  }
  at = stringEnd(bytes, at, end, true);
  let will: WillRange | null = null;
  if ((flags & 0x04) !== 0) {
    const none = { start: at, end: at };
    const properties = isV5
      ? propertySection(bytes, at, end, willProperties, responseTopic(bytes))
      : none;
    const topicEnd = stringEnd(bytes, properties.end, end, true);
    const payloadEnd = stringEnd(bytes, topicEnd, end, false);
    will = {
      propertiesStart: properties.start,
      propertiesEnd: properties.end,
      payloadStart: topicEnd + 2,
      payloadEnd,
    };
    at = payloadEnd;
  }
  if ((flags & 0x80) !== 0) at = stringEnd(bytes, at, end, true);
  if ((flags & 0x40) !== 0) at = stringEnd(bytes, at, end, false);
  if (at !== end) throw malformed('bytes left over behind the last field of CONNECT');
  return will;
}

function checkFlags(flags: number, isV5: boolean): void {
  if ((flags & 0x01) !== 0) throw malformed('reserved Connect Flag set [MQTT-3.1.2-3]');
  const willQos = (flags >>> 3) & 3;
  if (willQos === 3) throw malformed('Will QoS 3 [MQTT-3.1.2-12]');
  if ((flags & 0x04) === 0 && (flags & 0x38) !== 0) {
    throw malformed('Will QoS or Will Retain without Will Flag [MQTT-3.1.2-11]');
  }
  if (!isV5 && (flags & 0xc0) === 0x40) {
    throw malformed('password without user name [MQTT-3.1.2-22]');
  }
}

class AuthenticationVisitor implements PropertyVisitor {
  hasMethod = false;
  hasData = false;

  onProperty(id: number): void {
    if (id === PropertyId.AuthenticationMethod) this.hasMethod = true;
    if (id === PropertyId.AuthenticationData) this.hasData = true;
  }
}

/** Response Topic must be a topic name [MQTT-3.3.2-14]. */
function responseTopic(bytes: Buffer): PropertyVisitor {
  return {
    onProperty: (id, _number, _idAt, start, end) => {
      if (id !== PropertyId.ResponseTopic) return;
      if (start === end || hasWildcard(bytes.toString('latin1', start, end))) {
        throw protocolError('bad Response Topic [MQTT-3.3.2-14]');
      }
    },
  };
}

function propertySection(
  bytes: Buffer,
  at: number,
  end: number,
  allowed: PropertySet,
  visitor: PropertyVisitor | null,
): { start: number; end: number } {
  const length = readVariableByteInteger(bytes, at, end);
  if (length < 0) throw malformed('bad property length');
  const start = at + variableByteIntegerSize(length);
  if (start + length > end) throw malformed('properties cut short');
  checkProperties(bytes, start, start + length, allowed, visitor);
  return { start, end: start + length };
}

function buildWill(bytes: Buffer, range: WillRange, packet: IConnectPacket): Will {
  const source = packet.will!;
  if (!isTopicName(source.topic)) {
    throw new MqttError(ReasonCode.TopicNameInvalid, 'Will Topic is no topic name');
  }
  const parts: Buffer[] = [];
  let length = 0;
  let expiryAt = -1;
  let willDelayInterval = 0;
  let messageExpiryInterval = -1;
  let payloadFormat = 0;
  const { propertiesStart, propertiesEnd } = range;
  checkProperties(bytes, propertiesStart, propertiesEnd, willProperties, {
    onProperty: (id, value, idAt, start, end) => {
      if (id === PropertyId.WillDelayInterval) {
        willDelayInterval = value;
        return;
      }
      if (id === PropertyId.PayloadFormatIndicator) payloadFormat = value;
      if (id === PropertyId.MessageExpiryInterval) {
        messageExpiryInterval = value;
        expiryAt = length + start - idAt;
      }
      parts.push(bytes.subarray(idAt, end));
      length += end - idAt;
    },
  });
  return {
    topic: source.topic,
    payload: Buffer.from(bytes.subarray(range.payloadStart, range.payloadEnd)),
    qos: source.qos ?? 0,
    retain: source.retain === true,
    willDelayInterval,
    messageExpiryInterval,
    properties: Buffer.concat(parts),
    expiryAt,
    isPayloadValid:
      payloadFormat === 0 || isUtf8Payload(bytes, range.payloadStart, range.payloadEnd),
  };
}
