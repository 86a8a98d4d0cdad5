/** QoS 2 from durable publishers: once in every queue, however often it is repeated (P2). */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { FakeClient } from '../support/fake-broker.js';
import { DurableBroker, FOREVER } from './support/durable-broker.js';

const test = suite('durable: exactly once');

const message = (payload: string, messageId: number, dup = false) =>
  ({ cmd: 'publish', topic: 'a', payload, qos: 2, dup, retain: false, messageId }) as const;

/** What an offline subscriber has in its queue. */
async function delivered(broker: DurableBroker, clientId = 's'): Promise<string[]> {
  const client = await broker.durable(clientId);
  const payloads: string[] = [];
  for (let round = 0; round < 5; round++) {
    for (const { payload, messageId, qos } of client.take('publish')) {
      payloads.push(payload!.toString());
      client.acknowledge(qos === 2 ? 'pubrec' : 'puback', messageId!);
    }
    for (const { messageId } of client.take('pubrel')) client.acknowledge('pubcomp', messageId!);
    await broker.settle();
  }
  client.disconnect();
  await broker.settle();
  return payloads;
}

async function rig(isHeldRouted: boolean): Promise<DurableBroker> {
  const broker = await DurableBroker.start({ habits: { isHeldRouted } });
  await broker.subscriber('s', 'a', 2);
  await broker.subscriber('t', 'a', 1);
  return broker;
}

/** A message, and its repeat before the store has the first. */
async function sendTwice(broker: DurableBroker, publisher: FakeClient): Promise<void> {
  broker.store.isHolding = true;
  publisher.send(message('x', 5));
  publisher.send(message('x', 5, true));
  await broker.settle();
  assert.is(publisher.take('pubrec').length, 0);
  broker.store.flow();
  await broker.settle();
}

for (const isHeldRouted of [true, false]) {
  const kind = isHeldRouted ? 'a store that routes with what is held' : 'a store that marks';

  test(`${kind}: a repeat before PUBREC, on the same connection`, async () => {
    const broker = await rig(isHeldRouted);
    const publisher = await broker.durable('p');
    await sendTwice(broker, publisher);

    assert.is(publisher.take('pubrec').length, 2);
    publisher.send(message('x', 5, true));
    await broker.settle();
    assert.is(publisher.take('pubrec').length, 1);
    publisher.acknowledge('pubrel', 5);
    await broker.settle();
    assert.is(publisher.take('pubcomp').length, 1);
    assert.equal(await delivered(broker), ['x']);
    assert.equal(await delivered(broker, 't'), ['x']);
  });

  test(`${kind}: a repeat on another connection, before the first is safe`, async () => {
    const broker = await rig(isHeldRouted);
    const first = await broker.durable('p');
    broker.store.isHolding = true;
    first.send(message('x', 5));
    first.drop();
    const second = await broker.request({ clientId: 'p', clean: false, properties: FOREVER });
    // The claim, what the connection before wrote, and no more.
    broker.store.flow();
    await broker.settle();
    second.takeFirst('connack');
    broker.store.isHolding = true;
    second.send(message('x', 5, true));
    await broker.settle();
    broker.store.flow();
    await broker.settle();

    assert.is(second.take('pubrec').length, 1);
    assert.equal(await delivered(broker), ['x']);
    assert.equal(await delivered(broker, 't'), ['x']);
  });

  for (const released of [0, 1, 2]) {
    test(`${kind}: a repeat after a crash with ${released} calls done`, async () => {
      const broker = await rig(isHeldRouted);
      const first = await broker.durable('p');
      broker.store.isHolding = true;
      first.send(message('x', 5));
      await broker.settle();
      broker.store.release(released);
      await broker.crash();
      const second = await broker.durable('p');
      second.send(message('x', 5, true));
      await broker.settle();
      assert.is(second.take('pubrec').length, 1);
      second.acknowledge('pubrel', 5);
      await broker.settle();
      second.send(message('y', 5));
      await broker.settle();

      assert.equal(await delivered(broker), ['x', 'y']);
      assert.equal(await delivered(broker, 't'), ['x', 'y']);
    });
  }

  test(`${kind}: PUBREL of a message that a crash left is answered, and frees it`, async () => {
    const broker = await rig(isHeldRouted);
    const first = await broker.durable('p');
    first.send(message('x', 5));
    await broker.settle();
    await broker.crash();
    const second = await broker.durable('p');
    second.acknowledge('pubrel', 5);
    await broker.settle();
    assert.is(second.takeFirst('pubcomp').reasonCode ?? 0, 0);
    await broker.crash();
    const third = await broker.durable('p');
    third.send(message('y', 5));
    await broker.settle();

    assert.equal(await delivered(broker), ['x', 'y']);
  });
}

