// slow
// deadline: 240 s
/** Shared subscriptions with members at several brokers, under each strategy. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TestContext } from '../../conformance/context.js';
import type { RawClient } from '../../conformance/raw-client.js';
import type { BrokerCluster } from '../support/broker-cluster.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { TempFolder } from '../support/temp.js';
import { until } from '../support/until.js';
import { type ClusterTest, runIn, startCluster } from './cluster-suite.js';
import { expectPayloads, numbers, payloads, publishAll } from './messages.js';

const test = suite('shared subscriptions between brokers');
const folder = new TempFolder();
let redis: RedisCluster;

test.before(async () => {
  redis = await RedisCluster.start({ folder: folder.path });
});

test.after(async () => {
  await current?.cluster.close();
  await redis.stop();
  folder.remove();
});

const NODES = [0, 1, 2];

/** The last strategy that was tested, and its cluster. */
let current: { readonly strategy: string; readonly cluster: BrokerCluster } | null = null;

/** A cluster of its own for each strategy, by its prefix, one after the other. */
function add(strategy: string, name: string, body: ClusterTest): void {
  test(`${strategy}: ${name}`, async () => {
    if (current?.strategy !== strategy) {
      await current?.cluster.close();
      current = null;
      const lines = [`shared_subscription_strategy ${strategy}`];
      current = { strategy, cluster: await startCluster({ redis, prefix: `${strategy}:`, lines }) };
    }
    await runIn(current.cluster, body);
  });
}

/** One member at each broker. */
async function membersOf(t: TestContext, qos = 1): Promise<RawClient[]> {
  const filter = `$share/${t.clientId()}/${t.topic('#')}`;
  const members = await Promise.all(NODES.map((node) => t.connect({ node })));
  for (const member of members) {
    await member.subscribe(filter, qos);
    // Each message comes from where the publisher is: its own fence is enough.
    member.witnesses = async () => [];
  }
  return members;
}

/** What each member has got of a topic; all together must be what was sent, each once. */
async function collect(
  members: readonly RawClient[],
  publisher: RawClient,
  topic: string,
  sent: readonly string[],
): Promise<string[][]> {
  const got: string[][] = [];
  for (const member of members) {
    const before = await member.fence(publisher, 0);
    for (const packet of before) await member.acknowledge(packet);
    got.push(payloads(before.filter((packet) => packet.topic === topic)));
  }
  assert.equal(got.flat().sort(), [...sent].sort());
  return got;
}

add('random', 'all members get some', async (t) => {
  const members = await membersOf(t);
  const publisher = await t.connect({ node: 1 });
  await publishAll(publisher, t.topic(), numbers(90), 1);
  const got = await collect(members, publisher, t.topic(), numbers(90));
  for (const texts of got) assert.ok(texts.length >= 10, `${texts.length} of 90`);
});

add('sticky', 'one member gets all, and another one when it leaves', async (t) => {
  const members = await membersOf(t);
  const publisher = await t.connect({ node: 2 });
  await publishAll(publisher, t.topic(), numbers(20), 1);
  const first = await collect(members, publisher, t.topic(), numbers(20));
  const chosen = first.findIndex((texts) => texts.length === 20);
  assert.ok(chosen >= 0, JSON.stringify(first.map((texts) => texts.length)));
  await members[chosen].disconnect();
  const others = members.filter((_, at) => at !== chosen);
  // That it left is known elsewhere a moment later.
  const topic = t.topic('left');
  await until('messages for another member', async () => {
    await publisher.publish(topic, 'again', { qos: 1 });
    const got = [await others[0].fence(publisher, 0), await others[1].fence(publisher, 0)];
    return got.flat().length > 0;
  });
  await publishAll(publisher, t.topic(), numbers(20), 1);
  const second = await collect(others, publisher, t.topic(), numbers(20));
  assert.ok(second.some((texts) => texts.length === 20));
});

add('hash_client', 'all messages of a publisher go to the same member', async (t) => {
  const members = await membersOf(t);
  const counts = [0, 0, 0];
  for (let count = 0; count < 24; count++) {
    const publisher = await t.connect({ node: count % 3 });
    await publishAll(publisher, t.topic(), numbers(4), 1);
    const got = await collect(members, publisher, t.topic(), numbers(4));
    const chosen = got.findIndex((texts) => texts.length === 4);
    assert.ok(chosen >= 0, JSON.stringify(got));
    counts[chosen]++;
    // Also when it publishes at another broker.
    const { clientId } = publisher;
    const moved = await t.connect({ node: (count + 1) % 3, clientId });
    await publishAll(moved, t.topic(), numbers(2), 1);
    assert.is((await collect(members, moved, t.topic(), numbers(2)))[chosen].length, 2);
  }
  assert.ok(
    counts.every((count) => count > 0),
    JSON.stringify(counts),
  );
});

