// slow
// deadline: 240 s
/** One server that refuses, forgets, stops or loses: all waits, and nothing happens twice. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BrokerError } from '../../../src/base/errors.js';
import type { Log } from '../../../src/base/log.js';
import { RedisStore } from '../../../src/store/redis/redis-store.js';
import { WriteStatus } from '../../../src/store/store.js';
import { freePort } from '../../support/port.js';
import { RedisServer, type Settings } from '../../support/redis-server.js';
import { TempFolder } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { claimOf, Heard, Loaded, StoreDriver } from '../support/driver.js';
import { CuttingProxy } from './cutting-proxy.js';
import { errorCount } from './error-counts.js';
import { createRedisHarness, optionsFor, type RedisHarness } from './harness.js';
import { clientIds, Load } from './load.js';

const test = suite('redis store and a server that refuses');

interface Setup {
  readonly server: RedisServer;
  readonly harness: RedisHarness;
  readonly load: Load;
  readonly events: readonly string[];
}

/** Runs `body` with a server, a store on it, and writes that have begun. */
function withLoad(body: (setup: Setup) => Promise<void>, settings: Settings = {}) {
  return async () => {
    const folder = new TempFolder();
    const server = await RedisServer.start({ folder: folder.path, settings });
    const events: string[] = [];
    const log: Log = { enabled: () => true, write: (_, event) => events.push(event) };
    try {
      const harness = await createRedisHarness([['127.0.0.1', server.port]], { log });
      try {
        const load = new Load(harness.store, clientIds(8));
        await load.start();
        await load.progress(20);
        await body({ server, harness, load, events });
      } finally {
        await harness.dispose();
      }
    } finally {
      await server.kill();
      folder.remove();
    }
  };
}

/** Something is wrong until it is repaired: meanwhile Redis says `code`, and nothing is safe. */
async function waitsAndGoesOn(
  { harness, load, server }: Setup,
  code: string,
  spoil: () => Promise<unknown>,
  repair: () => Promise<unknown>,
): Promise<void> {
  const { away } = harness.heard;
  await spoil();
  await until('the store to be away', () => harness.heard.away > away);
  const { refused } = harness.store.figures();
  await until('some repeats', () => harness.store.figures().refused! > refused! + 3);
  const before = load.acknowledged;
  const repeated = harness.store.figures().refused!;
  await until('more repeats', () => harness.store.figures().refused! > repeated + 3);
  assert.is(load.acknowledged, before);
  assert.ok((await errorCount([server], code)) > 6, code);
  await repair();
  await load.progress(20);
  await until('the store to be back', () => harness.heard.back === harness.heard.away);
  await load.stop();
  await load.check();
}

test(
  'NOSCRIPT: scripts that Redis forgot are loaded again',
  withLoad(async ({ harness, load, server }) => {
    for (let round = 0; round < 5; round++) {
      await server.command('SCRIPT', 'FLUSH', 'SYNC');
      await load.progress(20);
    }
    await load.stop();
    await load.check();
    assert.ok(harness.store.figures().refused! >= 5);
    assert.ok((await errorCount([server], 'NOSCRIPT')) >= 5);
    assert.is(harness.heard.away, 0);
  }),
);

test(
  'OOM: a server without memory takes nothing until it has some',
  withLoad((setup) =>
    waitsAndGoesOn(
      setup,
      'OOM',
      () => setup.server.command('CONFIG', 'SET', 'maxmemory', '1mb'),
      () => setup.server.command('CONFIG', 'SET', 'maxmemory', '0'),
    ),
  ),
);

test(
  'NOREPLICAS: a server that must have replicas takes nothing without',
  withLoad((setup) =>
    waitsAndGoesOn(
      setup,
      'NOREPLICAS',
      () => setup.server.command('CONFIG', 'SET', 'min-replicas-to-write', '1'),
      () => setup.server.command('CONFIG', 'SET', 'min-replicas-to-write', '0'),
    ),
  ),
);

