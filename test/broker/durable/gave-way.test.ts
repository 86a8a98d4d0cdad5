/** Messages that the store gives up for newer ones while they are on their way to the client. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DropReason } from '../../../src/broker/metrics.js';
import type { FakeClient } from '../support/fake-broker.js';
import type { StoreHabits } from './support/controlled-store.js';
import { DurableBroker } from './support/durable-broker.js';

const test = suite('durable: gave way');

/** Five messages went out just as the store, full, gave them up for newer ones. */
async function overtaken(
  qos: 1 | 2 = 1,
  habits: StoreHabits = {},
): Promise<{
  broker: DurableBroker;
  client: FakeClient;
  publish: (count: number, bytes: number) => Promise<void>;
}> {
  const broker = await DurableBroker.start({
    habits,
    delivery: { queueFullPolicy: 'drop_oldest' },
    limits: { queuedMessagesMax: 0, queuedBytesMax: 100, inflightMessagesMax: 5 },
  });
  const client = await broker.durable('s');
  await broker.subscribe(client, 'a', qos);
  const publisher = await broker.connect({ clientId: 'p' });
  const publish = async (count: number, bytes: number): Promise<void> => {
    const payload = 'x'.repeat(bytes);
    for (let id = 1; id <= count; id++) {
      publisher.publish('a', payload, { qos, messageId: id });
      if (qos === 2) publisher.acknowledge('pubrel', id);
    }
    await broker.settle();
  };
  await publish(10, 10);
  broker.store.isHolding = true;
  await publish(5, 10);
  const [type, reasonCode] = qos === 1 ? (['puback', 0] as const) : (['pubrec', 0x80] as const);
  for (const { messageId } of client.take('publish')) {
    client.acknowledge(type, messageId!, reasonCode);
  }
  await broker.settle();
  return { broker, client, publish };
}

/** Identifiers of what came. */
function idsOf(client: FakeClient, type: 'publish' | 'pubrel'): number[] {
  return client.take(type).map(({ messageId }) => messageId!);
}

test('an offline queue never has fewer than no messages, whatever gave way in it', async () => {
  const { broker, client, publish } = await overtaken();
  for (const { messageId } of client.take('publish')) client.acknowledge('puback', messageId!);
  client.drop();
  await broker.settle();
  broker.store.flow();
  await publish(1, 100);

  assert.is(broker.store.figures().messages, 1);
  assert.ok(broker.stored('s').messages >= 0);
});

test('drop_oldest: what gave way as it was sent is counted if nobody acknowledges it', async () => {
  for (const acknowledged of [0, 2, 5]) {
    const { broker, client } = await overtaken();
    broker.store.flow();
    await broker.settle();
    const sent = client.take('publish');
    assert.is(sent.length, 5);
    for (const { messageId } of sent.slice(0, acknowledged)) {
      client.acknowledge('puback', messageId!);
    }
    client.drop();
    await broker.settle();

    assert.is(broker.dropped(DropReason.QueueFull), 5 - acknowledged);
    assert.is(broker.store.figures().messages, 5);
    assert.is(broker.stored('s').messages, 5);
    const again = await broker.durable('s');
    await broker.settle();
    assert.is(again.take('publish').length, 5);
    assert.is(broker.dropped(DropReason.QueueFull), 5 - acknowledged);
  }
});

/** The client, which is back, completes what it is told to, and gets the rest. */
async function completed(
  broker: DurableBroker,
  again: FakeClient,
  expected: readonly number[],
): Promise<void> {
  assert.equal(idsOf(again, 'pubrel'), expected);
  for (const id of expected) again.acknowledge('pubcomp', id);
  await broker.settle();
  assert.equal(idsOf(again, 'publish'), [11, 12, 13, 14, 15]);
  again.drop();
  await broker.settle();
  await broker.crash();
  const last = await broker.durable('s');
  await broker.settle();
  assert.equal(idsOf(last, 'pubrel'), [], 'it was done');
  assert.equal(idsOf(last, 'publish'), [11, 12, 13, 14, 15]);
}

for (const end of ['crash', 'drop'] as const) {
  test(`QoS 2 that gave way as it was sent gets PUBREL after a ${end} [MQTT-4.3.3-8]`, async () => {
    const { broker, client } = await overtaken(2);
    broker.store.flow();
    await broker.settle();
    assert.equal(idsOf(client, 'publish'), [6, 7, 8, 9, 10]);
    for (const id of [6, 7, 8]) client.acknowledge('pubrec', id);
    await broker.settle();
    assert.equal(idsOf(client, 'pubrel'), [6, 7, 8]);
    client.acknowledge('pubcomp', 6);
    await broker.advance(3_000);
    if (end === 'crash') await broker.crash();
    else client.drop();
    await broker.settle();
    const again = await broker.durable('s');
    await broker.settle();

    await completed(broker, again, [7, 8, 9, 10]);
  });
}

test('QoS 2: a broker that dies before it hears what gave way leaves nothing open', async () => {
  const { broker, client } = await overtaken(2, { appliesEarly: true });
  assert.equal(idsOf(client, 'publish'), [6, 7, 8, 9, 10]);
  await broker.crash();
  const again = await broker.durable('s');
  await broker.settle();

  // That these were refused is not known any more, and they are before the others.
  assert.equal(idsOf(again, 'pubrel'), []);
  assert.equal(idsOf(again, 'publish'), [1, 2, 3, 4, 5]);
  for (const id of [1, 2, 3, 4]) again.acknowledge('pubrec', id, 0x80);
  again.acknowledge('pubrec', 5);
  await broker.settle();
  assert.equal(idsOf(again, 'pubrel'), [5, 6, 7, 8, 9, 10]);
  again.acknowledge('pubcomp', 5);
  for (const id of [6, 7, 8, 9, 10]) again.acknowledge('pubcomp', id);
  await broker.settle();
  assert.equal(idsOf(again, 'publish'), [11, 12, 13, 14, 15]);
});

test('a client without QoS 2 gets no PUBREL for what gave way', async () => {
  const { broker, client } = await overtaken(1, { appliesEarly: true });
  assert.equal(idsOf(client, 'publish'), [6, 7, 8, 9, 10]);
  await broker.crash();

  const again = await broker.durable('s');
  await broker.settle();
  assert.equal(idsOf(again, 'pubrel'), []);
  assert.equal(idsOf(again, 'publish'), [1, 2, 3, 4, 5]);
  for (const id of [1, 2, 3, 4, 5]) again.acknowledge('puback', id);
  await broker.settle();
  assert.equal(idsOf(again, 'publish'), [11, 12, 13, 14, 15]);
});

test.run();
