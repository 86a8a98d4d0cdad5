/** MQTT over WebSocket [MQTT-6.0.0-1 to -4], and plain HTTP beside it. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { request } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ListenerConfig } from '../../src/config/config.js';
import { TempFolder } from '../support/temp.js';
import { until, untilEvent } from '../support/until.js';
import { SocketClient, WsClient } from './support/clients.js';
import { Rig, type RigOptions } from './support/rig.js';

const test = suite('websocket');

function open(
  config: Partial<ListenerConfig>,
  body: (rig: Rig) => Promise<void>,
  options: RigOptions = {},
): Promise<void> {
  return Rig.with({ protocol: 'websockets', ...config }, options, body);
}

const url = (rig: Rig) => `ws://127.0.0.1:${rig.port}/mqtt`;

/** The HTTP status that an upgrade is refused with. */
async function refusal(rig: Rig, protocols: string[], headers = {}): Promise<number> {
  const client = WsClient.pending(url(rig), protocols, { headers });
  const [upgrade, response] = await untilEvent(client.webSocket, 'unexpected-response');
  (upgrade as { destroy: () => void }).destroy();
  return (response as { statusCode: number }).statusCode;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type: string | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
}

function get(rig: Rig, path: string, method = 'GET', headers = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ port: rig.port, host: '127.0.0.1', path, method, headers });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body,
          type: response.headers['content-type'],
          headers: response.headers,
        }),
      );
    });
    outgoing.end();
  });
}

for (const [offered, selected] of [
  [['mqtt'], 'mqtt'],
  [['mqttv3.1'], 'mqttv3.1'],
  [['mqttv3.1', 'mqtt'], 'mqtt'],
  [['chat', 'mqtt'], 'mqtt'],
] as const) {
  test(`the sub-protocol for ${offered} is ${selected} [MQTT-6.0.0-4]`, () =>
    open({}, async (rig) => {
      const client = await WsClient.open(url(rig), [...offered]);
      assert.is(client.webSocket.protocol, selected);
      client.destroy();
    }));
}

test('a client that does not offer mqtt is refused [MQTT-6.0.0-3]', () =>
  open({}, async (rig) => {
    assert.is(await refusal(rig, []), 400);
    assert.is(await refusal(rig, ['chat', 'MQTT']), 400);
    assert.equal(rig.refused, ['http_request', 'http_request']);
  }));

test('a text frame closes the connection [MQTT-6.0.0-1]', () =>
  open({}, async (rig) => {
    const client = await WsClient.open(url(rig));
    const recorder = await rig.recorder();
    client.webSocket.send('text');
    client.webSocket.send(Buffer.from('after'));
    await recorder.untilClosed();
    await client.untilOver();

    assert.is(client.closeCode, 1003);
    assert.instance(recorder.error, Error);
    assert.equal(recorder.events, ['close']);
  }));

test('packets may be cut and joined by frames at will [MQTT-6.0.0-2]', () =>
  open({}, async (rig) => {
    const client = await WsClient.open(url(rig));
    for (const [text, fin] of [
      ['ab', true],
      ['c', false],
      ['', false],
      ['de', true],
      ['', true],
      ['f', true],
    ] as const) {
      client.webSocket.send(Buffer.from(text), { binary: true, fin });
    }
    const recorder = await rig.recorder();
    await recorder.untilBytes(6);

    assert.is(recorder.bytes.toString(), 'abcdef');
    client.destroy();
  }));

test('what the broker sends comes in binary frames [MQTT-6.0.0-1]', () =>
  open({}, async (rig) => {
    const client = await WsClient.open(url(rig));
    const { transport } = await rig.recorder();
    const message = untilEvent(client.webSocket, 'message');
    transport.write(Buffer.from('pong'), 4);
    const [data, isBinary] = await message;

    assert.is(String(data), 'pong');
    assert.is(isBinary, true);
    client.destroy();
  }));

test('a ping is answered', () =>
  open({}, async (rig) => {
    const client = await WsClient.open(url(rig));
    const pong = untilEvent(client.webSocket, 'pong');
    client.webSocket.ping('are you there');
    assert.is(String((await pong)[0]), 'are you there');
    client.destroy();
  }));

test('a flood of pings by a peer that does not read is not answered without end', () =>
  open({}, async (rig) => {
    const client = await WsClient.open(url(rig));
    const recorder = await rig.recorder();
    client.stopReading();
    // Far more pongs than kernel buffers hold; each ping is 127 bytes on the wire.
    for (let count = 0; count < 150_000; count += 1) client.webSocket.ping(Buffer.alloc(121));
    client.send(Buffer.from('done'));
    await recorder.untilBytes(4);

    const { webSocket } = recorder.transport as unknown as {
      webSocket: { bufferedAmount: number };
    };
    assert.ok(webSocket.bufferedAmount < 64 * 1024, `${webSocket.bufferedAmount} bytes wait`);
    client.destroy();
  }));

test('a frame beyond the packet limit closes the connection', () =>
  open(
    {},
    async (rig) => {
      const client = await WsClient.open(url(rig));
      client.webSocket.send(Buffer.alloc(100_001));
      await (await rig.recorder()).untilClosed();
      await client.untilOver();
      assert.is(client.closeCode, 1009);
    },
    { packetBytesMax: 100_000 },
  ));

