/** What a client was sent before a crash: not known exactly, never taken for less than it was. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DropReason } from '../../../src/broker/metrics.js';
import { defaultLimits, type Limits } from '../../../src/config/limits.js';
import type { FakeClient } from '../support/fake-broker.js';
import { DurableBroker, FOREVER } from './support/durable-broker.js';

const test = suite('durable: what may have been sent');

const started = (limits: Partial<Limits> = {}): Promise<DurableBroker> =>
  DurableBroker.start({ limits: defaultLimits({ queuedMessagesMax: 0, ...limits }) });

async function publishAll(broker: DurableBroker, count: number, qos: 0 | 1 | 2 = 1): Promise<void> {
  const publisher = await broker.connect({ clientId: 'p' });
  for (let id = 1; id <= count; id++) {
    publisher.publish('a', `${id}`, { qos, messageId: id });
    if (qos === 2) publisher.acknowledge('pubrel', id);
  }
  await broker.settle();
  publisher.disconnect();
  await broker.settle();
}

/** A client of a long queue that is sent only a few at a time. */
async function behind(): Promise<{ broker: DurableBroker; client: FakeClient }> {
  const broker = await started({ inflightMessagesMax: 3, unsettledMessagesMax: 64 });
  await broker.subscriber('s', 'a');
  await publishAll(broker, 200);
  const client = await broker.durable('s');
  await broker.settle();
  return { broker, client };
}

/** The client comes, and goes before anything of its queue was read. */
async function visit(broker: DurableBroker, properties = FOREVER): Promise<void> {
  broker.store.holdsReads = true;
  const short = await broker.durable('s', { properties });
  short.drop();
  await broker.settle();
  broker.store.releaseReads();
  await broker.settle();
}

/** Payload → DUP of what has come, acknowledging it until nothing more comes. */
async function drained(broker: DurableBroker, client: FakeClient): Promise<Map<string, boolean>> {
  const found = new Map<string, boolean>();
  for (;;) {
    const packets = client.take('publish');
    if (packets.length === 0) return found;
    for (const { payload, dup, messageId, qos } of packets) {
      found.set(payload!.toString(), dup!);
      if (qos === 1) client.acknowledge('puback', messageId!);
    }
    await broker.settle();
  }
}

test('what comes into the queue after a crash has no DUP [MQTT-4.3.2-1]', async () => {
  const broker = await started();
  const client = await broker.durable('s');
  await broker.subscribe(client, 'a');
  await publishAll(broker, 2);
  assert.is(client.take('publish').length, 2);
  await broker.crash();
  const publisher = await broker.connect({ clientId: 'q' });
  await broker.publish(publisher, 'a', 'new', { qos: 1, messageId: 1 });

  const again = await broker.durable('s');
  await broker.settle();

  assert.equal(Object.fromEntries(await drained(broker, again)), { 1: true, 2: true, new: false });
});

test('of a long queue no more has DUP than can have been sent [MQTT-3.3.1-1]', async () => {
  const { broker, client } = await behind();
  assert.is(client.take('publish').length, 3);
  await broker.crash();

  const again = await broker.durable('s');
  await broker.settle();
  const got = await drained(broker, again);

  assert.is(got.size, 200);
  assert.equal(
    [...got].map(([payload, dup]) => dup === Number(payload) <= 67),
    [...got].map(() => true),
  );
});

test('nothing is sent beyond that while the store does not answer', async () => {
  const { broker, client } = await behind();
  broker.store.isHolding = true;
  const before = await drained(broker, client);
  assert.ok(before.size >= 64 && before.size <= 67, `${before.size} sent`);
  await broker.crash();

  const again = await broker.durable('s');
  await broker.settle();
  const after = await drained(broker, again);
  for (const payload of before.keys()) assert.is(after.get(payload), true, `${payload} has DUP`);
  assert.is(after.size, 200);
});

test('when the store answers again, all the rest goes out', async () => {
  const { broker, client } = await behind();
  broker.store.isHolding = true;
  const before = await drained(broker, client);
  broker.store.flow();
  await broker.settle();
  const after = await drained(broker, client);

  assert.is(before.size + after.size, 200);
  assert.ok([...before.values(), ...after.values()].every((dup) => !dup));
});

test('a client that leaves before all of it is read is sent the rest with DUP later', async () => {
  const broker = await started();
  const client = await broker.durable('s');
  await broker.subscribe(client, 'a');
  await publishAll(broker, 3);
  await broker.crash();
  broker.store.holdsReads = true;
  const short = await broker.durable('s');
  short.drop();
  await broker.settle();
  broker.store.releaseReads();
  await broker.restart();

  const again = await broker.durable('s');
  await broker.settle();
  assert.equal(Object.fromEntries(await drained(broker, again)), { 1: true, 2: true, 3: true });
});

test('such a client is sent no more with DUP than before [MQTT-3.3.1-1]', async () => {
  const broker = await started({ inflightMessagesMax: 3, unsettledMessagesMax: 64 });
  await broker.subscriber('s', 'a');
  await publishAll(broker, 200);
  await broker.durable('s');
  await broker.crash();
  await visit(broker);
  await broker.restart();
  await visit(broker);

  const again = await broker.durable('s');
  await broker.settle();
  const got = await drained(broker, again);
  assert.is(got.size, 200);
  assert.is([...got.values()].filter((dup) => dup).length, 67);
});

