/** Hostile packets of clients that have a session. */
import {
  ack,
  auth,
  connect,
  disconnect,
  pingreq,
  publish,
  subscribe,
  unsubscribe,
  type Version,
} from '../../../conformance/raw/build.js';
import { field, frame, illFormedTexts, nulText, u8, u16 } from '../../../conformance/raw/bytes.js';
import { type Properties, propertyBytes } from '../../../conformance/raw/properties.js';
import { type HostileCase, hello, hex, inBoth, inSession } from './hostile-case.js';

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const TOPIC_INVALID = 0x90;
const ALIAS_INVALID = 0x94;
const TOO_LARGE = 0x95;

/** Given in the configuration of the fuzzed broker. */
export const receiveMaximum = 10;
export const topicAliasMaximum = 10;
export const packetBytesMax = 100_000;

const none = (version: Version): Buffer => (version === 5 ? u8(0) : Buffer.alloc(0));

const types: readonly HostileCase[] = [
  ...inBoth('a second CONNECT', (version) => [hello(version)], 'closed', PROTOCOL_ERROR),
  ...inBoth('packet type 0', () => [frame(0x00)], 'closed'),
  ...[2, 9, 11, 13].flatMap((type) =>
    inBoth(`packet type ${type} of a server`, () => [frame(type << 4, u16(1))], 'closed'),
  ),
  inSession(4, 'AUTH', [auth({ reasonCode: 0x18, properties: {} })], 'closed'),
  inSession(5, 'AUTH without a method', [auth({ reasonCode: 0x19 })], 'closed', PROTOCOL_ERROR),
  inSession(5, 'an empty AUTH', [frame(0xf0)], 'closed', PROTOCOL_ERROR),
];

/** First bytes that are right; every other low nibble is reserved. */
const rightFlags: readonly (readonly [string, number, Buffer])[] = [
  ['PUBACK', 0x40, u16(1)],
  ['PUBREC', 0x50, u16(1)],
  ['PUBREL', 0x62, u16(1)],
  ['PUBCOMP', 0x70, u16(1)],
  ['SUBSCRIBE', 0x82, Buffer.concat([u16(1), field('a'), u8(0)])],
  ['UNSUBSCRIBE', 0xa2, Buffer.concat([u16(1), field('a')])],
  ['PINGREQ', 0xc0, Buffer.alloc(0)],
  ['DISCONNECT', 0xe0, Buffer.alloc(0)],
];

const flags: readonly HostileCase[] = rightFlags.flatMap(([name, right, body]) =>
  [0, 1, 2, 3, 4, 8, 15]
    .map((low) => (right & 0xf0) | low)
    .filter((first) => first !== right)
    .map((first) =>
      inSession(4, `${name} with the flags ${first & 15}`, [frame(first, body)], 'closed'),
    ),
);

const identifiers: readonly HostileCase[] = [
  ...inBoth('a PUBLISH with packet identifier 0', publishZero, 'closed', MALFORMED),
  ...inBoth(
    'a SUBSCRIBE with packet identifier 0',
    (version) => [subscribe(version, { packetId: 0, filters: [{ filter: 'a' }] })],
    'closed',
    MALFORMED,
  ),
  ...inBoth(
    'an UNSUBSCRIBE with packet identifier 0',
    (version) => [unsubscribe(version, { packetId: 0, filters: ['a'] })],
    'closed',
    MALFORMED,
  ),
  ...(['puback', 'pubrec', 'pubrel', 'pubcomp'] as const).flatMap((type) => [
    ...inBoth(`a ${type} with packet identifier 0`, (v) => [ack(v, type, 0)], 'closed', MALFORMED),
    ...inBoth(`a ${type} of nothing`, (v) => [ack(v, type, 77)], 'served'),
    inSession(4, `a ${type} of three bytes`, [frame(0x40, u16(1), u8(0))], 'closed'),
    inSession(5, `a ${type} with reason code 1`, [ack(5, type, 1, { reasonCode: 1 })], 'closed'),
  ]),
];

function publishZero(version: Version): Buffer[] {
  return [publish(version, { topic: 'a', qos: 1, packetId: 0 })];
}

