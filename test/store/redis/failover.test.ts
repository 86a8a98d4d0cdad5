// slow
// deadline: 240 s
/** A real cluster: primaries die, stop, and give slots away, while messages are written. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type LogLevel, silentLog } from '../../../src/base/log.js';
import { MEMBERS_TAG, mapTag, sessionTag } from '../../../src/store/redis/keys.js';
import { RedisStore } from '../../../src/store/redis/redis-store.js';
import { slotOf } from '../../../src/store/redis/slot.js';
import { SHARDS } from '../../../src/store/redis/tuning.js';
import { RedisCluster } from '../../support/redis-cluster.js';
import { TempFolder } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { Heard, Loaded } from '../support/driver.js';
import { errorCount } from './error-counts.js';
import { createRedisHarness, optionsFor, type RedisHarness } from './harness.js';
import { clientIds, Load } from './load.js';

const test = suite('redis store and a cluster in trouble');

/** Runs `body` with a cluster and a store on it. */
function withCluster(
  body: (cluster: RedisCluster, harness: RedisHarness) => Promise<void>,
  settings = {},
): () => Promise<void> {
  return async () => {
    const folder = new TempFolder();
    const cluster = await RedisCluster.start({ folder: folder.path, settings });
    try {
      const harness = await createRedisHarness(cluster.addresses);
      try {
        await body(cluster, harness);
      } finally {
        await harness.dispose();
      }
    } finally {
      await cluster.stop();
      folder.remove();
    }
  };
}

test(
  'slots move under load, and nothing is lost, repeated or reordered',
  withCluster(async (cluster, { store }) => {
    const ids = clientIds(12);
    const load = new Load(store, ids);
    await load.start();
    await load.progress(20);

    const [first, second, third] = cluster.primaries;
    const ring = [first!, second!, third!];
    for (let round = 0; round < 3; round++) {
      for (const clientId of ids) {
        const slot = slotOf(sessionTag(clientId));
        const from = await cluster.primaryOf(slot, first!);
        const to = ring[(ring.indexOf(from) + 1) % ring.length]!;
        await cluster.moveSlot(slot, from, to);
      }
      await load.progress(5);
    }

    await load.stop();
    await load.check();
    const { redirections } = store.figures();
    assert.ok(redirections! > 0, 'calls were redirected');
    const servers = cluster.nodes.map(({ server }) => server);
    assert.ok((await errorCount(servers, 'MOVED')) > 0);
    const onTheWay = (await errorCount(servers, 'ASK')) + (await errorCount(servers, 'TRYAGAIN'));
    assert.ok(onTheWay > 0, 'some calls came while a slot was on its way');
  }),
);

test(
  'a primary is killed under load: nothing acknowledged is lost, and all goes on',
  withCluster(async (cluster, harness) => {
    const { heard, store } = harness;
    const load = new Load(store, clientIds(24));
    await load.start();
    await load.progress(50);

    await cluster.primaries[0]!.server.kill();
    await until('the store to be away', () => heard.away > 0);
    await load.progress(50);
    await until('the store to be back', () => heard.back === heard.away);

    await load.stop();
    await load.check();
    // And from what the new primary has, too.
    await harness.restart('crash');
    await load.check(harness.store);
    assert.equal(heard.fatal, []);
  }),
);

test(
  'a primary that is stopped, without a word, is noticed, and what it says later is ignored',
  withCluster(async (cluster, { heard, store }) => {
    const load = new Load(store, clientIds(24));
    await load.start();
    await load.progress(50);

    const { server } = cluster.primaries[1]!;
    server.signal('SIGSTOP');
    await until('the store to be away', () => heard.away > 0);
    await load.progress(50);
    server.signal('SIGCONT');
    await load.progress(50);

    await load.stop();
    await load.check();
  }),
);

test(
  'a broker that starts while a primary fails over waits for the replica in its place',
  withCluster(
    async (cluster) => {
      // Of a broker that starts, the list of members hears first, and then the maps are asked.
      const [first] = cluster.primaries;
      const lister = await cluster.primaryOf(slotOf(MEMBERS_TAG), first!);
      const shards = Array.from({ length: SHARDS }, (_, shard) => slotOf(mapTag(shard)));
      const serving = await Promise.all(shards.map((slot) => cluster.primaryOf(slot, first!)));
      const victim = serving.find((node) => node !== lister)!;
      let isKilled = false;
      const write = (_level: LogLevel, event: string): void => {
        if (isKilled || event !== 'redis should be set up otherwise') return;
        isKilled = true;
        victim.server.signal('SIGKILL');
      };
      const log = { ...silentLog, write };
      const store = new RedisStore(optionsFor(cluster.addresses, { log }));

      await store.open(new Loaded(), new Heard());

      assert.ok(isKilled, 'while the broker started');
      await store.close();
    },
    // A failover takes longer than a question of a running broker may.
    { 'cluster-node-timeout': 4_000 },
  ),
);

test(
  'while a replica is stopped nothing is acknowledged that only its primary has',
  withCluster(async (cluster, { store }) => {
    const load = new Load(store, clientIds(24));
    await load.start();
    await load.progress(50);

    for (const { isPrimary, server } of cluster.nodes) if (!isPrimary) server.signal('SIGSTOP');
    await until('a shortfall', () => (store.figures().shortfalls ?? 0) >= 3);
    const before = load.acknowledged;
    const shortfalls = store.figures().shortfalls!;
    await until('more shortfalls', () => store.figures().shortfalls! >= shortfalls + 3);
    assert.is(load.acknowledged, before);

    for (const { isPrimary, server } of cluster.nodes) if (!isPrimary) server.signal('SIGCONT');
    await load.progress(50);
    await load.stop();
    await load.check();
  }),
);

test(
  'a cluster that is down waits, and goes on when it is up again',
  withCluster(
    async (cluster, { heard, store }) => {
      const load = new Load(store, clientIds(24));
      await load.start();
      await load.progress(20);

      const [primary, replica] = cluster.nodes;
      await Promise.all([primary!.server.kill(), replica!.server.kill()]);
      const other = cluster.primaries[1]!.server;
      await until('the cluster to be down', async () =>
        String(await other.command('CLUSTER', 'INFO')).includes('cluster_state:fail'),
      );
      await until('the store to be away', () => heard.away > 0);
      await until('CLUSTERDOWN', async () => (await errorCount([other], 'CLUSTERDOWN')) > 3);
      await Promise.all([primary!.server.start(), replica!.server.start()]);
      await load.progress(20, 30_000);

      await load.stop();
      await load.check();
    },
    { 'cluster-require-full-coverage': 'yes', appendfsync: 'always' },
  ),
);

test.run();