test('such a client gets the QoS 0 that cannot have been sent, the rest is counted', async () => {
  const limits = defaultLimits({ inflightMessagesMax: 3, unsettledMessagesMax: 64 });
  const broker = await DurableBroker.start({ limits, delivery: { queueQos0Messages: true } });
  await broker.subscriber('s', 'a');
  await publishAll(broker, 200, 0);
  broker.store.holdsReads = true;
  await broker.durable('s');
  await broker.crash();
  await visit(broker);

  const again = await broker.durable('s');
  await broker.settle();
  assert.is((await drained(broker, again)).size, 133);
  assert.is(broker.dropped(DropReason.OfflineQos0), 67);
});

test('of such a client QoS 2 that cannot have been sent is passed on [MQTT-4.8.2-5]', async () => {
  const broker = await started({ inflightMessagesMax: 3, unsettledMessagesMax: 64 });
  const properties = { sessionExpiryInterval: 10 };
  const client = await broker.durable('s', { properties });
  await broker.subscribe(client, '$share/g/a', 2);
  client.drop();
  await broker.settle();
  await publishAll(broker, 200, 2);
  await broker.durable('s', { properties });
  await broker.crash();
  await visit(broker, properties);
  await broker.subscriber('heir', '$share/g/a', 2);
  await broker.advance(20_000);

  assert.is(broker.dropped(DropReason.SessionEnded), 67);
  assert.is(broker.stored('heir').messages, 133);
});

test('QoS 0 that may have been sent is not sent again, and counted', async () => {
  const broker = await DurableBroker.start({ delivery: { queueQos0Messages: true } });
  const client = await broker.durable('s', { properties: { receiveMaximum: 1 } });
  await broker.subscribe(client, 'a', 1);
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 'a', '1', { qos: 1, messageId: 1 });
  await broker.publish(publisher, 'a', '2', { qos: 1, messageId: 2 });
  await broker.publish(publisher, 'a', 'zero', { qos: 0 });
  await broker.crash();

  const again = await broker.durable('s');
  await broker.settle();
  assert.equal(again.takePayloads(), ['1', '2']);
  assert.is(broker.dropped(DropReason.OfflineQos0), 1);
});

test('what may have been sent at QoS 1 expires, at QoS 2 not [MQTT-4.3.3-7]', async () => {
  const broker = await started();
  const client = await broker.durable('s');
  await broker.subscribe(client, 'a', 2);
  const publisher = await broker.connect({ clientId: 'p' });
  const properties = { messageExpiryInterval: 10 };
  publisher.publish('a', '1', { qos: 1, messageId: 1, properties });
  publisher.publish('a', '2', { qos: 2, messageId: 2, properties });
  await broker.settle();
  await broker.crash(20_000);

  const again = await broker.durable('s');
  await broker.settle();
  assert.equal(again.takePayloads(), ['2']);
  assert.is(broker.dropped(DropReason.Expired), 1);
});

test('QoS 2 that may have been sent goes to no other member [MQTT-4.8.2-5]', async () => {
  const broker = await started();
  const client = await broker.durable('s', { properties: { sessionExpiryInterval: 10 } });
  await broker.subscribe(client, '$share/g/a', 2);
  await publishAll(broker, 1, 2);
  assert.equal(client.takePayloads(), ['1']);
  await broker.crash();
  await broker.subscriber('heir', '$share/g/a', 2);
  await broker.advance(20_000);

  const heir = await broker.durable('heir');
  await broker.settle();
  assert.equal(heir.takePayloads(), []);
  assert.is(broker.dropped(DropReason.SessionEnded), 1);
});

test('what a session had when it ended is counted, however it ended', async () => {
  const ends: readonly (readonly [string, (broker: DurableBroker) => Promise<unknown>])[] = [
    ['it expired', (broker) => broker.advance(10_000)],
    ['it expired while the broker was down', (broker) => broker.crash(60_000)],
    ['a clean start', (broker) => broker.durable('s', { clean: true })],
    ['a client without a session', (broker) => broker.connect({ clientId: 's', clean: true })],
  ];
  for (const [how, end] of ends) {
    const broker = await started();
    const properties = { sessionExpiryInterval: 10, receiveMaximum: 2 };
    const client = await broker.durable('s', { properties });
    await broker.subscribe(client, 'a');
    await publishAll(broker, 5);
    const [first] = client.take('publish');
    client.acknowledge('puback', first!.messageId!);
    client.drop();
    await broker.settle();
    const before = broker.drops.length;
    await end(broker);
    await broker.settle();

    assert.is(broker.dropped(DropReason.SessionEnded), 4, how);
    assert.equal(broker.drops.slice(before), [['session_ended', 's', '', 4]], how);
  }
});

test('what the client of an ending connection had acknowledged is not counted', async () => {
  const broker = await started();
  const client = await broker.durable('s', { properties: FOREVER });
  await broker.subscribe(client, 'a');
  await publishAll(broker, 3);
  for (const { messageId } of client.take('publish').slice(1)) {
    client.post({ cmd: 'puback', messageId: messageId! });
  }
  client.disconnect(0, { sessionExpiryInterval: 0 });
  await broker.settle();

  assert.is(broker.dropped(DropReason.SessionEnded), 1);
});

test.run();
