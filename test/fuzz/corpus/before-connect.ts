/** Hostile bytes of peers that have no session: no MQTT at all, or a CONNECT that is not one. */
import {
  auth,
  connect,
  disconnect,
  pingreq,
  publish,
  subscribe,
} from '../../../conformance/raw/build.js';
import { field, frame, illFormedTexts, nulText, u8, u16 } from '../../../conformance/raw/bytes.js';
import { propertyBytes } from '../../../conformance/raw/properties.js';
import { type HostileCase, hello, hex } from './hostile-case.js';

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;

function closed(name: string, bytes: Buffer | readonly Buffer[], more: Partial<HostileCase> = {}) {
  const chunks = Buffer.isBuffer(bytes) ? [bytes] : bytes;
  return { name, chunks, verdict: 'closed', version: 4, ...more } satisfies HostileCase;
}

/** Not MQTT to the end: nothing may follow. */
function garbage(name: string, bytes: Buffer | string): HostileCase {
  return closed(name, Buffer.from(bytes as string, 'latin1'), { version: 0 });
}

const strangers: readonly HostileCase[] = [
  garbage('silence', ''),
  garbage('a single byte', hex('10')),
  garbage('half a fixed header', hex('10 80')),
  garbage('an HTTP request', 'GET / HTTP/1.1\r\nHost: broker\r\n\r\n'),
  garbage('a TLS client hello', hex('16 03 01 00 05 01 00 00 01 03 03')),
  garbage('an SSH banner', 'SSH-2.0-OpenSSH_9.6\r\n'),
  garbage('a PROXY v1 header', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'),
  garbage('a PROXY v2 header', hex('0d0a0d0a000d0a515549540a 20 00 0000')),
  garbage('zeros', Buffer.alloc(1000)),
  garbage('FF bytes', Buffer.alloc(1000, 0xff)),
  garbage('newlines', '\r\n'.repeat(500)),
  garbage('a Remaining Length of five bytes', hex('10 80 80 80 80 01')),
  garbage('an overlong Remaining Length', hex('10 8d 80 00')),
  garbage('the largest Remaining Length and no body', hex('10 ff ff ff 7f')),
  garbage('a large CONNECT of zeros', Buffer.concat([hex('10 80 80 04'), Buffer.alloc(65_536)])),
];

const firstPackets: readonly HostileCase[] = [
  closed('PUBLISH before CONNECT', publish(4, { topic: 'a' })),
  closed('SUBSCRIBE before CONNECT', subscribe(4, { packetId: 1, filters: [{ filter: '#' }] })),
  closed('PINGREQ before CONNECT', pingreq()),
  closed('DISCONNECT before CONNECT', disconnect(4)),
  closed('AUTH before CONNECT', auth({ reasonCode: 0x18, properties: {} })),
  closed('packet type 0 before CONNECT', frame(0x00)),
  ...[2, 4, 5, 6, 7, 9, 11, 13].map((type) =>
    closed(`packet type ${type} before CONNECT`, frame(type << 4, u16(1))),
  ),
  ...[1, 2, 4, 8, 15].map((flags) =>
    closed(`CONNECT with the fixed header flags ${flags}`, spoilt(hello(4), 0, 0x10 | flags)),
  ),
];

function spoilt(packet: Buffer, at: number, byte: number): Buffer {
  const copy = Buffer.from(packet);
  copy[at] = byte;
  return copy;
}

/** Every length that a CONNECT can be cut to, framed as if it were whole. */
const cuts: readonly HostileCase[] = ([4, 5] as const).flatMap((version) => {
  const body = hello(version).subarray(2);
  return Array.from(body, (_, kept) =>
    closed(
      `a CONNECT of MQTT ${version} cut to ${kept} bytes`,
      frame(0x10, body.subarray(0, kept)),
      {
        version,
      },
    ),
  );
});

const versions: readonly HostileCase[] = [
  ...[0, 1, 2, 3, 6, 7, 127].map((level) =>
    closed(`protocol level ${level} of MQTT`, connect(4, { level, clientId: 'x' })),
  ),
  ...['', 'mqtt', 'MQTX', 'MQTTMQTT', 'MQIsdp', 'HTTP'].map((protocolName) =>
    closed(`the protocol name '${protocolName}'`, connect(4, { protocolName, clientId: 'x' })),
  ),
  closed(
    'a protocol name of 65 535 bytes',
    connect(4, { protocolName: 'M'.repeat(65_535), clientId: 'x' }),
  ),
];

const flags: readonly HostileCase[] = [
  closed('the reserved Connect Flag', connect(4, { flags: 0x03, clientId: 'x' })),
  closed(
    'Will QoS 3',
    connect(4, {
      flags: 0x1e,
      payload: Buffer.concat([field('x'), field('topic'), field('gone')]),
    }),
  ),
  closed('Will QoS without a will', connect(4, { flags: 0x0a, clientId: 'x' })),
  closed('Will Retain without a will', connect(4, { flags: 0x22, clientId: 'x' })),
  closed('a will flag without a will', connect(4, { flags: 0x06, clientId: 'x' })),
  closed('a user name flag without a user name', connect(4, { flags: 0x82, clientId: 'x' })),
  closed('a password without a user name', connect(4, { password: 'p', clientId: 'x' })),
  closed('a client without an id that keeps its session', connect(4, { clean: false }), {
    reasonCode: 2,
  }),
  closed('two CONNECTs at once', [twice(hello(4))]),
];

function twice(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, bytes]);
}