test(
  'READONLY: a primary that became a replica takes nothing',
  withLoad(async (setup) => {
    const { harness, load, server } = setup;
    const nobody = await freePort();
    await server.command('REPLICAOF', '127.0.0.1', nobody);
    await until('the store to be away', () => harness.heard.away > 0);
    const before = load.acknowledged;
    await until('attempts', () => harness.store.figures().connects! >= 4);
    assert.is(load.acknowledged, before);
    assert.ok((await errorCount([server], 'READONLY')) > 0);

    await server.command('REPLICAOF', 'NO', 'ONE');
    await load.progress(20);
    await load.stop();
    await load.check();
  }),
);

test(
  'MASTERDOWN: a replica that lost its primary is none that serves',
  withLoad(
    async ({ harness, load, server }) => {
      const nobody = await freePort();
      await server.command('REPLICAOF', '127.0.0.1', nobody);
      await until('the store to be away', () => harness.heard.away > 0);
      const reading = harness.store.read('client 0', 1, 1_000);
      const { refused } = harness.store.figures();
      await until('repeats', () => harness.store.figures().refused! > refused! + 3);
      assert.ok((await errorCount([server], 'MASTERDOWN')) > 0);
      await server.command('REPLICAOF', 'NO', 'ONE');

      assert.ok((await reading).records.length > 0);
      await load.progress(20);
      await load.stop();
      await load.check();
    },
    { 'replica-serve-stale-data': 'no' },
  ),
);

test(
  'LOADING: a server that is killed and reads its file again is waited for',
  withLoad(
    async ({ harness, load, server }) => {
      await load.stop();
      await server.command('DEBUG', 'POPULATE', 100_000, 'other', 100);
      await server.command('BGREWRITEAOF');
      await until(
        'the rewrite',
        async () => (await server.info('aof_rewrite_in_progress')) === '0',
      );
      const again = new Load(harness.store, clientIds(16).slice(8));
      await again.start();
      await again.progress(20);

      await server.kill();
      // Slower than it is, so that it is met.
      await server.launch({ 'key-load-delay': 20, 'loading-process-events-interval-bytes': 1_024 });
      await until('it to load', async () => {
        try {
          return (await server.info('loading')) === '1';
        } catch {
          return false;
        }
      });
      await again.progress(20, 40_000);

      await again.stop();
      await again.check();
    },
    { appendfsync: 'always' },
  ),
);

test('a connection that is cut in or after a write repeats and loses nothing', async () => {
  const folder = new TempFolder();
  const server = await RedisServer.start({ folder: folder.path });
  const proxy = await CuttingProxy.start(server.port);
  const harness = await createRedisHarness([['127.0.0.1', proxy.port]]);
  try {
    const load = new Load(harness.store, clientIds(8));
    await load.start();
    for (let round = 0; round < 30; round++) {
      proxy.arm(round % 3 === 2 ? 'request' : 'reply');
      await until('the cut', () => proxy.cuts > round);
      await load.progress(3);
    }
    await load.stop();
    await load.check();
    assert.ok(harness.store.figures().unknown! >= 30);
    assert.ok(harness.heard.away >= 30);
    assert.is(harness.heard.back, harness.heard.away);
  } finally {
    await harness.dispose();
    await proxy.stop();
    await server.kill();
    folder.remove();
  }
});

test(
  'a server that is stopped is noticed; claims and reads give up in time',
  withLoad(async ({ harness, load, server }) => {
    server.signal('SIGSTOP');
    await until('the store to be away', () => harness.heard.away > 0);
    const driver = new StoreDriver(harness.store);
    for (const asked of [() => driver.claim('new'), () => harness.store.read('client 1', 1, 9)]) {
      try {
        await asked();
        assert.unreachable('it was answered');
      } catch (error) {
        assert.is((error as BrokerError).code, 'STORE_AWAY', String(error));
      }
    }
    server.signal('SIGCONT');
    await load.progress(20);
    await load.stop();
    await load.check();
    // The claim that nobody waited for left nothing connected behind.
    const claim = await driver.claim('new', { cleanStart: true });
    assert.ok(claim.epoch > 0);
  }),
);

