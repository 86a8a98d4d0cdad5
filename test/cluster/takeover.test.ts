// slow
/** A client that connects to another broker takes its session along, whole. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TestContext } from '../../conformance/context.js';
import * as build from '../../conformance/raw/build.js';
import type { Packet } from '../../conformance/raw/packet.js';
import type { RawClient } from '../../conformance/raw-client.js';
import { elapsed, withCluster } from './cluster-suite.js';
import {
  expectPayloads,
  numbers,
  payloads,
  publishAll,
  SESSION_TAKEN_OVER,
  untilMatched,
} from './messages.js';

const test = suite('takeover of sessions');
const add = withCluster(test);

/** The client's next connection, at another broker; the session must be there. */
async function resume(t: TestContext, { clientId }: RawClient, node: number): Promise<RawClient> {
  const client = await t.connect({ node, clientId, isDurable: true });
  assert.is(client.connack?.sessionPresent, true, 'Session Present');
  return client;
}

add('a session has its subscriptions and its queue, in order, at another broker', async (t) => {
  const [one, two] = await t.connectAll({ node: 1 }, { node: 2 });
  const first = await t.connect({ node: 0, isDurable: true });
  const properties = { subscriptionIdentifiers: [5] };
  await first.subscribe([{ filter: t.topic('a/+'), qos: 1 }], 1, { properties });
  await first.subscribe(t.topic('b'), 2);
  await first.disconnect();
  await Promise.all([
    publishAll(one, t.topic('a/x'), numbers(60, 'a'), 1),
    publishAll(two, t.topic('b'), numbers(60, 'b'), 2),
  ]);
  const second = await resume(t, first, 2);
  const queued = await second.receiveAll(120);
  const of = (topic: string) => queued.filter((one) => one.topic === t.topic(topic));
  assert.equal(payloads(of('a/x')), numbers(60, 'a'));
  assert.equal(payloads(of('b')), numbers(60, 'b'));
  for (const message of of('a/x')) {
    assert.equal(message.properties.subscriptionIdentifiers, [5]);
  }
  await two.publish(t.topic('a/live'), 'live', { qos: 1 });
  await expectPayloads(second, ['live']);
  await second.disconnect();
  await (await resume(t, first, 1)).expectNothing(one, 1);
});

for (const isDurable of [false, true]) {
  for (const version of [4, 5] as const) {
    const kind = `${isDurable ? 'durable' : 'transient'} client, MQTT ${version}`;
    add(`the connection before is closed, with 0x8E if it knows that: ${kind}`, async (t) => {
      const clientId = t.clientId();
      let before = await t.connect({ node: 0, clientId, isDurable, version });
      for (const node of [1, 2, 0, 2, 1, 0]) {
        const next = await t.connect({ node, clientId, isDurable, version });
        assert.is(next.connack?.sessionPresent, isDurable);
        const code = await before.expectClosed({ codes: [SESSION_TAKEN_OVER] });
        if (version === 5) assert.is(code, SESSION_TAKEN_OVER);
        await next.ping();
        before = next;
      }
    });
  }
}

add('two transient clients cannot have one id, wherever they are', async (t) => {
  const publisher = await t.connect({ node: 2 });
  const clientId = t.clientId();
  const first = await t.connect({ node: 0, clientId });
  await first.subscribe(t.topic('first'), 1);
  const second = await t.connect({ node: 1, clientId });
  assert.is(second.connack?.sessionPresent, false);
  await second.subscribe(t.topic('second'), 1);
  assert.is(await first.expectClosed({ codes: [SESSION_TAKEN_OVER] }), SESSION_TAKEN_OVER);
  await untilMatched(publisher, t.topic('first'), false, 5_000);
  await publisher.publish(t.topic('second'), 'x', { qos: 1 });
  await expectPayloads(second, ['x']);
  await second.expectNothing(publisher, 1);
});

add('messages in flight come again: same ids, same order, with DUP', async (t) => {
  const publisher = await t.connect({ node: 2 });
  let client = await t.connect({ node: 0, isDurable: true });
  await client.subscribe(t.topic(), 2);
  for (let count = 0; count < 8; count++) {
    await publisher.publish(t.topic(), `${count}`, { qos: 1 + (count % 2) });
  }
  const take = async (from: RawClient) => {
    const packets: Packet[] = [];
    while (packets.length < 8) packets.push(await from.expect('publish'));
    return packets;
  };
  const key = (one: Packet) => [one.packetId, one.qos, String(one.payload)];
  const first = await take(client);
  assert.ok(first.every(({ dup }) => !dup));
  // With the old connection still there, cut, and left in order.
  for (const [node, leave] of [
    [1, () => undefined],
    [2, () => client.cut()],
    [0, () => client.disconnect()],
  ] as const) {
    await leave();
    client = await resume(t, client, node);
    const again = await take(client);
    assert.equal(again.map(key), first.map(key));
    assert.ok(again.every(({ dup }) => dup));
    if (node === 0) for (const one of again) await client.acknowledge(one);
  }
  await client.disconnect();
  await (await resume(t, client, 1)).expectNothing(publisher, 1);
});

