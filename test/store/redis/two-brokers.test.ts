// slow
/** Two brokers on one Redis: takeover, repeats of both writers, and what is in which key. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BrokerError } from '../../../src/base/errors.js';
import type { RedisStoreOptions } from '../../../src/store/redis/options.js';
import { RedisStore } from '../../../src/store/redis/redis-store.js';
import { MARKS_MAX, SHARED_MARKS_BYTES, TRIM_MESSAGES } from '../../../src/store/redis/tuning.js';
import { CLAIM_UNWANTED, Taken, WriteStatus } from '../../../src/store/store.js';
import { RedisServer } from '../../support/redis-server.js';
import { TempFolder } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { claimOf, Heard, Loaded, messageOf, noLimits, StoreDriver } from '../support/driver.js';
import { CuttingProxy } from './cutting-proxy.js';
import { optionsFor } from './harness.js';

const test = suite('two brokers on one redis');
const folder = new TempFolder();
let server: RedisServer;

test.before(async () => {
  server = await RedisServer.start({ folder: folder.path });
});

test.after(async () => {
  await server.kill();
  folder.remove();
});

interface Broker {
  readonly store: RedisStore;
  readonly driver: StoreDriver;
  readonly loaded: Loaded;
}

async function broker(options: RedisStoreOptions, nodeName: string): Promise<Broker> {
  const store = new RedisStore({ ...options, nodeName });
  const loaded = new Loaded();
  await store.open(loaded, new Heard());
  return { store, loaded, driver: new StoreDriver(store) };
}

/** Runs `body` with two brokers on one prefix. */
function withTwo(body: (a: Broker, b: Broker, options: RedisStoreOptions) => Promise<void>) {
  return async () => {
    const options = optionsFor([['127.0.0.1', server.port]]);
    const a = await broker(options, 'a');
    const b = await broker(options, 'b');
    try {
      await body(a, b, options);
    } finally {
      await a.store.close();
      await b.store.close();
    }
  };
}

const subscribed = [{ filter: 'f', options: 1, identifier: 0 }];

test(
  'a session goes to the broker that claims it, with all it has',
  withTwo(async (a, b, options) => {
    const first = await a.driver.claim('c');
    await a.driver.write('c', { epoch: first.epoch, subscribed });
    await a.driver.append('c', ['1', '2']);

    const second = await b.driver.claim('c');

    assert.equal(second.subscriptions, subscribed);
    assert.is(second.endSeq, 3);
    const stale = await a.driver.write('c', { epoch: first.epoch, ends: true });
    assert.is(stale.status, WriteStatus.Stale);
    assert.is((await a.driver.append('c', ['3'])).firstSeq, 3);
    assert.equal(await b.driver.queue('c'), ['1:1', '2:2', '3:3']);
    const owned = ({ store }: Broker) =>
      server.command('SISMEMBER', `${options.prefix}{node:${store.fabric.node}}:own`, 'c');
    await until('a to be off the record', async () => (await owned(a)) === 0);
    assert.is(await owned(b), 1);
  }),
);

test(
  'a claim of a client that has gone leaves its session where it is',
  withTwo(async (a, b, options) => {
    const { epoch } = await a.driver.claim('c');

    for (const isDurable of [true, false]) {
      const claiming = b.store.claim(claimOf('c', { isDurable }), () => false);
      const code = await claiming.then(
        () => 'claimed',
        ({ code }: BrokerError) => code,
      );
      assert.is(code, CLAIM_UNWANTED);
    }

    assert.is((await a.driver.write('c', { epoch, nextSeq: 1 })).status, WriteStatus.Done);
    const own = `${options.prefix}{node:${b.store.fabric.node}}:own`;
    await until('b to be off the record', async () => {
      return (await server.command('SISMEMBER', own, 'c')) === 0;
    });
    const claim = await b.driver.claim('c');
    assert.ok(claim.isPresent && claim.epoch > epoch);
  }),
);

test(
  'a session that is connected elsewhere is known, so that its queue is filled',
  withTwo(async (a, _, options) => {
    const { epoch } = await a.driver.claim('c', { expiryInterval: 60 });
    await a.driver.write('c', { epoch, subscribed });

    const other = await broker(options, 'other');

    const session = other.loaded.sessions.get('c')!;
    assert.is(session.expiresAtMs, Number.POSITIVE_INFINITY);
    assert.equal(other.loaded.subscriptions.get('c'), subscribed);
    // It is not taken over by that.
    assert.is((await a.driver.write('c', { epoch, nextSeq: 1 })).status, WriteStatus.Done);
    await other.store.close();
  }),
);

