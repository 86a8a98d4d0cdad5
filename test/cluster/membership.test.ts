// slow
/** Brokers come and go without a word to the others, and two clusters share one Redis. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TestContext } from '../../conformance/context.js';
import { runIn, startCluster, withCluster } from './cluster-suite.js';
import { expectPayloads, numbers, payloads, publishAll, untilMatched } from './messages.js';

const test = suite('membership');
// Long, so that whatever is seen of a leaving broker is not that its lease ended.
const add = withCluster(test, { leaseSeconds: 60 });

/** Leaving is announced: nobody waits for a lease. */
const leaveMs = 5_000;
const USE_ANOTHER_SERVER = 0x9c;
const SERVER_SHUTTING_DOWN = 0x8b;

/** A message from each broker to each broker, to transient and durable subscribers. */
async function expectAllToAll(t: TestContext, nodes: readonly number[], name: string) {
  const publishers = await Promise.all(nodes.map((node) => t.connect({ node })));
  const subscribers = await Promise.all(
    nodes.flatMap((node) => [t.connect({ node }), t.connect({ node, isDurable: true })]),
  );
  for (const client of subscribers) await client.subscribe(t.topic(`${name}/+`), 2);
  for (const [at, publisher] of publishers.entries()) {
    await publisher.publish(t.topic(`${name}/${at}`), `${at}`, { qos: 1 + (at % 2) });
  }
  const expected = numbers(nodes.length);
  for (const client of subscribers) {
    assert.equal(payloads(await client.receiveAll(nodes.length)).sort(), expected);
  }
}

add('a broker that joins is one of them as soon as it is ready', async (t, cluster) => {
  const publisher = await t.connect({ node: 0 });
  const before = await t.connect({ node: 1 });
  await before.subscribe(t.topic('old'), 1);
  const durable = await t.connect({ node: 2, isDurable: true });
  await durable.subscribe(t.topic('queue'), 1);
  await durable.disconnect();
  await publishAll(publisher, t.topic('queue'), numbers(20), 1);
  const joined = await cluster.add();
  const there = await t.connect({ node: joined });
  // Its first subscription is known to all; it knows theirs.
  await there.subscribe(t.topic('new'), 1);
  await publisher.publish(t.topic('new'), 'to it', { qos: 1 });
  await expectPayloads(there, ['to it']);
  await there.publish(t.topic('old'), 'from it', { qos: 1 });
  await expectPayloads(before, ['from it']);
  const { clientId } = durable;
  const resumed = await t.connect({ node: joined, clientId, isDurable: true });
  assert.is(resumed.connack?.sessionPresent, true);
  await expectPayloads(resumed, numbers(20));
  await cluster.untilMembers([0, 1, 2, joined]);
  await expectAllToAll(t, [0, 1, 2, joined], 'joined');
});

add('a broker that joins under a subscriber storm misses none of it', async (t, cluster) => {
  const clients = await t.connectAll({ node: 0 }, { node: 1, isDurable: true });
  let isOver = false;
  let count = 0;
  const subscribing = (async () => {
    for (; !isOver; count++) await clients[count % 2].subscribe(t.topic(`${count}`), 1);
  })();
  const joined = await cluster.add();
  const publisher = await t.connect({ node: joined });
  isOver = true;
  await subscribing;
  assert.ok(count > 0);
  for (let at = 0; at < count; at++) await publisher.publish(t.topic(`${at}`), `${at}`, { qos: 1 });
  for (const [at, client] of clients.entries()) {
    const expected = numbers(count).filter((text) => Number(text) % 2 === at);
    await expectPayloads(client, expected);
  }
});

add('a broker that leaves tells its clients, and nothing is left of it', async (t, cluster) => {
  const publisher = await t.connect({ node: 1 });
  const durable = await t.connect({ node: 0, isDurable: true });
  await durable.subscribe(t.topic('durable'), 2);
  const transient = await t.connect({ node: 0 });
  await transient.subscribe(t.topic('transient'), 1);
  const old = await t.connect({ node: 0, version: 4 });
  await cluster.leave(0);
  for (const client of [durable, transient]) {
    const code = await client.expectClosed({ codes: [USE_ANOTHER_SERVER, SERVER_SHUTTING_DOWN] });
    assert.ok(code > 0, 'DISCONNECT says why');
  }
  await old.expectClosed();
  const others = [...cluster.brokers.keys()].filter((index) => index !== 0);
  await cluster.untilMembers(others, { deadlineMs: leaveMs });
  await untilMatched(publisher, t.topic('transient'), false, leaveMs);
  await publisher.publish(t.topic('durable'), 'meanwhile', { qos: 2 });
  const { clientId } = durable;
  const again = await t.connect({ node: 2, clientId, isDurable: true });
  assert.is(again.connack?.sessionPresent, true);
  await expectPayloads(again, ['meanwhile']);
  await cluster.start(0);
  await expectAllToAll(t, [0, 1, 2], 'back');
});

add('a client whose broker left goes on elsewhere, and finds what came', async (t, cluster) => {
  let client = await t.connect({ node: 0, isDurable: true });
  const { clientId } = client;
  await client.subscribe(t.topic(), 1);
  for (const node of [0, 1, 2]) {
    await cluster.leave(node);
    await client.until('a close', () => client.isClosed);
    const publisher = await t.connect({ node: (node + 2) % 3 });
    await publisher.publish(t.topic(), `without ${node}`, { qos: 1 });
    await cluster.start(node);
    client = await t.connect({ node: (node + 1) % 3, clientId, isDurable: true });
    assert.is(client.connack?.sessionPresent, true);
    await expectPayloads(client, [`without ${node}`]);
  }
});

add('two clusters on one Redis know nothing of each other', async (t, cluster) => {
  const other = await startCluster({ redis: cluster.redis, prefix: 'other:', brokers: 2 });
  try {
    await runIn(other, async (there) => {
      const clientId = t.clientId('both');
      const here = await t.connect({ node: 0, clientId, isDurable: true });
      const away = await there.connect({ node: 1, clientId, isDurable: true });
      assert.is(away.connack?.sessionPresent, false);
      const topic = t.topic('same');
      for (const client of [here, away]) await client.subscribe(topic, 1);
      const publisher = await t.connect({ node: 1 });
      const publisherThere = await there.connect({ node: 0 });
      await publisher.publish(topic, 'here', { qos: 1, retain: true });
      await publisherThere.publish(topic, 'there', { qos: 1, retain: true });
      await expectPayloads(here, ['here']);
      await expectPayloads(away, ['there']);
      await here.expectNothing(publisher, 1);
      await away.expectNothing(publisherThere, 1);
      const later = await t.connect({ node: 2 });
      await later.subscribe(topic, 1);
      await expectPayloads(later, ['here']);
      await cluster.untilMembers([...cluster.brokers.keys()]);
      await other.untilMembers([0, 1]);
    });
  } finally {
    await other.close();
  }
});

test.run();