const topics: readonly HostileCase[] = [
  ...inBoth(
    'a PUBLISH with QoS 3',
    (version) => [frame(0x36, field('a'), u16(1), none(version))],
    'closed',
    MALFORMED,
  ),
  ...inBoth(
    'a PUBLISH with DUP at QoS 0',
    (version) => [frame(0x38, field('a'), none(version))],
    'closed',
    MALFORMED,
  ),
  ...inBoth('an empty PUBLISH', () => [frame(0x30)], 'closed', MALFORMED),
  ...inBoth('an empty topic name', (v) => [publish(v, { topic: '' })], 'closed'),
  ...['#', '+', 'a/#', 'a/+/b', 'a#b'].flatMap((topic) =>
    inBoth(`the topic name ${topic}`, (v) => [publish(v, { topic })], 'closed', TOPIC_INVALID),
  ),
  ...[...illFormedTexts, ['U+0000', nulText] as const].flatMap(([what, topic]) => [
    ...inBoth(`a topic name with ${what}`, (v) => [publish(v, { topic })], 'closed', MALFORMED),
    ...inBoth(
      `a topic filter with ${what}`,
      (v) => [subscribe(v, { packetId: 1, filters: [{ filter: topic }] })],
      'closed',
      MALFORMED,
    ),
  ]),
  ...inBoth(
    'a topic name of 65 535 slashes',
    (v) => [publish(v, { topic: '/'.repeat(65_535) })],
    'closed',
    TOPIC_INVALID,
  ),
  ...inBoth(
    'a topic filter of 65 535 slashes',
    (v) => [subscribe(v, { packetId: 1, filters: [{ filter: '/'.repeat(65_535) }] })],
    'served',
  ),
  ...inBoth('a topic name that is cut', () => [frame(0x30, u16(9), hex('61 62'))], 'closed'),
];

const publishProperties: readonly (readonly [string, Properties | Buffer, number])[] = [
  ['Topic Alias 0', { topicAlias: 0 }, ALIAS_INVALID],
  ['a Topic Alias too high', { topicAlias: topicAliasMaximum + 1 }, ALIAS_INVALID],
  ['a Subscription Identifier', { subscriptionIdentifiers: [1] }, PROTOCOL_ERROR],
  ['a property of CONNECT', { receiveMaximum: 1 }, PROTOCOL_ERROR],
  ['a Response Topic with a wildcard', { responseTopic: 'a/+' }, PROTOCOL_ERROR],
  ['Payload Format Indicator 2', { payloadFormatIndicator: 2 }, PROTOCOL_ERROR],
  ['a Content Type with U+0000', { contentType: nulText }, MALFORMED],
  ['an unknown property', hex('7f'), MALFORMED],
  ['an expiry that is cut', hex('02 00 00'), MALFORMED],
  ['two Topic Aliases', hex('23 00 01 23 00 01'), PROTOCOL_ERROR],
];

const properties: readonly HostileCase[] = [
  ...publishProperties.map(([name, some, code]) =>
    inSession(
      5,
      `a PUBLISH with ${name}`,
      [publish(5, { topic: 'a', properties: some })],
      'closed',
      code,
    ),
  ),
  inSession(
    5,
    'a Topic Alias that stands for nothing',
    [publish(5, { topic: '', properties: { topicAlias: 3 } })],
    'closed',
    PROTOCOL_ERROR,
  ),
  inSession(
    5,
    'a payload that is not the UTF-8 it says',
    [publish(5, { topic: 'a', payload: hex('ff'), properties: { payloadFormatIndicator: 1 } })],
    'closed',
    0x99,
  ),
  inSession(
    5,
    'a PUBLISH with an overlong property length',
    [frame(0x30, field('a'), hex('80 00'))],
    'closed',
    MALFORMED,
  ),
  inSession(
    5,
    'a PUBLISH with more properties than bytes',
    [frame(0x30, field('a'), hex('ff ff 03'), u8(1))],
    'closed',
    MALFORMED,
  ),
  inSession(
    5,
    'a PUBLISH with 10 000 User Properties',
    [publish(5, { topic: 'a', properties: manyUsers(10_000) })],
    'served',
  ),
];

function manyUsers(count: number): Buffer {
  const one = propertyBytes({ userProperties: [['', '']] });
  return Buffer.concat(Array.from({ length: count }, () => one));
}

const requests: readonly HostileCase[] = [
  ...inBoth(
    'a SUBSCRIBE without filters',
    (version) => [subscribe(version, { packetId: 1, filters: [] })],
    'closed',
    PROTOCOL_ERROR,
  ),
  ...inBoth(
    'an UNSUBSCRIBE without filters',
    (version) => [unsubscribe(version, { packetId: 1, filters: [] })],
    'closed',
    PROTOCOL_ERROR,
  ),
  ...[3, 0x40, 0x80, 0xff].flatMap((options) =>
    inBoth(
      `the subscription options ${options}`,
      (v) => [subscribe(v, { packetId: 1, filters: [{ filter: 'a', options }] })],
      'closed',
    ),
  ),
  inSession(4, 'subscription options of MQTT 5.0', [options(4, 0x04)], 'closed'),
  inSession(5, 'Retain Handling 3', [options(5, 0x30)], 'closed', PROTOCOL_ERROR),
  inSession(
    5,
    'No Local on a shared subscription',
    [subscribe(5, { packetId: 1, filters: [{ filter: '$share/g/a', noLocal: true }] })],
    'closed',
    PROTOCOL_ERROR,
  ),
  ...['a/#/b', 'a#', '+a', '', '$share/', '$share/g', '$share//a', '$share/+/a'].flatMap((filter) =>
    inBoth(
      `the topic filter '${filter}'`,
      (v) => [subscribe(v, { packetId: 1, filters: [{ filter }] })],
      'served',
    ),
  ),
  inSession(
    5,
    'Subscription Identifier 0',
    [
      subscribe(5, {
        packetId: 1,
        filters: [{ filter: 'a' }],
        properties: { subscriptionIdentifiers: [0] },
      }),
    ],
    'closed',
    PROTOCOL_ERROR,
  ),
  ...inBoth(
    'a SUBSCRIBE with 5 000 filters',
    (version) => [subscribe(version, { packetId: 1, filters: manyFilters(5_000) })],
    'served',
  ),
];