test('two writers to the same sessions, both cut off again and again, repeat nothing', async () => {
  const proxies = [await CuttingProxy.start(server.port), await CuttingProxy.start(server.port)];
  const { prefix } = optionsFor([]);
  const brokers: Broker[] = [];
  const ids = ['x', 'y', 'z'];
  try {
    for (const [index, { port }] of proxies.entries()) {
      brokers.push(await broker(optionsFor([['127.0.0.1', port]], { prefix }), `w${index}`));
    }
    for (const clientId of ids) await brokers[0]!.driver.claim(clientId);
    const write = async ({ driver }: Broker, name: string) => {
      for (let number = 1; number <= 150; number++) {
        if (number % 10 === 0) for (const proxy of proxies) proxy.arm('reply');
        const outcomes = ids.map((clientId) => driver.append(clientId, [`${name}${number}`]));
        for (const { status } of await Promise.all(outcomes)) assert.is(status, WriteStatus.Done);
      }
    };
    await Promise.all(brokers.map((one, index) => write(one, 'AB'[index]!)));

    const all = (name: string) => Array.from({ length: 150 }, (_, index) => `${name}${index + 1}`);
    for (const clientId of ids) {
      const texts = (await brokers[1]!.driver.records(clientId)).map(({ record }) =>
        String(record),
      );
      for (const name of 'AB') {
        assert.equal(
          texts.filter((text) => text.startsWith(name)),
          all(name),
        );
      }
    }
    for (const { cuts } of proxies) assert.ok(cuts >= 10);
  } finally {
    for (const { store } of brokers) await store.close();
    for (const proxy of proxies) await proxy.stop();
  }
});

test(
  'messages of one write are one entry, and what is acknowledged is trimmed in bulk',
  withTwo(async ({ driver }, _, { prefix }) => {
    const { epoch } = await driver.claim('c');
    const length = async () => Number(await server.command('XLEN', `${prefix}{c}:q`));
    const texts = Array.from({ length: 100 }, (_unused, index) => String(index));
    await driver.append('c', texts);
    assert.is(await length(), 1);
    for (let seq = 101; seq <= 100 + 2 * TRIM_MESSAGES; seq++) {
      const settled = { firstSeq: seq, done: [] };
      await driver.write('c', {
        epoch,
        settled,
        nextSeq: seq,
        append: [messageOf('x')],
        limits: noLimits,
      });
      assert.ok((await length()) <= TRIM_MESSAGES + 1);
    }
    const endSeq = 101 + 2 * TRIM_MESSAGES;
    await driver.write('c', { epoch, settled: { firstSeq: endSeq, done: [] }, nextSeq: endSeq });
    assert.is(await length(), 0);
  }),
);

test(
  'what gives way behind a message in flight is deleted, so that a stuck client costs nothing',
  withTwo(async ({ driver }, _, { prefix }) => {
    const { epoch } = await driver.claim('c');
    const limits = { messagesMax: 10, bytesMax: 0, dropsOldest: true };
    await driver.write('c', { append: [messageOf('stuck')], limits });
    await driver.write('c', { epoch, nextSeq: 2 });
    for (let number = 0; number < 500; number++) {
      await driver.write('c', { append: [messageOf(String(number))], limits });
    }
    assert.ok(Number(await server.command('XLEN', `${prefix}{c}:q`)) < 100);
    const expected = Array.from({ length: 9 }, (_unused, index) => `${493 + index}:${491 + index}`);
    assert.equal(await driver.queue('c'), ['1:stuck', ...expected]);
  }),
);

test(
  'marks are kept of a bounded number of publishers, the latest',
  withTwo(async ({ driver }, _, { prefix }) => {
    await driver.claim('c');
    const some = (from: number, count: number) =>
      Array.from({ length: count }, (_unused, index) => ({
        ...messageOf('x'),
        mark: { publisherId: `p${from + index}`, number: 1 },
      }));
    await driver.write('c', { append: some(0, MARKS_MAX + 500), limits: noLimits });
    assert.is(await server.command('HLEN', `${prefix}{c}:d`), MARKS_MAX);
    const last = some(MARKS_MAX + 600, 1);
    assert.is((await driver.write('c', { append: last, limits: noLimits })).taken, null);
    const again = await driver.write('c', { append: last, limits: noLimits });
    assert.equal(again.taken, [Taken.Repeated]);
  }),
);

const sharedFilter = '$share/g/t';

/** QoS 2 messages of one publisher that come through a shared subscription. */
function sharedOf(...numbers: number[]) {
  return numbers.map((number) => {
    const mark = { publisherId: 'p', number };
    return { ...messageOf(String(number)), mark, sharedFilter };
  });
}

