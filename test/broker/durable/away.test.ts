/** The store is away: what is refused, what waits, what goes on, and that it is bounded (P7). */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ITEM_BYTES } from '../../../src/broker/journal.js';
import { GONE_MS } from '../../../src/broker/keep-alive.js';
import { DropReason } from '../../../src/broker/metrics.js';
import { defaultLimits } from '../../../src/config/limits.js';
import type { FakeClient } from '../support/fake-broker.js';
import { DurableBroker, FOREVER } from './support/durable-broker.js';

const limits = defaultLimits();

const test = suite('durable: store away');

const MEGABYTE = ''.padEnd(1024 * 1024, '.');

function post(client: FakeClient, topic: string, payload: string, messageId: number): void {
  client.post({ cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false, messageId });
}

test('CONNECT of a durable session is refused with 0x88, of MQTT 3.1.1 with 3', async () => {
  const broker = await DurableBroker.start();
  broker.store.goAway();
  const v5 = await broker.request({ clientId: 'a', clean: false, properties: FOREVER });
  assert.is(v5.takeFirst('connack').reasonCode, 0x88);
  const anew = await broker.request({ clientId: 'a', clean: true, properties: FOREVER });
  assert.is(anew.takeFirst('connack').reasonCode, 0x88);
  const v4 = await broker.request({ clientId: 'b', clean: false, version: 4 });
  assert.is(v4.takeFirst('connack').returnCode, 3);
  for (const client of [v5, anew, v4]) assert.not.ok(client.isOpen);
  assert.is(broker.broker.core.sessions.size, 0);
  assert.is(broker.broker.core.sessions.claims!.size, 0);
});

test('a transient client comes in, and is served', async () => {
  const broker = await DurableBroker.start();
  await broker.subscriber('s', 'other');
  broker.store.goAway();
  const one = await broker.connect({ clientId: 'one' });
  const two = await broker.connect({ clientId: 'two', version: 4 });
  await broker.subscribe(one, 'a', 2);
  await broker.publish(two, 'a', 'x', { qos: 1, messageId: 1 });
  await broker.publish(two, 'a', 'y');

  assert.equal(one.takePayloads(), ['x', 'y']);
  assert.is(two.take('puback').length, 1);
  // One that had a durable session has none any more when the store is back.
  const was = await broker.connect({ clientId: 's', clean: true });
  assert.is(was.connack.sessionPresent, false);
  broker.store.comeBack();
  await broker.settle();
  assert.is(broker.store.figures().sessions, 0);
});

test('connections stay, and all goes on when the store returns', async () => {
  const broker = await DurableBroker.start();
  const subscriber = await broker.durable('s');
  await broker.subscribe(subscriber, 'a', 2);
  const publisher = await broker.durable('p');
  broker.store.goAway();
  await broker.publish(publisher, 'a', '1', { qos: 1, messageId: 1 });
  await broker.publish(publisher, 'a', '2', { qos: 2, messageId: 2 });
  await broker.publish(publisher, 'a', '0', { qos: 0 });
  await broker.advance(60_000);
  assert.equal(subscriber.takePayloads(), ['0']);
  assert.equal(publisher.take(), []);
  assert.ok(subscriber.isOpen && publisher.isOpen);
  broker.store.comeBack();
  await broker.settle();

  assert.equal(subscriber.takePayloads(), ['1', '2']);
  assert.equal(
    publisher.take().map(({ cmd }) => cmd),
    ['puback', 'pubrec'],
  );
});

test('publishers of durable sessions are paused when too much waits, and then go on', async () => {
  const broker = await DurableBroker.start();
  await broker.subscriber('s', 'a');
  const publisher = await broker.connect({ clientId: 'p', keepalive: 10 });
  const other = await broker.connect({ clientId: 'o' });
  broker.store.goAway();
  for (let id = 1; id <= 40; id++) post(publisher, 'a', MEGABYTE, id);
  await broker.settle();
  const { journal } = broker.broker.core;
  assert.ok(publisher.transport.isPaused);
  assert.ok(journal!.pendingBytes >= limits.storePendingBytesMax);
  assert.ok(journal!.pendingBytes < limits.storePendingBytesMax + 2 * MEGABYTE.length);
  await broker.publish(other, 'b', 'x', { qos: 1, messageId: 1 });
  assert.is(other.take('puback').length, 1, 'whoever does not add to it is not paused');
  await broker.advance(3600_000);
  assert.ok(publisher.isOpen, 'its silence is ours');
  broker.store.comeBack();
  await broker.settle();

  assert.not.ok(publisher.transport.isPaused);
  assert.is(publisher.take('puback').length, 40);
  assert.is(journal!.pendingBytes, 0);
});

test('a paused publisher that leaves is not kept', async () => {
  const broker = await DurableBroker.start();
  await broker.subscriber('s', 'a');
  broker.store.goAway();
  const publisher = await broker.connect({ clientId: 'p' });
  for (let id = 1; id <= 20; id++) post(publisher, 'a', MEGABYTE, id);
  await broker.settle();
  const { deadlines } = broker.broker.core;
  assert.is(deadlines.size, 2, 'of the pause, which has no end, and of its late claim');
  publisher.drop();
  // What it sent before it left is heard for so long.
  await broker.advance(GONE_MS);

  assert.is(deadlines.size, 0);
  broker.store.comeBack();
  await broker.settle();
  assert.is(broker.store.figures().messages, 16);
});

