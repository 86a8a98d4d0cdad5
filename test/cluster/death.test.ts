// slow
// deadline: 240 s
/**
 * A broker is killed: its clients go on at the others, at once, and what was acknowledged is
 * there. Nobody waits for its lease, and nothing is left of it when that is over.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Packet } from '../../conformance/raw/packet.js';
import { deathMs, leaseSeconds, withCluster } from './cluster-suite.js';
import { expectPayloads, numbers, publishAll, untilMatched } from './messages.js';

const test = suite('death of a broker');
const add = withCluster(test, { leaseSeconds });

/** Far below the lease. */
const resumeMsMax = 1_500;

add('its durable clients resume elsewhere at once, with all they had', async (t, cluster) => {
  const publisher = await t.connect({ node: 1 });
  const clients = await Promise.all(numbers(20).map(() => t.connect({ node: 0, isDurable: true })));
  const inFlight: Packet[] = [];
  for (const [at, client] of clients.entries()) {
    await client.subscribe(t.topic(`${at}`), 2);
    await publisher.publish(t.topic(`${at}`), 'in flight', { qos: 1 + (at % 2) });
    inFlight.push(await client.expect('publish'));
  }
  await cluster.kill(0);
  // Nobody knows yet that it is dead.
  for (const at of clients.keys()) {
    await publisher.publish(t.topic(`${at}`), 'meanwhile', { qos: 1 });
  }
  const again = [];
  for (const [at, { clientId }] of clients.entries()) {
    const startMs = performance.now();
    const client = await t.connect({ node: 1 + (at % 2), clientId, isDurable: true });
    const tookMs = performance.now() - startMs;
    assert.is(client.connack?.sessionPresent, true);
    assert.ok(tookMs < resumeMsMax, `resumed after ${tookMs} ms`);
    const repeated = await client.receive();
    const { packetId, qos } = inFlight[at];
    assert.equal([repeated.packetId, repeated.qos, repeated.dup], [packetId, qos, true]);
    await expectPayloads(client, ['meanwhile']);
    again.push(client);
  }
  await cluster.untilMembers([1, 2], { deadlineMs: deathMs });
  await cluster.untilCleaned({ deadlineMs: deathMs });
  // The clean-up leaves alone who is somewhere else.
  for (const [at, client] of again.entries()) {
    await publisher.publish(t.topic(`${at}`), 'afterwards', { qos: 2 });
    await expectPayloads(client, ['afterwards']);
    await client.expectNothing(publisher, 1);
  }
});

add('routes to it vanish, and no publisher waits for it', async (t, cluster) => {
  const publishers = await t.connectAll({ node: 1 }, { node: 2 });
  const [gone, shared] = await t.connectAll({ node: 0 }, { node: 0 });
  await gone.subscribe(t.topic('plain'), 1);
  await shared.subscribe(`$share/${t.clientId()}/${t.topic('shared')}`, 1);
  await cluster.kill(0);
  for (const publisher of publishers) {
    for (const name of ['plain', 'shared']) {
      await untilMatched(publisher, t.topic(name), false, deathMs);
    }
  }
});

add('transient clients are let in elsewhere at once, and stay', async (t, cluster) => {
  const publisher = await t.connect({ node: 2 });
  const first = await t.connect({ node: 0 });
  const { clientId } = first;
  await first.subscribe(t.topic('before'), 1);
  await cluster.kill(0);
  const second = await t.connect({ node: 1, clientId });
  assert.is(second.connack?.sessionPresent, false);
  await second.subscribe(t.topic('after'), 1);
  await cluster.untilMembers([1, 2], { deadlineMs: deathMs });
  await cluster.untilCleaned({ deadlineMs: deathMs });
  await publisher.publish(t.topic('before'), 'no', { qos: 1 });
  await publisher.publish(t.topic('after'), 'yes', { qos: 1 });
  await expectPayloads(second, ['yes']);
  await second.expectNothing(publisher, 1);
});

for (const isDurable of [false, true]) {
  const kind = isDurable ? 'durable' : 'transient';

  add(`what a member there did not acknowledge goes to a ${kind} one`, async (t, cluster) => {
    const publishers = await t.connectAll({ node: 0 }, { node: 1 });
    const filter = `$share/${t.clientId()}/${t.topic()}`;
    const gone = await t.connect({ node: 0 });
    await gone.subscribe(filter, 1);
    // Half of them come by the inbox.
    for (const [at, publisher] of publishers.entries()) {
      await publishAll(publisher, t.topic(), numbers(6, `${at}-`), 1);
    }
    const left: string[] = [];
    for (let count = 0; count < 12; count++) {
      const message = await gone.take('publish');
      if (count % 2 === 0) await gone.acknowledge(message);
      else left.push(String(message.payload));
    }
    const other = await t.connect({ node: 1, isDurable });
    await other.subscribe(filter, 1);
    await cluster.kill(0);
    // What was acknowledged at last may come as well.
    const sent = [...numbers(6, '0-'), ...numbers(6, '1-')];
    const got = new Set<string>();
    while (!left.every((text) => got.has(text))) {
      const text = String((await other.receive(deathMs)).payload);
      assert.ok(sent.includes(text), text);
      got.add(text);
    }
    await cluster.untilCleaned({ deadlineMs: deathMs });
  });
}

add('the last broker of three serves all', async (t, cluster) => {
  const clients = await t.connectAll(
    { node: 0, isDurable: true },
    { node: 1, isDurable: true },
    { node: 2, isDurable: true },
  );
  for (const client of clients) await client.subscribe(t.topic(), 1);
  await Promise.all([cluster.kill(0), cluster.kill(1)]);
  const publisher = await t.connect({ node: 2 });
  await publishAll(publisher, t.topic(), numbers(20), 1);
  for (const [at, client] of clients.entries()) {
    const { clientId } = client;
    const last = at === 2 ? client : await t.connect({ node: 2, clientId, isDurable: true });
    await expectPayloads(last, numbers(20));
  }
  await cluster.untilMembers([2], { deadlineMs: deathMs });
  await cluster.untilCleaned({ deadlineMs: deathMs });
  await publisher.ping();
});

add('a new process with its name joins at once, and serves', async (t, cluster) => {
  const publisher = await t.connect({ node: 1 });
  const durable = await t.connect({ node: 0, isDurable: true });
  await durable.subscribe(t.topic('durable'), 1);
  const transient = await t.connect({ node: 0 });
  await transient.subscribe(t.topic('transient'), 1);
  await cluster.kill(0);
  await cluster.start(0);
  const { clientId } = durable;
  const again = await t.connect({ node: 0, clientId, isDurable: true });
  assert.is(again.connack?.sessionPresent, true);
  await publisher.publish(t.topic('durable'), 'x', { qos: 1 });
  await expectPayloads(again, ['x']);
  await untilMatched(publisher, t.topic('transient'), false, deathMs);
  await cluster.untilMembers([0, 1, 2], { deadlineMs: deathMs });
  await cluster.untilCleaned({ deadlineMs: deathMs });
  await publisher.publish(t.topic('durable'), 'y', { qos: 1 });
  await expectPayloads(again, ['y']);
});

test.run();