test(
  'through a shared subscription a mark says nothing of the messages before it',
  withTwo(async (a, b) => {
    await a.driver.claim('p');
    await a.driver.claim('c');
    const write = async ({ driver }: Broker, ...numbers: number[]) =>
      (await driver.write('c', { append: sharedOf(...numbers), limits: noLimits })).taken;
    assert.is(await write(a, 6, 9), null);
    await b.driver.claim('p');
    // What the publisher's broker died with, and what it had given to this member.
    assert.equal(await write(b, 5, 6, 7), [Taken.Yes, Taken.Repeated, Taken.Yes]);
    assert.equal(await write(b, 5, 9, 10), [Taken.Repeated, Taken.Repeated, Taken.Yes]);
    assert.equal(await b.driver.queue('c'), ['1:6', '2:9', '3:5', '4:7', '5:10']);

    // Beside others, and in another group, it is another delivery of the same message.
    const plain = [{ ...messageOf('plain'), mark: { publisherId: 'p', number: 9 } }];
    const other = sharedOf(9).map((one) => ({ ...one, sharedFilter: '$share/h/t' }));
    const append = [...plain, ...other];
    assert.is((await a.driver.write('c', { append, limits: noLimits })).taken, null);
    assert.equal((await a.driver.write('c', { append: plain, limits: noLimits })).taken, [
      Taken.Repeated,
    ]);
  }),
);

test(
  'of the messages of a shared subscription the last thousand are known, in a bounded place',
  withTwo(async ({ driver }, _, { prefix }) => {
    await driver.claim('p');
    await driver.claim('c');
    const fates = async (...numbers: number[]) =>
      (await driver.write('c', { append: sharedOf(...numbers), limits: noLimits })).taken;
    const numbers = Array.from({ length: 5_000 }, (_unused, index) => 3 * index + 1);
    for (let at = 0; at < numbers.length; at += 500) {
      assert.is(await fates(...numbers.slice(at, at + 500)), null);
    }
    const last = numbers.at(-1)!;
    const recent = numbers.filter((number) => number > last - 1_000);
    assert.equal(
      await fates(...recent),
      recent.map(() => Taken.Repeated),
    );
    assert.is(await fates(last - 1, last - 2, last + 1), null);
    // Too long ago: rather twice than never.
    assert.is(await fates(1), null);
    const field = `\0${sharedFilter}\0p`;
    const bytes = Number(await server.command('HSTRLEN', `${prefix}{c}:d`, field));
    assert.ok(bytes <= SHARED_MARKS_BYTES + 60, `${bytes} bytes`);
    // A new session of the publisher counts from 1 again.
    await driver.claim('p', { cleanStart: true });
    assert.is(await fates(last), null);
  }),
);

test(
  'a session that another version wrote is left alone, and does not stop the others',
  withTwo(async ({ driver, store }, _, { prefix }) => {
    await driver.claim('new');
    await driver.claim('other');
    const key = `${prefix}{new}:s`;
    const before = Buffer.from('\x02 of the future');
    await server.command('HSET', key, 'h', before);
    let isDone = false;
    void driver.append('new', ['x']).then(() => {
      isDone = true;
    });
    const { refused } = store.figures();
    await until('refusals', () => store.figures().refused! > refused! + 2);
    assert.is((await driver.append('other', ['x'])).status, WriteStatus.Done);
    assert.is(isDone, false);
    assert.is(await server.command('HGET', key, 'h'), String(before));
    await server.command('DEL', key);
    await until('the outcome', () => isDone);
  }),
);

test('a message whose publisher lost its session meanwhile does not pass', async () => {
  const options = optionsFor([['127.0.0.1', server.port]]);
  const a = await broker(options, 'a');
  const b = await broker(options, 'b');
  try {
    const { epoch, nextNumber } = await a.driver.claim('p');
    await a.driver.claim('s');
    await b.driver.claim('p');
    const held = a.driver.prepare('p', { epoch, held: [{ packetId: 1, number: nextNumber }] });
    const mark = { publisherId: 'p', number: nextNumber };
    const append = [messageOf('other'), { ...messageOf('of p'), mark }];
    const write = a.driver.prepare('s', { append, limits: noLimits });
    a.store.write({ sessions: [held.sessionWrite, write.sessionWrite], retained: [] });

    assert.is((await held.outcome).status, WriteStatus.Stale);
    const outcome = await write.outcome;
    assert.equal([outcome.status, outcome.taken], [WriteStatus.Done, [Taken.Yes, Taken.Repeated]]);
    assert.equal(await b.driver.queue('s'), ['1:other']);
  } finally {
    await a.store.close();
    await b.store.close();
  }
});

test.run();
