// slow
/** Several brokers on one Redis: offline sessions that are due, and brokers that die. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { shardOf } from '../../../src/store/redis/keys.js';
import type { Disconnect } from '../../../src/store/store.js';
import { WriteStatus } from '../../../src/store/store.js';
import { redisFor } from '../../support/redis-for.js';
import { until } from '../../support/until.js';
import { type TestBroker, withThree } from './heard-fabric.js';

const NEVER = Number.POSITIVE_INFINITY;
const test = suite('offline sessions of several brokers');
const redis = redisFor(test);

function disconnectAt(more: Partial<Disconnect>): Disconnect {
  return {
    expiresAtMs: NEVER,
    will: null,
    willAtMs: NEVER,
    isUnsure: false,
    inFlight: [],
    ...more,
  };
}

/** Connects a client at a broker and disconnects it again; returns the epoch of the session. */
async function leaveOffline(broker: TestBroker, clientId: string, more: Partial<Disconnect>) {
  const { epoch } = await broker.driver.claim(clientId);
  await broker.driver.write(clientId, { epoch, disconnect: disconnectAt(more) });
  return epoch;
}

function adoptedBy(brokers: readonly TestBroker[], clientId: string) {
  return brokers.flatMap(({ heard }) =>
    heard.adopted.filter(({ session }) => session.clientId === clientId),
  );
}

const late = { deadlineMs: 15_000 };

test(
  'of brokers that know of a deadline, one gets the session',
  withThree(redis, async ({ a, b, c }) => {
    for (let round = 0; round < 10; round++) {
      const clientId = `c${round}`;
      const expiresAtMs = a.store.wallMs();
      const epoch = await leaveOffline(a, clientId, { expiresAtMs });
      const brokers = [b, c, a];
      const epochs = await Promise.all(
        brokers.map(({ store }) => store.fabric.adopt(clientId, epoch)),
      );
      const won = epochs.filter((one) => one > 0);
      assert.is(won.length, 1);
      assert.ok(won[0]! > epoch);
      const winner = brokers[epochs.indexOf(won[0]!)]!;
      const ended = await winner.driver.write(clientId, { epoch: won[0]!, ends: true });
      assert.is(ended.status, WriteStatus.Done);
      assert.is(await a.store.fabric.adopt(clientId, won[0]!), 0);
    }
  }),
);

test(
  'a client that is back is not adopted, and who adopted before has it no more',
  withThree(redis, async ({ a, b, c }) => {
    const epoch = await leaveOffline(a, 'c', { expiresAtMs: a.store.wallMs() + 60_000 });
    const taken = await b.store.fabric.adopt('c', epoch);
    assert.ok(taken > epoch);

    const claim = await c.driver.claim('c');

    assert.ok(claim.isPresent && claim.epoch > taken);
    const stale = await b.driver.write('c', { epoch: taken, ends: true });
    assert.is(stale.status, WriteStatus.Stale);
    for (const known of [epoch, taken, claim.epoch]) {
      assert.is(await a.store.fabric.adopt('c', known), 0);
    }
    const race = await leaveOffline(a, 'd', { expiresAtMs: a.store.wallMs() + 60_000 });
    const [adopted, claimed] = await Promise.all([
      b.store.fabric.adopt('d', race),
      c.driver.claim('d'),
    ]);
    assert.ok(claimed.isPresent && (adopted === 0 || claimed.epoch > adopted));
    const write = await c.driver.write('d', { epoch: claimed.epoch, nextSeq: 1 });
    assert.is(write.status, WriteStatus.Done);
  }),
);

test(
  'the list of offline sessions says when something is due, the will or the end',
  withThree(redis, async ({ a, options }) => {
    const score = (clientId: string) =>
      redis.server.command('ZSCORE', `${options.prefix}{x:${shardOf(clientId)}}:z`, clientId);
    const nowMs = Math.ceil(a.store.wallMs());
    const will = Buffer.from('will');
    await leaveOffline(a, 'both', { expiresAtMs: nowMs + 90_000, will, willAtMs: nowMs + 60_000 });
    await leaveOffline(a, 'end', { expiresAtMs: nowMs + 90_000, willAtMs: 0 });
    await leaveOffline(a, 'never', {});
    const expected = { both: String(nowMs + 60_000), end: String(nowMs + 90_000), never: 'inf' };
    for (const [clientId, text] of Object.entries(expected)) {
      await until('the entry', async () => String(await score(clientId)) === text);
    }
  }),
);

