/** PROXY headers as bytes, and then in front of every kind of connection. */
import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/base/clock.js';
import type { ListenerConfig } from '../../src/config/config.js';
import { Admission } from '../../src/listen/admission.js';
import {
  PROXY_HEADER_MAX,
  type ProxyHeader,
  parseProxyHeader,
} from '../../src/listen/proxy-protocol.js';
import { SocketClient, WsClient } from './support/clients.js';
import { noLimits, Rig, type RigOptions, serverTls } from './support/rig.js';

const test = suite('proxy protocol');

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

function v2(command: number, family: number, body: Buffer): Buffer {
  const head = Buffer.from([command, family, body.length >>> 8, body.length & 0xff]);
  return Buffer.concat([signature, head, body]);
}

function tlv(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >>> 8, value.length & 0xff]), value]);
}

function ssl(client: number, verify: number, commonName: string): Buffer {
  const fixed = Buffer.from([client, 0, 0, 0, verify]);
  return tlv(0x20, Buffer.concat([fixed, tlv(0x22, Buffer.from(commonName))]));
}

const tcp4 = Buffer.from('c0000201c6336401dc04075b', 'hex'); // 192.0.2.1:56324 → 198.51.100.1:1883
const tcp6 = Buffer.concat([
  Buffer.from('20010db8000000000000000000000001', 'hex'),
  Buffer.from('20010db8000000000000000000000002', 'hex'),
  Buffer.from([0xdc, 0x04, 0x07, 0x5b]),
]);
const line = Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.1 56324 1883\r\n');

function peerOf(header: ProxyHeader): unknown {
  assert.is(header.kind, 'complete');
  return header.kind === 'complete' ? header.peer : null;
}

const plain = { isTls: false, commonName: null };

test('v1 names an IPv4 client', () => {
  const header = parseProxyHeader(1, Buffer.concat([line, Buffer.from('MQTT')]));

  const peer = { remoteAddress: '192.0.2.1', remotePort: 56324, ...plain };
  assert.equal(header, { kind: 'complete', length: line.length, peer });
});

test('v1 names an IPv6 client', () => {
  const header = parseProxyHeader(1, Buffer.from('PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n'));

  assert.equal(peerOf(header), { remoteAddress: '2001:db8::1', remotePort: 1, ...plain });
});

test('v1 UNKNOWN leaves the client as it is, whatever follows', () => {
  const text = `PROXY UNKNOWN ${'f'.repeat(80)}\r\n`;

  assert.equal(parseProxyHeader(1, Buffer.from(text)), {
    kind: 'complete',
    length: text.length,
    peer: null,
  });
});

test('v1 and v2 wait for the rest at every cut', () => {
  const binary = v2(0x21, 0x11, Buffer.concat([tcp4, ssl(7, 0, 'x')]));
  for (const [version, bytes] of [[1, line] as const, [2, binary] as const]) {
    for (let length = 0; length < bytes.length; length += 1) {
      assert.is(parseProxyHeader(version, bytes.subarray(0, length)).kind, 'incomplete');
    }
    assert.is(parseProxyHeader(version, bytes).kind, 'complete');
  }
});

