/** Acknowledged means safe (promise P1): nothing leaves before the store has what it promises. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Received } from '../support/fake-broker.js';
import { DurableBroker } from './support/durable-broker.js';

const test = suite('durable: acknowledging');

const ids = (packets: readonly Received[]): (number | undefined)[] =>
  packets.map(({ messageId }) => messageId);

test('PUBACK waits until the message is safe in a durable queue', async () => {
  const broker = await DurableBroker.start();
  await broker.subscriber('offline', 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  broker.store.isHolding = true;

  await broker.publish(publisher, 'a', 'one', { qos: 1, messageId: 7 });
  assert.is(publisher.take('puback').length, 0);
  broker.store.flow();
  await broker.settle();

  assert.equal(ids(publisher.take('puback')), [7]);
});

test('PUBACK of a message for nobody durable does not wait', async () => {
  const broker = await DurableBroker.start();
  const transient = await broker.connect({ clientId: 't' });
  await broker.subscribe(transient, 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  broker.store.isHolding = true;

  await broker.publish(publisher, 'a', 'one', { qos: 1, messageId: 7 });
  assert.equal(ids(publisher.take('puback')), [7]);
  assert.equal(transient.takePayloads(), ['one']);
});

test('acknowledgements leave in the order of PUBLISH [MQTT-4.6.0-2] [MQTT-4.6.0-3]', async () => {
  const broker = await DurableBroker.start();
  await broker.subscriber('offline', 'durable');
  const publisher = await broker.durable('p');
  broker.store.isHolding = true;

  await broker.publish(publisher, 'durable', '1', { qos: 1, messageId: 1 });
  await broker.publish(publisher, 'nobody', '2', { qos: 1, messageId: 2 });
  await broker.publish(publisher, 'nobody', '3', { qos: 2, messageId: 3 });
  await broker.publish(publisher, 'nobody', '4', { qos: 1, messageId: 4 });
  assert.equal(publisher.take(), []);
  broker.store.release(1);
  await broker.settle();
  assert.equal(ids(publisher.take('puback')), [1, 2], 'the third waits for its own write');
  broker.store.flow();
  await broker.settle();

  assert.equal(
    publisher.take().map(({ cmd, messageId }) => [cmd, messageId]),
    [
      ['pubrec', 3],
      ['puback', 4],
    ],
  );
});

test('nothing is sent to a subscriber before it is safe in its queue', async () => {
  const broker = await DurableBroker.start();
  const subscriber = await broker.durable('s');
  await broker.subscribe(subscriber, 'a', 2);
  const publisher = await broker.connect({ clientId: 'p' });
  broker.store.isHolding = true;

  await broker.publish(publisher, 'a', 'one', { qos: 1, messageId: 1 });
  await broker.publish(publisher, 'a', 'two', { qos: 2, messageId: 2 });
  assert.equal(subscriber.takePayloads(), []);
  broker.store.release(1);
  await broker.settle();
  assert.equal(subscriber.takePayloads(), ['one']);
  broker.store.flow();
  await broker.settle();
  assert.equal(subscriber.takePayloads(), ['two']);
});

test('what a read shows is not sent while it is not safe', async () => {
  const broker = await DurableBroker.start({ habits: { appliesEarly: true } });
  await broker.subscriber('s', 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 'a', 'safe', { qos: 1, messageId: 1 });
  broker.store.holdsReads = true;
  const subscriber = await broker.durable('s');
  broker.store.isHolding = true;
  await broker.publish(publisher, 'a', 'not yet', { qos: 1, messageId: 2 });

  broker.store.releaseReads();
  await broker.settle();
  assert.equal(subscriber.takePayloads(), ['safe']);
  assert.is(publisher.take('puback').length, 1);
  broker.store.flow();
  await broker.settle();

  assert.equal(subscriber.takePayloads(), ['not yet']);
});

test('PUBREC, PUBREL, PUBCOMP wait for what they say [MQTT-4.3.3-8]', async () => {
  const broker = await DurableBroker.start();
  const subscriber = await broker.durable('s');
  await broker.subscribe(subscriber, 'a', 2);
  const publisher = await broker.durable('p');
  const { store } = broker;
  const step = async (send: () => void, cmd: string, who: typeof publisher): Promise<Received> => {
    store.isHolding = true;
    send();
    await broker.settle();
    assert.is(who.take(cmd).length, 0, `${cmd} waits`);
    store.flow();
    await broker.settle();
    return who.takeFirst(cmd);
  };

  await step(() => publisher.publish('a', 'x', { qos: 2, messageId: 9 }), 'pubrec', publisher);
  await step(() => publisher.acknowledge('pubrel', 9), 'pubcomp', publisher);
  const { messageId } = subscriber.takeFirst('publish');
  await step(() => subscriber.acknowledge('pubrec', messageId!), 'pubrel', subscriber);
  subscriber.acknowledge('pubcomp', messageId!);
  await broker.settle();
  assert.equal(subscriber.take(), []);
});

test('SUBACK and UNSUBACK wait, and retained messages follow SUBACK', async () => {
  const broker = await DurableBroker.start();
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 'a', 'kept', { qos: 1, messageId: 1, retain: true });
  const subscriber = await broker.durable('s');
  broker.store.isHolding = true;

  const subscriptions = [{ topic: 'a', qos: 1 as const }];
  subscriber.send({ cmd: 'subscribe', messageId: 1, subscriptions });
  await broker.settle();
  assert.equal(subscriber.take(), []);
  broker.store.flow();
  await broker.settle();
  assert.equal(
    subscriber.take().map(({ cmd }) => cmd),
    ['suback', 'publish'],
  );
  broker.store.isHolding = true;
  subscriber.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a'] });
  await broker.settle();
  assert.equal(subscriber.take(), []);
  broker.store.flow();
  await broker.settle();
  assert.is(subscriber.take('unsuback').length, 1);
});

test('no retained message follows an early UNSUBSCRIBE [MQTT-3.10.4-2]', async () => {
  const broker = await DurableBroker.start();
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 'a', 'kept', { qos: 1, messageId: 1, retain: true });
  const subscriber = await broker.durable('s');
  broker.store.isHolding = true;

  const subscriptions = [{ topic: 'a', qos: 0 as const }];
  subscriber.post({ cmd: 'subscribe', messageId: 1, subscriptions });
  subscriber.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a'] });
  broker.store.flow();
  await broker.settle();

  assert.equal(
    subscriber.take().map(({ cmd }) => cmd),
    ['suback', 'unsuback'],
  );
});

test('the retained message that PUBACK speaks of is in the store', async () => {
  const broker = await DurableBroker.start();
  const publisher = await broker.connect({ clientId: 'p' });
  broker.store.isHolding = true;
  await broker.publish(publisher, 'a', 'kept', { qos: 1, messageId: 1, retain: true });
  assert.is(publisher.take('puback').length, 0);
  broker.store.flow();
  await broker.settle();
  assert.is(publisher.take('puback').length, 1);
  await broker.crash();

  const reader = await broker.connect({ clientId: 'r' });
  await broker.subscribe(reader, 'a');
  assert.equal(reader.takePayloads(), ['kept']);
});

test('a crash at any moment loses nothing that was acknowledged', async () => {
  for (let released = 0; released <= 6; released++) {
    const broker = await DurableBroker.start();
    await broker.subscriber('one', 'a/+');
    await broker.subscriber('two', 'a/#', 2);
    const publisher = await broker.connect({ clientId: 'p' });
    broker.store.isHolding = true;
    for (let id = 1; id <= 6; id++) {
      await broker.publish(publisher, 'a/b', `${id}`, { qos: 1, messageId: id });
    }
    broker.store.release(released);
    await broker.settle();
    const acknowledged = publisher.take('puback').map(({ messageId }) => `${messageId}`);
    assert.is(acknowledged.length, released);
    await broker.crash();

    for (const clientId of ['one', 'two']) {
      const client = await broker.durable(clientId);
      client.isAcknowledging = true;
      await broker.settle();
      assert.equal(client.takePayloads(), acknowledged);
    }
  }
});

test('a hook that publishes while a QoS 2 message is routed is not taken for it', async () => {
  const broker = await DurableBroker.start({ habits: { isHeldRouted: false } });
  await broker.subscriber('s', '#', 2);
  const publisher = await broker.durable('p');
  const { core } = broker.broker;
  let isNested = false;
  broker.access.restrictsRead = true;
  broker.access.mayRead = (_, topic): boolean => {
    if (topic === 'outer' && !isNested) {
      isNested = true;
      core.publish('inner', Buffer.from('nested'), { qos: 2, retain: false });
    }
    return true;
  };

  await broker.publish(publisher, 'outer', 'outer', { qos: 2, messageId: 1 });
  assert.is(publisher.take('pubrec').length, 1);
  broker.access.restrictsRead = false;
  const subscriber = await broker.durable('s');
  await broker.settle();

  assert.equal(subscriber.takePayloads().sort(), ['nested', 'outer']);
});

test.run();
