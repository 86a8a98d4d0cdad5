// slow
/** Several brokers on one Redis: whose a client is, who is told, and who sees to what is due. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FORWARD_DROPPED } from '../../../src/store/redis/tuning.js';
import { Taken, WriteStatus } from '../../../src/store/store.js';
import { redisFor } from '../../support/redis-for.js';
import { until } from '../../support/until.js';
import { messageOf, noLimits } from '../support/driver.js';
import { type TestBroker, withBrokers } from './heard-fabric.js';

const test = suite('whose a client is');
const redis = redisFor(test);

const forEver = {
  expiresAtMs: Number.POSITIVE_INFINITY,
  will: null,
  willAtMs: Number.POSITIVE_INFINITY,
  isUnsure: false,
  inFlight: [],
};

/** Something that A hears after all that B told it before. */
async function sync(from: TestBroker, to: TestBroker): Promise<void> {
  const record = Buffer.from(`sync ${Math.random()}`);
  from.store.fabric.publish(to.store.fabric.node, record, null, () => undefined);
  await until('what was sent before', () => to.heard.log.includes(`published ${record}`));
}

test(
  'the broker that has the client is told of what others put in its queue',
  withBrokers(redis, 2, async ([a, b]) => {
    await a!.driver.claim('c');
    await b!.driver.append('c', ['1', '2']);
    await until('the forward', () => a!.heard.log.includes('appended c 3 1,2'));

    const mark = { publisherId: 'p', number: 1 };
    const append = [{ ...messageOf('3'), mark }, messageOf('4'), { ...messageOf('5'), mark }];
    await b!.driver.write('c', { append, limits: noLimits });
    await until('the forward of what a mark did not keep out', () =>
      a!.heard.log.includes('appended c 5 3,4'),
    );

    await b!.driver.append('c', ['x'.repeat(5_000)]);
    await until('the forward of a large one', () => a!.heard.log.includes('appended c 6 '));
    assert.is(b!.heard.count('appended'), 0);
  }),
);

test(
  'the broker that has the client is told which messages gave way for others',
  withBrokers(redis, 2, async ([a, b]) => {
    const { epoch } = await a!.driver.claim('c');
    const put = (messagesMax: number, bytesMax: number, ...texts: string[]) => {
      const limits = { messagesMax, bytesMax, dropsOldest: true };
      return b!.driver.write('c', { append: texts.map(messageOf), limits });
    };
    const hears = (line: string) => until(line, () => a!.heard.log.includes(line));
    await put(2, 0, '1', '2');
    await put(2, 0, '3');
    await hears('appended c 4 3 without 1');
    await put(2, 0, '4', '5', '6');
    await hears('appended c 7 5,6 without 2,3,4');

    // What was sent does not give way: there is no room although something did.
    await a!.driver.write('c', { epoch, nextSeq: 6 });
    const outcome = await put(0, 2, 'xx');
    assert.equal([outcome.taken, outcome.dropped], [[Taken.Full], [6]]);
    await hears('appended c 7  without 6');
    assert.equal(await a!.driver.queue('c'), ['5:5']);
  }),
);

test(
  'of many that give way at once, each is named once, and as many as a forward may name',
  withBrokers(redis, 2, async ([a, b]) => {
    await a!.driver.claim('c');
    await a!.driver.claim('d');
    const named = (clientId: string) =>
      a!.heard.log
        .filter((line) => line.startsWith(`appended ${clientId} `) && line.includes(' without '))
        .flatMap((line) =>
          line
            .slice(line.indexOf(' without ') + 9)
            .split(',')
            .map(Number),
        );
    const limits = { messagesMax: 3, bytesMax: 0, dropsOldest: true };
    const writes = Array.from({ length: 300 }, () =>
      b!.driver.write('c', { append: [messageOf('x')], limits }),
    );
    await Promise.all(writes);
    const all = Array.from({ length: 297 }, (_, index) => index + 1);
    await until('all to be named', () => named('c').length >= all.length);
    assert.equal(named('c'), all);

    const count = FORWARD_DROPPED + 100;
    await b!.driver.append('d', Array<string>(count).fill('x'));
    const bytesLimits = { messagesMax: 0, bytesMax: count, dropsOldest: true };
    const append = [messageOf('y'.repeat(count))];
    const { dropped } = await b!.driver.write('d', { append, limits: bytesLimits });
    assert.is(dropped.length, count);
    await until('some to be named', () => named('d').length > 0);
    assert.equal(named('d'), dropped.slice(0, FORWARD_DROPPED));
  }),
);