const v5 = { version: 5 } as const;
const connectProperties: readonly (readonly [string, Buffer, number])[] = [
  ['Receive Maximum 0', propertyBytes({ receiveMaximum: 0 }), PROTOCOL_ERROR],
  ['Maximum Packet Size 0', propertyBytes({ maximumPacketSize: 0 }), PROTOCOL_ERROR],
  ['Request Problem Information 2', hex('17 02'), PROTOCOL_ERROR],
  ['a property twice', hex('17 01 17 01'), PROTOCOL_ERROR],
  ['a property of PUBLISH', propertyBytes({ topicAlias: 1 }), PROTOCOL_ERROR],
  ['a will property', propertyBytes({ willDelayInterval: 1 }), PROTOCOL_ERROR],
  ['an unknown property', hex('7f 00'), MALFORMED],
  ['property identifier 0', hex('00'), MALFORMED],
  ['a property that is cut', hex('11 00 00'), MALFORMED],
  ['Authentication Data alone', propertyBytes({ authenticationData: 'x' }), PROTOCOL_ERROR],
  ['an unknown Authentication Method', propertyBytes({ authenticationMethod: 'X' }), 0x8c],
  ['a User Property with U+0000', propertyBytes({ userProperties: [['a', nulText]] }), MALFORMED],
];

const properties: readonly HostileCase[] = [
  ...connectProperties.map(([name, bytes, reasonCode]) =>
    closed(`CONNECT with ${name}`, connect(5, { clientId: 'x', properties: bytes }), {
      ...v5,
      reasonCode,
    }),
  ),
  closed(
    'CONNECT with a property length beyond its end',
    frame(0x10, field('MQTT'), u8(5), u8(2), u16(0), hex('ff ff 7f'), field('x')),
    { ...v5, reasonCode: MALFORMED },
  ),
  closed(
    'CONNECT with an overlong property length',
    frame(0x10, field('MQTT'), u8(5), u8(2), u16(0), hex('80 00'), field('x')),
    { ...v5, reasonCode: MALFORMED },
  ),
  closed(
    'a will with a Session Expiry Interval',
    connect(5, { will: { topic: 'w', properties: { sessionExpiryInterval: 1 } } }),
    { ...v5, reasonCode: PROTOCOL_ERROR },
  ),
  closed('a will topic with a wildcard', connect(5, { will: { topic: 'w/#' } }), {
    ...v5,
    reasonCode: 0x90,
  }),
  closed(
    'a will that is not the UTF-8 it says',
    connect(5, {
      will: { topic: 'w', payload: hex('ff'), properties: { payloadFormatIndicator: 1 } },
    }),
    { ...v5, reasonCode: 0x99 },
  ),
];

const texts: readonly HostileCase[] = [...illFormedTexts, ['U+0000', nulText] as const].flatMap(
  ([what, text]) => [
    closed(`a client id with ${what}`, connect(5, { clientId: text }), {
      ...v5,
      reasonCode: MALFORMED,
    }),
    closed(`a user name with ${what}`, connect(4, { clientId: 'x', username: text })),
    closed(`a will topic with ${what}`, connect(4, { clientId: 'x', will: { topic: text } })),
  ],
);

export const beforeConnect: readonly HostileCase[] = [
  ...strangers,
  ...firstPackets,
  ...cuts,
  ...versions,
  ...flags,
  ...properties,
  ...texts,
];
