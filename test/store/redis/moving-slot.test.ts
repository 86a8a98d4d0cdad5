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
import { StoreDriver } from '../support/driver.js';
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