for (const [name, text] of [
  ['another protocol', '\x10\x0c\x00\x04MQTT'],
  ['lower case', 'proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n'],
  ['an unknown family', 'PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n'],
  ['an IPv6 address for TCP4', 'PROXY TCP4 ::1 ::1 1 1\r\n'],
  ['a bad address', 'PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n'],
  ['a port that is too large', 'PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n'],
  ['a port with a leading zero', 'PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n'],
  ['a missing port', 'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n'],
  ['a field too many', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n'],
  ['a line of more than 107 bytes', `PROXY UNKNOWN ${'f'.repeat(100)}\r\n`],
  ['no end of line within 107 bytes', `PROXY UNKNOWN ${'f'.repeat(93)}`],
] as const) {
  test(`v1 refuses ${name}`, () => {
    assert.is(parseProxyHeader(1, Buffer.from(text, 'latin1')).kind, 'malformed');
  });
}

test('v2 names IPv4, IPv6, mapped and Unix clients', () => {
  const mapped = Buffer.from(tcp6);
  mapped.write('00000000000000000000ffffc0000201', 0, 'hex');
  const address = (family: number, body: Buffer) =>
    (peerOf(parseProxyHeader(2, v2(0x21, family, body))) as { remoteAddress: string })
      .remoteAddress;

  assert.is(address(0x11, tcp4), '192.0.2.1');
  assert.is(address(0x21, tcp6), '2001:db8::1');
  assert.is(address(0x21, mapped), '192.0.2.1');
  assert.is(address(0x31, Buffer.alloc(216)), 'unix');
});

test('v2 LOCAL and unspecified families leave the client as it is', () => {
  for (const bytes of [v2(0x20, 0x11, tcp4), v2(0x20, 0, Buffer.alloc(0)), v2(0x21, 0, tcp4)]) {
    assert.equal(parseProxyHeader(2, bytes), {
      kind: 'complete',
      length: bytes.length,
      peer: null,
    });
  }
});

test('v2 takes the common name of a verified client certificate only', () => {
  const owner = (client: number, verify: number) => {
    const extension = Buffer.concat([tlv(0x04, Buffer.alloc(3)), ssl(client, verify, 'sensor-1')]);
    return peerOf(parseProxyHeader(2, v2(0x21, 0x11, Buffer.concat([tcp4, extension]))));
  };
  const base = { remoteAddress: '192.0.2.1', remotePort: 56324 };

  assert.equal(owner(0x07, 0), { ...base, isTls: true, commonName: 'sensor-1' });
  assert.equal(owner(0x07, 1), { ...base, isTls: true, commonName: null });
  assert.equal(owner(0x01, 0), { ...base, isTls: true, commonName: null });
});

for (const [name, bytes] of [
  ['another protocol', Buffer.from('\x10\x0c\x00\x04MQTT', 'latin1')],
  ['version 1 bytes', line],
  ['another version', v2(0x31, 0x11, tcp4)],
  ['an unknown command', v2(0x22, 0x11, tcp4)],
  ['datagrams', v2(0x21, 0x12, tcp4)],
  ['an address that is cut off', v2(0x21, 0x21, tcp4)],
  ['a length beyond the limit', v2(0x20, 0, Buffer.alloc(PROXY_HEADER_MAX))],
  ['an extension that is cut off', v2(0x21, 0x11, Buffer.concat([tcp4, Buffer.from([4, 0])]))],
  ['an extension beyond the header', v2(0x21, 0x11, Buffer.concat([tcp4, Buffer.from([4, 0, 9])]))],
  ['a short SSL extension', v2(0x21, 0x11, Buffer.concat([tcp4, tlv(0x20, Buffer.alloc(4))]))],
] as const) {
  test(`v2 refuses ${name}`, () => {
    assert.is(parseProxyHeader(2, bytes).kind, 'malformed');
  });
}

const media: readonly (readonly [string, Partial<ListenerConfig>, RigOptions])[] = [
  ['the fast edge', {}, {}],
  ['net.Socket', {}, { fastEdge: false }],
];

for (const [name, config, options] of media) {
  test(`${name}: the header is cut off, byte by byte and joined with data`, () =>
    Rig.with({ ...config, proxyProtocol: 1 }, options, async (rig) => {
      const slow = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
      slow.socket.setNoDelay(true);
      for (const byte of line) slow.send(Buffer.from([byte]));
      slow.send(Buffer.from('hello'));
      const first = await rig.recorder(0);
      await first.untilBytes(5);
      const quick = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
      quick.send(Buffer.concat([line, Buffer.from('hello')]));
      const second = await rig.recorder(1);
      await second.untilBytes(5);

      for (const recorder of [first, second]) {
        assert.is(recorder.bytes.toString(), 'hello');
        assert.is(recorder.transport.peer.remoteAddress, '192.0.2.1');
        assert.is(recorder.transport.peer.remotePort, 56324);
      }
      slow.destroy();
      quick.destroy();
    }));

  test(`${name}: a bad header closes the connection`, () =>
    Rig.with({ ...config, proxyProtocol: 2 }, options, async (rig) => {
      const client = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
      client.send(Buffer.from('\x10\x0c\x00\x04MQTT\x04\x02', 'latin1'));
      await client.untilOver();

      assert.equal(rig.refused, ['proxy_header']);
      assert.is(rig.recorders.length, 0);
    }));

  test(`${name}: a missing header closes the connection at the connect timeout`, () =>
    Rig.with({ ...config, proxyProtocol: 1 }, { ...options, connectTimeoutMs: 50 }, async (rig) => {
      const client = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
      client.send(line.subarray(0, 20));
      await client.untilOver();

      assert.equal(rig.refused, ['timeout']);
    }));

  test(`${name}: a client that leaves before its header is counted once`, () =>
    Rig.with({ ...config, proxyProtocol: 1 }, options, async (rig) => {
      connect(rig.port, '127.0.0.1').end('PROXY');
      await rig.untilRefused('proxy_header');

      assert.equal(rig.refused, ['proxy_header']);
    }));

  test(`${name}: the limit per address counts the client, not the proxy`, () => {
    const admission = new Admission({ ...noLimits, connectionsPerAddressMax: 1 }, systemClock);
    return Rig.with({ ...config, proxyProtocol: 1 }, { ...options, admission }, async (rig) => {
      const clients: SocketClient[] = [];
      for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.1']) {
        const client = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
        client.send(Buffer.from(`PROXY TCP4 ${address} 198.51.100.1 1 1883\r\n`));
        clients.push(client);
      }
      await clients[2].untilOver();

      assert.equal(rig.refused, ['address_full']);
      assert.is(rig.recorders.length, 2);
      for (const client of clients) client.destroy();
    });
  });
}

test('the header goes before the TLS handshake', () =>
  Rig.with({ proxyProtocol: 2, tls: serverTls() }, {}, async (rig) => {
    const header = v2(0x21, 0x21, tcp6);
    const client = SocketClient.tlsPending(rig.port, {}, header);
    client.send(Buffer.from('hello'));
    const recorder = await rig.recorder();
    await recorder.untilBytes(5);

    assert.is(recorder.transport.peer.remoteAddress, '2001:db8::1');
    assert.is(recorder.transport.peer.isTls, true);
    client.destroy();
  }));

test('the header goes before the HTTP upgrade', () =>
  Rig.with({ proxyProtocol: 1, protocol: 'websockets' }, {}, async (rig) => {
    const client = WsClient.pending(`ws://127.0.0.1:${rig.port}/`, ['mqtt'], {
      createConnection: () => {
        const socket = connect(rig.port, '127.0.0.1');
        socket.write(line);
        return socket;
      },
    });
    const recorder = await rig.recorder();

    assert.is(recorder.transport.peer.remoteAddress, '192.0.2.1');
    client.destroy();
  }));

test('an identity that the proxy vouches for becomes the identity of the peer', () =>
  Rig.with({ proxyProtocol: 2 }, {}, async (rig) => {
    const client = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
    client.send(v2(0x21, 0x11, Buffer.concat([tcp4, ssl(7, 0, 'sensor-1')])));
    const { transport } = await rig.recorder();

    assert.equal(transport.peer, {
      remoteAddress: '192.0.2.1',
      remotePort: 56324,
      identity: 'sensor-1',
      subject: null,
      isTls: true,
    });
    client.destroy();
  }));

test.run();
