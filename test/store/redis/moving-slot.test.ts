// slow
// deadline: 240 s
/** Each stage of a slot's move held until it was met; and one primary of several that is empty. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Log } from '../../../src/base/log.js';
import { sessionTag } from '../../../src/store/redis/keys.js';
import { slotOf } from '../../../src/store/redis/slot.js';
import { WriteStatus } from '../../../src/store/store.js';
import { RedisCluster } from '../../support/redis-cluster.js';
import { withTempFolder } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { messageOf, noLimits, StoreDriver } from '../support/driver.js';
import { errorCount } from './error-counts.js';
import { createRedisHarness } from './harness.js';
import { clientIds, Load } from './load.js';

const test = suite('redis store and a slot that moves');

test('TRYAGAIN, ASK, MOVED: a session waits while its keys are apart, then goes after them', () =>
  withTempFolder(async (folder) => {
    const cluster = await RedisCluster.start({ folder: folder.path });
    const harness = await createRedisHarness(cluster.addresses);
    try {
      const ids = clientIds(12);
      const load = new Load(harness.store, ids);
      await load.start();
      await load.progress(20);
      const driver = new StoreDriver(harness.store);
      const [moving = ''] = ids;
      const slot = slotOf(sessionTag(moving));
      const from = await cluster.primaryOf(slot, cluster.primaries[0]!);
      const to = cluster.primaries.find((one) => one !== from)!;
      const refusals = (server: typeof from.server, code: string) => errorCount([server], code);
      const key = `${harness.prefix}{${moving}}:`;
      const migrate = (...keys: string[]) =>
        from.server.command('MIGRATE', '127.0.0.1', to.server.port, '', 0, 5_000, 'KEYS', ...keys);

      // Some keys here, others there or nowhere.
      await to.server.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
      await from.server.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
      await migrate(`${key}s`);
      await until('TRYAGAIN', async () => (await refusals(from.server, 'TRYAGAIN')) > 3);

      // All there, while the slot is still here.
      const keys = await from.server.command('CLUSTER', 'GETKEYSINSLOT', slot, 100);
      await migrate(...(keys as string[]));
      await until('ASK', async () => (await refusals(from.server, 'ASK')) > 3);
      assert.ok((await driver.records(moving)).length >= 20, 'a read follows ASK');
      assert.is(await refusals(from.server, 'MOVED'), 0);

      await to.server.command('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
      await from.server.command('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
      await until('MOVED', async () => (await refusals(from.server, 'MOVED')) > 0);
      await load.progress(20);

      await load.stop();
      await load.check();
      assert.ok(harness.store.figures().redirections! > 3);
    } finally {
      await harness.dispose();
      await cluster.stop();
    }
  }));

test('in a slot that moves, nothing that a script deletes stops it half-way', () =>
  withTempFolder(async (folder) => {
    const cluster = await RedisCluster.start({ folder: folder.path, replicasEach: 0 });
    const harness = await createRedisHarness(cluster.addresses);
    const { store } = harness;
    const driver = new StoreDriver(store);
    const slot = slotOf(sessionTag('c'));
    const from = await cluster.primaryOf(slot, cluster.primaries[0]!);
    const to = cluster.primaries.find((one) => one !== from)!;
    const setSlot = (...words: string[]) =>
      from.server.command('CLUSTER', 'SETSLOT', slot, ...words);
    const subscribed = [{ filter: 'a', options: 1, identifier: 0 }];
    const mark = { publisherId: 'p', number: 1 };
    const errorsBefore = await errorCount([from.server], 'ERR');

    /** A session with all its keys: only then does a script run while they move. */
    const begin = async (number: number) => {
      const { epoch } = await driver.claim('c', { cleanStart: true });
      const held = [5, 6].map((packetId) => ({ packetId, number }));
      await driver.write('c', { epoch, subscribed, held });
      const append = ['1', '2', '3'].map((text) => messageOf(text));
      append[0] = { ...append[0]!, mark: { ...mark, number } };
      await driver.write('c', { epoch, append, limits: noLimits });
      await driver.write('c', { epoch, nextSeq: 4, released: [1, 2] });
      await setSlot('MIGRATING', to.id);
      return epoch;
    };
    const stay = () => setSlot('STABLE');

    try {
      // The last of what was released and held goes, and something else comes.
      const first = await begin(1);
      const settled = { firstSeq: 4, done: [] };
      const writes = [
        driver.prepare('c', { epoch: first, settled, forgotten: [5, 6], released: [3] }),
        driver.prepare('c', { epoch: first, held: [{ packetId: 7, number: 9 }] }),
        driver.prepare('c', { epoch: first, append: [messageOf('4')], limits: noLimits }),
      ];
      store.write({ sessions: writes.map(({ sessionWrite }) => sessionWrite), retained: [] });
      for (const { outcome } of writes) assert.is((await outcome).status, WriteStatus.Done);
      await stay();
      const claim = await driver.claim('c');
      assert.equal(claim.held, [{ packetId: 7, number: 9 }]);
      assert.equal(await driver.queue('c'), ['4:4']);

      const second = await begin(2);
      assert.is((await driver.write('c', { epoch: second, ends: true })).status, WriteStatus.Done);
      await stay();
      assert.is((await driver.claim('c')).isPresent, false);

      await begin(3);
      const anew = await driver.claim('c', { cleanStart: true });
      assert.equal([anew.isPresent, anew.subscriptions, anew.held], [false, [], []]);
      await stay();
      assert.is(await errorCount([from.server], 'ERR'), errorsBefore);
    } finally {
      await harness.dispose();
      await cluster.stop();
    }
  }));

test('one primary of a cluster that comes back empty takes only its own sessions along', () =>
  withTempFolder(async (folder) => {
    const settings = { appendonly: 'no' };
    const cluster = await RedisCluster.start({ folder: folder.path, replicasEach: 0, settings });
    const lost: unknown[] = [];
    const log: Log = {
      enabled: () => true,
      write: (level, event, fields) => {
        if (level === 'error' && event.includes('without its data')) lost.push(fields?.redis);
      },
    };
    const harness = await createRedisHarness(cluster.addresses, { log });
    try {
      const ids = clientIds(24);
      const driver = new StoreDriver(harness.store);
      for (const clientId of ids) {
        await driver.claim(clientId);
        await driver.append(clientId, ['1']);
      }
      const [emptied] = cluster.primaries;
      const isThere = new Map<string, boolean>();
      for (const clientId of ids) {
        const slot = slotOf(sessionTag(clientId));
        isThere.set(clientId, (await cluster.primaryOf(slot, emptied!)) !== emptied);
      }
      await emptied!.server.kill();
      await emptied!.server.start();
      await until('the loss to be seen', () => lost.length > 0, { deadlineMs: 20_000 });
      await cluster.untilReady();

      for (const clientId of ids) {
        const { status } = await driver.append(clientId, ['2']);
        const expected = isThere.get(clientId) ? WriteStatus.Done : WriteStatus.Gone;
        assert.is(status, expected, clientId);
        assert.equal(await driver.queue(clientId), isThere.get(clientId) ? ['1:1', '2:2'] : []);
      }
      assert.equal(new Set(isThere.values()).size, 2);
      assert.equal(lost, [`127.0.0.1:${emptied!.server.port}`]);
      assert.is(harness.store.figures().losses, 1);
    } finally {
      await harness.dispose();
      await cluster.stop();
    }
  }));

test.run();