test(
  'a server that comes back empty is noticed, loudly, and its sessions are gone',
  withLoad(
    async ({ events, harness, load, server }) => {
      await load.stop();
      await server.kill();
      await server.start();
      const driver = new StoreDriver(harness.store);
      const outcome = await driver.append('client 0', ['x']);

      assert.is(outcome.status, WriteStatus.Gone);
      assert.is(harness.store.figures().losses, 1);
      const event = 'redis came back without its data: its sessions are gone';
      assert.is(events.filter((one) => one === event).length, 1);
      const claim = await driver.claim('client 0');
      assert.is(claim.isPresent, false);
      assert.is((await driver.append('client 0', ['x'])).firstSeq, 1);
    },
    { appendonly: 'no' },
  ),
);

test('open looks at the server, and logs what should be changed', async () => {
  const folder = new TempFolder();
  const settings = { maxmemory: '100mb', 'maxmemory-policy': 'allkeys-lru' };
  const server = await RedisServer.start({ folder: folder.path, settings });
  const logged = async (more: Parameters<typeof optionsFor>[1]) => {
    const lines: string[] = [];
    const log: Log = {
      enabled: () => true,
      write: (level, event, fields) => {
        if (event.includes('set up otherwise')) lines.push(`${level} ${fields?.check}`);
      },
    };
    const store = new RedisStore(optionsFor([['127.0.0.1', server.port]], { log, ...more }));
    await store.open(new Loaded(), new Heard());
    await store.close();
    return lines;
  };
  try {
    const said = await logged({});
    for (const one of ['error maxmemory-policy', 'warning replicas']) {
      assert.ok(said.includes(one), `${one}: ${said.join()}`);
    }
    await server.command('ACL', 'SETUSER', 'some', 'on', '>pw', '~*', '+@all', '-config');
    const limited = await logged({ username: 'some', password: 'pw' });
    assert.ok(limited.includes('notice config') && limited.includes('warning replicas'));
  } finally {
    await server.kill();
    folder.remove();
  }
});

test('open says what is wrong: nobody there, a wrong password, an old version', async () => {
  const folder = new TempFolder();
  const settings = { requirepass: 'right' };
  const server = await RedisServer.start({ folder: folder.path, settings });
  const open = async (more: Parameters<typeof optionsFor>[1], port = server.port) => {
    const store = new RedisStore(optionsFor([['127.0.0.1', port]], more));
    try {
      await store.open(new Loaded(), new Heard());
      await store.close();
      return 'opened';
    } catch (error) {
      return `${(error as BrokerError).code}: ${(error as BrokerError).message}`;
    }
  };
  try {
    assert.match(
      await open({}, await freePort()),
      /^REDIS_CONNECT: no Redis node answers: .*ECONN/,
    );
    assert.match(await open({ password: 'wrong' }), /^REDIS_CONNECT: .*WRONGPASS/);
    assert.match(await open({}), /^REDIS_CONNECT: .*NOAUTH/);
    assert.is(await open({ password: 'right' }), 'opened');
    const version = await server.info('redis_version');
    if (version.startsWith('7.0')) {
      const answer = await open({ password: 'right', ackLevel: 'aof' });
      assert.match(answer, /^REDIS_VERSION: ack_level aof needs Redis 7\.2/);
    }
    assert.throws(() => new RedisStore(optionsFor([], { prefix: 'a{b}:' })), /braces/);
  } finally {
    await server.kill();
    folder.remove();
  }
});

test(
  'close waits for what was written, and not for ever while the store is away',
  withLoad(async ({ events, harness, load, server }) => {
    const driver = new StoreDriver(harness.store);
    await load.stop();
    const outcome = driver.append('client 0', ['last']);
    await harness.restart('close');
    assert.is((await outcome).status, WriteStatus.Done);

    server.signal('SIGSTOP');
    const { store } = harness;
    const record = Buffer.from('x');
    store.write({
      sessions: [],
      retained: [{ topic: 't', record, onlyExpired: false, onDone: () => assert.unreachable() }],
    });
    await store.close();
    assert.ok(events.includes('redis did not take all writes before the end'));
    server.signal('SIGCONT');
    await harness.restart('crash');
    assert.ok((await harness.store.claim(claimOf('client 0'))).isPresent);
  }),
);

test.run();
