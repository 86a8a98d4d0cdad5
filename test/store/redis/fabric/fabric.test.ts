// slow
/** Brokers on one Redis: who is there, what they send each other, who is dead. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { redisFor } from '../../../support/redis-for.js';
import { until, within } from '../../../support/until.js';
import { CuttingProxy } from '../cutting-proxy.js';
import { optionsFor } from '../harness.js';
import { startBroker, type TestBroker, withBrokers } from '../heard-fabric.js';
import { lastingKeys, routesIn } from './left-behind.js';

const test = suite('fabric');
const redis = redisFor(test);

function nodeOf({ store }: TestBroker): string {
  return store.fabric.node;
}

/** Resolves when the frame is in the inbox. */
function send(from: TestBroker, to: TestBroker, text: string): Promise<void> {
  return new Promise((resolve) => {
    from.store.fabric.publish(nodeOf(to), Buffer.from(text), null, resolve);
  });
}

/** A message for a member of a shared subscription, `q1` or `q2`; resolves when it is there. */
function sendToMember(from: TestBroker, to: TestBroker, qos: number): Promise<void> {
  // Version 1, QoS, topic `t`, nothing else.
  const record = Buffer.from([1, qos, 0, 1, 0x74, 0, 0, 0, 0, 0, 0, 0]);
  return new Promise((resolve) => {
    from.store.fabric.publishTo(nodeOf(to), `q${qos}`, record, null, () => resolve());
  });
}

function inboxOf(prefix: string, broker: TestBroker): string {
  return `${prefix}{node:${nodeOf(broker)}}:in`;
}

function setRoute({ store }: TestBroker, filter: string, kinds = 1): Promise<void> {
  return new Promise((resolve) => store.fabric.setRoute(filter, kinds, resolve));
}

/** Cuts all connections of all brokers. */
async function cutAll(): Promise<void> {
  await redis.server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
}