function options(version: Version, bits: number): Buffer {
  return subscribe(version, { packetId: 1, filters: [{ filter: 'a', options: bits }] });
}

function manyFilters(count: number) {
  return Array.from({ length: count }, (_, index) => ({ filter: `many/${index}` }));
}

const lengths: readonly HostileCase[] = [
  ...inBoth(
    'a Remaining Length of five bytes',
    () => [hex('30 80 80 80 80 01')],
    'closed',
    MALFORMED,
  ),
  ...inBoth('an overlong Remaining Length', () => [hex('c0 80 00')], 'closed', MALFORMED),
  ...inBoth(
    'a PUBLISH above the Maximum Packet Size',
    (version) => [publish(version, { topic: 'a', payload: Buffer.alloc(packetBytesMax) })],
    'closed',
    TOO_LARGE,
  ),
  ...inBoth(
    'the largest Remaining Length and no body',
    () => [hex('30 ff ff ff 7f')],
    'closed',
    TOO_LARGE,
  ),
  ...([4, 5] as const).map(
    (version): HostileCase => ({
      name: `a large Remaining Length and no body in MQTT ${version}, until the keep-alive is over`,
      chunks: [hello(version, 1), hex('30 80 80 06')],
      verdict: 'closed',
      version: 0,
    }),
  ),
  ...inBoth('a PINGREQ with a body', () => [frame(0xc0, u8(0))], 'closed'),
];

const floods: readonly HostileCase[] = [
  inSession(
    5,
    'more QoS 2 messages than Receive Maximum',
    Array.from({ length: receiveMaximum + 1 }, (_, index) =>
      publish(5, { topic: 'a', qos: 2, packetId: index + 1 }),
    ),
    'closed',
    0x93,
  ),
  ...inBoth(
    'the same QoS 2 message a hundred times',
    (v) => [Buffer.concat(Array(100).fill(publish(v, { topic: 'a', qos: 2, packetId: 1 })))],
    'served',
  ),
  ...inBoth(
    '10 000 PINGREQs at once',
    () => [Buffer.concat(Array(10_000).fill(pingreq()))],
    'served',
  ),
  ...inBoth(
    '5 000 PUBRELs of nothing at once',
    (version) => [Buffer.concat(Array(5_000).fill(ack(version, 'pubrel', 9)))],
    'served',
  ),
  ...inBoth(
    'wrong acknowledgements of its own messages',
    (version) => [
      subscribe(version, { packetId: 1, filters: [{ filter: 'own/#', qos: 2 }] }),
      publish(version, { topic: 'own/1', qos: 1, packetId: 2 }),
      publish(version, { topic: 'own/2', qos: 2, packetId: 3 }),
      ack(version, 'pubrel', 3),
      ...[1, 2, 3].flatMap((id) => [ack(version, 'pubcomp', id), ack(version, 'pubrec', id)]),
      ...[1, 2, 3].flatMap((id) => [ack(version, 'puback', id), ack(version, 'pubcomp', id)]),
    ],
    'served',
  ),
];

const goodbyes: readonly HostileCase[] = [
  inSession(4, 'a DISCONNECT with a body', [frame(0xe0, u8(0))], 'closed'),
  inSession(
    5,
    'a DISCONNECT with reason code 1',
    [disconnect(5, { reasonCode: 1 })],
    'closed',
    PROTOCOL_ERROR,
  ),
  inSession(
    5,
    'a DISCONNECT that makes a session durable',
    [disconnect(5, { reasonCode: 0, properties: { sessionExpiryInterval: 9 } })],
    'closed',
    PROTOCOL_ERROR,
  ),
  ...inBoth('packets behind a DISCONNECT', (version) => [disconnect(version)], 'closed'),
  {
    name: 'a session that is taken over by itself in one write',
    chunks: [Buffer.concat([connect(4, { clientId: 'twice' }), connect(4, { clientId: 'twice' })])],
    verdict: 'closed',
    version: 4,
  },
];

export const inSessions: readonly HostileCase[] = [
  ...types,
  ...flags,
  ...identifiers,
  ...topics,
  ...properties,
  ...requests,
  ...lengths,
  ...floods,
  ...goodbyes,
];
