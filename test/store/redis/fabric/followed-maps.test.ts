// slow
/** The replicated maps as several brokers on one Redis follow them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { shardOf } from '../../../../src/store/redis/keys.js';
import {
  retainedField,
  retainedValue,
  routeField,
} from '../../../../src/store/redis/map-entries.js';
import { LOG_VALUE_BYTES } from '../../../../src/store/redis/tuning.js';
import { redisFor } from '../../../support/redis-for.js';
import { until } from '../../../support/until.js';
import { expiringAt } from '../../support/driver.js';
import { optionsFor } from '../harness.js';
import { quickTimes, startBroker, type TestBroker, withBrokers } from '../heard-fabric.js';

/** Before the record of a retained message that gives way to any other. */
const anybody = '\0'.repeat(8);
const test = suite('followed maps');
const redis = redisFor(test);

function setRoute({ store }: TestBroker, filter: string, kinds = 1): Promise<void> {
  return new Promise((resolve) => store.fabric.setRoute(filter, kinds, resolve));
}

function retain({ driver }: TestBroker, topic: string, text: string | null): Promise<void> {
  return driver.retain(topic, text);
}

function catchUp({ store }: TestBroker): Promise<void> {
  return new Promise((resolve) => store.fabric.catchUp(resolve));
}

test(
  'an announcement is done when all others have applied it',
  withBrokers(redis, 3, async ([a, b, c]) => {
    for (let index = 0; index < 20; index++) {
      await setRoute(a!, `f/${index}`, 3);
      assert.is(b!.heard.log.at(-1), `route a f/${index} 3`);
      assert.is(c!.heard.log.at(-1), `route a f/${index} 3`);
    }
    await setRoute(a!, 'f/7', 0);
    assert.is(b!.heard.log.at(-1), 'route a f/7 0');
    assert.is(a!.heard.count('route'), 0);
    assert.is(a!.store.figures().announcements, 0);
  }),
);

test(
  'a durable subscription is safe when the others know it, after its session',
  withBrokers(redis, 2, async ([a, b]) => {
    const { epoch } = await a!.driver.claim('c', { expiryInterval: 60 });
    const subscribed = [
      { filter: 'f', options: 1, identifier: 0 },
      { filter: 'g', options: 1, identifier: 0 },
    ];
    await a!.driver.write('c', { epoch, subscribed });
    assert.equal(b!.heard.log.slice(-3), ['session c', 'subscribed c f', 'subscribed c g']);

    await a!.driver.write('c', { epoch, unsubscribed: ['g'] });
    await until('the word', () => b!.heard.log.includes('unsubscribed c g'));
    await a!.driver.write('c', { epoch, ends: true });
    await until('the end', () => b!.heard.log.includes('unsubscribed c f'));
  }),
);

test(
  'one who does not follow holds announcements up until its lease is over, and is counted',
  withBrokers(redis, 2, async ([a, b], { prefix }) => {
    const nodes = `${prefix}{nodes}`;
    const end = await redis.server.command('ZSCORE', nodes, a!.store.fabric.node);
    await redis.server.command('ZADD', nodes, String(Number(end) + 500), 'ghost~12345678');
    await redis.server.command('SET', `${prefix}{node:ghost~12345678}:alive`, '1');
    await until('the ghost to be known', () => a!.heard.log.includes('joined ghost'));
    let isDone = false;
    const done = setRoute(a!, 'f').then(() => {
      isDone = true;
    });
    await until('the other one to have it', () => b!.heard.log.includes('route a f 1'));
    await until('it to be late', () => a!.store.figures().slowPeers === 1);
    assert.is(isDone, false);

    await done;
    assert.ok(a!.heard.log.includes('left ghost'));
    await until('the ghost to be worked off', async () => {
      return (await redis.server.command('EXISTS', `${prefix}{node:ghost~12345678}:alive`)) === 0;
    });
  }),
);

