// slow
// deadline: 600 s
/** Peers that never get to the end of their CONNECT: bounded memory, and out at the timeout. */
import { connect, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type RunningBroker, tlsLines, withBroker } from '../integration/support/broker.js';
import { until } from '../support/until.js';
import { connectPacket } from './support/raw-packets.js';
import {
  affordable,
  Figures,
  MemoryWatch,
  MIB,
  residentBytes,
  say,
  scaled,
} from './support/soak.js';

const test = suite('slow CONNECT');

const timeoutMs = 1_500;
const count = affordable(scaled(600, 5_000));
/** Bytes between two looks; one look every `dripMs`. */
const dripMs = 100;

const wholeConnect = connectPacket({ clientId: 'never-there' });
// A client id of 60 000 bytes, of which all but the last few come.
const largeConnect = connectPacket({ clientId: 'x'.repeat(60_000) });
const hugeHeader = Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]);
const tlsHello = Buffer.from('160301020001000001fc0303', 'hex');
const upgrade = Buffer.from('GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n');

/** Peers on one listener: what they send at once, and byte for byte afterwards. */
const kinds = [
  {
    name: 'silent',
    listener: 0,
    first: Buffer.alloc(0),
    drip: Buffer.alloc(0),
    bytesMax: 16 * 1024,
  },
  { name: 'slow', listener: 0, first: Buffer.alloc(0), drip: wholeConnect, bytesMax: 24 * 1024 },
  {
    ...{ name: 'nearly whole', listener: 0, first: largeConnect.subarray(0, 59_900) },
    ...{ drip: largeConnect.subarray(59_900, 59_950), bytesMax: 160 * 1024 },
  },
  { name: 'TLS hello', listener: 1, first: tlsHello, drip: tlsHello, bytesMax: 160 * 1024 },
  {
    name: 'HTTP upgrade',
    listener: 2,
    first: upgrade,
    drip: Buffer.from('X-A: b'),
    bytesMax: 96 * 1024,
  },
] as const;

async function openAll(broker: RunningBroker, listener: number): Promise<Socket[]> {
  const port = broker.ports[listener];
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('error', () => undefined);
    socket.resume();
    return socket;
  });
  await until('all connections', () => sockets.every(({ connecting }) => !connecting), {
    deadlineMs: 30_000,
  });
  return sockets;
}

/** Sends the first bytes, then one of the others every `dripMs`, until the socket is closed. */
function dripInto(sockets: readonly Socket[], first: Buffer, drip: Buffer): NodeJS.Timeout {
  if (first.length > 0) for (const socket of sockets) socket.write(first);
  let at = 0;
  return setInterval(() => {
    // The last byte never comes.
    if (at >= drip.length - 1) return;
    const byte = drip.subarray(at, ++at);
    for (const socket of sockets) if (!socket.closed) socket.write(byte);
  }, dripMs);
}

for (const { name, listener, first, drip, bytesMax } of kinds) {
  test(`${count} peers (${name}) are closed in time and cost little`, async () => {
    const global = [`connect_timeout_ms ${timeoutMs}`, 'sys_interval 1'];
    const listeners = [[], tlsLines, ['protocol websockets']];
    await withBroker({ global, listeners }, async (broker) => {
      const figures = await Figures.of(broker);
      const before = residentBytes(broker.child.pid);
      const memory = new MemoryWatch(broker);
      const sockets = await openAll(broker, listener);
      const startMs = performance.now();
      const timer = dripInto(sockets, first, drip);

      const good = await broker.connect();
      await good.subscribe('t', 1);
      await good.publish('t', 'served', { qos: 1 });
      await good.untilMessages(1);
      await until('the end of all slow peers', () => sockets.every(({ closed }) => closed), {
        deadlineMs: 30_000,
      });

      clearInterval(timer);
      const seconds = (performance.now() - startMs) / 1_000;
      const growth = memory.stop() - before;
      const each = (growth / count / 1024).toFixed(1);
      say(`${name}: ${each} KiB each, closed after ${seconds.toFixed(1)} s`);
      assert.ok(seconds < 10 + timeoutMs / 1_000, `closed after ${seconds} s`);
      assert.ok(growth < 32 * MIB + count * bytesMax, `${growth} bytes`);
      await figures.until('connections/open', (open) => open <= 2);
      assert.is(good.closes, 0);
    });
  });
}

test('a CONNECT that says it is huge is refused by its header', async () => {
  await withBroker({ global: ['sys_interval 1'] }, async (broker) => {
    const sockets = await openAll(broker, 0);
    const before = residentBytes(broker.child.pid);

    for (const socket of sockets) socket.write(hugeHeader);

    await until('the end of all', () => sockets.every(({ closed }) => closed), {
      deadlineMs: 20_000,
    });
    const growth = residentBytes(broker.child.pid) - before;
    assert.ok(growth < 32 * MIB, `${growth} bytes`);
    await broker.connect();
  });
});

test('timeouts are counted', async () => {
  const global = [`connect_timeout_ms ${timeoutMs}`, 'sys_interval 1'];
  await withBroker({ global }, async (broker) => {
    const figures = await Figures.of(broker);
    const sockets = await openAll(broker, 0);
    await until('the end of all', () => sockets.every(({ closed }) => closed), {
      deadlineMs: 20_000,
    });

    await figures.until('connections/connect_timeouts', count);
  });
});

test.run();
