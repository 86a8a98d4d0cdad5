/** Properties of MQTT 5.0 (table 2-4): names, types, and which server packets may hold them. */
import { field, type Text, u8, u16, u32, varint } from './bytes.js';

/** What tests write. Keys are encoded in the order in which they stand. */
export interface Properties {
  readonly payloadFormatIndicator?: number;
  readonly messageExpiryInterval?: number;
  readonly contentType?: Text;
  readonly responseTopic?: Text;
  readonly correlationData?: Text;
  readonly subscriptionIdentifiers?: readonly number[];
  readonly sessionExpiryInterval?: number;
  readonly assignedClientIdentifier?: Text;
  readonly serverKeepAlive?: number;
  readonly authenticationMethod?: Text;
  readonly authenticationData?: Text;
  readonly requestProblemInformation?: number;
  readonly willDelayInterval?: number;
  readonly requestResponseInformation?: number;
  readonly responseInformation?: Text;
  readonly serverReference?: Text;
  readonly reasonString?: Text;
  readonly receiveMaximum?: number;
  readonly topicAliasMaximum?: number;
  readonly topicAlias?: number;
  readonly maximumQos?: number;
  readonly retainAvailable?: number;
  readonly userProperties?: readonly (readonly [Text, Text])[];
  readonly maximumPacketSize?: number;
  readonly wildcardSubscriptionAvailable?: number;
  readonly subscriptionIdentifierAvailable?: number;
  readonly sharedSubscriptionAvailable?: number;
}
export type PropertyName = keyof Properties;
export type PropertyKind = 'u8' | 'u16' | 'u32' | 'varint' | 'text' | 'binary' | 'pair';

/** Every property: identifier and type. */
export const propertyTable: Readonly<Record<PropertyName, readonly [number, PropertyKind]>> = {
  payloadFormatIndicator: [0x01, 'u8'],
  messageExpiryInterval: [0x02, 'u32'],
  contentType: [0x03, 'text'],
  responseTopic: [0x08, 'text'],
  correlationData: [0x09, 'binary'],
  subscriptionIdentifiers: [0x0b, 'varint'],
  sessionExpiryInterval: [0x11, 'u32'],
  assignedClientIdentifier: [0x12, 'text'],
  serverKeepAlive: [0x13, 'u16'],
  authenticationMethod: [0x15, 'text'],
  authenticationData: [0x16, 'binary'],
  requestProblemInformation: [0x17, 'u8'],
  willDelayInterval: [0x18, 'u32'],
  requestResponseInformation: [0x19, 'u8'],
  responseInformation: [0x1a, 'text'],
  serverReference: [0x1c, 'text'],
  reasonString: [0x1f, 'text'],
  receiveMaximum: [0x21, 'u16'],
  topicAliasMaximum: [0x22, 'u16'],
  topicAlias: [0x23, 'u16'],
  maximumQos: [0x24, 'u8'],
  retainAvailable: [0x25, 'u8'],
  userProperties: [0x26, 'pair'],
  maximumPacketSize: [0x27, 'u32'],
  wildcardSubscriptionAvailable: [0x28, 'u8'],
  subscriptionIdentifierAvailable: [0x29, 'u8'],
  sharedSubscriptionAvailable: [0x2a, 'u8'],
};

export const propertyNames = new Map<number, PropertyName>(
  Object.entries(propertyTable).map(([name, [id]]) => [id, name as PropertyName]),
);

const REASON: readonly PropertyName[] = ['reasonString', 'userProperties'];

/** Properties that a server may put into each packet type. */
export const allowedFromServer: Readonly<Record<string, readonly PropertyName[]>> = {
  connack: [
    'sessionExpiryInterval',
    'assignedClientIdentifier',
    'serverKeepAlive',
    'authenticationMethod',
    'authenticationData',
    'responseInformation',
    'serverReference',
    'receiveMaximum',
    'topicAliasMaximum',
    'maximumQos',
    'retainAvailable',
    'maximumPacketSize',
    'wildcardSubscriptionAvailable',
    'subscriptionIdentifierAvailable',
    'sharedSubscriptionAvailable',
    ...REASON,
  ],
  publish: [
    'payloadFormatIndicator',
    'messageExpiryInterval',
    'contentType',
    'responseTopic',
    'correlationData',
    'subscriptionIdentifiers',
    'topicAlias',
    'userProperties',
  ],
  puback: REASON,
  pubrec: REASON,
  pubrel: REASON,
  pubcomp: REASON,
  suback: REASON,
  unsuback: REASON,
  disconnect: ['sessionExpiryInterval', 'serverReference', ...REASON],
  auth: ['authenticationMethod', 'authenticationData', ...REASON],
};

/** Properties with their length in front; a Buffer holds property bytes of the test's own. */
export function encodeProperties(properties: Properties | Buffer): Buffer {
  const bytes = Buffer.isBuffer(properties) ? properties : propertyBytes(properties);
  return Buffer.concat([varint(bytes.length), bytes]);
}

/** Properties without a length. */
export function propertyBytes(properties: Properties): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of Object.entries(properties)) {
    const [id, kind] = propertyTable[name as PropertyName];
    const values = kind === 'pair' || kind === 'varint' ? (value as readonly unknown[]) : [value];
    for (const one of values) parts.push(u8(id), encodeValue(kind, one));
  }
  return Buffer.concat(parts);
}

function encodeValue(kind: PropertyKind, value: unknown): Buffer {
  switch (kind) {
    case 'u8':
      return u8(value as number);
    case 'u16':
      return u16(value as number);
    case 'u32':
      return u32(value as number);
    case 'varint':
      return varint(value as number);
    case 'pair': {
      const [name, text] = value as readonly [Text, Text];
      return Buffer.concat([field(name), field(text)]);
    }
    default:
      return field(value as Text);
  }
}