test(
  'a broker that joins hears what the others have announced, and what it missed meanwhile',
  withBrokers(redis, 1, async (brokers, { prefix }) => {
    const [a] = brokers as [TestBroker];
    await setRoute(a, 'x', 2);
    a.store.fabric.addMember('m', { filter: '$share/g/f', options: 1, identifier: 0 }, () => {});
    await retain(a, 'kept', 'v');
    const options = optionsFor([['127.0.0.1', redis.server.port]], { prefix });
    const starting = startBroker(options, 'b');
    let count = 0;
    let isStarted = false;
    const started = starting.then(() => {
      isStarted = true;
    });
    while (!isStarted) await retain(a, `t${++count}`, 'v');
    await started;
    const b = await starting;
    brokers.push(b);

    assert.equal(b.heard.log.slice(0, 3), ['joined a', 'route a x 2', 'member a m $share/g/f']);
    assert.is(b.loaded.retained.get('kept'), 'v');
    await catchUp(b);
    for (let index = 1; index <= count; index++) {
      const isKnown = b.loaded.retained.has(`t${index}`) || b.heard.count(`retained t${index} v`);
      assert.ok(isKnown, `t${index}`);
    }
  }),
);

test(
  'retained messages of all are the same everywhere, whoever wrote last',
  withBrokers(redis, 3, async (brokers, { prefix }) => {
    const topics = ['p', 'q'];
    const views = brokers.map(() => new Map<string, string>());
    for (const [index, { heard }] of brokers.entries()) {
      heard.onLine = (line) => {
        const match = /^retained (\S+) (.*)$/s.exec(line);
        if (match !== null) views[index]!.set(match[1]!, match[2]!);
      };
    }
    const write = async (index: number) => {
      for (let count = 0; count < 60; count++) {
        const topic = topics[count % 2]!;
        const isLarge = count % 7 === 0;
        const text = `${index}:${count}${isLarge ? 'x'.repeat(LOG_VALUE_BYTES) : ''}`;
        const value = count % 5 === 4 ? null : text;
        views[index]!.set(topic, String(value));
        const done = retain(brokers[index]!, topic, value);
        if (count % 3 === 0) await done;
      }
    };
    await Promise.all(brokers.map((_, index) => write(index)));
    await Promise.all(brokers.map((one) => retain(one, 'end', 'v')));
    await Promise.all(brokers.map(catchUp));

    for (const topic of topics) {
      const key = `${prefix}{map:${shardOf(topic)}}:m`;
      const kept = await redis.server.command('HGET', key, retainedField(topic));
      const text = kept === null ? 'null' : String(kept).slice(anybody.length);
      for (const view of views) assert.is(view.get(topic), text);
    }
  }),
);

test(
  'what is written late does not undo what its publisher has published elsewhere since',
  withBrokers(redis, 2, async ([a, b], { prefix }) => {
    const key = `${prefix}{map:${shardOf('t')}}:m`;
    const current = async () => {
      const value = await redis.server.command('HGET', key, 'rt');
      return value === null ? null : String(value).slice(anybody.length);
    };
    const change = (from: TestBroker, publisherId: string, epoch: number, text: string | null) =>
      new Promise<boolean>((resolve) => {
        const shape = {
          publisherId,
          expiresAtMs: Number.POSITIVE_INFINITY,
          payload: Buffer.from(text ?? ''),
        };
        const value =
          text === null ? null : retainedValue(epoch, Buffer.from(expiringAt(0, shape), 'latin1'));
        const common = { field: retainedField('t'), value, expiredMs: 0, epoch };
        const by = value === null ? { publisherId } : {};
        const onDone = (_: number, _entry: number, stays?: Buffer | null): void =>
          resolve(stays !== undefined);
        from.store.maps.change(shardOf('t'), { ...common, ...by, onDone });
      });
    assert.is(await change(a!, 'p', 5, 'first'), false);
    assert.is(await change(b!, 'p', 6, 'later'), false);
    const later = await current();
    assert.match(later!, /later$/);
    assert.is(await change(a!, 'p', 5, 'late'), true);
    assert.is(await change(a!, 'p', 5, null), true);
    assert.is(await current(), later);
    assert.is(await change(a!, 'p', 6, 'same connection'), false);
    assert.is(await change(a!, 'other', 5, 'another publisher'), false);
    assert.match((await current())!, /another publisher$/);
    assert.is(await change(b!, 'p', 4, null), false);
    assert.is(await current(), null);
  }),
);

