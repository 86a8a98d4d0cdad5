/**
 * Properties (MQTT 5.0 section 2.2.2.2): which there are, where they may stand, how they are
 * encoded. `checkProperties` is the gatekeeper in front of every decoder.
 */
import { MqttError } from './mqtt-error.js';
import { ReasonCode } from './reason-codes.js';
import { isWellFormed } from './utf8.js';
import { readVariableByteInteger, variableByteIntegerSize } from './variable-byte-integer.js';

export const PropertyId = {
  PayloadFormatIndicator: 0x01,
  MessageExpiryInterval: 0x02,
  ContentType: 0x03,
  ResponseTopic: 0x08,
  CorrelationData: 0x09,
  SubscriptionIdentifier: 0x0b,
  SessionExpiryInterval: 0x11,
  AssignedClientIdentifier: 0x12,
  ServerKeepAlive: 0x13,
  AuthenticationMethod: 0x15,
  AuthenticationData: 0x16,
  RequestProblemInformation: 0x17,
  WillDelayInterval: 0x18,
  RequestResponseInformation: 0x19,
  ResponseInformation: 0x1a,
  ServerReference: 0x1c,
  ReasonString: 0x1f,
  ReceiveMaximum: 0x21,
  TopicAliasMaximum: 0x22,
  TopicAlias: 0x23,
  MaximumQos: 0x24,
  RetainAvailable: 0x25,
  UserProperty: 0x26,
  MaximumPacketSize: 0x27,
  WildcardSubscriptionAvailable: 0x28,
  SubscriptionIdentifierAvailable: 0x29,
  SharedSubscriptionAvailable: 0x2a,
} as const;

const BYTE = 1;
const BOOLEAN = 2;
const TWO_BYTES = 3;
const FOUR_BYTES = 4;
const VARIABLE = 5;
const STRING = 6;
const BINARY = 7;
const PAIR = 8;

/** Index: property id. 0: unknown. */
const propertyTypes = new Uint8Array(256);
propertyTypes[PropertyId.PayloadFormatIndicator] = BOOLEAN;
propertyTypes[PropertyId.MessageExpiryInterval] = FOUR_BYTES;
propertyTypes[PropertyId.ContentType] = STRING;
propertyTypes[PropertyId.ResponseTopic] = STRING;
propertyTypes[PropertyId.CorrelationData] = BINARY;
propertyTypes[PropertyId.SubscriptionIdentifier] = VARIABLE;
propertyTypes[PropertyId.SessionExpiryInterval] = FOUR_BYTES;
propertyTypes[PropertyId.AssignedClientIdentifier] = STRING;
propertyTypes[PropertyId.ServerKeepAlive] = TWO_BYTES;
propertyTypes[PropertyId.AuthenticationMethod] = STRING;
propertyTypes[PropertyId.AuthenticationData] = BINARY;
propertyTypes[PropertyId.RequestProblemInformation] = BOOLEAN;
propertyTypes[PropertyId.WillDelayInterval] = FOUR_BYTES;
propertyTypes[PropertyId.RequestResponseInformation] = BOOLEAN;
propertyTypes[PropertyId.ResponseInformation] = STRING;
propertyTypes[PropertyId.ServerReference] = STRING;
propertyTypes[PropertyId.ReasonString] = STRING;
propertyTypes[PropertyId.ReceiveMaximum] = TWO_BYTES;
propertyTypes[PropertyId.TopicAliasMaximum] = TWO_BYTES;
propertyTypes[PropertyId.TopicAlias] = TWO_BYTES;
propertyTypes[PropertyId.MaximumQos] = BOOLEAN;
propertyTypes[PropertyId.RetainAvailable] = BOOLEAN;
propertyTypes[PropertyId.UserProperty] = PAIR;
propertyTypes[PropertyId.MaximumPacketSize] = FOUR_BYTES;
propertyTypes[PropertyId.WildcardSubscriptionAvailable] = BOOLEAN;
propertyTypes[PropertyId.SubscriptionIdentifierAvailable] = BOOLEAN;
propertyTypes[PropertyId.SharedSubscriptionAvailable] = BOOLEAN;

/** The properties that a client may put into a packet, as a set of ids. */
export type PropertySet = Uint8Array;

function propertySet(...ids: number[]): PropertySet {
  const set = new Uint8Array(256);
  for (const id of ids) set[id] = 1;
  return set;
}

