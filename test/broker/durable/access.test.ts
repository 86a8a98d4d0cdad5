/** Access that changes while messages wait in a store, also beyond the window. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DropReason } from '../../../src/broker/metrics.js';
import type { FakeClient } from '../support/fake-broker.js';
import { DurableBroker } from './support/durable-broker.js';

const test = suite('durable: access');

async function filled(qos: 1 | 2 = 1): Promise<{ broker: DurableBroker; publisher: FakeClient }> {
  const broker = await DurableBroker.start({ limits: { queuedMessagesMax: 0 } });
  await broker.subscriber('s', '#', 2);
  const publisher = await broker.connect({ clientId: 'p' });
  for (let id = 1; id <= 6; id++) {
    const topic = id % 2 === 0 ? 'public' : 'secret';
    await broker.publish(publisher, topic, `${id}`, { qos, messageId: id });
  }
  return { broker, publisher };
}

function forbid(broker: DurableBroker): void {
  broker.access.restrictsRead = true;
  broker.access.mayRead = (_, topic) => topic !== 'secret';
  broker.access.version++;
}

test('what was queued before the rules changed is asked about when it is sent', async () => {
  const { broker } = await filled();
  forbid(broker);
  broker.broker.core.recheckAccess();
  const subscriber = await broker.durable('s');
  await broker.settle();

  assert.equal(subscriber.takePayloads(), ['2', '4', '6']);
  assert.is(broker.dropped(DropReason.NotAuthorized), 3);
});

test('so is what another user resumes, and what a restart with other rules finds', async () => {
  for (const isRestarted of [false, true]) {
    const { broker } = await filled();
    forbid(broker);
    if (isRestarted) await broker.restart();
    const subscriber = await broker.durable('s', { username: 'somebody else' });
    await broker.settle();

    assert.equal(subscriber.takePayloads(), ['2', '4', '6']);
  }
});

test('a change while the client is here counts for what lies beyond the window', async () => {
  const { broker } = await filled();
  broker.store.holdsReads = true;
  const subscriber = await broker.durable('s');
  forbid(broker);
  broker.broker.core.recheckAccess();
  broker.store.releaseReads();
  await broker.settle();

  assert.equal(subscriber.takePayloads(), ['2', '4', '6']);
});

test('a change while a message is on its way to the queue counts for it', async () => {
  const { broker, publisher } = await filled();
  const subscriber = await broker.durable('s');
  subscriber.isAcknowledging = true;
  for (const { messageId } of subscriber.take('publish')) {
    subscriber.acknowledge('puback', messageId!);
  }
  await broker.settle();
  broker.store.isHolding = true;
  await broker.publish(publisher, 'secret', '7', { qos: 1, messageId: 7 });
  forbid(broker);
  broker.broker.core.recheckAccess();
  broker.store.flow();
  await broker.settle();

  assert.equal(subscriber.takePayloads(), []);
  assert.is(publisher.take('puback').length, 7);
});

test('QoS 2 that was sent and may not be read any more is released', async () => {
  const { broker } = await filled(2);
  const first = await broker.durable('s');
  await broker.settle();
  const sent = first.take('publish');
  first.drop();
  await broker.settle();
  forbid(broker);
  const second = await broker.durable('s');
  await broker.settle();

  const secret = sent.filter(({ topic }) => topic === 'secret').map(({ messageId }) => messageId);
  assert.equal(
    second.take('pubrel').map(({ messageId }) => messageId),
    secret,
  );
  assert.equal(second.takePayloads(), ['2', '4', '6']);
  for (const messageId of secret) second.acknowledge('pubcomp', messageId!);
  await broker.settle();
  second.drop();
  await broker.settle();
  await broker.crash();
  const third = await broker.durable('s');
  await broker.settle();
  assert.equal(third.take('pubrel'), []);
  assert.equal(third.takePayloads(), ['2', '4', '6']);
});

test.run();
