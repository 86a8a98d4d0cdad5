/** What shows that SIGHUP has changed a limit of what waits for a durable store: by key. */
import * as assert from 'uvu/assert';
import { DurableBroker } from '../broker/durable/support/durable-broker.js';
import type { FakeClient } from '../broker/support/fake-broker.js';
import { reload } from './core-keys.js';

const KIB = 1024;

/** A broker with a subscriber of `a` at QoS 1 that is offline, and with a publisher. */
async function scene(): Promise<{ broker: DurableBroker; publisher: FakeClient }> {
  const broker = await DurableBroker.start();
  await broker.subscriber('s', 'a');
  return { broker, publisher: await broker.connect({ clientId: 'p' }) };
}

/** Publishes at QoS 1; whoever is not read may be sent it all the same. */
async function post(
  broker: DurableBroker,
  client: FakeClient,
  messageId: number,
  payload = 'x',
): Promise<void> {
  client.post({
    ...{ cmd: 'publish', topic: 'a', payload, qos: 1, dup: false, retain: false },
    messageId,
  });
  await broker.settle();
}

/** A subscriber that is here, is sent one message at a time, and has `count` in its queue. */
async function filled(count: number): Promise<{ broker: DurableBroker; client: FakeClient }> {
  const { broker, publisher } = await scene();
  for (let id = 1; id <= count; id++) await post(broker, publisher, id, 'x'.repeat(100));
  const client = await broker.durable('s', { properties: { receiveMaximum: 1 } });
  await broker.settle();
  return { broker, client };
}

export const storeKeys: Readonly<Record<string, () => Promise<void>>> = {
  max_store_pending_bytes: async () => {
    const { broker, publisher } = await scene();
    broker.store.goAway();
    await post(broker, publisher, 1, 'x'.repeat(64 * KIB));
    assert.not.ok(publisher.transport.isPaused);
    reload(broker.broker, { limits: { storePendingBytesMax: 64 * KIB } });
    await post(broker, publisher, 2);
    assert.ok(publisher.transport.isPaused);
  },
  store_overload_bytes: async () => {
    const { broker, publisher } = await scene();
    broker.store.goAway();
    await post(broker, publisher, 1, 'x'.repeat(64 * KIB));
    await post(broker, publisher, 2);
    assert.ok(publisher.isOpen);
    reload(broker.broker, { limits: { storeOverloadBytes: 64 * KIB } });
    await post(broker, publisher, 3);
    assert.is(publisher.takeFirst('disconnect').reasonCode, 0x89);
  },
  max_waiting_acknowledgements: async () => {
    const { broker, publisher } = await scene();
    broker.store.goAway();
    for (let id = 1; id <= 20; id++) await post(broker, publisher, id);
    assert.not.ok(publisher.transport.isPaused);
    reload(broker.broker, { limits: { acknowledgementsWaitingMax: 16 } });
    await post(broker, publisher, 21);
    assert.ok(publisher.transport.isPaused);
  },
  max_window_messages: async () => {
    const broker = await DurableBroker.start();
    const client = await broker.durable('s', { properties: { receiveMaximum: 1 } });
    await broker.subscribe(client, 'a');
    const publisher = await broker.connect({ clientId: 'p' });
    for (let id = 1; id <= 5; id++) await post(broker, publisher, id);
    const { window } = broker.stored('s');
    assert.is(window!.queued, 4);
    reload(broker.broker, { limits: { windowMessagesMax: 4 } });
    await post(broker, publisher, 6);
    assert.is(window!.queued, 4);
  },
  max_window_bytes: async () => {
    const { broker, client } = await filled(10);
    assert.is(broker.stored('s').window!.queued, 9);
    client.drop();
    await broker.settle();
    reload(broker.broker, { limits: { windowBytesMax: 300 } });
    await broker.durable('s', { properties: { receiveMaximum: 1 } });
    await broker.settle();
    assert.ok(broker.stored('s').window!.queued < 5);
  },
  max_unsettled_messages: async () => {
    const { broker, client } = await filled(150);
    const sent = async (): Promise<number> => {
      for (let count = 0; ; count++) {
        const [packet] = client.take('publish');
        if (packet === undefined) return count;
        client.acknowledge('puback', packet.messageId!);
        await broker.settle();
      }
    };
    reload(broker.broker, { limits: { unsettledMessagesMax: 64 } });
    broker.store.isHolding = true;
    assert.is(await sent(), 64);
    broker.store.flow();
    await broker.settle();
    assert.is(await sent(), 86);
  },
};