test('a message whose repeat is refused does not pass its number to the next one', async () => {
  const broker = await rig(false);
  const first = await broker.durable('p');
  first.send(message('x', 5));
  await broker.settle();
  await broker.crash();
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = () => false;
  const second = await broker.durable('p');
  broker.store.isHolding = true;
  second.send(message('x', 5, true));
  await broker.settle();
  assert.is(second.take('pubrec').length, 0, 'it is forgotten first');
  broker.store.flow();
  await broker.settle();
  assert.is(second.takeFirst('pubrec').reasonCode, 0x87);
  broker.access.restrictsPublish = false;
  second.send(message('y', 5));
  await broker.settle();
  assert.is(second.takeFirst('pubrec').reasonCode ?? 0, 0);

  assert.equal(await delivered(broker), ['x', 'y']);
});

test('an authorizer that answers after a takeover has no say about a QoS 2 message', async () => {
  const broker = await rig(true);
  const first = await broker.durable('p');
  let answer: (isAllowed: boolean) => void = () => undefined;
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = () => new Promise((resolve) => (answer = resolve));
  first.send(message('x', 5));
  broker.store.isHolding = true;
  const second = await broker.request({ clientId: 'p', clean: false, properties: FOREVER });
  answer(true);
  await broker.settle();
  broker.store.flow();
  await broker.settle();
  second.takeFirst('connack');
  broker.access.restrictsPublish = false;
  second.send(message('x', 5, true));
  await broker.settle();

  assert.is(second.take('pubrec').length, 1);
  assert.equal(await delivered(broker), ['x']);
});

test('a transient publisher: PUBREC waits, and a repeat on its connection is known', async () => {
  const broker = await rig(true);
  const publisher = await broker.connect({ clientId: 'p' });
  await sendTwice(broker, publisher);

  assert.ok(publisher.take('pubrec').length > 0);
  publisher.acknowledge('pubrel', 5);
  assert.is(publisher.take('pubcomp').length, 1, 'nothing of it is stored');
  assert.equal(await delivered(broker), ['x']);
});

test('QoS 2 of MQTT 3.1.1 that may not be published is held all the same', async () => {
  const broker = await rig(true);
  const publisher = await broker.connect({ clientId: 'p', version: 4, clean: false });
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = () => false;
  publisher.send(message('x', 5));
  await broker.settle();
  broker.access.restrictsPublish = false;
  publisher.send(message('x', 5, true));
  await broker.settle();

  assert.is(publisher.take('pubrec').length, 2);
  publisher.acknowledge('pubrel', 5);
  await broker.settle();
  assert.is(publisher.take('pubcomp').length, 1);
  assert.equal(await delivered(broker), []);
});

test('the send quota of a publisher is as its acknowledgements say', async () => {
  const broker = await DurableBroker.start({
    delivery: { queueFullPolicy: 'refuse' },
    limits: { queuedMessagesMax: 1, inflightMessagesMax: 1, receiveMaximum: 2 },
  });
  await broker.subscriber('s', 'a', 2);
  const publisher: FakeClient = await broker.durable('p');
  const codes: number[] = [];
  for (let id = 1; id <= 6; id++) {
    publisher.send(message(`${id}`, id));
    await broker.settle();
    codes.push(publisher.takeFirst('pubrec').reasonCode ?? 0);
    if (codes.at(-1) === 0) publisher.acknowledge('pubrel', id);
    await broker.settle();
  }

  assert.ok(publisher.isOpen);
  assert.equal(codes, [0, 0, 0x97, 0x97, 0x97, 0x97]);
  const { receiver } = broker.broker.core.sessions.get('p')!;
  assert.equal([receiver!.size, receiver!.inflight], [0, 0]);
});

test.run();