test(
  'nor does what its broker writes when it has lost the client, and shows then what stays',
  withBrokers(redis, 2, async ([a, b]) => {
    const publish = ({ store }: TestBroker, publisherEpoch: number, text: string) => {
      const payload = Buffer.from(text);
      const shape = { topic: 't', publisherId: 'p', payload };
      const record = Buffer.from(expiringAt(Number.POSITIVE_INFINITY, shape), 'latin1');
      return new Promise<void>((onDone) => {
        const write = { topic: 't', record, onlyExpired: false, publisherId: 'p', publisherEpoch };
        store.write({ sessions: [], retained: [{ ...write, onDone }] });
      });
    };
    const shown = ({ heard: { log } }: TestBroker) => log.filter((line) => /^retained/.test(line));
    const before = await a!.driver.claim('p', { expiryInterval: 60 });
    const after = await b!.driver.claim('p', { expiryInterval: 60 });
    await until('a to hear of it', () => a!.store.ownership.current('p') === null);
    await publish(b!, after.epoch, 'later');
    await catchUp(a!);
    assert.match(shown(a!).join(), /later$/);
    await publish(a!, before.epoch, 'late');
    await Promise.all([a!, b!].map(catchUp));

    assert.is(shown(b!).length, 0);
    assert.is(shown(a!).length, 2);
    assert.match(shown(a!)[1]!, /later$/);
  }),
);

test(
  'an expired retained message is deleted, whatever it looks like; a later one is not',
  withBrokers(redis, 2, async ([a, b], { prefix }) => {
    const wallMs = a!.store.wallMs();
    const isKept = (topic: string) =>
      redis.server.command('HEXISTS', `${prefix}{map:${shardOf(topic)}}:m`, `r${topic}`);
    const shapes = [
      {},
      { topic: 'a/longer/ö' },
      { publisherId: 'somebody', qos: 2 },
      { publisherId: '', isV5: true, properties: Buffer.from('123456'), expiryAt: 1 },
      { ids: [1, 2, 3], sharedFilter: '$share/g/f', publisherId: 'p', payload: Buffer.from('x') },
    ];
    for (const [index, shape] of shapes.entries()) {
      const topic = `t${index}`;
      await retain(a!, topic, expiringAt(wallMs - 1.5, shape));
      await retain(b!, topic, expiringAt(wallMs + 60_000, shape));
      await a!.driver.expire(topic);
      assert.is(await isKept(topic), 1);
      await retain(b!, topic, expiringAt(wallMs - 1.5, shape));
      await a!.driver.expire(topic);
      assert.is(await isKept(topic), 0);
      await until('b to hear', () => b!.heard.log.includes(`retained ${topic} null`));
    }
    const never = { ...shapes[2], expiresAtMs: Number.POSITIVE_INFINITY };
    for (const text of [expiringAt(0, never), 'x', '', expiringAt(0).slice(0, 12)]) {
      await retain(a!, 't', text);
      await b!.driver.expire('t');
      assert.is(await isKept('t'), 1);
    }
  }),
);

/** Changes a shard as a call would whose entry in the log was trimmed before anybody read it. */
async function changeUnseen(prefix: string, shard: number, commands: string[][]): Promise<void> {
  const [m, w] = [`${prefix}{map:${shard}}:m`, `${prefix}{map:${shard}}:w`];
  for (const [name, ...rest] of commands) await redis.server.command(name!, m, ...rest);
  const state = String((await redis.server.command('HGET', w, '#')) ?? '0:');
  const [entry, chain] = state.split(':');
  await redis.server.command('HSET', w, '#', `${Number(entry) + 1}:${chain}`);
}

test(
  'who missed a part of the log loads the shard anew and hears the difference',
  withBrokers(redis, 2, async ([a, b], { prefix }) => {
    const shard = shardOf('t');
    await retain(a!, 't', '1');
    await retain(a!, 't2', '1');
    const gone = topicIn(shard, 'gone');
    const fresh = topicIn(shard, 'fresh');
    await retain(a!, gone, '1');
    await until('b to know', () => b!.heard.log.includes(`retained ${gone} 1`));
    await changeUnseen(prefix, shard, [
      ['HDEL', `r${gone}`],
      ['HSET', `r${fresh}`, `${anybody}2`],
    ]);
    await retain(a!, 't', '3');

    await until('b to have the last one', () => b!.heard.log.includes('retained t 3'));
    assert.ok(b!.heard.log.includes(`retained ${gone} null`));
    assert.ok(b!.heard.log.includes(`retained ${fresh} 2`));
    assert.is(b!.store.figures().mapReloads, 1);
    await until('a as well', () => a!.heard.log.includes(`retained ${fresh} 2`));
    // And goes on as before.
    await setRoute(a!, 'x');
    assert.is(b!.heard.log.at(-1), 'route a x 1');
  }),
);

