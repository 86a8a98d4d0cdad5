// slow
/** What a broker's clients have not acknowledged, and others get when it dies. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Pledge, Pledged } from '../../../../src/store/fabric.js';
import { redisFor } from '../../../support/redis-for.js';
import { until } from '../../../support/until.js';
import { type TestBroker, withBrokers } from '../heard-fabric.js';

const test = suite('pledges');
const redis = redisFor(test);

function pledged(text: string, onSafe: () => void): Pledged {
  return { bytes: text.length, record: () => Buffer.from(text), onSafe };
}

/** Resolves when others would get it. */
async function pledge({ store }: TestBroker, text: string): Promise<Pledge> {
  let made: Pledge | null = null;
  await new Promise<void>((resolve) => {
    made = store.fabric.pledge(pledged(text, resolve));
  });
  return made!;
}

function dueKey(prefix: string, { store }: TestBroker): string {
  return `${prefix}{node:${store.fabric.node}}:due`;
}

async function due(key: string): Promise<string[]> {
  return ((await redis.server.command('HVALS', key)) as unknown[]).map(String);
}

test(
  'others hear what a dead broker left, in order, and nothing else of it stays',
  withBrokers(redis, 2, async (brokers, { prefix }) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    const names = Array.from({ length: 200 }, (_, at) => `m${at}`);
    const pledges = await Promise.all(names.map((name) => pledge(b, name)));
    const key = dueKey(prefix, b);
    for (let at = 0; at < 200; at += 2) pledges[at]!.fulfil();
    await until('them to be struck', async () => (await due(key)).length === 101);
    assert.is(b.store.figures().pledged, 100);
    b.store.abort();
    brokers.pop();

    await until('the end of the clean-up', () => a.store.figures().deadWorkedOff === 1, {
      deadlineMs: 10_000,
    });
    const heard = a.heard.log.filter((line) => line.startsWith('left behind'));
    const odd = names.filter((_, at) => at % 2 === 1);
    assert.equal(
      heard,
      odd.map((name) => `left behind ${name}`),
    );
    assert.is(await redis.server.command('EXISTS', key), 0);
  }),
);

test(
  'a dead broker is not buried before what it left is safe with others',
  withBrokers(redis, 2, async (brokers, { prefix }) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    await pledge(b, 'one');
    const key = dueKey(prefix, b);
    a.heard.isBusy = true;
    b.store.abort();
    brokers.pop();
    await until('it to be passed on', () => a.heard.done.length === 1, { deadlineMs: 10_000 });

    assert.is((await due(key)).includes('one'), true);
    for (const done of a.heard.done) done();
    await until('the end', () => a.store.figures().deadWorkedOff === 1);
    assert.is(await redis.server.command('EXISTS', key), 0);
  }),
);

test(
  'what is fulfilled at once need not be written, and nobody waits for it',
  withBrokers(redis, 1, async ([a], { prefix }) => {
    let safe = 0;
    const pledges = ['one', 'two'].map((text) =>
      a!.store.fabric.pledge(pledged(text, () => safe++)),
    );
    for (const one of pledges) one.fulfil();
    pledges[0]!.fulfil();
    assert.is(safe, 0);
    await Promise.resolve();

    assert.is(safe, 2);
    assert.is(a!.store.figures().pledged, 0);
    assert.equal(await due(dueKey(prefix, a!)), []);
  }),
);

test(
  'nothing is safe while Redis takes the broker for dead',
  withBrokers(redis, 1, async ([a], { prefix }) => {
    const key = dueKey(prefix, a!);
    const alive = key.replace(/due$/, 'alive');
    await redis.server.command('DEL', alive);
    let isSafe = false;
    const onSafe = (): void => {
      isSafe = true;
    };
    a!.store.fabric.pledge(pledged('one', onSafe));
    const { calls } = a!.store.figures();
    await until('it to be refused', () => a!.store.figures().calls! > calls! + 2);
    assert.is(isSafe, false);
    assert.equal(await due(key), []);
    await redis.server.command('SET', alive, 1);

    await until('it to be safe', () => isSafe);
    assert.ok((await due(key)).includes('one'));
  }),
);

test(
  'a broker that leaves as the last one deletes nothing that nobody else has',
  withBrokers(redis, 1, async (brokers, { prefix, start }) => {
    const [a] = brokers as [TestBroker];
    await pledge(a, 'one');
    const key = dueKey(prefix, a);
    await a.store.close();
    brokers.pop();

    assert.ok((await due(key)).includes('one'));
    const next = await start('b');
    const isPassedOn = () => next.heard.count('left behind one') === 1;
    await until('it to be passed on', isPassedOn, { deadlineMs: 10_000 });
  }),
);

test.run();