test(
  'nobody is told of what a client at the same broker gets, or one that is nowhere',
  withBrokers(redis, 2, async ([a, b]) => {
    const { epoch } = await a!.driver.claim('c');
    await a!.driver.append('c', ['1']);
    await a!.driver.write('c', { epoch, disconnect: forEver });
    await b!.driver.append('c', ['2']);
    await sync(a!, b!);
    await sync(b!, a!);
    assert.is(a!.heard.count('appended') + b!.heard.count('appended'), 0);
    assert.equal(await a!.driver.queue('c'), ['1:1', '2:2']);
  }),
);

for (const isDurable of [true, false]) {
  const kind = isDurable ? 'durable' : 'transient';
  test(
    `who connects elsewhere is gone from the broker before, ${kind} [MQTT-3.1.4-3]`,
    withBrokers(redis, 2, async ([a, b], { prefix }) => {
      const owned = (broker: TestBroker) =>
        redis.server.command('SISMEMBER', `${prefix}{node:${broker.store.fabric.node}}:own`, 'c');
      await a!.driver.claim('c', { isDurable });
      assert.is(await owned(a!), 1);

      const claim = await b!.driver.claim('c', { isDurable });

      await until('a to hear of it', () => a!.heard.count('claimed c') === 1);
      if (isDurable) assert.ok(a!.heard.log.includes(`claimed c ${claim.epoch}`));
      else a!.store.leave('c');
      await until('a to be off the record', async () => (await owned(a!)) === 0);
      assert.is(await owned(b!), 1);
      assert.is(await redis.server.command('EXISTS', `${prefix}{c}:s`), 1);
      assert.is(b!.heard.count('claimed'), 0);
    }),
  );

  test(
    `back and forth, no word that is late ends a newer connection, ${kind}`,
    withBrokers(redis, 2, async ([a, b]) => {
      const here = new Set<TestBroker>();
      for (const broker of [a!, b!]) {
        broker.heard.onLine = (line) => {
          if (line.startsWith('claimed')) here.delete(broker);
        };
      }
      for (let round = 0; round < 30; round++) {
        for (const broker of [a!, b!]) {
          await broker.driver.claim('c', { isDurable });
          here.add(broker);
        }
      }
      await until('a to hear of the last one', () => !here.has(a!));
      await sync(a!, b!);
      await sync(b!, a!);
      assert.ok(here.has(b!), 'the last connection stays');
    }),
  );
}

test(
  'a claim that meets another one is told that the other one was later',
  withBrokers(redis, 2, async ([a, b]) => {
    for (let round = 0; round < 20; round++) {
      const clientId = `c${round}`;
      const claims = [a!, b!].map((one) => one.driver.claim(clientId));
      const [ofA, ofB] = await Promise.all(claims);
      const loser = ofA!.epoch < ofB!.epoch ? a! : b!;
      await until('the loser to hear', () => loser.heard.count(`claimed ${clientId} `) === 1);
      const winner = loser === a ? b! : a!;
      assert.is(winner.heard.count(`claimed ${clientId} `), 0);
    }
  }),
);