test('however many come and publish, what waits is bounded', async () => {
  const broker = await DurableBroker.start();
  await broker.subscriber('s', 'a');
  broker.store.goAway();
  const { journal } = broker.broker.core;
  let told = 0;
  for (let index = 0; index < 100; index++) {
    const publisher = await broker.connect({ clientId: `p${index}` });
    post(publisher, 'a', MEGABYTE, 1);
    await broker.settle();
    const farewell = publisher.take('disconnect');
    if (farewell.length > 0) {
      assert.is(farewell[0]!.reasonCode, 0x89);
      told++;
    } else {
      publisher.drop();
    }
  }
  assert.ok(told > 30);
  assert.is(broker.broker.core.metrics.publishersRefused, told);
  assert.ok(journal!.pendingBytes < limits.storeOverloadBytes + 2 * MEGABYTE.length);
  // What nobody can be told about is dropped and counted: a will, the broker's own messages.
  broker.broker.core.publish('a', Buffer.from('own'), { qos: 1, retain: false });
  assert.equal(broker.drops, [['queue_full', 's', 'a']]);
  broker.broker.core.publish('a', Buffer.from('own'), { qos: 0, retain: true });
  assert.is(broker.dropped(DropReason.RetainedFull), 1);
  broker.store.comeBack();
  await broker.settle();
  assert.is(journal!.pendingBytes, 0);
});

test('retained messages of QoS 0 pause their publisher as well', async () => {
  const broker = await DurableBroker.start();
  const publisher = await broker.connect({ clientId: 'p' });
  broker.store.goAway();
  for (let n = 0; n < 20; n++) {
    publisher.post({
      cmd: 'publish',
      topic: `t/${n}`,
      payload: MEGABYTE,
      qos: 0,
      dup: false,
      retain: true,
    });
  }
  await broker.settle();
  assert.ok(publisher.transport.isPaused);
  broker.store.comeBack();
  await broker.settle();
  assert.not.ok(publisher.transport.isPaused);
  assert.is(broker.store.figures().retained, 20);
});

test('SUBSCRIBE, UNSUBSCRIBE and PUBREL that nobody waits for pause their client', async () => {
  const broker = await DurableBroker.start();
  const client = await broker.durable('s');
  broker.store.goAway();
  const rounds = limits.storePendingBytesMax / ITEM_BYTES / 2;
  let paused = 0;
  for (let round = 0; round < rounds && paused === 0; round += 1_000) {
    for (let n = 0; n < 1_000; n++) {
      client.post({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1 }] });
      client.post({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a'] });
    }
    await broker.settle();
    if (client.transport.isPaused) paused = round;
  }
  assert.ok(paused > 0, 'it is paused');
  broker.store.comeBack();
  await broker.settle();

  assert.not.ok(client.transport.isPaused);
  assert.is(broker.broker.core.journal!.pendingBytes, 0);
});

test('acknowledgements that wait behind one that is not safe are bounded', async () => {
  const broker = await DurableBroker.start();
  await broker.subscriber('s', 'durable');
  const publisher = await broker.connect({ clientId: 'p', version: 4 });
  broker.store.goAway();
  post(publisher, 'durable', 'x', 1);
  const total = limits.acknowledgementsWaitingMax + 5_000;
  for (let n = 2; n <= total; n++) post(publisher, 'nobody', 'y', n % 65_535 || 1);
  await broker.settle();
  assert.ok(publisher.transport.isPaused);
  broker.store.comeBack();
  await broker.settle();

  assert.not.ok(publisher.transport.isPaused);
  assert.is(publisher.take('puback').length, total);
});

test('the bounds are those of the configuration, before and after a reload', async () => {
  const own = defaultLimits({
    storePendingBytesMax: 65_536,
    storeOverloadBytes: 131_072,
    acknowledgementsWaitingMax: 16,
  });
  const broker = await DurableBroker.start({ limits: own });
  const { core } = broker.broker;
  await broker.subscriber('s', 'a');
  broker.store.goAway();
  const first = await broker.connect({ clientId: 'first' });
  post(first, 'a', 'x'.repeat(70_000), 1);
  await broker.settle();
  assert.ok(first.transport.isPaused);
  assert.is(core.metrics.publishersPaused, 1);
  const second = await broker.connect({ clientId: 'second' });
  post(second, 'a', 'x'.repeat(70_000), 1);
  await broker.settle();
  const third = await broker.connect({ clientId: 'third' });
  post(third, 'a', 'x', 1);
  await broker.settle();
  assert.is(third.takeFirst('disconnect').reasonCode, 0x89);
  assert.is(core.metrics.publishersRefused, 1);

  core.limits = defaultLimits({ acknowledgementsWaitingMax: 16 });
  const fourth = await broker.connect({ clientId: 'fourth' });
  post(fourth, 'a', 'x', 1);
  for (let id = 2; id <= 15; id++) post(fourth, 'nobody', 'y', id);
  await broker.settle();
  assert.not.ok(fourth.transport.isPaused);
  post(fourth, 'nobody', 'y', 16);
  await broker.settle();
  assert.ok(fourth.transport.isPaused);
  broker.store.comeBack();
  await broker.settle();
  assert.is(fourth.take('puback').length, 16);
});

test('a stop while a claim and writes are pending ends quietly', async () => {
  const broker = await DurableBroker.start();
  const client = await broker.durable('s');
  await broker.subscribe(client, 'a');
  broker.store.isHolding = true;
  const claiming = await broker.request({ clientId: 'c', clean: false, properties: FOREVER });
  const { core } = broker.broker;
  core.shutdown(0x8b);
  core.journal!.close();
  const writes = broker.store.writes.length;
  broker.store.flow();
  await broker.settle();
  core.publish('a', Buffer.from('late'), { qos: 1, retain: false });
  await broker.settle();

  assert.not.ok(claiming.isOpen);
  assert.is(broker.store.writes.length, writes, 'nothing is written after the end');
});

test.run();
