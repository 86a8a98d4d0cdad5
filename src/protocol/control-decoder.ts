/**
 * Decodes SUBSCRIBE, UNSUBSCRIBE, DISCONNECT and AUTH: our own walk finds what is malformed with
 * its reason code, mqtt-packet reads the fields.
 */
import type {
  IAuthPacket,
  IDisconnectPacket,
  ISubscribePacket,
  IUnsubscribePacket,
} from 'mqtt-packet';
import type {
  AuthPacket,
  DisconnectPacket,
  SubscribePacket,
  SubscriptionRequest,
  UnsubscribePacket,
  UserProperty,
} from './control-packets.js';
import { userProperty } from './message-properties.js';
import { parseWithMqttPacket } from './mqtt-packet-parser.js';
import {
  authProperties,
  checkProperties,
  disconnectProperties,
  malformed,
  PropertyId,
  type PropertySet,
  type PropertyVisitor,
  protocolError,
  stringEnd,
  subscribeProperties,
  unsubscribeProperties,
} from './properties.js';
import { ReasonCode } from './reason-codes.js';
import { readVariableByteInteger, variableByteIntegerSize } from './variable-byte-integer.js';

/**
 * Decodes the SUBSCRIBE in `bytes[packetStart..end)`, whose fixed header is over at `start`.
 *
 * @throws MqttError 0x81 or 0x82
 */
export function decodeSubscribe(
  bytes: Buffer,
  packetStart: number,
  start: number,
  end: number,
  isV5: boolean,
): SubscribePacket {
  const userProperties: UserProperty[] = [];
  let at = checkRequestHeader(bytes, start, end, isV5, subscribeProperties, {
    onProperty: (id, _number, _idAt, from) => {
      if (id === PropertyId.UserProperty) userProperties.push(userProperty(bytes, from));
    },
  });
  while (at < end) {
    at = stringEnd(bytes, at, end, true);
    if (at >= end) throw malformed('subscription options missing');
    const options = bytes[at++]!;
    const reserved = isV5 ? 0xc0 : 0xfc;
    if ((options & reserved) !== 0) throw malformed('reserved subscription option set');
    if ((options & 3) === 3) throw isV5 ? protocolError('QoS 3') : malformed('QoS 3');
    if (((options >>> 4) & 3) === 3) throw protocolError('Retain Handling 3');
  }
  const version = isV5 ? 5 : 4;
  const packet = parseWithMqttPacket(bytes, packetStart, end, version) as ISubscribePacket;
  const identifier: unknown = packet.properties?.subscriptionIdentifier;
  return {
    packetId: packet.messageId ?? 0,
    subscriptionIdentifier: typeof identifier === 'number' ? identifier : 0,
    userProperties,
    subscriptions: packet.subscriptions.map(
      (subscription): SubscriptionRequest => ({
        filter: subscription.topic,
        qos: subscription.qos,
        noLocal: subscription.nl === true,
        retainAsPublished: subscription.rap === true,
        retainHandling: (subscription.rh ?? 0) as 0 | 1 | 2,
      }),
    ),
  };
}

/** As `decodeSubscribe`. */
export function decodeUnsubscribe(
  bytes: Buffer,
  packetStart: number,
  start: number,
  end: number,
  isV5: boolean,
): UnsubscribePacket {
  let at = checkRequestHeader(bytes, start, end, isV5, unsubscribeProperties, null);
  while (at < end) at = stringEnd(bytes, at, end, true);
  const version = isV5 ? 5 : 4;
  const packet = parseWithMqttPacket(bytes, packetStart, end, version) as IUnsubscribePacket;
  return { packetId: packet.messageId ?? 0, filters: packet.unsubscriptions };
}