function topicIn(shard: number, name: string): string {
  for (let index = 0; ; index++) if (shardOf(`${name}${index}`) === shard) return `${name}${index}`;
}

test(
  'a log that is another one after a failover is told by its chain',
  withBrokers(redis, 2, async ([a, b], { prefix }) => {
    const shard = shardOf('t');
    const [log, w] = [`${prefix}{map:${shard}}:log`, `${prefix}{map:${shard}}:w`];
    await retain(a!, 't', '1');
    await retain(a!, 't', '2');
    await until('b to know', () => b!.heard.log.includes('retained t 2'));
    const entries = (await redis.server.command('XRANGE', log, '-', '+')) as [string, string[]][];
    const [id, fields] = entries.at(-1)!;
    // The replica never had it, and another broker's call got its number.
    await redis.server.command('XDEL', log, id);
    await redis.server.command('XSETID', log, '0-0').catch(() => undefined);
    await redis.server.command('DEL', log);
    for (const [earlier, values] of entries.slice(0, -1)) {
      await redis.server.command('XADD', log, earlier, ...values);
    }
    const chain = 'otherchain12';
    const by = `writer_X7:${chain}`;
    await redis.server.command('XADD', log, id, 'by', by, '+rt', `${anybody}other`);
    await redis.server.command('HSET', `${prefix}{map:${shard}}:m`, 'rt', `${anybody}other`);
    await redis.server.command('HSET', w, '#', `${id.slice(0, -2)}:${chain}`);
    assert.is(fields[0], 'by');
    await redis.server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

    await until('b to know', () => b!.heard.log.includes('retained t other'));
    await retain(a!, 't', '3');
    await until('b to go on', () => b!.heard.log.at(-1) === 'retained t 3');
  }),
);

test(
  'a shard that Redis lost is not taken for an empty one, and its routes are written again',
  withBrokers(redis, 2, async ([a, b], { prefix }) => {
    const shard = shardOf('x');
    await setRoute(a!, 'x');
    const topic = topicIn(shard, 'kept');
    await retain(a!, topic, '1');
    await until('b to know', () => b!.heard.log.includes(`retained ${topic} 1`));
    const keys = ['m', 'log', 'w'].map((part) => `${prefix}{map:${shard}}:${part}`);
    await redis.server.command('DEL', ...keys);
    await redis.server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

    const field = routeField(a!.store.fabric.node, 'x');
    await until('the route', async () => await redis.server.command('HEXISTS', keys[0]!, field));
    assert.is(b!.heard.count(`retained ${topic} null`), 0);
    assert.is(b!.heard.count('route a x 0'), 0);
    const other = topicIn(shard, 'other');
    await retain(a!, other, '2');
    await until('b to go on', () => b!.heard.log.includes(`retained ${other} 2`));
  }),
);

test(
  'a route of a broker that nobody knows is deleted by and by',
  withBrokers(
    redis,
    2,
    async ([a], { prefix }) => {
      const field = routeField('ghost~12345678', 'x');
      const change = { field, value: Buffer.of(1), expiredMs: 0, epoch: 0 };
      a!.store.maps.change(shardOf('x'), { ...change, onDone: () => undefined });
      const key = `${prefix}{map:${shardOf('x')}}:m`;
      await until('it to be there', () => redis.server.command('HEXISTS', key, field));

      const isGone = async () => (await redis.server.command('HEXISTS', key, field)) === 0;
      await until('it to be gone', isGone, { deadlineMs: 10_000 });
      assert.is(a!.heard.count('route'), 0);
    },
    { ...quickTimes, leaseMs: 1_000, freezeMs: 900 },
  ),
);

test.run();
