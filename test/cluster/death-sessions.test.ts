// slow
// deadline: 240 s
/** What a broker owes to its sessions when it dies, the others do: wills, expiry, shares. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TestContext } from '../../conformance/context.js';
import type { RawClient } from '../../conformance/raw-client.js';
import { deathMs, elapsed, leaseSeconds, withCluster } from './cluster-suite.js';
import { expectPayloads, numbers, payloads, publishAll, untilMatched } from './messages.js';

const test = suite('sessions of a dead broker');
const add = withCluster(test, { leaseSeconds });

interface Left {
  readonly name: string;
  /** Seconds; -1: a transient session. */
  readonly expiry: number;
  readonly willDelay: number;
}

/** Connects a client to the first broker, with a will on `will/<name>`. */
async function leave(t: TestContext, { expiry, name, willDelay }: Left): Promise<RawClient> {
  const properties = { willDelayInterval: willDelay };
  const will = { topic: t.topic(`will/${name}`), payload: name, qos: 1, properties };
  if (expiry < 0) return t.connect({ node: 0, will });
  return t.connect({
    node: 0,
    clean: false,
    will,
    properties: { sessionExpiryInterval: expiry },
  });
}

async function watch(t: TestContext): Promise<RawClient[]> {
  const watchers = await t.connectAll({ node: 1 }, { node: 2 });
  for (const watcher of watchers) await watcher.subscribe(t.topic('will/#'), 1);
  return watchers;
}

/** Every watcher gets a will of each of these, and no other, also not later. */
async function expectWills(watchers: readonly RawClient[], expected: string[]): Promise<void> {
  for (const watcher of watchers) {
    const got: string[] = [];
    while (got.length < expected.length) got.push(String((await watcher.receive(deathMs)).payload));
    assert.equal(got.sort(), expected.toSorted());
  }
}

add('wills are published once, each after its delay', async (t, cluster) => {
  const watchers = await watch(t);
  const left = [
    { name: 'durable', expiry: 300, willDelay: 0 },
    { name: 'delayed', expiry: 300, willDelay: 2 },
    { name: 'ended by its expiry', expiry: 2, willDelay: 300 },
    { name: 'transient', expiry: -1, willDelay: 0 },
    { name: 'transient with a delay', expiry: -1, willDelay: 300 },
    { name: 'long delay', expiry: 300, willDelay: 300 },
  ];
  const clients = await Promise.all(left.map((one) => leave(t, one)));
  const resumed = await leave(t, { name: 'resumed', expiry: 300, willDelay: 300 });
  const { clientId } = resumed;
  const due = left.slice(0, -1).map(({ name }) => name);
  await cluster.kill(0);
  const again = await t.connect({ node: 1, clientId, isDurable: true });
  assert.is(again.connack?.sessionPresent, true);
  await expectWills(watchers, due);
  await cluster.untilCleaned({ deadlineMs: deathMs });
  // Those who come back now find no will of theirs left.
  for (const [at, one] of clients.entries()) {
    const isLong = left[at].name === 'long delay';
    const back = await t.connect({ node: 2, clientId: one.clientId, isDurable: true });
    assert.is(back.connack?.sessionPresent, left[at].expiry === 300);
    if (!isLong) await back.disconnect();
  }
  for (const watcher of watchers) await watcher.expectNothing(again, 1);
});

add(
  'a will that waited for its delay is published, though its broker is gone',
  async (t, cluster) => {
    const watchers = await watch(t);
    const waiting = await leave(t, { name: 'waiting', expiry: 300, willDelay: 3 });
    const marker = await leave(t, { name: 'marker', expiry: 300, willDelay: 0 });
    waiting.cut();
    marker.cut();
    await expectWills(watchers, ['marker']);
    // The one that came is on record nowhere any more.
    const { clientId } = marker;
    await (await t.connect({ node: 1, clientId, isDurable: true })).disconnect();
    await cluster.kill(0);
    await expectWills(watchers, ['waiting']);
    for (const watcher of watchers) await watcher.expectNothing(watcher, 1);
  },
);

add('sessions expire, connected or not when it died; others go on', async (t, cluster) => {
  const publisher = await t.connect({ node: 1 });
  const expiry = (seconds: number) => ({
    node: 0,
    clean: false,
    properties: { sessionExpiryInterval: seconds },
  });
  const clients = await t.connectAll(expiry(1), expiry(3), expiry(300), expiry(300));
  for (const [at, client] of clients.entries()) await client.subscribe(t.topic(`${at}`), 1);
  // Two were away before it died.
  await clients[1].disconnect();
  await clients[3].disconnect();
  await cluster.kill(0);
  for (const at of [0, 1]) await untilMatched(publisher, t.topic(`${at}`), false, deathMs);
  await cluster.untilCleaned({ deadlineMs: deathMs });
  for (const [at, { clientId }] of clients.entries()) {
    await publisher.publish(t.topic(`${at}`), 'afterwards', { qos: 1 });
    const again = await t.connect({ node: 2, clientId, isDurable: true });
    assert.is(again.connack?.sessionPresent, at >= 2, `session ${at}`);
    if (at >= 2) await expectPayloads(again, ['afterwards']);
    await again.expectNothing(publisher, 1);
  }
});

add(
  'messages of a shared subscription that it had not delivered go to others',
  async (t, cluster) => {
    const filter = `$share/${t.clientId()}/${t.topic()}`;
    const [dying, living] = await t.connectAll({ node: 0 }, { node: 1 });
    for (const member of [dying, living]) await member.subscribe(filter, 1);
    const publisher = await t.connect({ node: 2 });
    // It hears nothing any more, and is still taken for alive.
    cluster.stop(0);
    await publishAll(publisher, t.topic(), numbers(20), 1);
    await cluster.kill(0);
    const got = new Set<string>();
    const endMs = performance.now() + deathMs;
    while (got.size < 20 && performance.now() < endMs) {
      got.add(String((await living.receive(deathMs)).payload));
    }
    assert.equal([...got].sort(), numbers(20).sort());
  },
);

add('a member elsewhere is chosen before a durable one that it had', async (t, cluster) => {
  const filter = `$share/${t.clientId()}/${t.topic()}`;
  const dying = await t.connect({ node: 0, isDurable: true });
  const living = await t.connect({ node: 1 });
  for (const member of [dying, living]) await member.subscribe(filter, 1);
  const publisher = await t.connect({ node: 2 });
  await cluster.kill(0);
  await cluster.untilMembers([1, 2], { deadlineMs: deathMs });
  await cluster.untilCleaned({ deadlineMs: deathMs });
  await elapsed(100);
  await publishAll(publisher, t.topic(), numbers(10), 1);
  await expectPayloads(living, numbers(10));
  await living.disconnect();
  await publishAll(publisher, t.topic(), ['offline'], 1);
  const { clientId } = dying;
  const again = await t.connect({ node: 2, clientId, isDurable: true });
  assert.equal(payloads(await again.receiveAll(1)), ['offline']);
  await again.expectNothing(publisher, 1);
});

test.run();
