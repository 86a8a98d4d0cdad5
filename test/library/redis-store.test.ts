// slow
/** A program's broker on Redis: what it keeps, what it passes on, what it counts. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BrokerOptions, StoreOptions } from '../../src/index.js';
import { RedisServer } from '../support/redis-server.js';
import { TempFolder } from '../support/temp.js';
import { until } from '../support/until.js';
import { withEmbedded } from './support.js';

const test = suite('library: redis');
const folder = new TempFolder();
let server: RedisServer;
let prefixes = 0;

test.before(async () => {
  server = await RedisServer.start({ folder: folder.path });
});

test.after(async () => {
  await server.kill();
  folder.remove();
});

function onRedis(): BrokerOptions {
  const store: StoreOptions = {
    kind: 'redis',
    nodes: `127.0.0.1:${server.port}`,
    nodeName: 'program',
    prefix: `l${++prefixes}:`,
  };
  return { store };
}

const durable = (clientId: string, sessionExpiryInterval = 3_600) => ({
  clientId,
  clean: false,
  properties: { sessionExpiryInterval },
});

test('sessions and their queues survive a restart, and are counted', async () => {
  const options = onRedis();
  await withEmbedded(options, async ({ connect }) => {
    const client = await connect(durable('device'));
    await client.subscribe('a/#', 1);
    await client.end();
    const publisher = await connect();
    for (const n of [1, 2, 3]) await publisher.publish('a/1', `${n}`, { qos: 1 });
  });

  await withEmbedded(options, async ({ broker, connect }) => {
    assert.is(broker.metrics.messagesQueued, 3);
    const publisher = await connect();
    await publisher.publish('a/1', '4', { qos: 1 });
    assert.is(broker.metrics.messagesQueued, 4);
    const client = await connect(durable('device'));
    await client.untilMessages(4);
    assert.equal(client.payloads, ['1', '2', '3', '4']);
    assert.ok(client.packets.every(({ dup }) => !dup));
    await until('all acknowledged', () => broker.metrics.messagesQueued === 0);
  });
});

test('what a session leaves when it expires goes to another member', async () => {
  await withEmbedded(onRedis(), async ({ broker, connect }) => {
    const leaving = await connect(durable('leaving', 1));
    await leaving.subscribe('$share/g/a', 2);
    await leaving.end();
    const publisher = await connect(durable('publisher'));
    for (const n of [1, 2, 3]) await publisher.publish('a', `${n}`, { qos: 2 });
    const heir = await connect(durable('heir'));
    await heir.subscribe('$share/g/a', 2);

    await heir.untilMessages(3);
    assert.equal(heir.payloads, ['1', '2', '3']);
    await until('the end of the session', () => broker.metrics.sessions === 2);
    assert.is(broker.metrics.droppedTotal, 0);
  });
});

test('messages that end with their session are counted', async () => {
  await withEmbedded(onRedis(), async ({ broker, connect }) => {
    const drops: unknown[] = [];
    broker.on('dropped', (...drop) => drops.push(drop));
    const client = await connect(durable('device', 1));
    await client.subscribe('a', 1);
    await client.end();
    const publisher = await connect();
    for (const n of [1, 2, 3]) await publisher.publish('a', `${n}`, { qos: 1 });

    await until('the count', () => drops.length > 0);
    assert.equal(drops, [['session_ended', 'device', '', 3]]);
  });
});

test.run();
