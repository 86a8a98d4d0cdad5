/** A restart: what was queued, in flight, released and done comes back as it was. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { FakeClient } from '../support/fake-broker.js';
import { DurableBroker, FOREVER } from './support/durable-broker.js';

const test = suite('durable: restarting');

interface Delivery {
  readonly id: number;
  readonly payload: string;
  readonly dup: boolean;
}

function deliveries(client: FakeClient): Delivery[] {
  return client.take('publish').map(({ messageId, payload, dup }) => ({
    id: messageId!,
    payload: payload!.toString(),
    dup: dup!,
  }));
}

async function filled(count: number, receiveMaximum: number, qos: 1 | 2): Promise<DurableBroker> {
  const broker = await DurableBroker.start();
  const subscriber = await broker.durable('s', { properties: { receiveMaximum } });
  await broker.subscribe(subscriber, 'a', 2);
  subscriber.drop();
  const publisher = await broker.connect({ clientId: 'p' });
  for (let id = 1; id <= count; id++) {
    await broker.publish(publisher, 'a', `${id}`, { qos, messageId: id });
    if (qos === 2) publisher.acknowledge('pubrel', id);
  }
  await broker.settle();
  publisher.drop();
  await broker.settle();
  return broker;
}

for (const how of ['crash', 'restart'] as const) {
  test(`messages queued for an offline client survive a ${how}`, async () => {
    const broker = await filled(5, 10, 1);
    await broker[how]();

    const subscriber = await broker.durable('s');
    await broker.settle();

    assert.is(subscriber.connack.sessionPresent, true);
    assert.equal(
      deliveries(subscriber).map(({ payload, dup }) => [payload, dup]),
      [1, 2, 3, 4, 5].map((n) => [`${n}`, false]),
    );
  });

  test(`after a ${how} what was in flight has its identifier, and DUP [MQTT-4.4.0-1]`, async () => {
    const broker = await filled(6, 10, 1);
    const first = await broker.durable('s', { properties: { receiveMaximum: 3 } });
    await broker.settle();
    const sent = deliveries(first);
    assert.is(sent.length, 3);
    // The middle one is acknowledged, and a message more goes out.
    first.acknowledge('puback', sent[1]!.id);
    await broker.settle();
    const fourth = deliveries(first);
    first.drop();
    await broker.settle();
    await broker[how]();

    const second = await broker.durable('s', { properties: { receiveMaximum: 10 } });
    await broker.settle();
    const again = deliveries(second);

    assert.equal(
      again.map(({ id, payload }) => [id, payload]),
      [
        [sent[0]!.id, '1'],
        [sent[2]!.id, '3'],
        [fourth[0]!.id, '4'],
        [fourth[0]!.id + 1, '5'],
        [fourth[0]!.id + 2, '6'],
      ],
    );
    assert.equal(
      again.map(({ dup }) => dup),
      [true, true, true, false, false],
    );
  });
}

test('a crash with clients online: what they did not acknowledge comes again', async () => {
  const broker = await DurableBroker.start();
  const subscriber = await broker.durable('s');
  await broker.subscribe(subscriber, 'a', 1);
  const publisher = await broker.connect({ clientId: 'p' });
  for (let id = 1; id <= 4; id++) {
    await broker.publish(publisher, 'a', `${id}`, { qos: 1, messageId: id });
  }
  const before = deliveries(subscriber);
  await broker.crash();

  const again = await broker.durable('s');
  await broker.settle();
  const after = deliveries(again);

  assert.equal(
    after.map(({ id, payload }) => [id, payload]),
    before.map(({ id, payload }) => [id, payload]),
  );
  assert.ok(before.every(({ dup }) => !dup));
  assert.ok(
    after.every(({ dup }) => dup),
    'DUP, although no write said that the last one was sent [MQTT-3.3.1-1]',
  );
});

test('released messages: PUBREL goes out again, and PUBCOMP ends them [MQTT-4.4.0-1]', async () => {
  const broker = await filled(5, 10, 2);
  const first = await broker.durable('s', { properties: { receiveMaximum: 4 } });
  await broker.settle();
  const sent = deliveries(first);
  first.acknowledge('pubrec', sent[1]!.id);
  await broker.settle();
  first.acknowledge('pubrec', sent[3]!.id);
  await broker.settle();
  assert.is(first.take('pubrel').length, 2);
  await broker.crash();

  const second = await broker.durable('s');
  await broker.settle();
  const packets = second.take();
  assert.equal(
    packets.map(({ cmd, messageId, dup }) => [cmd, messageId, dup === true]),
    [
      ['pubrel', sent[1]!.id, false],
      ['pubrel', sent[3]!.id, false],
      ['publish', sent[0]!.id, true],
      ['publish', sent[2]!.id, true],
      // Was not sent, as it happens; but after a crash nobody knows.
      ['publish', sent[3]!.id + 1, true],
    ],
  );
  for (const index of [1, 3]) second.acknowledge('pubcomp', sent[index]!.id);
  await broker.settle();
  second.drop();
  await broker.settle();
  await broker.crash();
  const third = await broker.durable('s');
  await broker.settle();
  assert.equal(
    third.take().map(({ cmd, messageId }) => [cmd, messageId]),
    [
      ['publish', sent[0]!.id],
      ['publish', sent[2]!.id],
      ['publish', sent[3]!.id + 1],
    ],
  );
});

test('PUBCOMP that comes before the window is read ends the delivery', async () => {
  const broker = await filled(2, 10, 2);
  const first = await broker.durable('s');
  await broker.settle();
  const [one, two] = deliveries(first);
  first.acknowledge('pubrec', one!.id);
  await broker.settle();
  await broker.crash();

  broker.store.holdsReads = true;
  const second = await broker.durable('s');
  second.takeFirst('pubrel');
  second.acknowledge('pubcomp', one!.id);
  await broker.settle();
  broker.store.releaseReads();
  await broker.settle();
  assert.equal(
    deliveries(second).map(({ id }) => id),
    [two!.id],
  );
  second.drop();
  await broker.settle();
  await broker.crash();

  const third = await broker.durable('s');
  await broker.settle();
  assert.equal(
    third.take().map(({ cmd, messageId }) => [cmd, messageId]),
    [['publish', two!.id]],
  );
});

test('a QoS 0 message that waited goes out once, without DUP [MQTT-3.3.1-2]', async () => {
  const broker = await DurableBroker.start({ delivery: { queueQos0Messages: true } });
  await broker.subscriber('s', 'a', 1);
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 'a', 'zero');
  const first = await broker.durable('s');
  await broker.settle();
  assert.equal(first.takePayloads(), ['zero']);
  await broker.crash();

  const second = await broker.durable('s');
  await broker.settle();
  second.drop();
  await broker.settle();
  const third = await broker.durable('s');
  await broker.settle();

  const again = [...second.take('publish'), ...third.take('publish')];
  assert.ok(again.every(({ dup }) => !dup));
  // The crash came before the broker had written that it was sent.
  assert.ok(again.length <= 1);
});

test('a QoS 0 message that went out does not stay in the store', async () => {
  const broker = await DurableBroker.start({ delivery: { queueQos0Messages: true } });
  await broker.subscriber('s', 'a', 1);
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 'a', 'zero');
  assert.is(broker.store.figures().messages, 1);
  const subscriber = await broker.durable('s');
  await broker.settle();
  subscriber.disconnect();
  await broker.settle();

  assert.equal(subscriber.takePayloads(), ['zero']);
  assert.is(broker.store.figures().messages, 0);
});

test('subscriptions come back with their options and identifiers', async () => {
  const broker = await DurableBroker.start();
  const subscriber = await broker.durable('s');
  const subscriptions = [
    { topic: 'own/+', qos: 1 as const, nl: true },
    { topic: 'rap/#', qos: 2 as const, rap: true },
    { topic: 'plain', qos: 0 as const },
  ];
  subscriber.send({
    cmd: 'subscribe',
    messageId: 1,
    subscriptions,
    properties: { subscriptionIdentifier: 42 },
  });
  await broker.settle();
  await broker.crash();

  const publisher = await broker.connect({ clientId: 'p' });
  const again = await broker.durable('s');
  await broker.publish(again, 'own/x', 'mine', { qos: 1, messageId: 1 });
  await broker.publish(publisher, 'own/x', 'theirs', { qos: 1, messageId: 1 });
  await broker.publish(publisher, 'rap/x', 'retained', { qos: 2, messageId: 2, retain: true });
  await broker.publish(publisher, 'plain', 'zero', { qos: 2, messageId: 3 });

  const got = again.take('publish');
  assert.equal(
    got.map(({ payload, qos, retain }) => [payload!.toString(), qos, retain]),
    [
      ['theirs', 1, false],
      ['retained', 2, true],
      ['zero', 0, false],
    ],
  );
  for (const { properties } of got) assert.is(properties!.subscriptionIdentifier, 42);
});

test('what came last about a filter in one turn is what is stored', async () => {
  const broker = await DurableBroker.start();
  const subscriber = await broker.durable('s');
  await broker.subscribe(subscriber, 'kept', 0);
  const send = (cmd: 'subscribe' | 'unsubscribe', filter: string, messageId: number): void =>
    subscriber.post(
      cmd === 'subscribe'
        ? { cmd, messageId, subscriptions: [{ topic: filter, qos: 1 }] }
        : { cmd, messageId, unsubscriptions: [filter] },
    );

  send('unsubscribe', 'kept', 2);
  send('subscribe', 'kept', 3);
  send('subscribe', 'left', 4);
  send('unsubscribe', 'left', 5);
  await broker.settle();
  assert.is(broker.store.writes.filter(({ subscribed }) => subscribed.length > 0).length, 2);
  await broker.crash();

  const { subscriptions } = broker.broker.core.sessions.get('s')!;
  assert.equal(
    [...subscriptions!.values()].map(({ filter, qos }) => [filter, qos]),
    [['kept', 1]],
  );
});

test('MQTT 3.1.1 with Clean Session 0 survives as well [MQTT-3.1.2-4]', async () => {
  const broker = await DurableBroker.start();
  const options = { clientId: 's', version: 4, clean: false } as const;
  const first = await broker.connect(options);
  await broker.subscribe(first, 'a', 1);
  first.disconnect();
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 'a', 'x', { qos: 1, messageId: 1 });
  await broker.restart(30 * 24 * 3600_000);

  const second = await broker.connect(options);
  await broker.settle();
  assert.is(second.connack.sessionPresent, true);
  assert.equal(second.takePayloads(), ['x']);
});

test('the content type, expiry and user properties of a message survive', async () => {
  const broker = await DurableBroker.start();
  await broker.subscriber('s', 'a', 1);
  const publisher = await broker.connect({ clientId: 'p' });
  const properties = {
    messageExpiryInterval: 100,
    contentType: 'text/plain',
    userProperties: { a: ['1', '2'] },
  };
  await broker.publish(publisher, 'a', 'x', { qos: 1, messageId: 1, properties });
  await broker.crash(40_000);

  const subscriber = await broker.durable('s');
  await broker.settle();
  const got = subscriber.takeFirst('publish').properties!;
  assert.is(got.messageExpiryInterval, 60);
  assert.is(got.contentType, 'text/plain');
  assert.equal(Object.entries(got.userProperties!), [['a', ['1', '2']]]);
});

test('a message that expired while the broker was down is dropped and counted', async () => {
  const broker = await DurableBroker.start();
  await broker.subscriber('s', 'a', 1);
  const publisher = await broker.connect({ clientId: 'p' });
  const properties = { messageExpiryInterval: 10 };
  await broker.publish(publisher, 'a', 'x', { qos: 1, messageId: 1, properties });
  await broker.publish(publisher, 'a', 'y', { qos: 1, messageId: 2 });
  await broker.crash(10_000);

  const subscriber = await broker.durable('s');
  await broker.settle();
  assert.equal(subscriber.takePayloads(), ['y']);
  assert.equal(broker.drops, [['expired', 's', 'a']]);
});

test('Clean Start deletes what is stored [MQTT-3.1.2-4]', async () => {
  const broker = await filled(3, 10, 1);
  await broker.crash();
  const first = await broker.durable('s', { clean: true });
  assert.is(first.connack.sessionPresent, false);
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 'a', 'new', { qos: 1, messageId: 1 });
  first.drop();
  await broker.settle();
  await broker.crash();

  const second = await broker.durable('s');
  await broker.settle();
  assert.is(second.connack.sessionPresent, true);
  assert.equal(second.take(), []);
});

test('a client that wants no session any more leaves nothing', async () => {
  const broker = await filled(3, 10, 1);
  const client = await broker.connect({ clientId: 's', clean: true });
  assert.is(client.connack.sessionPresent, false);
  client.drop();
  await broker.settle();
  assert.is(broker.store.figures().sessions, 0);
  await broker.crash();
  assert.is(broker.broker.core.sessions.size, 0);
});

test('what is published while a clean start is awaited is not for the new session', async () => {
  const broker = await filled(0, 10, 1);
  const publisher = await broker.connect({ clientId: 'p' });
  broker.store.isHolding = true;
  const client = await broker.request({ clientId: 's', clean: true, properties: FOREVER });
  await broker.publish(publisher, 'a', 'for the old one', { qos: 1, messageId: 1 });
  broker.store.flow();
  await broker.settle();
  client.takeFirst('connack');
  await broker.subscribe(client, 'b');
  await broker.publish(publisher, 'b', 'for the new one', { qos: 1, messageId: 2 });

  assert.equal(client.takePayloads(), ['for the new one']);
});

test.run();