export const connectProperties = propertySet(
  PropertyId.SessionExpiryInterval,
  PropertyId.ReceiveMaximum,
  PropertyId.MaximumPacketSize,
  PropertyId.TopicAliasMaximum,
  PropertyId.RequestResponseInformation,
  PropertyId.RequestProblemInformation,
  PropertyId.UserProperty,
  PropertyId.AuthenticationMethod,
  PropertyId.AuthenticationData,
);
export const willProperties = propertySet(
  PropertyId.WillDelayInterval,
  PropertyId.PayloadFormatIndicator,
  PropertyId.MessageExpiryInterval,
  PropertyId.ContentType,
  PropertyId.ResponseTopic,
  PropertyId.CorrelationData,
  PropertyId.UserProperty,
);
/** Subscription Identifier is the broker's alone in PUBLISH [MQTT-3.3.4-6]. */
export const publishProperties = propertySet(
  PropertyId.PayloadFormatIndicator,
  PropertyId.MessageExpiryInterval,
  PropertyId.ContentType,
  PropertyId.ResponseTopic,
  PropertyId.CorrelationData,
  PropertyId.TopicAlias,
  PropertyId.UserProperty,
);
export const acknowledgementProperties = propertySet(
  PropertyId.ReasonString,
  PropertyId.UserProperty,
);
export const subscribeProperties = propertySet(
  PropertyId.SubscriptionIdentifier,
  PropertyId.UserProperty,
);
export const unsubscribeProperties = propertySet(PropertyId.UserProperty);
export const disconnectProperties = propertySet(
  PropertyId.SessionExpiryInterval,
  PropertyId.ReasonString,
  PropertyId.UserProperty,
);
export const authProperties = propertySet(
  PropertyId.AuthenticationMethod,
  PropertyId.AuthenticationData,
  PropertyId.ReasonString,
  PropertyId.UserProperty,
);

/** Receives each property of a section, by the range of its value. */
export interface PropertyVisitor {
  /**
   * `number` is the value of an integer property, 0 for others. `idAt` is where the property
   * begins, `start` where its value does (behind the length of a string), `end` is behind it.
   */
  onProperty(id: number, number: number, idAt: number, start: number, end: number): void;
}

const seen = new Uint8Array(256);

/**
 * Checks the properties in `bytes[at..end)` (without their length) and shows each to `visitor`.
 *
 * @throws MqttError 0x81 for what cannot be read, 0x82 for a property that is misplaced, stands
 *   twice or has a value that it may not have.
 */
export function checkProperties(
  bytes: Buffer,
  at: number,
  end: number,
  allowed: PropertySet,
  visitor: PropertyVisitor | null,
): void {
  seen.fill(0);
  while (at < end) {
    const idAt = at;
    const id = bytes[at++]!;
    const type = propertyTypes[id]!;
    if (type === 0) throw malformed('unknown property');
    if (allowed[id] === 0) throw protocolError('property not allowed in this packet');
    if (seen[id] === 1 && id !== PropertyId.UserProperty) {
      throw protocolError('property given twice');
    }
    seen[id] = 1;
    at = checkValue(bytes, idAt, at, end, id, type, visitor);
  }
}

function checkValue(
  bytes: Buffer,
  idAt: number,
  at: number,
  end: number,
  id: number,
  type: number,
  visitor: PropertyVisitor | null,
): number {
  let start = at;
  let value = 0;
  switch (type) {
    case BYTE:
    case BOOLEAN:
      at += 1;
      if (at > end) throw malformed('property cut short');
      value = bytes[start]!;
      if (value > 1) throw protocolError('property value must be 0 or 1');
      break;
    case TWO_BYTES:
      at += 2;
      if (at > end) throw malformed('property cut short');
      value = bytes.readUInt16BE(start);
      break;
    case FOUR_BYTES:
      at += 4;
      if (at > end) throw malformed('property cut short');
      value = bytes.readUInt32BE(start);
      break;
    case VARIABLE:
      value = readVariableByteInteger(bytes, at, end);
      if (value < 0) throw malformed('bad Variable Byte Integer');
      at += variableByteIntegerSize(value);
      break;
    case PAIR:
      at = stringEnd(bytes, stringEnd(bytes, at, end, true), end, true);
      break;
    default:
      at = stringEnd(bytes, at, end, type === STRING);
      start += 2;
  }
  checkRange(id, value);
  visitor?.onProperty(id, value, idAt, start, at);
  return at;
}

/** Values that the standard forbids by name. */
function checkRange(id: number, value: number): void {
  if (value !== 0) return;
  switch (id) {
    case PropertyId.ReceiveMaximum:
      throw protocolError('Receive Maximum is 0');
    case PropertyId.MaximumPacketSize:
      throw protocolError('Maximum Packet Size is 0');
    case PropertyId.SubscriptionIdentifier:
      throw protocolError('Subscription Identifier is 0');
    case PropertyId.TopicAlias:
      throw new MqttError(ReasonCode.TopicAliasInvalid, 'Topic Alias is 0');
    default:
  }
}

/** Index behind the length-prefixed string or binary at `at`. */
export function stringEnd(bytes: Buffer, at: number, end: number, isText: boolean): number {
  if (at + 2 > end) throw malformed('string cut short');
  const stop = at + 2 + ((bytes[at]! << 8) | bytes[at + 1]!);
  if (stop > end) throw malformed('string cut short');
  if (isText && !isWellFormed(bytes, at + 2, stop)) throw malformed('string is not valid UTF-8');
  return stop;
}

export function malformed(detail: string): MqttError {
  return new MqttError(ReasonCode.MalformedPacket, detail);
}

export function protocolError(detail: string): MqttError {
  return new MqttError(ReasonCode.ProtocolError, detail);
}
