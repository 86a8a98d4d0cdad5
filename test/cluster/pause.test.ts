// slow
/** A broker stands still: for less than its lease, for longer, and all of them at once. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TestContext } from '../../conformance/context.js';
import * as build from '../../conformance/raw/build.js';
import type { RawClient } from '../../conformance/raw-client.js';
import { deathMs, elapsed, leaseSeconds, withCluster } from './cluster-suite.js';
import { expectPayloads, numbers, payloads, publishAll } from './messages.js';

const test = suite('a broker stands still');
// What they say when they wake up.
const expectedErrors = /took this broker for dead/;
const add = withCluster(test, { leaseSeconds, expectedErrors });

const leaseMs = leaseSeconds * 1000;

/**
 * Until its broker has heard what others may have of it, nothing that a publisher says at QoS > 0
 * is begun: what it sends to a broker that stops then would go under with its connection.
 */
async function beHeard(t: TestContext, publisher: RawClient): Promise<void> {
  await publisher.publish(t.topic('before'), 'heard', { qos: 1 });
}

add('for a moment: nothing happens but that its messages come later', async (t, cluster) => {
  const publisher = await t.connect({ node: 1 });
  const [transient, durable] = await t.connectAll({ node: 0 }, { node: 0, isDurable: true });
  for (const client of [transient, durable]) await client.subscribe(t.topic(), 2);
  cluster.stop(0);
  await publishAll(publisher, t.topic(), numbers(10), 1);
  await publishAll(publisher, t.topic(), numbers(10, 'two-'), 2);
  cluster.cont(0);
  for (const client of [transient, durable]) {
    const got = payloads(await client.receiveAll(20));
    assert.equal(
      got.filter((text) => !text.startsWith('two-')),
      numbers(10),
    );
    assert.equal(
      got.filter((text) => text.startsWith('two-')),
      numbers(10, 'two-'),
    );
    await client.expectNothing(publisher, 1);
  }
  await cluster.untilMembers([0, 1, 2]);
});

add('for longer than its lease: it closes its connections and joins anew', async (t, cluster) => {
  const publisher = await t.connect({ node: 1 });
  const [moved, stayed] = await t.connectAll(
    { node: 0, isDurable: true },
    { node: 0, isDurable: true },
  );
  const transient = await t.connect({ node: 0 });
  for (const client of [moved, stayed, transient]) await client.subscribe(t.topic(), 1);
  cluster.stop(0);
  const elsewhere = await t.connect({ node: 2, clientId: moved.clientId, isDurable: true });
  assert.is(elsewhere.connack?.sessionPresent, true);
  await cluster.untilMembers([1, 2], { deadlineMs: deathMs });
  await publishAll(publisher, t.topic(), numbers(5), 1);
  await expectPayloads(elsewhere, numbers(5));
  cluster.cont(0);
  for (const client of [moved, stayed, transient]) {
    await client.until('a close', () => client.isClosed, deathMs);
  }
  // What others have the session of, it did not send. The other session may still have been its own
  // when the messages came, since others work off what it left by and by.
  assert.equal(payloads(moved.packets.filter(({ type }) => type === 'publish')), []);
  await cluster.untilMembers([0, 1, 2], { deadlineMs: deathMs });
  await cluster.untilCleaned({ deadlineMs: deathMs });
  const again = await t.connect({ node: 0, clientId: stayed.clientId, isDurable: true });
  assert.is(again.connack?.sessionPresent, true);
  await expectPayloads(again, numbers(5));
  const fresh = await t.connect({ node: 0 });
  await fresh.subscribe(t.topic(), 1);
  await publisher.publish(t.topic(), 'both ways', { qos: 2 });
  for (const client of [again, fresh, elsewhere]) await expectPayloads(client, ['both ways']);
  const publisherThere = await t.connect({ node: 0 });
  await publisherThere.publish(t.topic(), 'and back', { qos: 2 });
  for (const client of [again, fresh, elsewhere]) {
    await expectPayloads(client, ['and back']);
    await client.expectNothing(publisher, 1);
  }
});

add('what it had not read when it died counts no more when it wakes up', async (t, cluster) => {
  const [durable, transient] = await t.connectAll({ node: 1, isDurable: true }, { node: 2 });
  for (const client of [durable, transient]) await client.subscribe(t.topic(), 2);
  const publisher = await t.connect({ node: 0, isDurable: true });
  await beHeard(t, publisher);
  const fields = { topic: t.topic(), payload: 'once', qos: 2, packetId: 5 };
  cluster.stop(0);
  publisher.send(build.publish(5, fields));
  const { clientId } = publisher;
  const again = await t.connect({ node: 1, clientId, isDurable: true });
  again.send(build.publish(5, { ...fields, dup: true }));
  await again.take('pubrec', 5);
  await cluster.untilMembers([1, 2], { deadlineMs: deathMs });
  cluster.cont(0);
  await publisher.until('a close', () => publisher.isClosed, deathMs);
  assert.equal(
    publisher.packets.filter(({ type }) => type === 'pubrec'),
    [],
  );
  again.send(build.ack(5, 'pubrel', 5));
  await again.take('pubcomp', 5);
  await cluster.untilMembers([0, 1, 2], { deadlineMs: deathMs });
  for (const client of [durable, transient]) {
    await expectPayloads(client, ['once']);
    await client.expectNothing(again, 1);
  }
});

