/** Messages that the store gives up for newer ones while they are on their way to the client. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DropReason } from '../../../src/broker/metrics.js';
import type { FakeClient } from '../support/fake-broker.js';
import { DurableBroker } from './support/durable-broker.js';

const test = suite('durable: gave way');

/** Five messages went out just as the store, full, gave them up for newer ones. */
async function overtaken(): Promise<{
  broker: DurableBroker;
  client: FakeClient;
  publish: (count: number, bytes: number) => Promise<void>;
}> {
  const broker = await DurableBroker.start({
    delivery: { queueFullPolicy: 'drop_oldest' },
    limits: { queuedMessagesMax: 0, queuedBytesMax: 100, inflightMessagesMax: 5 },
  });
  const client = await broker.durable('s');
  await broker.subscribe(client, 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  const publish = async (count: number, bytes: number): Promise<void> => {
    const payload = 'x'.repeat(bytes);
    for (let id = 1; id <= count; id++) publisher.publish('a', payload, { qos: 1, messageId: id });
    await broker.settle();
  };
  await publish(10, 10);
  broker.store.isHolding = true;
  await publish(5, 10);
  for (const { messageId } of client.take('publish')) client.acknowledge('puback', messageId!);
  await broker.settle();
  return { broker, client, publish };
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

test.run();