test(
  'sessions of a broker that dies are offline, and what is due of them is adopted once',
  withThree(redis, async ({ a, b, c, options }) => {
    const will = Buffer.from('will');
    await a.driver.claim('will', { will, expiryInterval: 60, info: Buffer.from('who') });
    await a.driver.claim('later', { will, willDelay: 60, expiryInterval: 120 });
    await a.driver.claim('ends', { expiryInterval: 0 });
    await a.driver.claim('transient', { isDurable: false, will, expiryInterval: 0 });
    await a.driver.claim('silent', { isDurable: false, expiryInterval: 0 });
    await a.driver.claim('elsewhere', { will });
    await a.driver.append('will', ['1', '2']);
    const there = await b.driver.claim('elsewhere', { will });
    const beforeMs = a.store.wallMs();
    a.store.abort();

    const brokers = [b, c];
    const all = ['will', 'ends', 'transient'];
    const areAdopted = () => all.every((name) => adoptedBy(brokers, name).length > 0);
    await until('what is due to be adopted', areAdopted, late);

    for (const name of all) assert.is(adoptedBy(brokers, name).length, 1);
    for (const name of ['later', 'silent', 'elsewhere']) {
      assert.is(adoptedBy(brokers, name).length, 0);
    }
    const [{ session }] = adoptedBy(brokers, 'will') as [(typeof b.heard.adopted)[0]];
    assert.equal([String(session.info), String(session.will)], ['who', 'will']);
    assert.is(session.messages, 2);
    assert.ok(session.willAtMs >= beforeMs && session.expiresAtMs >= beforeMs + 60_000);
    const [transient] = adoptedBy(brokers, 'transient');
    assert.ok(transient!.isTransient);
    const write = await b.driver.write('elsewhere', { epoch: there.epoch, nextSeq: 1 });
    assert.is(write.status, WriteStatus.Done);
    const exists = (id: string) => redis.server.command('EXISTS', `${options.prefix}{${id}}:s`);
    assert.equal([await exists('silent'), await exists('later')], [0, 1]);

    for (const { store } of brokers) store.leave('transient');
    await until('the transient client to leave nothing', async () => !(await exists('transient')));
    const claim = await c.driver.claim('will');
    assert.equal([claim.isPresent, claim.unsentSeq, claim.endSeq], [true, 3, 3]);
  }),
);

test(
  'what a broker that left had to see to, another one does once it is overdue',
  withThree(redis, async ({ a, b, c }) => {
    const nowMs = a.store.wallMs();
    const will = Buffer.from('will');
    const epoch = await leaveOffline(a, 'due', { expiresAtMs: nowMs, will, willAtMs: nowMs });
    const kept = await leaveOffline(a, 'kept', { expiresAtMs: nowMs });
    await leaveOffline(a, 'later', { expiresAtMs: nowMs + 60_000 });
    // Somebody sees to it.
    assert.ok((await b.store.fabric.adopt('kept', kept)) > 0);
    await a.store.close();

    await until('the adoption', () => adoptedBy([b, c], 'due').length > 0, late);

    const [{ session }] = adoptedBy([b, c], 'due') as [(typeof b.heard.adopted)[0]];
    assert.ok(session.epoch > epoch);
    assert.equal([adoptedBy([b, c], 'kept'), adoptedBy([b, c], 'later')], [[], []]);
    assert.is(adoptedBy([b, c], 'due').length, 1);
  }),
);

test(
  'a will that is out is not due any more, and what has ended leaves the list',
  withThree(redis, async ({ a, options }) => {
    const nowMs = Math.ceil(a.store.wallMs());
    const will = Buffer.from('will');
    const expiresAtMs = nowMs + 60_000;
    const epoch = await leaveOffline(a, 'c', { expiresAtMs, will, willAtMs: nowMs });
    await a.driver.write('c', { epoch, dismissesWill: true });
    const key = `${options.prefix}{x:${shardOf('c')}}:z`;
    const gone = 'gone';
    await redis.server.command('ZADD', `${options.prefix}{x:${shardOf(gone)}}:z`, 1, gone);

    const score = () => redis.server.command('ZSCORE', key, 'c');
    await until('the end', async () => String(await score()) === String(expiresAtMs), late);
    const stray = () =>
      redis.server.command('ZSCORE', `${options.prefix}{x:${shardOf(gone)}}:z`, gone);
    await until('no stray', async () => (await stray()) === null, late);
    assert.equal(a.heard.adopted, []);
  }),
);

test(
  'a broker that is started again publishes the wills of its transient clients',
  withThree(redis, async ({ a, b, c, start }) => {
    await a.driver.claim('c', { isDurable: false, will: Buffer.from('will') });
    await a.driver.claim('d', { expiryInterval: 60 });
    a.store.abort();

    const again = await start('a');

    // When that takes it longer than the others wait, one of them publishes it.
    const brokers = [again, b, c];
    await until('the will', () => adoptedBy(brokers, 'c').length > 0, late);
    assert.equal(
      adoptedBy(brokers, 'c').map(({ session }) => String(session.will)),
      ['will'],
    );
    assert.equal([...again.loaded.sessions.keys()], ['d']);
    assert.ok(again.loaded.sessions.get('d')!.expiresAtMs <= again.store.wallMs() + 60_000);
    for (const { store } of brokers) store.leave('c');
  }),
);

test(
  'a broker that was taken for dead has no client any more, and goes on under another name',
  withThree(redis, async ({ a, b, c, options }) => {
    const { epoch } = await a.driver.claim('c', { expiryInterval: 60 });
    const before = a.store.fabric.node;
    const dead = ['HSET', `${options.prefix}{nodes}:dead`, before, '0:'];
    await redis.server.command(...(dead as [string]));
    await redis.server.command('ZREM', `${options.prefix}{nodes}`, before);

    await until('a to hear of it', () => a.heard.log.includes('removed'), late);

    assert.is.not(a.store.fabric.node, before);
    await until('its session to be offline', async () => {
      const { status } = await a.driver.write('c', { epoch, nextSeq: 1 });
      return status === WriteStatus.Stale;
    });
    const own = `${options.prefix}{node:${before}}:own`;
    await until(
      'its record to go',
      async () => (await redis.server.command('EXISTS', own)) === 0,
      late,
    );
    const claim = await a.driver.claim('c');
    assert.ok(claim.isPresent);
    await b.driver.append('c', ['1']);
    await until('a to hear of a message', () => a.heard.log.includes('appended c 2 1'), late);
    assert.is(c.heard.count('appended'), 0);
  }),
);

test.run();
