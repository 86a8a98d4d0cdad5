/** Retained messages in a store. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DropReason } from '../../../src/broker/metrics.js';
import type { FakeClient } from '../support/fake-broker.js';
import { DurableBroker } from './support/durable-broker.js';

const test = suite('durable: retained messages');

async function read(broker: DurableBroker, filter: string): Promise<FakeClient> {
  const client = await broker.connect({ clientId: 'reader' });
  await broker.subscribe(client, filter, 2);
  return client;
}

const retained = (messageId: number) => ({ qos: 1, messageId, retain: true }) as const;

test('the last message of each topic survives a crash [MQTT-3.3.1-5]', async () => {
  const broker = await DurableBroker.start();
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 'a', 'old', retained(1));
  await broker.publish(publisher, 'a', 'new', retained(2));
  await broker.publish(publisher, 'b', 'x', { qos: 0, retain: true });
  await broker.publish(publisher, 'c', 'gone', retained(3));
  await broker.publish(publisher, 'c', '', retained(4));
  await broker.publish(publisher, 'd', 'v5', {
    ...retained(5),
    properties: { contentType: 'text/plain', messageExpiryInterval: 100 },
  });
  await broker.crash(30_000);

  const got = (await read(broker, '#')).take('publish');
  assert.equal(
    got.map(({ topic, payload, retain }) => [topic, payload!.toString(), retain]).sort(),
    [
      ['a', 'new', true],
      ['b', 'x', true],
      ['d', 'v5', true],
    ],
  );
  const { properties } = got.find(({ topic }) => topic === 'd')!;
  assert.equal([properties!.contentType, properties!.messageExpiryInterval], ['text/plain', 70]);
});

test('one that expires is deleted in the store as well [MQTT-3.3.2-5]', async () => {
  const broker = await DurableBroker.start();
  const publisher = await broker.connect({ clientId: 'p' });
  const properties = { messageExpiryInterval: 10 };
  await broker.publish(publisher, 'a', 'x', { ...retained(1), properties });
  await broker.advance(10_000);
  assert.is(broker.store.figures().retained, 0);
  const again = await broker.connect({ clientId: 'p' });
  await broker.publish(again, 'a', 'y', { ...retained(1), properties });
  await broker.crash(10_000);

  assert.is(broker.store.figures().retained, 0);
  assert.is(broker.dropped(DropReason.Expired), 1);
  assert.equal((await read(broker, '#')).take('publish'), []);
});

test('the broker’s own topics are not stored', async () => {
  const broker = await DurableBroker.start();
  const { core } = broker.broker;
  core.publish('$SYS/broker/version', Buffer.from('1'), { qos: 0, retain: true });
  core.publish('$SYS/broker/version', Buffer.from(''), { qos: 0, retain: true });
  core.publish('own', Buffer.from('kept'), { qos: 0, retain: true });
  await broker.settle();

  assert.is(broker.store.figures().retained, 1);
});

test('a limit that makes a topic lose its message deletes it in the store', async () => {
  const broker = await DurableBroker.start({ limits: { retainedBytesMax: 5 } });
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 'a', '12345', retained(1));
  await broker.publish(publisher, 'a', '123456', retained(2));

  assert.equal(
    publisher.take('puback').map(({ reasonCode }) => reasonCode),
    [0x10, 0x97],
  );
  assert.is(broker.store.figures().retained, 0);
});

test('many retained messages reach a durable subscriber in order, a few at a time', async () => {
  const broker = await DurableBroker.start();
  const { core } = broker.broker;
  for (let n = 0; n < 2_500; n++) {
    core.publish(`t/${n}`, Buffer.from(`${n}`), { qos: 1, retain: true });
  }
  await broker.settle();
  const subscriber = await broker.durable('s', { properties: { receiveMaximum: 10 } });
  subscriber.isAcknowledging = true;
  broker.store.isHolding = true;
  const subscriptions = [{ topic: 't/#', qos: 1 as const }];
  subscriber.send({ cmd: 'subscribe', messageId: 1, subscriptions });
  await broker.settle();
  broker.store.release(1);
  await broker.settle();
  assert.ok(broker.stored('s').underway <= 101, 'the rest waits where it is');
  broker.store.flow();
  await broker.settle();

  const got = subscriber.takePayloads().map(Number);
  assert.is(got.length, 2_500);
  assert.is(new Set(got).size, 2_500);
  assert.is(core.metrics.droppedTotal, 0);
});

test('a damaged retained message is said, and the others are there', async () => {
  const broker = await DurableBroker.start();
  const publisher = await broker.connect({ clientId: 'p' });
  for (const [index, topic] of ['a', 'b', 'c'].entries()) {
    await broker.publish(publisher, topic, topic, retained(index + 1));
  }
  const { inner } = broker.store.medium;
  const open = inner.open.bind(inner);
  inner.open = (loader) =>
    open({
      onSession: (stored) => loader.onSession(stored),
      onSubscription: (clientId, one) => loader.onSubscription(clientId, one),
      onRetained: (topic, record) =>
        loader.onRetained(topic, topic === 'b' ? record.subarray(0, 7) : record),
    });
  await broker.crash();

  assert.is(broker.damaged, 1);
  assert.equal((await read(broker, '#')).takePayloads().sort(), ['a', 'c']);
});

test.run();
