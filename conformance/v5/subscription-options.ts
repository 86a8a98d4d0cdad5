/** Subscription options and identifiers (sections 3.3.1.3, 3.8.2, 3.8.3.1, 3.3.4). */
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { describeAll, type Packet } from '../raw/packet.js';
import { propertyBytes } from '../raw/properties.js';
import { test } from '../registry.js';

test(
  { '5.0': ['MQTT-3.3.1-9', 'MQTT-3.8.4-4'] },
  'sends retained messages at each SUBSCRIBE with Retain Handling 0',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await t.retain(publisher, t.topic(), 'kept');
    for (let turn = 0; turn < 2; turn++) {
      await client.subscribe([{ filter: t.topic(), qos: 1, retainHandling: 0 }]);
      const message = await client.receive();
      ok(message.retain, 'RETAIN 1', describeAll([message]));
    }
    await client.expectNothing(publisher, 1);
  },
);

test(
  { '5.0': ['MQTT-3.3.1-10'] },
  'sends retained messages with Retain Handling 1 only when the subscription is new',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await t.retain(publisher, t.topic(), 'kept');
    const subscribe = (qos: number) =>
      client.subscribe([{ filter: t.topic(), qos, retainHandling: 1 }]);
    await subscribe(1);
    equal((await client.receive()).payload.toString(), 'kept', 'payload');
    await subscribe(1);
    await subscribe(2);
    await client.expectNothing(publisher, 1);
    await client.unsubscribe(t.topic());
    await subscribe(1);
    equal((await client.receive()).payload.toString(), 'kept', 'payload');
  },
);

test(
  { '5.0': ['MQTT-3.3.1-11'] },
  'sends no retained messages with Retain Handling 2, but live ones',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await t.retain(publisher, t.topic(), 'kept');
    await client.subscribe([{ filter: t.topic(), qos: 1, retainHandling: 2 }]);
    await client.expectNothing(publisher, 1);
    await publisher.publish(t.topic(), 'live', { qos: 1 });
    equal((await client.receive()).payload.toString(), 'live', 'payload');
  },
);

test(
  { '5.0': ['MQTT-3.3.1-12', 'MQTT-3.3.1-13'] },
  'keeps the RETAIN flag with Retain As Published 1, and clears it with 0',
  async (t) => {
    const [publisher, asPublished, cleared] = await t.connectAll({}, {}, {});
    await asPublished.subscribe([{ filter: t.topic(), qos: 1, retainAsPublished: true }]);
    await cleared.subscribe([{ filter: t.topic(), qos: 1 }]);
    t.willRetain(t.topic());
    for (const retain of [true, false, true]) {
      await publisher.publish(t.topic(), 'x', { qos: 1, retain });
      equal((await asPublished.receive()).retain, retain, 'RETAIN as published:');
      equal((await cleared.receive()).retain, false, 'RETAIN cleared:');
    }
  },
);

test(
  { '5.0': ['MQTT-3.8.3-3'] },
  'does not send a client its own messages with No Local, those of others it does',
  async (t) => {
    const [client, other] = await t.connectAll({ isDurable: true }, {});
    await client.subscribe([
      { filter: t.topic('no-local'), qos: 1, noLocal: true },
      { filter: t.topic('local'), qos: 1 },
    ]);
    await client.publish(t.topic('no-local'), 'own', { qos: 1 });
    await client.publish(t.topic('local'), 'own', { qos: 1 });
    equal((await client.receive()).topic, t.topic('local'), 'topic');
    await other.publish(t.topic('no-local'), 'other', { qos: 1 });
    equal((await client.receive()).payload.toString(), 'other', 'payload');
    await client.expectNothing(other, 1);
    await client.disconnect();
    // Also on the next connection of that client id.
    const again = await t.connect({ clientId: client.clientId, isDurable: true });
    await again.publish(t.topic('no-local'), 'own again', { qos: 1 });
    await again.expectNothing(other, 1);
  },
);

test({ '5.0': ['MQTT-3.8.3-4'] }, 'closes at No Local on a shared subscription', async (t) => {
  const client = await t.connect();
  const filters = [{ filter: `$share/${t.clientId()}/${t.topic()}`, noLocal: true }];
  client.send(build.subscribe(5, { packetId: 1, filters }));
  await client.expectClosed({ codes: [0x81, 0x82] });
});

