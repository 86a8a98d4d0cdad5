/** Queue limits and what a full queue does, where the store counts. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DropReason } from '../../../src/broker/metrics.js';
import { DurableBroker } from './support/durable-broker.js';

const test = suite('durable: limits');

test('drop_newest: a full queue takes nothing more, and it is counted', async () => {
  const broker = await DurableBroker.start({
    limits: { queuedMessagesMax: 3, inflightMessagesMax: 2 },
  });
  await broker.subscriber('s', 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  for (let id = 1; id <= 8; id++) {
    await broker.publish(publisher, 'a', `${id}`, { qos: 1, messageId: id });
  }

  assert.is(publisher.take('puback').length, 8);
  assert.is(broker.dropped(DropReason.QueueFull), 3);
  assert.equal(broker.drops[0], ['queue_full', 's', 'a']);
  assert.is(broker.broker.core.sessions.get('s')!.dropped, 3);
  const subscriber = await broker.durable('s');
  subscriber.isAcknowledging = true;
  for (const { messageId } of subscriber.take('publish')) {
    subscriber.acknowledge('puback', messageId!);
  }
  await broker.settle();
  assert.equal(subscriber.takePayloads(), ['3', '4', '5']);
});

test('drop_oldest: an offline client has the newest', async () => {
  const broker = await DurableBroker.start({
    delivery: { queueFullPolicy: 'drop_oldest' },
    limits: { queuedMessagesMax: 3, inflightMessagesMax: 1 },
  });
  await broker.subscriber('s', 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  for (let id = 1; id <= 8; id++) {
    await broker.publish(publisher, 'a', `${id}`, { qos: 1, messageId: id });
  }
  await broker.crash();
  const subscriber = await broker.durable('s');
  subscriber.isAcknowledging = true;
  for (const { messageId } of subscriber.take('publish')) {
    subscriber.acknowledge('puback', messageId!);
  }
  await broker.settle();

  assert.equal(subscriber.takePayloads(), ['6', '7', '8']);
  assert.is(broker.drops.length, 4);
});

test('max_queued_bytes: what does not fit is dropped, whatever the policy', async () => {
  for (const queueFullPolicy of ['drop_newest', 'drop_oldest'] as const) {
    const broker = await DurableBroker.start({
      delivery: { queueFullPolicy },
      limits: { queuedBytesMax: 10 },
    });
    await broker.subscriber('s', 'a');
    const publisher = await broker.connect({ clientId: 'p' });
    await broker.publish(publisher, 'a', '12345', { qos: 1, messageId: 1 });
    await broker.publish(publisher, 'a', '123456', { qos: 1, messageId: 2 });
    await broker.publish(publisher, 'a', '12345678901', { qos: 1, messageId: 3 });

    assert.is(broker.dropped(DropReason.QueueFull), 2);
    const subscriber = await broker.durable('s');
    await broker.settle();
    const left = queueFullPolicy === 'drop_newest' ? '12345' : '123456';
    assert.equal(subscriber.takePayloads(), [left]);
  }
});

test('refuse: a full queue of a client that is offline makes PUBACK and PUBREC 0x97', async () => {
  const broker = await DurableBroker.start({
    delivery: { queueFullPolicy: 'refuse' },
    limits: { queuedMessagesMax: 1, inflightMessagesMax: 1 },
  });
  await broker.subscriber('s', 'a', 2);
  const publisher = await broker.durable('p');
  const codes: number[] = [];
  for (const [qos, messageId] of [
    [1, 1],
    [2, 2],
    [1, 3],
    [2, 4],
  ] as const) {
    await broker.publish(publisher, 'a', 'x', { qos, messageId });
    codes.push(publisher.takeFirst(qos === 1 ? 'puback' : 'pubrec').reasonCode ?? 0);
  }
  assert.equal(codes, [0, 0, 0x97, 0x97]);
  await broker.crash();

  // The identifier of what was refused is free, after a crash as well.
  const subscriber = await broker.durable('s');
  subscriber.isAcknowledging = true;
  for (const { messageId, qos } of subscriber.take('publish')) {
    subscriber.acknowledge(qos === 2 ? 'pubrec' : 'puback', messageId!);
  }
  await broker.settle();
  const again = await broker.durable('p');
  await broker.publish(again, 'a', 'y', { qos: 2, messageId: 4 });
  assert.is(again.takeFirst('pubrec').reasonCode ?? 0, 0);
  assert.equal(subscriber.takePayloads().at(-1), 'y');
});

test('refuse: PUBREC 0x97 waits until the identifier is forgotten', async () => {
  const broker = await DurableBroker.start({
    delivery: { queueFullPolicy: 'refuse' },
    limits: { queuedMessagesMax: 1, inflightMessagesMax: 1, queuedBytesMax: 1 },
  });
  await broker.subscriber('s', 'a', 2);
  const publisher = await broker.durable('p');
  await broker.publish(publisher, 'a', '1', { qos: 2, messageId: 1 });
  publisher.take();
  broker.store.isHolding = true;
  publisher.publish('a', '2', { qos: 2, messageId: 2 });
  await broker.settle();
  broker.store.release(1);
  await broker.settle();
  assert.is(publisher.take('pubrec').length, 0);
  broker.store.flow();
  await broker.settle();

  assert.is(publisher.takeFirst('pubrec').reasonCode, 0x97);
});

test('refuse: a refusal that its publisher did not hear is told when it asks again', async () => {
  const broker = await DurableBroker.start({
    delivery: { queueFullPolicy: 'refuse' },
    limits: { queuedMessagesMax: 1, inflightMessagesMax: 0, queuedBytesMax: 1 },
  });
  await broker.subscriber('s', 'a', 2);
  const first = await broker.durable('p');
  await broker.publish(first, 'a', '1', { qos: 2, messageId: 1 });
  broker.store.isHolding = true;
  first.publish('a', '2', { qos: 2, messageId: 2 });
  first.drop();
  broker.store.flow();
  await broker.settle();
  const second = await broker.durable('p');
  await broker.publish(second, 'a', '2', { qos: 2, messageId: 2, dup: true });

  assert.is(second.takeFirst('pubrec').reasonCode, 0x97);
});

test('MQTT 3.1.1 is never told of a full queue', async () => {
  const broker = await DurableBroker.start({
    delivery: { queueFullPolicy: 'refuse' },
    limits: { queuedMessagesMax: 1, inflightMessagesMax: 1 },
  });
  await broker.subscriber('s', 'a', 2);
  const publisher = await broker.connect({ clientId: 'p', version: 4, clean: false });
  for (const messageId of [1, 2, 3, 4]) {
    await broker.publish(publisher, 'a', 'x', { qos: 2, messageId });
  }
  assert.is(publisher.take('pubrec').length, 4);
  for (const messageId of [1, 2, 3, 4]) publisher.acknowledge('pubrel', messageId);
  await broker.settle();
  assert.is(publisher.take('pubcomp').length, 4);
  assert.is(broker.dropped(DropReason.QueueFull), 2);
});

test('a fast publisher of a slow client is paused, and goes on when the client does', async () => {
  const broker = await DurableBroker.start({ limits: { queuedMessagesMax: 100 } });
  const subscriber = await broker.durable('s', { properties: { receiveMaximum: 1 } });
  await broker.subscribe(subscriber, 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  for (let id = 1; id <= 100; id++) {
    publisher.post({
      cmd: 'publish',
      topic: 'a',
      payload: `${id}`,
      qos: 1,
      dup: false,
      retain: false,
      messageId: id,
    });
  }
  await broker.settle();
  assert.ok(publisher.transport.isPaused);
  subscriber.isAcknowledging = true;
  for (const { messageId } of subscriber.take('publish')) {
    subscriber.acknowledge('puback', messageId!);
  }
  await broker.settle();

  assert.not.ok(publisher.transport.isPaused);
  assert.is(publisher.take('puback').length, 100);
  assert.is(broker.broker.core.metrics.droppedTotal, 0);
});

test('a burst of QoS 0 through the queue does not leave its publisher paused', async () => {
  const broker = await DurableBroker.start({
    delivery: { queueQos0Messages: true },
    limits: { queuedMessagesMax: 10 },
  });
  const subscriber = await broker.durable('s');
  await broker.subscribe(subscriber, 'a', 1);
  const publisher = await broker.connect({ clientId: 'p' });
  for (let id = 1; id <= 9; id++) {
    const qos = id === 1 ? 1 : 0;
    publisher.post({
      cmd: 'publish',
      topic: 'a',
      payload: `${id}`,
      qos,
      dup: false,
      retain: false,
      messageId: id,
    });
  }
  await broker.settle();

  assert.not.ok(publisher.transport.isPaused);
  assert.equal(subscriber.takePayloads(), ['1', '2', '3', '4', '5', '6', '7', '8', '9']);
});

test('too large for the next connection: QoS 2 that was sent is released', async () => {
  const broker = await DurableBroker.start();
  await broker.subscriber('s', 'a', 2);
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 'a', 'x'.repeat(100), { qos: 2, messageId: 1 });
  await broker.publish(publisher, 'a', 'small', { qos: 2, messageId: 2 });
  const first = await broker.durable('s');
  await broker.settle();
  assert.is(first.take('publish').length, 2);
  first.drop();
  await broker.settle();
  const second = await broker.durable('s', { properties: { maximumPacketSize: 60 } });
  await broker.settle();

  assert.equal(second.takePayloads(), ['small']);
  assert.is(second.takeFirst('pubrel').messageId, 1);
  assert.is(broker.dropped(DropReason.TooLargeForReceiver), 1);
  await broker.crash();
  const third = await broker.durable('s');
  await broker.settle();
  assert.is(third.takeFirst('pubrel').messageId, 1, 'it is known to be released');
  third.acknowledge('pubcomp', 1);
  await broker.settle();
  assert.equal(third.takePayloads(), ['small']);
});

test.run();