test('a new packet limit holds for connections that come later', () =>
  open(
    {},
    async (rig) => {
      const before = await WsClient.open(url(rig));
      await rig.recorder(0);
      rig.limits = { ...rig.limits, packetBytesMax: 200_000 };
      const after = await WsClient.open(url(rig));
      const recorder = await rig.recorder(1);
      after.webSocket.send(Buffer.alloc(150_000));
      await recorder.untilBytes(150_000);
      before.webSocket.send(Buffer.alloc(150_000));
      await before.untilOver();
      assert.is(before.closeCode, 1009);
      after.destroy();
    },
    { packetBytesMax: 100_000 },
  ));

test('compression is not agreed to', () =>
  open({}, async (rig) => {
    const client = await WsClient.open(url(rig), ['mqtt'], { perMessageDeflate: true });
    assert.is(client.webSocket.extensions, '');
    client.destroy();
  }));

test('only listed origins may upgrade', () =>
  open({ websocketsOrigins: ['https://a.example', 'https://b.example'] }, async (rig) => {
    assert.is(await refusal(rig, ['mqtt'], { Origin: 'https://evil.example' }), 403);
    assert.is(await refusal(rig, ['mqtt']), 403);
    const client = await WsClient.open(url(rig), ['mqtt'], { origin: 'https://b.example' });
    client.destroy();
    assert.equal(rig.refused, ['http_request', 'http_request']);
  }));

test('headers beyond websockets_headers_size are refused', () =>
  open({ websocketsHeadersSize: 512 }, async (rig) => {
    assert.is(await refusal(rig, ['mqtt'], { 'X-Long': 'x'.repeat(600) }), 431);
  }));

test('an upgrade that never comes is cut off at the connect timeout', () =>
  open(
    {},
    async (rig) => {
      const client = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
      client.send(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n'));
      await client.untilOver();
      assert.equal(rig.refused, ['timeout']);
    },
    { connectTimeoutMs: 50 },
  ));

test('bytes that are no HTTP are refused', () =>
  open({}, async (rig) => {
    const client = await SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
    client.send(Buffer.from('\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00', 'latin1'));
    await client.untilOver();
    await rig.untilRefused('http_request');
    assert.is(rig.recorders.length, 0);
  }));

test('a refused upgrade does not linger when the client keeps its side open', () =>
  open({}, async (rig) => {
    const client = await SocketClient.tcp({
      port: rig.port,
      host: '127.0.0.1',
      allowHalfOpen: true,
    });
    const head = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
    client.send(Buffer.from(`${head}Sec-WebSocket-Protocol: chat\r\n\r\n`));
    await client.untilOver();
    await until('the connection to be gone', () => rig.listener.connections === 0);
    assert.match(client.received.toString(), /^HTTP\/1\.1 400 /);
    client.destroy();
  }));

test('without http_dir plain HTTP is told what to do', () =>
  open({}, async (rig) => {
    const answer = await get(rig, '/');
    assert.is(answer.status, 426);
    assert.is(answer.headers.upgrade, 'websocket');
    await until('the connection to be gone', () => rig.listener.connections === 0);
    assert.equal(rig.refused, []);
  }));

const folder = new TempFolder();
const httpDir = folder.file('www');
mkdirSync(`${httpDir}/sub`, { recursive: true });
folder.write('secret.txt', 'secret');
folder.write('www/index.html', '<h1>hello</h1>');
folder.write('www/app.js', 'run()');
folder.write('www/empty.txt', '');
folder.write('www/sub/index.html', 'sub');
folder.write('www/a b.bin', 'spaced');
symlinkSync(folder.file('secret.txt'), `${httpDir}/link.txt`);

for (const [path, status, body, type] of [
  ['/', 200, '<h1>hello</h1>', 'text/html; charset=utf-8'],
  ['/index.html?x=1', 200, '<h1>hello</h1>', 'text/html; charset=utf-8'],
  ['/app.js', 200, 'run()', 'text/javascript; charset=utf-8'],
  ['/empty.txt', 200, '', 'text/plain; charset=utf-8'],
  ['/sub/', 200, 'sub', 'text/html; charset=utf-8'],
  ['/a%20b.bin', 200, 'spaced', 'application/octet-stream'],
  ['/sub', 404, 'not found\n', 'text/plain; charset=utf-8'],
  ['/missing', 404, 'not found\n', 'text/plain; charset=utf-8'],
  ['/../secret.txt', 404, 'not found\n', 'text/plain; charset=utf-8'],
  ['/%2e%2e/secret.txt', 404, 'not found\n', 'text/plain; charset=utf-8'],
  ['/..%2fsecret.txt', 404, 'not found\n', 'text/plain; charset=utf-8'],
  ['/link.txt', 404, 'not found\n', 'text/plain; charset=utf-8'],
  ['/%00', 404, 'not found\n', 'text/plain; charset=utf-8'],
  ['/%ff', 404, 'not found\n', 'text/plain; charset=utf-8'],
] as const) {
  test(`http_dir answers ${path} with ${status}`, () =>
    open({ httpDir }, async (rig) => {
      const answer = await get(rig, path);
      assert.is(answer.status, status);
      assert.is(answer.body, body);
      assert.is(answer.type, type);
      assert.is(answer.headers.connection, 'close');
    }));
}

test('http_dir answers HEAD without a body and refuses other methods', () =>
  open({ httpDir }, async (rig) => {
    const head = await get(rig, '/', 'HEAD');
    assert.equal([head.status, head.body, head.headers['content-length']], [200, '', '14']);
    assert.is((await get(rig, '/', 'DELETE')).status, 405);
    const client = await WsClient.open(url(rig));
    client.destroy();
  }));

test.run();