/** Packet identifier and properties; returns where the payload begins, which is never empty. */
function checkRequestHeader(
  bytes: Buffer,
  start: number,
  end: number,
  isV5: boolean,
  allowed: PropertySet,
  visitor: PropertyVisitor | null,
): number {
  if (start + 2 > end) throw malformed('packet identifier missing');
  if (bytes.readUInt16BE(start) === 0) throw malformed('packet identifier is 0');
  const at = isV5 ? checkPropertySection(bytes, start + 2, end, allowed, visitor) : start + 2;
  if (at === end) throw protocolError('no topic filter [MQTT-3.8.3-2] [MQTT-3.10.3-2]');
  return at;
}

function checkPropertySection(
  bytes: Buffer,
  at: number,
  end: number,
  allowed: PropertySet,
  visitor: PropertyVisitor | null = null,
): number {
  const length = readVariableByteInteger(bytes, at, end);
  if (length < 0) throw malformed('bad property length');
  const start = at + variableByteIntegerSize(length);
  if (start + length > end) throw malformed('properties cut short');
  checkProperties(bytes, start, start + length, allowed, visitor);
  return start + length;
}

/** Reason codes that a client may send in DISCONNECT [MQTT-3.14.2-1]. */
const clientDisconnectCodes: ReadonlySet<number> = new Set([
  ReasonCode.Success,
  ReasonCode.DisconnectWithWillMessage,
  ReasonCode.UnspecifiedError,
  ReasonCode.MalformedPacket,
  ReasonCode.ProtocolError,
  ReasonCode.ImplementationSpecificError,
  ReasonCode.TopicNameInvalid,
  ReasonCode.ReceiveMaximumExceeded,
  ReasonCode.TopicAliasInvalid,
  ReasonCode.PacketTooLarge,
  ReasonCode.MessageRateTooHigh,
  ReasonCode.QuotaExceeded,
  ReasonCode.AdministrativeAction,
  ReasonCode.PayloadFormatInvalid,
]);

/** As `decodeSubscribe`. */
export function decodeDisconnect(
  bytes: Buffer,
  packetStart: number,
  start: number,
  end: number,
  isV5: boolean,
): DisconnectPacket {
  if (!isV5) {
    if (start !== end) throw malformed('DISCONNECT with a payload');
    return { reasonCode: ReasonCode.Success, sessionExpiryInterval: -1 };
  }
  if (start === end) return { reasonCode: ReasonCode.Success, sessionExpiryInterval: -1 };
  const reasonCode = bytes[start]!;
  if (!clientDisconnectCodes.has(reasonCode)) throw protocolError('bad DISCONNECT reason code');
  if (start + 1 === end) return { reasonCode, sessionExpiryInterval: -1 };
  if (checkPropertySection(bytes, start + 1, end, disconnectProperties) !== end) {
    throw malformed('bytes left over behind DISCONNECT');
  }
  const packet = parseWithMqttPacket(bytes, packetStart, end, 5) as IDisconnectPacket;
  return {
    reasonCode,
    sessionExpiryInterval: packet.properties?.sessionExpiryInterval ?? -1,
  };
}

/** As `decodeSubscribe`; MQTT 5.0 only. */
export function decodeAuth(
  bytes: Buffer,
  packetStart: number,
  start: number,
  end: number,
): AuthPacket {
  if (start === end) {
    return {
      reasonCode: ReasonCode.Success,
      authenticationMethod: null,
      authenticationData: null,
    };
  }
  const reasonCode = bytes[start]!;
  if (
    reasonCode !== ReasonCode.ContinueAuthentication &&
    reasonCode !== ReasonCode.ReAuthenticate
  ) {
    throw protocolError('bad AUTH reason code [MQTT-3.15.2-1]');
  }
  if (start + 1 === end) throw protocolError('AUTH without Authentication Method');
  if (checkPropertySection(bytes, start + 1, end, authProperties) !== end) {
    throw malformed('bytes left over behind AUTH');
  }
  const packet = parseWithMqttPacket(bytes, packetStart, end, 5) as IAuthPacket;
  const data = packet.properties?.authenticationData;
  return {
    reasonCode,
    authenticationMethod: packet.properties?.authenticationMethod ?? null,
    authenticationData: data ? Buffer.from(data) : null,
  };
}