test(
  { '5.0': ['MQTT-3.8.4-3'] },
  'replaces options and identifier of a subscription with the same filter',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    const filter = t.topic();
    await client.subscribe([{ filter, qos: 1, retainAsPublished: true, noLocal: true }], 0, {
      properties: { subscriptionIdentifiers: [5] },
    });
    await client.subscribe([{ filter, qos: 2 }], 0, {
      properties: { subscriptionIdentifiers: [268_435_455] },
    });
    t.willRetain(filter);
    await publisher.publish(filter, 'x', { qos: 2, retain: true });
    const message = await client.receive();
    equal([message.qos, message.retain], [2, false], 'QoS and RETAIN');
    equal(message.properties.subscriptionIdentifiers, [268_435_455], 'identifiers');
    await client.publish(filter, 'own', { qos: 1 });
    equal((await client.receive()).payload.toString(), 'own', 'payload');
    await client.subscribe([{ filter, qos: 0, retainHandling: 2 }]);
    await publisher.publish(filter, 'x', { qos: 2 });
    const last = await client.receive();
    equal(
      [last.qos, last.properties.subscriptionIdentifiers],
      [0, undefined],
      'QoS and identifiers',
    );
    await client.expectNothing(publisher, 0);
  },
);

const identifiersOf = (packets: readonly Packet[]) =>
  packets.flatMap((one) => one.properties.subscriptionIdentifiers ?? []).toSorted((a, b) => a - b);

test(
  { '5.0': ['MQTT-3.3.4-3', 'MQTT-3.3.4-4', 'MQTT-3.3.4-5'] },
  'sends the identifiers of all matching subscriptions, in one copy or one in each',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    const subscriptions: readonly (readonly [string, number])[] = [
      ['a/b', 1],
      ['a/+', 128],
      ['a/#', 128],
      ['+/b', 20_000],
      ['c/#', 7],
    ];
    for (const [name, identifier] of subscriptions) {
      await client.subscribe(t.topic(name), 1, {
        properties: { subscriptionIdentifiers: [identifier] },
      });
    }
    await client.subscribe(t.topic('a/b/#'), 1);
    await publisher.publish(t.topic('a/b'), 'x', { qos: 1 });
    const copies = await client.fence(publisher, 0);
    equal(identifiersOf(copies), [1, 128, 128, 20_000], 'identifiers of all copies');
    const isMerged = copies.length === 1;
    ok(
      isMerged || copies.every((one) => identifiersOf([one]).length <= 1),
      'one copy, or at most one identifier in each',
      describeAll(copies),
    );
  },
);

test(
  { '5.0': ['MQTT-3.3.4-3'] },
  'sends the Subscription Identifier with queued and retained messages',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, { isDurable: true });
    await t.retain(publisher, t.topic(), 'kept');
    await client.subscribe(t.topic(), 1, { properties: { subscriptionIdentifiers: [42] } });
    equal((await client.receive()).properties.subscriptionIdentifiers, [42], 'identifiers');
    await client.disconnect();
    await publisher.publish(t.topic(), 'queued', { qos: 1 });
    const again = await t.connect({ clientId: client.clientId, isDurable: true });
    equal((await again.receive()).properties.subscriptionIdentifiers, [42], 'identifiers');
  },
);

test(
  { '5.0': ['MQTT-4.13.1-1'] },
  'closes at a wrong Subscription Identifier, or a wrong property, in SUBSCRIBE',
  async (t) => {
    const two = propertyBytes({ subscriptionIdentifiers: [1, 2] });
    const cases: readonly (readonly [string, Buffer])[] = [
      ['identifier 0', propertyBytes({ subscriptionIdentifiers: [0] })],
      ['two identifiers', two],
      ['Reason String', propertyBytes({ reasonString: 'x' })],
      ['property 0x7f', Buffer.of(0x7f)],
    ];
    for (const [what, properties] of cases) {
      const client = await t.connect();
      const filters = [{ filter: t.topic() }];
      client.send(build.subscribe(5, { packetId: 1, filters, properties }));
      try {
        await client.expectClosed({ codes: [0x81, 0x82] });
      } catch (error) {
        if (error instanceof Error) error.message = `${what}: ${error.message}`;
        throw error;
      }
    }
  },
);
