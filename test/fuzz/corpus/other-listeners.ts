/** Hostile bytes in front of MQTT: WebSocket frames and PROXY headers. */
import { pingreq, publish } from '../../../conformance/raw/build.js';
import { frame } from '../wire.js';
import { type HostileCase, hello, hex } from './hostile-case.js';

const BINARY = 2;
const TEXT = 1;
const CONTINUATION = 0;
const CLOSE = 8;
const PING = 9;
const empty = Buffer.alloc(0);

/** Frames behind an upgrade that is right. */
function framed(name: string, verdict: 'closed' | 'served', ...chunks: Buffer[]): HostileCase {
  return {
    name,
    chunks,
    verdict,
    listener: 'websocket',
    isRaw: true,
    version: verdict === 'served' ? 4 : 0,
  };
}

/** Without the mask that clients must use. */
const unmasked = frameOf(hello(4));
function frameOf(packet: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0x82, packet.length), packet]);
}
const inFragments = hello(4);
const withBits = (bits: number): Buffer => {
  const bytes = frame(BINARY, hello(4), true);
  bytes[0] |= bits;
  return bytes;
};

const webSockets: readonly HostileCase[] = [
  framed('a text frame', 'closed', frame(TEXT, hello(4), true)),
  framed('an unmasked frame', 'closed', unmasked),
  framed('a frame with RSV1', 'closed', withBits(0x40)),
  framed('a frame with RSV2 and RSV3', 'closed', withBits(0x30)),
  framed('opcode 3', 'closed', frame(3, empty, true)),
  framed('opcode 15', 'closed', frame(15, empty, true)),
  framed('a continuation of nothing', 'closed', frame(CONTINUATION, hello(4), true)),
  framed('a ping in fragments', 'closed', frame(PING, empty, false)),
  framed('a ping of 126 bytes', 'closed', frame(PING, Buffer.alloc(126), true)),
  framed('a frame of 2^63 bytes', 'closed', hex('82 ff 80 00 00 00 00 00 00 00')),
  framed('a frame of 2^31 bytes', 'closed', hex('82 ff 00 00 00 00 80 00 00 00')),
  framed('a close frame with a bad code', 'closed', frame(CLOSE, hex('00 01'), true)),
  framed('a close frame of one byte', 'closed', frame(CLOSE, hex('03'), true)),
  framed(
    'a new message inside a fragmented one',
    'closed',
    frame(BINARY, hello(4), false),
    frame(BINARY, empty, true),
  ),
  framed('MQTT without frames', 'closed', hello(4)),
  framed('no frame at all', 'closed'),
  framed('half a frame header', 'closed', hex('82 fe 00')),
  framed(
    'CONNECT in frames of one byte, with pings between them',
    'served',
    ...Array.from(hello(4)).flatMap((byte) => [
      frame(BINARY, Buffer.of(byte), true),
      frame(PING, hex('70'), true),
    ]),
  ),
  framed(
    'CONNECT in a hundred fragments, most of them empty',
    'served',
    ...Array.from({ length: 99 }, (_, at) =>
      frame(at === 0 ? BINARY : CONTINUATION, inFragments.subarray(at, at + 1), false),
    ),
    frame(CONTINUATION, empty, true),
  ),
  framed(
    'a thousand pings',
    'served',
    frame(BINARY, hello(4), true),
    Buffer.concat(Array.from({ length: 1_000 }, () => frame(PING, hex('70 69'), true))),
  ),
  {
    name: 'many packets in one frame',
    chunks: [
      Buffer.concat([
        hello(4),
        ...Array(100).fill(publish(4, { topic: 'a' })),
        pingreq(),
      ]) as Buffer,
    ],
    verdict: 'served',
    listener: 'websocket',
    version: 4,
  },
  {
    name: 'a PUBLISH with QoS 3 over WebSocket',
    chunks: [hello(4), hex('36 03 00 01 61')],
    verdict: 'closed',
    listener: 'websocket',
    version: 4,
  },
];

