// slow
// deadline: 300 s
/** How the broker ends: everybody is told, wills go out, and it takes no longer than promised. */
import { existsSync, readFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RawClient } from '../soak/support/raw-client.js';
import { freePort } from '../support/port.js';
import { Child } from '../support/process.js';
import { withTempFolder } from '../support/temp.js';
import { until } from '../support/until.js';
import { type BrokerOptions, brokerPath, RunningBroker, tlsLines } from './support/broker.js';
import { untilOpen } from './support/port-open.js';

const test = suite('stop');
const shuttingDown = 0x8b;
/** Promised: 5 seconds. */
const stopMsMax = 5_000;

async function withStarted(
  options: BrokerOptions,
  body: (broker: RunningBroker) => Promise<void>,
): Promise<void> {
  const broker = await RunningBroker.start(options);
  try {
    await body(broker);
  } finally {
    await broker.leave();
    broker.child.signal('SIGKILL');
    await broker.child.exited;
    broker.folder.remove();
  }
}

/** Waits for the exit and checks code and time. */
async function expectOrderlyEnd(broker: RunningBroker, signalledAtMs: number): Promise<void> {
  const { code, signal } = await broker.child.untilExit({ deadlineMs: 10_000 });
  const tookMs = performance.now() - signalledAtMs;
  assert.is(signal, null);
  assert.is(code, 0, broker.child.output);
  assert.ok(tookMs < stopMsMax, `took ${tookMs.toFixed(0)} ms`);
}