const texts = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${name}${index + 1}`);

test(
  'brokers know each other as soon as the last one has joined',
  withBrokers(redis, 3, async ([a, b, c]) => {
    assert.equal([...a!.store.fabric.peers].sort(), [nodeOf(b!), nodeOf(c!)].sort());
    assert.equal([...c!.store.fabric.peers].sort(), [nodeOf(a!), nodeOf(b!)].sort());
    assert.equal(a!.heard.log, ['joined b', 'joined c']);
    assert.ok(a!.store.fabric.freshUntilMs > performance.now());
  }),
);

test(
  'one that leaves is gone for the others at once, and leaves no keys behind',
  withBrokers(redis, 2, async (brokers, { prefix }) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    await setRoute(b, 'x/#');
    await until('the route', () => a.heard.log.includes('route b x/# 1'));
    const node = nodeOf(b);
    await b.store.close();
    brokers.pop();

    await until('b to be gone', () => a.heard.log.includes('left b'), { deadlineMs: 1_000 });
    await until('the rest to be seen to', () => a.store.figures().deadWorkedOff === 1);
    assert.equal(await lastingKeys(redis.server, `${prefix}{node:${node}}*`), []);
    assert.is(await redis.server.command('HLEN', `${prefix}{nodes}:dead`), 0);
    assert.is(a.heard.count('route b x/# 0'), 0);
    assert.equal(await routesIn(redis.server, prefix), []);
  }),
);

test(
  'the last one that leaves works itself off',
  withBrokers(redis, 1, async (brokers, { prefix }) => {
    const [a] = brokers as [TestBroker];
    await setRoute(a, 'x');
    await a.store.close();
    brokers.pop();

    const keys = await lastingKeys(redis.server, `${prefix}{node*`);
    assert.equal(
      keys.filter((key) => !key.endsWith(':seen')),
      [],
    );
    assert.equal(await routesIn(redis.server, prefix), []);
  }),
);

test(
  'what is sent arrives in order and once, although every connection is cut again and again',
  withBrokers(redis, 2, async (brokers, { prefix }) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    const proxy = await CuttingProxy.start(redis.server.port);
    const options = optionsFor([['127.0.0.1', proxy.port]], { prefix });
    const c = await startBroker(options, 'c');
    brokers.push(c);
    await until('b to know c', () => b.store.fabric.peers.size === 2);
    const count = 400;
    const sendAll = async (from: TestBroker, name: string) => {
      const sent: Promise<void>[] = [];
      for (const [index, text] of texts(name, count).entries()) {
        if (index % 40 === 20) proxy.arm(index % 80 === 20 ? 'reply' : 'request');
        if (index === 150 || index === 300) await cutAll();
        sent.push(send(from, b, text));
        if (index % 10 === 9) await sent[index - 5];
      }
      await within('all to be there', Promise.all(sent), { deadlineMs: 15_000 });
    };
    try {
      await Promise.all([sendAll(a, 'A'), sendAll(c, 'C')]);
      await until('all', () => b.heard.count('published') >= 2 * count, { deadlineMs: 15_000 });

      for (const name of 'AC') {
        const got = b.heard.log.filter((line) => line.startsWith(`published ${name}`));
        assert.equal(
          got,
          texts(name, count).map((text) => `published ${text}`),
        );
      }
      assert.ok(proxy.cuts >= 5);
      const key = `${prefix}{node:${nodeOf(b)}}:in`;
      await until(
        'the inbox to be trimmed',
        async () => (await redis.server.command('XLEN', key)) === 0,
      );
    } finally {
      await c.store.close();
      brokers.pop();
      await proxy.stop();
    }
  }),
);

test(
  'a broker that asks has heard what was sent to it before, even when it could not read a while',
  withBrokers(redis, 2, async (brokers) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    for (const [index, text] of texts('A', 20).entries()) {
      if (index % 5 === 4) await cutAll();
      await send(a, b, text);
      const [heard, heardToo] = [b.store.fabric.hear(), b.store.fabric.hear()];
      await within('it to have heard', Promise.all([heard, heardToo]), { deadlineMs: 5_000 });
      assert.ok(b.heard.log.includes(`published ${text}`));
    }
  }),
);

test(
  'a note that a failover lost is sent again',
  withBrokers(redis, 2, async (brokers, { prefix }) => {
    const b = brokers[1]!;
    // It cannot read: the note is gone before it could.
    await redis.server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const heard = b.store.fabric.hear();
    const key = `${prefix}{node:${nodeOf(b)}}:in`;
    await until('the note', async () => (await redis.server.command('DEL', key)) === 1);
    await within('it to have heard', heard!, { deadlineMs: 5_000 });
  }),
);

test(
  'a broker that never had another one has nothing to hear',
  withBrokers(redis, 1, async ([a]) => {
    assert.is(a!.store.fabric.hear(), null);
  }),
);

test(
  'a frame that a failover brought back under another id is taken once',
  withBrokers(redis, 2, async (brokers, { prefix }) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    const key = `${prefix}{node:${nodeOf(b)}}:in`;
    await send(a, b, 'one');
    await until('it', () => b.heard.log.includes('published one'));
    await send(a, b, 'two');
    const entries = (await redis.server.command('XRANGE', key, '-', '+')) as [string, string[]][];
    await until('it', () => b.heard.log.includes('published two'));
    // As a replica may have it that was behind: other ids, lower ones, and a repeat.
    await redis.server.command('DEL', key);
    for (const [index, [, fields]] of entries.entries()) {
      await redis.server.command('XADD', key, `${index + 1}-0`, ...fields);
    }
    await cutAll();
    await send(a, b, 'three');

    await until('the next one', () => b.heard.log.includes('published three'));
    assert.is(b.heard.count('published two'), 1);
    assert.is(b.heard.count('published one'), 1);
  }),
);

test(
  'a frame that cannot be read is counted and passed over',
  withBrokers(redis, 2, async (brokers, { prefix }) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    const key = `${prefix}{node:${nodeOf(b)}}:in`;
    await redis.server.command('XADD', key, '*', 'd', Buffer.from([9, 1, 2, 3]));
    await redis.server.command('XADD', key, '*', 'd', Buffer.from([1, 1, 2, 3]));
    await send(a, b, 'after it');

    await until('what follows', () => b.heard.log.includes('published after it'));
    assert.is(b.store.figures().framesSkipped, 2);
  }),
);

test(
  'what is sent to a dead broker is done, also when its inbox is full',
  withBrokers(redis, 2, async (brokers) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    const node = nodeOf(b);
    await send(a, b, 'alive');
    b.store.abort();
    brokers.pop();
    let isDone = false;
    void (async () => {
      // One entry each.
      for (let count = 0; count < 1_100; count++) await send(a, b, 'x');
      isDone = true;
    })();

    await until('a to know', () => a.heard.log.includes('left b'), { deadlineMs: 10_000 });
    await until('all to be done', () => isDone);
    assert.is(a.store.figures().inboxBytesPending, 0);
    assert.is(a.store.fabric.peers.has(node), false);
  }),
);

test(
  'a dead broker is worked off by one of the others, once',
  withBrokers(redis, 3, async (brokers, { prefix }) => {
    const [a, b, c] = brokers as [TestBroker, TestBroker, TestBroker];
    const node = nodeOf(c);
    const ids = texts('id', 200);
    await Promise.all(ids.map((clientId) => c.driver.claim(clientId, { expiryInterval: 100 })));
    await setRoute(c, 'x/#');
    c.store.fabric.addMember('m', { filter: '$share/g/f', options: 1, identifier: 0 }, () => {});
    await until('the member', () => a.heard.log.includes('member c m $share/g/f'));
    c.store.abort();
    brokers.pop();

    const doneBy = ({ store }: TestBroker) => store.figures().deadWorkedOff!;
    await until('c to be worked off', () => doneBy(a) + doneBy(b) > 0, { deadlineMs: 10_000 });
    await until('both to know', () => [a, b].every(({ heard }) => heard.log.includes('left c')));
    assert.is(doneBy(a) + doneBy(b), 1);
    let offline = 0;
    for (let shard = 0; shard < 4; shard++) {
      offline += Number(await redis.server.command('ZCARD', `${prefix}{x:${shard}}:z`));
    }
    assert.is(offline, 200);
    assert.equal(await lastingKeys(redis.server, `${prefix}{node:${node}}*`), []);
    assert.is(await redis.server.command('HLEN', `${prefix}{nodes}:dead`), 0);
    assert.equal(await routesIn(redis.server, prefix), []);
  }),
);

test(
  'a message for a member of a shared subscription that its dead broker never read is passed on',
  withBrokers(redis, 2, async (brokers) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    b.store.abort();
    brokers.pop();
    for (const qos of [2, 1]) void sendToMember(a, b, qos);

    await until('it', () => a.heard.count('published to q1') === 1, { deadlineMs: 10_000 });
    assert.is(a.heard.count('published to q2'), 0);
  }),
);

test(
  'it is there until it is safe with another member: whoever passes it on may die, too',
  withBrokers(redis, 3, async (brokers, { prefix }) => {
    const [a, b, c] = brokers as [TestBroker, TestBroker, TestBroker];
    for (const { heard } of [a, b]) heard.isBusy = true;
    c.store.abort();
    brokers.pop();
    void sendToMember(a, c, 1);
    const hasIt = ({ heard }: TestBroker) => heard.count('published to q1') === 1;
    await until('it', () => hasIt(a) || hasIt(b), { deadlineMs: 10_000 });
    const [first, second] = hasIt(a) ? [a, b] : [b, a];
    // What would delete the inbox has had the time for it.
    for (const filter of texts('later', 3)) await setRoute(first, filter);
    first.store.abort();
    brokers.splice(brokers.indexOf(first), 1);

    await until('it again', () => hasIt(second), { deadlineMs: 15_000 });
    assert.is(await redis.server.command('EXISTS', inboxOf(prefix, c)), 1);
    for (const done of second.heard.done) done();
    await until('the rest to go', async () => {
      return (await redis.server.command('EXISTS', inboxOf(prefix, c))) === 0;
    });
  }),
);

test(
  'what a broker has read stays in its inbox until it is safe',
  withBrokers(redis, 2, async (brokers, { prefix }) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    const left = () => redis.server.command('XLEN', inboxOf(prefix, b));
    await sendToMember(a, b, 1);
    await until('nothing to be left', async () => (await left()) === 0);
    b.heard.isBusy = true;
    await send(a, b, 'before');
    await sendToMember(a, b, 1);
    for (const text of texts('after', 70)) await send(a, b, text);
    await until('what came before to go', async () => {
      return b.heard.count('published after') === 70 && (await left()) === 71;
    });
    b.store.abort();
    brokers.pop();

    await until('it', () => a.heard.count('published to q1') === 1, { deadlineMs: 10_000 });
  }),
);

test(
  'a broker that was taken for dead is told, and comes back under another name',
  withBrokers(redis, 2, async (brokers, { prefix }) => {
    const [a, b] = brokers as [TestBroker, TestBroker];
    const before = nodeOf(b);
    await setRoute(b, 'x');
    await until('the route', () => a.heard.count('route b') === 1);
    let freshMs = 0;
    b.heard.onLine = (line) => {
      if (line !== 'removed') return;
      freshMs = b.store.fabric.freshUntilMs;
      void setRoute(b, 'y');
    };
    await redis.server.command('ZREM', `${prefix}{nodes}`, before);

    await until('the new route', () => a.heard.log.includes('route b y 1'));
    assert.is(freshMs, Number.NEGATIVE_INFINITY);
    assert.is.not(nodeOf(b), before);
    assert.equal(a.heard.log.slice(-3), ['left b', 'joined b', 'route b y 1']);
    assert.is(b.heard.count('removed'), 1);
    await send(a, b, 'to the new one');
    await until('a frame', () => b.heard.log.includes('published to the new one'));
    // Nobody put it on the list of the dead, so what it left is found by and by.
    await until(
      'the old route to go',
      async () => (await routesIn(redis.server, prefix)).length === 1,
      {
        deadlineMs: 10_000,
      },
    );
  }),
);

test(
  'two brokers of one name: the first one ends',
  withBrokers(redis, 1, async (brokers, { prefix }) => {
    const [a] = brokers as [TestBroker];
    const options = optionsFor([['127.0.0.1', redis.server.port]], { prefix });
    const other = await startBroker(options, 'a');
    brokers.push(other);

    await until('the first one to hear', () => a.observer.fatal.length > 0);
    assert.match(a.observer.fatal[0]!.message, 'node_name a is used by another broker as well');
    assert.is(a.heard.count('removed'), 0);
    assert.is(other.observer.fatal.length, 0);
  }),
);

test(
  'while Redis is away nobody is taken for dead, and nobody trusts its lease',
  withBrokers(redis, 2, async ([a, b]) => {
    const nodes = [nodeOf(a!), nodeOf(b!)];
    redis.server.signal('SIGSTOP');
    try {
      await until('leases to run out', () => a!.store.fabric.freshUntilMs < performance.now());
      await until('them to be long over', () => {
        return a!.store.fabric.freshUntilMs + 1_000 < performance.now();
      });
    } finally {
      redis.server.signal('SIGCONT');
    }
    const isFresh = ({ store }: TestBroker) => store.fabric.freshUntilMs > performance.now();
    await until('both to be fresh again', () => isFresh(a!) && isFresh(b!));

    assert.equal([nodeOf(a!), nodeOf(b!)], nodes);
    assert.is(a!.heard.count('left'), 0);
    assert.is(b!.heard.count('removed'), 0);
    await send(a!, b!, 'afterwards');
    await until('a frame', () => b!.heard.log.includes('published afterwards'));
  }),
);

test.run();
