// slow
// deadline: 600 s
/**
 * A queue that is longer than the broker would like to have in memory: it costs nothing while its
 * client is away, and a bounded window while the client takes it.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withBroker } from '../integration/support/broker.js';
import { RedisServer } from '../support/redis-server.js';
import { type TempFolder, withTempFolder } from '../support/temp.js';
import { until } from '../support/until.js';
import { Flood } from './support/flood.js';
import { RawClient } from './support/raw-client.js';
import { MemoryWatch, MIB, ownBytes, say, scaled } from './support/soak.js';

const test = suite('long queue');

const count = scaled(200_000, 1_000_000);
/** All together more than `growthMax` by far. */
const payload = Buffer.alloc(scaled(2_000, 1_000), 'long');
/**
 * The broker's own memory, however long the queue is: the journal's two generations of 64 MB on
 * disk, buffers, and the garbage of a flood.
 */
const growthMax = 240 * MIB;

const session = {
  ...{ clientId: 'away', version: 5 as const, cleanStart: false },
  sessionExpiryInterval: 3_600,
};

async function onDisk(
  folder: TempFolder,
  body: (lines: readonly string[]) => Promise<void>,
): Promise<void> {
  await body(['store disk', `data_dir ${folder.file('data')}`]);
}

async function inRedis(
  folder: TempFolder,
  body: (lines: readonly string[]) => Promise<void>,
): Promise<void> {
  const server = await RedisServer.start({ folder: folder.file('redis') });
  try {
    await body(['store redis', `redis_nodes 127.0.0.1:${server.port}`]);
  } finally {
    await server.kill();
  }
}

for (const [name, withStore] of [['disk', onDisk] as const, ['Redis', inRedis] as const]) {
  test(`${name}: memory is bounded while a long queue grows and while it is taken`, async () => {
    await withTempFolder((folder) => withStore(folder, (lines) => queueAndTake(name, lines)));
  });
}

async function queueAndTake(name: string, lines: readonly string[]): Promise<void> {
  const global = ['max_queued_messages 0', ...lines];
  await withBroker({ global }, async (broker) => {
    const port = broker.ports[0]!;
    const { pid } = broker.child;
    const absent = await RawClient.connect({ port, ...session });
    await absent.subscribe('flood', 1);
    absent.destroy();
    const publisher = await RawClient.connect({ port, clientId: 'publisher' });
    const flood = new Flood(publisher, 'flood', payload, 1);
    // What comes once: compiled code, buffers, the first generations of the heap.
    await flood.send(count / 10);
    const before = ownBytes(pid);
    const queueing = new MemoryWatch(broker, ownBytes);
    await flood.send(count - count / 10).finally(() => queueing.stop());
    const queued = queueing.stop() - before;
    const taking = new MemoryWatch(broker, ownBytes);
    const startedMs = performance.now();
    const back = RawClient.begin({ port, ...session });
    let next = 0;
    let isInOrder = true;
    back.onPublish = (bytes, start) => {
      isInOrder &&= bytes.readUInt32BE(start) === next;
      next++;
    };
    await until('the queue', () => next >= count, { deadlineMs: 300_000 }).finally(() => {
      taking.stop();
    });
    const perSecond = (count * 1_000) / (performance.now() - startedMs);
    const taken = taking.stop() - before;
    say(
      `${name}: ${count} messages queued: ${(queued / MIB).toFixed(0)} MiB more; ` +
        `taken at ${perSecond.toFixed(0)}/s: ${(taken / MIB).toFixed(0)} MiB more`,
    );
    assert.is(back.sessionPresent, true);
    assert.ok(isInOrder, 'each message once, in order');
    assert.ok(queued < growthMax, `${queued} bytes more with the queue`);
    assert.ok(taken < growthMax, `${taken} bytes more while it was taken`);
    for (const client of [back, publisher]) client.destroy();
  });
}

test.run();