add('hash_topic', 'all messages to a topic go to the same member', async (t) => {
  const members = await membersOf(t);
  const publishers = await Promise.all(NODES.map((node) => t.connect({ node })));
  const counts = [0, 0, 0];
  for (let count = 0; count < 24; count++) {
    for (const [at, publisher] of publishers.entries()) {
      await publisher.publish(t.topic(`${count}`), `${at}`, { qos: 1 });
    }
    const got = await collect(members, publishers[0], t.topic(`${count}`), numbers(3));
    const chosen = got.findIndex((texts) => texts.length === 3);
    assert.ok(chosen >= 0, JSON.stringify(got));
    counts[chosen]++;
  }
  assert.ok(
    counts.every((count) => count > 0),
    JSON.stringify(counts),
  );
});

add('local', "a member at the publisher's broker is preferred", async (t) => {
  const members = await membersOf(t);
  for (const node of NODES) {
    const publisher = await t.connect({ node });
    await publishAll(publisher, t.topic(), numbers(12), 1);
    const got = await collect(members, publisher, t.topic(), numbers(12));
    assert.is(got[node].length, 12);
  }
  await members[0].disconnect();
  const publisher = await t.connect({ node: 0 });
  await publishAll(publisher, t.topic(), numbers(12), 1);
  await collect(members.slice(1), publisher, t.topic(), numbers(12));
});

add('round_robin', 'all members get the same number, wherever the publisher is', async (t) => {
  for (const node of NODES) {
    const members = await membersOf(t);
    const publisher = await t.connect({ node });
    await publishAll(publisher, t.topic(`${node}`), numbers(30), 1);
    const got = await collect(members, publisher, t.topic(`${node}`), numbers(30));
    assert.equal(
      got.map((texts) => texts.length),
      [10, 10, 10],
    );
    for (const member of members) await member.disconnect();
  }
});

add('round_robin', 'each QoS of members and messages, once', async (t) => {
  const filter = `$share/${t.clientId()}/${t.topic()}`;
  const members = await Promise.all(NODES.map((node) => t.connect({ node })));
  for (const [at, member] of members.entries()) await member.subscribe(filter, at);
  const publisher = await t.connect({ node: 0 });
  for (const qos of [0, 1, 2]) {
    await publishAll(publisher, t.topic(), numbers(9, `${qos}-`), qos);
    const all: string[] = [];
    for (const [at, member] of members.entries()) {
      for (const packet of await member.fence(publisher, 0)) {
        assert.is(packet.qos, Math.min(at, qos));
        all.push(String(packet.payload));
        await member.acknowledge(packet);
      }
    }
    assert.equal(all.sort(), numbers(9, `${qos}-`));
  }
});

add('round_robin', 'a member that is online is chosen before one that is not', async (t) => {
  const filter = `$share/${t.clientId()}/${t.topic()}`;
  const offline = await t.connect({ node: 0, isDurable: true });
  const moving = await t.connect({ node: 1, isDurable: true });
  for (const member of [offline, moving]) await member.subscribe(filter, 1);
  const publisher = await t.connect({ node: 2 });
  await offline.disconnect();
  await until('the member to be known as offline', async () => {
    await publishAll(publisher, t.topic(), numbers(4), 1);
    const got = await moving.fence(publisher, 1);
    for (const packet of got) await moving.acknowledge(packet);
    return got.length === 4;
  });
  const { clientId } = moving;
  await moving.settle();
  for (const node of [2, 0, 1]) {
    const moved = await t.connect({ node, clientId, isDurable: true });
    await publishAll(publisher, t.topic(), numbers(10, `${node}-`), 1);
    await expectPayloads(moved, numbers(10, `${node}-`));
    await moved.expectNothing(publisher, 1);
    await moved.settle();
  }
});

add('round_robin', 'what a member leaves unacknowledged goes to another', async (t) => {
  const filter = `$share/${t.clientId()}/${t.topic()}`;
  const [leaving, staying] = await t.connectAll({ node: 0 }, { node: 1 });
  await leaving.subscribe(filter, 1);
  const publisher = await t.connect({ node: 2 });
  await publishAll(publisher, t.topic(), numbers(10), 1);
  for (let count = 0; count < 10; count++) await leaving.expect('publish');
  await staying.subscribe(filter, 1);
  await leaving.disconnect();
  await expectPayloads(staying, numbers(10));
  await staying.expectNothing(publisher, 1);
});

add(
  'round_robin',
  'a durable member that leaves for good leaves its queue to others',
  async (t) => {
    const filter = `$share/${t.clientId()}/${t.topic()}`;
    const leaving = await t.connect({ node: 0, isDurable: true });
    await leaving.subscribe(filter, 1);
    await leaving.disconnect();
    const publisher = await t.connect({ node: 2 });
    await publishAll(publisher, t.topic(), numbers(10), 1);
    const staying = await t.connect({ node: 1 });
    await staying.subscribe(filter, 1);
    const { clientId } = leaving;
    const clean = await t.connect({ node: 2, clientId, clean: true });
    assert.is(clean.connack?.sessionPresent, false);
    assert.equal(payloads(await staying.receiveAll(10)).sort(), numbers(10));
    await clean.expectNothing(publisher, 1);
  },
);

test.run();
