/** The transport contract, over every medium. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLog } from '../../src/base/log.js';
import { FastTransport } from '../../src/listen/fast-tcp.js';
import { isFastTcpUsable } from '../../src/listen/fast-tcp-check.js';
import { StreamTransport } from '../../src/listen/stream-transport.js';
import { WsTransport } from '../../src/listen/ws-transport.js';
import { TempFolder } from '../support/temp.js';
import { SocketClient, WsClient } from './support/clients.js';
import { Rig, serverTls } from './support/rig.js';
import { transportContract } from './support/transport-contract.js';

const folder = new TempFolder();
const socketPath = folder.file('s');

const detection = suite('choice of transport');

detection('the fast socket edge works on this Node', async () => {
  assert.is(await isFastTcpUsable(silentLog), true);
});

for (const [name, config, fastEdge, type] of [
  ['plain TCP', {}, true, FastTransport],
  ['a Unix socket', { socketPath }, true, FastTransport],
  ['plain TCP without the fast edge', {}, false, StreamTransport],
] as const) {
  detection(`${name} has a ${type.name}`, () =>
    Rig.with(config, { fastEdge }, async (rig) => {
      const client = await SocketClient.tcp(
        'socketPath' in config ? { path: socketPath } : { port: rig.port, host: '127.0.0.1' },
      );
      const { transport } = await rig.recorder();
      assert.instance(transport, type);
      client.destroy();
    }),
  );
}

detection('a websocket has a WsTransport', () =>
  Rig.with({ protocol: 'websockets' }, {}, async (rig) => {
    const client = await WsClient.open(`ws://127.0.0.1:${rig.port}/`);
    assert.instance((await rig.recorder()).transport, WsTransport);
    client.destroy();
  }),
);

const connectTcp = (rig: Rig) => SocketClient.tcp({ port: rig.port, host: '127.0.0.1' });
const connectUnix = () => SocketClient.tcp({ path: socketPath });

const fastTcp = suite('fast tcp transport');
transportContract(fastTcp, { config: () => ({}), connect: connectTcp, hasReset: true });

const fastUnix = suite('fast unix transport');
transportContract(fastUnix, {
  config: () => ({ socketPath }),
  connect: connectUnix,
  hasReset: false,
});

const plain = suite('net.Socket transport');
transportContract(plain, {
  config: () => ({}),
  options: { fastEdge: false },
  connect: connectTcp,
  hasReset: true,
});

const tls = suite('tls transport');
transportContract(tls, {
  config: () => ({ tls: serverTls() }),
  connect: (rig) => SocketClient.tls(rig.port),
  hasReset: true,
});

const webSocket = suite('websocket transport');
transportContract(webSocket, {
  config: () => ({ protocol: 'websockets' }),
  connect: (rig) => WsClient.open(`ws://127.0.0.1:${rig.port}/mqtt`),
  hasReset: true,
});

const secureWebSocket = suite('secure websocket transport');
transportContract(secureWebSocket, {
  config: () => ({ protocol: 'websockets', tls: serverTls() }),
  connect: (rig) => WsClient.open(`wss://localhost:${rig.port}/mqtt`),
  hasReset: false, // The client's TLS socket has no reset of its own.
});

const unixWebSocket = suite('websocket transport over a unix socket');
transportContract(unixWebSocket, {
  config: () => ({ protocol: 'websockets', socketPath }),
  connect: () => WsClient.open(`ws+unix://${socketPath}:/mqtt`),
  hasReset: false,
});

detection.run();
fastTcp.run();
fastUnix.run();
plain.run();
tls.run();
webSocket.run();
secureWebSocket.run();
unixWebSocket.run();
