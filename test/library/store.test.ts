/** A program's broker with a store: what it keeps, and when it may be used. */
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type BrokerOptions, createBroker } from '../../src/index.js';
import { TestClient } from '../integration/support/test-client.js';
import { withTempFolder } from '../support/temp.js';
import { until } from '../support/until.js';
import { withEmbedded } from './support.js';

const test = suite('library: stores');

const session = {
  clientId: 'device',
  clean: false,
  properties: { sessionExpiryInterval: 3_600 },
} as const;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: { code: string }) => error.code,
  );
}

test('sessions, queues and retained messages survive a restart on disk', async () => {
  await withTempFolder(async (folder) => {
    const options: BrokerOptions = { store: { kind: 'disk', dataDir: folder.file('data') } };
    await withEmbedded(options, async ({ broker, connect }) => {
      const client = await connect(session);
      await client.subscribe('a/#', 1);
      await client.end();
      broker.publish('a/retained', 'kept', { qos: 1, retain: true });
      const publisher = await connect();
      await publisher.publish('a/1', 'queued', { qos: 1 });
    });

    await withEmbedded(options, async ({ broker, connect }) => {
      assert.is(broker.metrics.sessions, 1);
      assert.is(broker.metrics.messagesQueued, 2);
      const client = await connect(session);
      await client.untilMessages(2);
      assert.equal(
        client.packets.map(({ topic, payload }) => `${topic} ${payload}`),
        ['a/retained kept', 'a/1 queued'],
      );
      const other = await connect();
      await other.subscribe('a/retained', 0);
      await other.untilMessages(1);
    });
  });
});

test('in memory nothing survives, and nothing has to be opened', async () => {
  const broker = createBroker({ store: { kind: 'memory' } });
  broker.publish('a', 'x', { retain: true });
  const got: string[] = [];
  broker.subscribe('a', ({ payload }) => got.push(payload.toString()));
  await broker.open();
  await until('the message', () => got.length > 0);
  await broker.close();

  assert.equal(got, ['x']);
});

test('a store is opened before anything is published or subscribed', async () => {
  await withTempFolder(async (folder) => {
    const store = { kind: 'disk', dataDir: folder.file('data') } as const;
    const broker = createBroker({ store });
    const early = { code: 'STORE_NOT_OPEN' };
    for (const use of [
      () => broker.publish('a', 'x'),
      () => broker.subscribe('a', () => undefined),
    ]) {
      assert.throws(use, (error: { code: string; message: string }) => {
        assert.match(error.message, /await broker\.open\(\)/);
        return error.code === early.code;
      });
    }
    await Promise.all([broker.open(), broker.open()]);
    broker.publish('a', 'x', { retain: true });
    await broker.close();
    assert.is(await codeOf(broker.open()), 'CLOSED');

    const second = createBroker({ store });
    await second.open();
    const got: string[] = [];
    second.subscribe('a', ({ payload }) => got.push(payload.toString()));
    await until('the message', () => got.length > 0);
    await second.close();
    assert.equal(got, ['x']);
  });
});

test('a folder that is in use is said, and can be tried again', async () => {
  await withTempFolder(async (folder) => {
    const store = { kind: 'disk', dataDir: folder.file('data') } as const;
    const first = createBroker({ store });
    await first.open();
    const second = createBroker({ store });
    assert.is(await codeOf(second.listen({ port: 0 })), 'STORE_LOCKED');
    await first.close();

    const { port } = (await second.listen({ port: 0 })) as AddressInfo;
    const client = TestClient.open({ protocol: 'mqtt', host: '127.0.0.1', port });
    await client.untilConnected();
    await client.end();
    await second.close();
  });
});

test('a broker that is closed while its store opens lets go of it', async () => {
  await withTempFolder(async (folder) => {
    const store = { kind: 'disk', dataDir: folder.file('data') } as const;
    const broker = createBroker({ store });
    const opening = codeOf(broker.listen({ port: 0 }));
    await broker.close();
    assert.is(await opening, 'CLOSED');

    const next = createBroker({ store });
    await next.open();
    await next.close();
  });
});

test('wrong options are refused at once', () => {
  const options = { store: { kind: 'disk' } } as unknown as BrokerOptions;
  assert.throws(() => createBroker(options), /store disk needs data_dir/);
});

test.run();