const signature = '0d0a0d0a000d0a515549540a';
const addresses = '7f000001 7f000002 1234 075b';
/** A right header: this is TCP over IPv4. */
export const proxyHeader: Buffer = hex(`${signature} 21 11 000c ${addresses}`);

function proxied(name: string, verdict: 'closed' | 'served', ...chunks: Buffer[]): HostileCase {
  return { name, chunks, verdict, listener: 'proxy', version: verdict === 'served' ? 4 : 0 };
}

const proxies: readonly HostileCase[] = [
  proxied('CONNECT without a PROXY header', 'closed', hello(4)),
  proxied(
    'a PROXY v1 header where v2 is asked for',
    'closed',
    Buffer.from('PROXY UNKNOWN\r\n'),
    hello(4),
  ),
  proxied('a signature that goes wrong', 'closed', hex('0d0a0d0a000d0a515549540b 21 11 0000')),
  proxied('half a signature', 'closed', hex('0d0a0d0a')),
  proxied('PROXY version 3', 'closed', hex(`${signature} 31 11 000c ${addresses}`), hello(4)),
  proxied('PROXY command 2', 'closed', hex(`${signature} 22 11 000c ${addresses}`), hello(4)),
  proxied('addresses that are cut', 'closed', hex(`${signature} 21 11 0004 7f000001`), hello(4)),
  proxied(
    'a header that is longer than any',
    'closed',
    hex(`${signature} 21 11 ffff ${addresses}`),
  ),
  proxied('a PROXY header and silence', 'closed', proxyHeader),
  proxied(
    'a right PROXY header, byte by byte',
    'served',
    ...Array.from(proxyHeader, (b) => Buffer.of(b)),
    hello(4),
  ),
  proxied(
    'a PROXY header and CONNECT in one write',
    'served',
    Buffer.concat([proxyHeader, hello(4)]),
  ),
  proxied(
    'a health check that turns into a client',
    'served',
    hex(`${signature} 20 00 0000`),
    hello(4),
  ),
];

function http(name: string, ...lines: string[]): HostileCase {
  const chunks = [Buffer.from(lines.join('\r\n'), 'latin1')];
  return { name, chunks, verdict: 'closed', listener: 'http', version: 0 };
}

const upgrade = ['GET /mqtt HTTP/1.1', 'Host: b', 'Upgrade: websocket', 'Connection: Upgrade'];
const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
const version = 'Sec-WebSocket-Version: 13';
const mqtt = 'Sec-WebSocket-Protocol: mqtt';

const https: readonly HostileCase[] = [
  http('silence on a WebSocket listener'),
  http('MQTT on a WebSocket listener', hello(4).toString('latin1')),
  http('half a request', 'GET / HTTP/1.1', 'Host: b'),
  http('a request that asks for a page', 'GET / HTTP/1.1', 'Host: b', '', ''),
  http('a request without a host', 'GET / HTTP/1.1', '', ''),
  http('a request of an unknown method', 'BREW / HTTP/1.1', 'Host: b', '', ''),
  http('headers without end', `GET / HTTP/1.1\r\n${'X-Long: aaaaaaaaaa\r\n'.repeat(20_000)}`),
  http(
    'two lengths of a body',
    'POST / HTTP/1.1',
    'Content-Length: 5',
    'Content-Length: 6',
    '',
    '',
  ),
  http('an upgrade without a key', ...upgrade, version, mqtt, '', ''),
  http('an upgrade to version 12', ...upgrade, key, 'Sec-WebSocket-Version: 12', mqtt, '', ''),
  http('an upgrade without a sub-protocol', ...upgrade, key, version, '', ''),
  http(
    'an upgrade to the sub-protocol ,,,',
    ...upgrade,
    key,
    version,
    'Sec-WebSocket-Protocol: ,,,',
    '',
    '',
  ),
  http(
    'an upgrade to h2c',
    'GET / HTTP/1.1',
    'Host: b',
    'Upgrade: h2c',
    'Connection: Upgrade',
    '',
    '',
  ),
];

export const otherListeners: readonly HostileCase[] = [...webSockets, ...proxies, ...https];