add('it retains nothing over what its client has published elsewhere since', async (t, cluster) => {
  const publisher = await t.connect({ node: 0, isDurable: true });
  await beHeard(t, publisher);
  const { clientId } = publisher;
  cluster.stop(0);
  const fields = { topic: t.topic(), qos: 1, packetId: 8, retain: true };
  publisher.send(build.publish(5, { ...fields, payload: 'late' }));
  const again = await t.connect({ node: 1, clientId, isDurable: true });
  await again.publish(t.topic(), 'later', { qos: 1, retain: true });
  await cluster.untilMembers([1, 2], { deadlineMs: deathMs });
  cluster.cont(0);
  await publisher.until('a close', () => publisher.isClosed, deathMs);
  await cluster.untilMembers([0, 1, 2], { deadlineMs: deathMs });
  for (const node of [0, 1, 2]) {
    const reader = await t.connect({ node });
    await reader.subscribe(t.topic(), 1);
    await expectPayloads(reader, ['later']);
  }
});

add('it acknowledges nothing in its old life that nobody gets', async (t, cluster) => {
  const durable = await t.connect({ node: 1, isDurable: true });
  const transient = await t.connect({ node: 2 });
  for (const client of [durable, transient]) await client.subscribe(t.topic(), 1);
  const publisher = await t.connect({ node: 0 });
  await beHeard(t, publisher);
  cluster.stop(0);
  publisher.send(build.publish(5, { topic: t.topic(), payload: 'unsure', qos: 1, packetId: 7 }));
  await cluster.untilMembers([1, 2], { deadlineMs: deathMs });
  cluster.cont(0);
  await publisher.until('a close', () => publisher.isClosed, deathMs);
  await cluster.untilMembers([0, 1, 2], { deadlineMs: deathMs });
  const isAcknowledged = publisher.packets.some(
    ({ type, reasonCode }) => type === 'puback' && reasonCode < 0x80,
  );
  for (const client of [durable, transient]) {
    const got = payloads(await client.fence(client, 0));
    if (isAcknowledged) assert.equal(got, ['unsure']);
    else assert.ok(got.length <= 1);
  }
});

add(
  'what it had begun reaches at once who came to a broker that it does not know',
  async (t, cluster) => {
    const durable = await t.connect({ node: 1, isDurable: true });
    await durable.subscribe(t.topic(), 1);
    const publisher = await t.connect({ node: 0 });
    await beHeard(t, publisher);
    cluster.stop(0);
    publisher.send(build.publish(5, { topic: t.topic(), payload: 'late', qos: 1, packetId: 7 }));
    await cluster.restart(1);
    await cluster.untilMembers([1, 2], { deadlineMs: deathMs });
    const again = await t.connect({ node: 1, clientId: durable.clientId, isDurable: true });
    assert.is(again.connack?.sessionPresent, true);

    cluster.cont(0);

    assert.equal(payloads([await again.receive(deathMs)]), ['late']);
    await cluster.untilMembers([0, 1, 2], { deadlineMs: deathMs });
  },
);

add('who asked it for a connection and went elsewhere stays there', async (t, cluster) => {
  cluster.stop(0);
  const asked = [];
  const elsewhere = [];
  for (let number = 0; number < 10; number++) {
    const options = { clientId: t.clientId(), isDurable: number % 2 === 0 };
    asked.push(await t.begin({ node: 0, ...options }));
    elsewhere.push(await t.connect({ node: 1 + (number % 2), ...options }));
  }
  await cluster.untilMembers([1, 2], { deadlineMs: deathMs });
  for (const client of asked) client.cut();
  cluster.cont(0);
  await cluster.untilMembers([0, 1, 2], { deadlineMs: deathMs });
  for (let number = 0; number < 3; number++) await t.connect({ node: 0 });
  for (const client of elsewhere) await client.ping();
});

add('its wills are published once, whether it wakes up or not', async (t, cluster) => {
  const watchers = await t.connectAll({ node: 1 }, { node: 2 });
  for (const watcher of watchers) await watcher.subscribe(t.topic('will/#'), 1);
  for (const isDurable of [true, false]) {
    const will = { topic: t.topic(`will/${isDurable}`), payload: `${isDurable}`, qos: 1 };
    await t.connect({ node: 0, isDurable, will });
  }
  cluster.stop(0);
  for (const watcher of watchers) {
    const got = [await watcher.receive(deathMs), await watcher.receive(deathMs)];
    assert.equal(payloads(got).sort(), ['false', 'true']);
  }
  cluster.cont(0);
  await cluster.untilMembers([0, 1, 2], { deadlineMs: deathMs });
  await cluster.untilCleaned({ deadlineMs: deathMs });
  for (const watcher of watchers) await watcher.expectNothing(watcher, 1);
});

add('all of them for longer than the lease: nobody is taken for dead', async (t, cluster) => {
  const nodes = [0, 1, 2];
  const clients = await Promise.all(nodes.map((node) => t.connect({ node })));
  for (const client of clients) await client.subscribe(t.topic(), 1);
  for (const node of nodes) cluster.stop(node);
  await elapsed(leaseMs + 2_000);
  for (const node of nodes) cluster.cont(node);
  for (const client of clients) await client.ping();
  for (const [at, client] of clients.entries()) {
    await client.publish(t.topic(), `${at}`, { qos: 1 });
    for (const one of clients) await expectPayloads(one, [`${at}`]);
  }
  await cluster.untilMembers(nodes);
});

test.run();