/** Connected, subscribed, does not read, and a lot is waiting for it. */
async function stuckClient(broker: RunningBroker): Promise<RawClient> {
  const stuck = await RawClient.connect({ port: broker.ports[0], clientId: 'stuck', version: 5 });
  await stuck.subscribe('flood/#', 1);
  stuck.stopReading();
  const publisher = await broker.connect();
  const payload = Buffer.alloc(100_000);
  for (let n = 0; n < 60; n++) await publisher.publish('flood/x', payload, { qos: 1 });
  await publisher.end();
  return stuck;
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal}: 5.0 clients get 0x8B, all connections are closed, exit 0`, async () => {
    await withStarted({ listeners: [[], ['protocol websockets']] }, async (broker) => {
      const clients = [
        await broker.connect(),
        await broker.connect({ listener: 1, protocol: 'ws' }),
        await broker.connect({ clientId: 'durable', clean: false }),
        await broker.connect({ protocolVersion: 4 }),
      ];
      const signalledAtMs = performance.now();

      broker.child.signal(signal);

      await Promise.all(clients.map((client) => client.untilClosed()));
      const codes = clients.map(({ disconnects }) => disconnects);
      assert.equal(codes, [[shuttingDown], [shuttingDown], [shuttingDown], []]);
      await expectOrderlyEnd(broker, signalledAtMs);
    });
  });
}

test('wills are published to those who are still there', async () => {
  await withStarted({}, async (broker) => {
    const watchers = [await broker.connect(), await broker.connect({ protocolVersion: 4 })];
    for (const watcher of watchers) await watcher.subscribe('will/#', 1);
    const will = { topic: 'will/x', payload: Buffer.from('the broker is gone'), qos: 1 } as const;
    await broker.connect({ will });
    const signalledAtMs = performance.now();

    broker.child.signal('SIGTERM');

    await Promise.all(watchers.map((watcher) => watcher.untilClosed()));
    for (const { payloads } of watchers) assert.equal(payloads, ['the broker is gone']);
    await expectOrderlyEnd(broker, signalledAtMs);
  });
});

test('a client that does not read delays the end, but not for long', async () => {
  await withStarted({}, async (broker) => {
    const stuck = await stuckClient(broker);
    const other = await broker.connect();
    const signalledAtMs = performance.now();

    broker.child.signal('SIGTERM');

    await other.untilClosed();
    assert.equal(other.disconnects, [shuttingDown]);
    await expectOrderlyEnd(broker, signalledAtMs);
    stuck.destroy();
  });
});

test('a second SIGINT while clients are told changes nothing', async () => {
  await withStarted({}, async (broker) => {
    const stuck = await stuckClient(broker);
    const other = await broker.connect();
    const signalledAtMs = performance.now();

    broker.child.signal('SIGINT');
    await broker.child.untilLine('stopping');
    broker.child.signal('SIGINT');
    broker.child.signal('SIGTERM');

    await other.untilClosed();
    assert.equal(other.disconnects, [shuttingDown]);
    await expectOrderlyEnd(broker, signalledAtMs);
    stuck.destroy();
  });
});

test('connections that have not said CONNECT do not delay the end', async () => {
  await withStarted({ listeners: [[], tlsLines, ['protocol websockets']] }, async (broker) => {
    const sockets = broker.ports.map((port) => connectSocket({ port, host: '127.0.0.1' }));
    let closed = 0;
    for (const socket of sockets) {
      socket.on('error', () => undefined);
      socket.on('close', () => closed++);
    }
    await until('all connections', () => sockets.every(({ readyState }) => readyState === 'open'));
    sockets[0].write(Buffer.from([0x10, 20, 0, 4]));
    sockets[1].write(Buffer.from([22, 3, 1, 2]));
    sockets[2].write('GET / HTTP/1.1\r\n');
    const signalledAtMs = performance.now();

    broker.child.signal('SIGTERM');

    await expectOrderlyEnd(broker, signalledAtMs);
    await until('the end of all connections', () => closed === sockets.length);
  });
});

test('nobody gets in any more', async () => {
  await withStarted({}, async (broker) => {
    const stuck = await stuckClient(broker);
    broker.child.signal('SIGTERM');
    await broker.child.untilLine('stopping');

    const late = broker.open();

    await until('a refusal', () => late.errors.length > 0 || late.closes > 0);
    assert.is(late.connects, 0);
    stuck.destroy();
  });
});

test('the pid file and the Unix socket are there while it runs, and gone afterwards', async () => {
  const options = { global: ['pid_file FOLDER/pid'], more: ['listener 0 FOLDER/mqtt.sock'] };
  await withStarted(options, async (broker) => {
    const pidFile = broker.folder.file('pid');
    const socket = broker.folder.file('mqtt.sock');
    await until('the pid file', () => existsSync(pidFile));
    assert.is(readFileSync(pidFile, 'utf8').trim(), `${broker.child.pid}`);
    await until('the socket', () => existsSync(socket));

    await broker.child.stop();

    assert.is(existsSync(pidFile), false);
    assert.is(existsSync(socket), false);
  });
});

test('a broker that was killed starts again beside its old pid file and Unix socket', async () => {
  const options = { global: ['pid_file FOLDER/pid'], more: ['listener 0 FOLDER/mqtt.sock'] };
  await withStarted(options, async (broker) => {
    await broker.child.stop('SIGKILL');
    assert.is(existsSync(broker.folder.file('mqtt.sock')), true);

    const next = await RunningBroker.start({ ...options, folder: broker.folder });

    const path = next.folder.file('mqtt.sock');
    await next.connect({ protocol: 'mqtt+unix', unixSocket: true, path });
    const pid = readFileSync(next.folder.file('pid'), 'utf8').trim();
    assert.is(pid, `${next.child.pid}`);
    await next.stop();
  });
});

test('signals are obeyed as soon as a port is open', async () => {
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR1'] as const) {
    await withTempFolder(async (folder) => {
      const port = await freePort();
      const listeners = `listener ${port} 127.0.0.1\nlistener 0 ${folder.file('mqtt.sock')}\n`;
      const file = folder.write('broker.conf', listeners);
      const child = await Child.start(process.execPath, [brokerPath, '-c', file]);
      await untilOpen(child, port);

      child.signal(signal);

      if (signal !== 'SIGTERM') await child.untilLine(signal === 'SIGHUP' ? 'reload' : 'state');
      const { code } = await child.stop();
      assert.is(code, 0, `${signal}: ${child.output}`);
    });
  }
});

test('SIGUSR1 logs the state, and the broker lives on', async () => {
  await withStarted({}, async (broker) => {
    const client = await broker.connect();
    await client.subscribe('a/#', 1);
    await client.publish('a/b', 'x', { qos: 1, retain: true });
    await client.untilMessages(1);

    broker.child.signal('SIGUSR1');

    const line = await broker.child.untilLine(/"event":"state"/);
    const state = JSON.parse(line);
    assert.is(state.clients, 1);
    assert.is(state.sessions, 1);
    assert.is(state.subscriptions, 1);
    assert.is(state.publishReceived, 1);
    assert.is(state.dropped, 0);
    assert.ok(state.residentBytes > 10_000_000);
    assert.is(line.includes('a/b'), false);
    await client.publish('a/c', 'y', { qos: 1 });
    await client.untilMessages(2);
  });
});

test.run();