add('a QoS 2 delivery goes on where it was', async (t) => {
  const publisher = await t.connect({ node: 2 });
  const first = await t.connect({ node: 0, isDurable: true });
  await first.subscribe(t.topic(), 2);
  await publishAll(publisher, t.topic(), ['released', 'sent', 'on its way'], 2);
  const released = await first.expect('publish');
  const sent = await first.expect('publish');
  const underway = await first.expect('publish');
  first.send(build.ack(5, 'pubrec', released.packetId));
  await first.expect('pubrel', released.packetId);
  first.send(build.ack(5, 'pubrec', underway.packetId));
  const second = await resume(t, first, 1);
  await second.take('pubrel', released.packetId);
  second.send(build.ack(5, 'pubcomp', released.packetId));
  const again = await second.take('publish', sent.packetId);
  assert.equal([String(again.payload), again.dup], ['sent', true]);
  await second.acknowledge(again);
  // Whether its PUBREC was heard, nobody can say.
  const isIt = (one: Packet) => one.packetId === underway.packetId;
  const last = await second.takeWhere('the third message or its PUBREL', isIt);
  if (last.type === 'publish') {
    assert.equal([String(last.payload), last.dup], ['on its way', true]);
    await second.acknowledge(last);
  } else {
    assert.is(last.type, 'pubrel');
    second.send(build.ack(5, 'pubcomp', underway.packetId));
  }
  await second.expectNothing(publisher, 1);
  await second.disconnect();
  await (await resume(t, first, 2)).expectNothing(publisher, 1);
});

add('a QoS 2 publish that goes on at another broker arrives once', async (t) => {
  const subscribers = await Promise.all(
    [0, 1, 2].flatMap((node) => [t.connect({ node }), t.connect({ node, isDurable: true })]),
  );
  for (const client of subscribers) await client.subscribe(t.topic(), 2);
  let client = await t.connect({ node: 0, isDurable: true });
  const rounds = 30;
  for (let round = 0; round < rounds; round++) {
    const fields = { topic: t.topic(), payload: `${round}`, qos: 2, packetId: 9 };
    client.send(build.publish(5, fields));
    if (round % 2 === 0) await client.take('pubrec', 9);
    client = await resume(t, client, (round + 1) % 3);
    if (round % 3 !== 0 || round % 2 !== 0) {
      client.send(build.publish(5, { ...fields, dup: true }));
      await client.take('pubrec', 9);
    }
    if (round % 5 === 0) client = await resume(t, client, (round + 2) % 3);
    client.send(build.ack(5, 'pubrel', 9));
    assert.is((await client.take('pubcomp', 9)).reasonCode, 0);
    for (const subscriber of subscribers) await expectPayloads(subscriber, [`${round}`]);
    if (round % 5 === 0) client = await resume(t, client, (round + 1) % 3);
  }
  for (const subscriber of subscribers) await subscriber.expectNothing(client, 1);
});

add('the Receive Maximum of the new connection counts', async (t) => {
  const publisher = await t.connect({ node: 2 });
  const first = await t.connect({ node: 0, isDurable: true });
  await first.subscribe(t.topic(), 2);
  await publishAll(publisher, t.topic(), numbers(12), 2);
  for (let count = 0; count < 12; count++) await first.expect('publish');
  const properties = { receiveMaximum: 3, sessionExpiryInterval: 300 };
  const { clientId } = first;
  const second = await t.connect({ node: 1, clientId, isDurable: true, properties });
  await expectPayloads(second, numbers(12));
  await second.expectNothing(publisher, 1);
});

add('a clean start elsewhere throws the session away everywhere', async (t) => {
  const publisher = await t.connect({ node: 2 });
  const first = await t.connect({ node: 0, isDurable: true });
  const { clientId } = first;
  await first.subscribe(t.topic(), 1);
  await publisher.publish(t.topic(), 'in flight', { qos: 1 });
  await first.expect('publish');
  const clean = await t.connect({ node: 1, clientId, clean: true });
  assert.is(clean.connack?.sessionPresent, false);
  await first.expectClosed({ codes: [SESSION_TAKEN_OVER] });
  await untilMatched(publisher, t.topic(), false, 5_000);
  await clean.expectNothing(publisher, 1);
  await clean.disconnect();
  const last = await t.connect({ node: 0, clientId, isDurable: true });
  assert.is(last.connack?.sessionPresent, false);
  await last.expectNothing(publisher, 1);
});

add(
  'a session expires wherever its last connection was, and its subscriptions with it',
  async (t) => {
    const publisher = await t.connect({ node: 2 });
    const expiry = (seconds: number) => ({ properties: { sessionExpiryInterval: seconds } });
    const short = await t.connect({ node: 0, clean: false, ...expiry(1) });
    const longer = await t.connect({ node: 0, clean: false, ...expiry(1) });
    const told = await t.connect({ node: 1, clean: false, ...expiry(1) });
    for (const [at, client] of [short, longer, told].entries()) {
      await client.subscribe(t.topic(`${at}`), 1);
    }
    const moved = await resume(t, longer, 1);
    await short.disconnect();
    await moved.disconnect();
    await told.disconnect({ reasonCode: 0, ...expiry(60) });
    await untilMatched(publisher, t.topic('0'), false, 8_000);
    await elapsed(1_500);
    const again = await t.connect({ node: 1, clientId: short.clientId, clean: false });
    assert.is(again.connack?.sessionPresent, false);
    for (const [at, client] of [longer, told].entries()) {
      await publisher.publish(t.topic(`${at + 1}`), 'kept', { qos: 1 });
      await expectPayloads(await resume(t, client, 2), ['kept']);
    }
    await again.expectNothing(publisher, 1);
  },
);

test.run();