test(
  'a transient client that has left leaves nothing',
  withBrokers(redis, 1, async ([a], { prefix }) => {
    const { store } = a!;
    const claim = await a!.driver.claim('c', { isDurable: false, will: Buffer.from('will') });
    assert.is(claim.epoch, 0);
    assert.is(await redis.server.command('HGET', `${prefix}{c}:s`, 'v'), 'will');
    assert.is((await a!.driver.append('c', ['x'])).status, WriteStatus.Gone);
    assert.is(store.fabric.birthOf('c'), 0);

    store.leave('c');

    const left = () => redis.server.command('EXISTS', `${prefix}{c}:s`);
    await until('its record to go', async () => (await left()) === 0);
    assert.is(await redis.server.command('EXISTS', `${prefix}{node:${store.fabric.node}}:own`), 0);
    store.leave('c');
    assert.is((await a!.driver.claim('c')).isPresent, false);
  }),
);

test(
  'the word that a client has left, late because of its will, is not about its next connection',
  withBrokers(redis, 2, async ([a, b], { prefix }) => {
    const claim = { isDurable: false, will: Buffer.from('will') };
    await a!.driver.claim('c', claim);
    const again = a!.driver.claim('c', claim);
    a!.store.leave('c');
    await again;
    await a!.driver.claim('c', claim);
    a!.store.leave('c');
    await sync(a!, b!);
    const own = ['SISMEMBER', `${prefix}{node:${a!.store.fabric.node}}:own`, 'c'] as const;
    assert.is(await redis.server.command(...own), 1);
    assert.is(await redis.server.command('HGET', `${prefix}{c}:s`, 'v'), 'will');

    a!.store.leave('c');

    await until('the end', async () => (await redis.server.command(...own)) === 0);
    assert.is(await redis.server.command('EXISTS', `${prefix}{c}:s`), 0);
  }),
);

test(
  'who looks after what a session left is refused while its client is elsewhere',
  withBrokers(redis, 2, async ([a, b]) => {
    const first = await a!.driver.claim('c');
    const past = { ...forEver, expiresAtMs: a!.store.wallMs() - 1 };
    await a!.driver.write('c', { epoch: first.epoch, disconnect: past });
    const { epoch } = await b!.driver.claim('c');
    assert.is((await a!.driver.claim('c', { connects: false })).epoch, 0);
    assert.is((await b!.driver.write('c', { epoch, nextSeq: 1 })).status, WriteStatus.Done);
    assert.is(b!.heard.count('claimed'), 0);
  }),
);

test(
  'a subscription of a durable session is done when all brokers have it, and its session goes on',
  withBrokers(redis, 2, async ([a, b]) => {
    const { epoch } = await a!.driver.claim('c');
    const subscribed = [{ filter: 'f/+', options: 1, identifier: 0 }];
    const heard: string[] = [];
    b!.heard.onLine = (line) => heard.push(line);

    await a!.driver.write('c', { epoch, subscribed });

    assert.equal(heard, ['session c', 'subscribed c f/+']);
    await a!.driver.write('c', { epoch, unsubscribed: ['f/+'] });
    await until('the end of it', () => heard.at(-1) === 'unsubscribed c f/+');
  }),
);

test(
  'where the members of shared subscriptions are is known everywhere',
  withBrokers(redis, 2, async ([a, b]) => {
    const first = await a!.driver.claim('c');
    const subscribed = [{ filter: '$share/g/f', options: 1, identifier: 0 }];
    await a!.driver.write('c', { epoch: first.epoch, subscribed });
    await until('c at a', () => b!.heard.log.includes('online c a'));
    await a!.driver.write('c', { epoch: first.epoch, disconnect: forEver });
    await until('c nowhere', () => b!.heard.log.includes('online c '));

    await b!.driver.claim('c');

    await until('c at b', () => a!.heard.log.includes('online c b'));
    await a!.driver.claim('c', { cleanStart: true });
    await until('c nowhere again', () => a!.heard.log.at(-1) === 'online c ');
  }),
);

test.run();
