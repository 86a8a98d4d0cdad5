/** SUBSCRIBE and SUBACK (sections 3.8, 3.9). */
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { describe, describeAll } from '../raw/packet.js';
import { test } from '../registry.js';

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.8.4-1', 'MQTT-3.8.4-2', 'MQTT-2.3.1-7'],
    '5.0': ['MQTT-3.8.4-1', 'MQTT-3.8.4-2', 'MQTT-2.2.1-6'],
  },
  'answers each SUBSCRIBE and UNSUBSCRIBE by its id, with several outstanding',
  async (t) => {
    const client = await t.connect();
    const subscribe = (packetId: number) =>
      build.subscribe(t.version, { packetId, filters: [{ filter: t.topic(`${packetId}`) }] });
    const filters = [t.topic('300')];
    client.send(
      subscribe(300),
      subscribe(7),
      build.unsubscribe(t.version, { packetId: 65535, filters }),
      subscribe(1),
    );
    for (const packetId of [300, 7, 1]) await client.take('suback', packetId);
    await client.take('unsuback', 65535);
    equal(client.packets.length, 0, 'packets left');
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.8.4-4', 'MQTT-3.8.4-5', 'MQTT-3.9.3-1', 'MQTT-3.8.3-2'],
    '5.0': ['MQTT-3.8.4-5', 'MQTT-3.8.4-6', 'MQTT-3.8.4-7', 'MQTT-3.9.3-1'],
  },
  'answers several filters with one SUBACK: a code per filter in their order',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await t.retain(publisher, t.topic('a'), 'retained a');
    await t.retain(publisher, t.topic('b/c'), 'retained b');
    const filters = [
      { filter: t.topic('a'), qos: 2 },
      { filter: t.topic('b/+'), qos: 0 },
      { filter: t.topic('c/#'), qos: 1 },
      { filter: t.topic('d'), qos: 2 },
    ];
    const suback = await client.subscribe(filters);
    equal(suback.reasonCodes, [2, 0, 1, 2], 'codes');
    const retained = await client.receiveAll(2);
    const expected = ['retained a', 'retained b'];
    equal(retained.map((one) => one.payload.toString()).toSorted(), expected, 'retained messages');
    for (const name of ['a', 'b/x', 'c/x/y', 'd']) {
      await publisher.publish(t.topic(name), name, { qos: 1 });
      equal((await client.receive()).payload.toString(), name, 'payload');
    }
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.8.4-5'], '5.0': ['MQTT-3.8.4-6'] },
  'answers a filter that stands twice in a SUBSCRIBE with two codes; the last one counts',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    const filter = t.topic();
    const suback = await client.subscribe([
      { filter, qos: 2 },
      { filter, qos: 0 },
    ]);
    equal(suback.reasonCodes, [2, 0], 'codes');
    await publisher.publish(filter, 'x', { qos: 1 });
    equal((await client.receive()).qos, 0, 'QoS');
    await client.expectNothing(publisher, 0);
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.8.4-6', 'MQTT-3.8.4-5'],
    '5.0': ['MQTT-3.8.4-8', 'MQTT-3.8.4-7'],
  },
  'delivers at the lower of published and granted QoS, for all nine pairs',
  async (t) => {
    const publisher = await t.connect();
    for (const granted of [0, 1, 2]) {
      const client = await t.connect();
      const suback = await client.subscribe(t.topic(), granted);
      equal(suback.reasonCodes, [granted], 'codes');
      for (const published of [0, 1, 2]) {
        await publisher.publish(t.topic(), 'x', { qos: published });
        const message = await client.receive();
        equal(message.qos, Math.min(published, granted), `QoS of ${published} at ${granted}:`);
      }
      await client.expectNothing(publisher, 0);
    }
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.8.4-3'],
    '5.0': ['MQTT-3.8.4-3', 'MQTT-3.8.4-4'],
  },
  'replaces a subscription by one with the same filter: new QoS, one copy, retained again',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await t.retain(publisher, t.topic(), 'retained');
    await client.subscribe(t.topic(), 0);
    equal((await client.receive()).qos, 0, 'QoS of the retained message');
    await client.subscribe(t.topic(), 2);
    const again = await client.receive();
    ok(again.retain && again.qos === 1, 'the retained message at QoS 1', describe(again));
    await publisher.publish(t.topic(), 'live', { qos: 2 });
    const live = await client.receive();
    equal([live.payload.toString(), live.qos], ['live', 2], 'message');
    await client.expectNothing(publisher, 2);
    await client.subscribe(t.topic(), 0);
    equal((await client.receive()).qos, 0, 'QoS of the retained message');
    await publisher.publish(t.topic(), 'live', { qos: 2 });
    equal((await client.receive()).qos, 0, 'QoS');
    await client.expectNothing(publisher, 0);
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.8.4-3'], '5.0': ['MQTT-3.8.4-4'] },
  'loses no message while a subscription is replaced under a steady publisher',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 1);
    const count = 60;
    const publishing = (async () => {
      for (let at = 0; at < count; at++) await publisher.publish(t.topic(), `${at}`, { qos: 1 });
    })();
    for (let turn = 0; turn < 10; turn++) await client.subscribe(t.topic(), 1 + (turn % 2));
    const received = await client.receiveAll(count);
    await publishing;
    const expected = Array.from({ length: count }, (_, at) => `${at}`);
    equal(
      received.map((one) => one.payload.toString()),
      expected,
      'messages',
    );
    await client.expectNothing(publisher, 1);
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.3.5-1'], '5.0': ['MQTT-3.3.4-2'] },
  'delivers to overlapping subscriptions at the highest of their QoS',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    const filters = [
      { filter: t.topic('a/+'), qos: 0 },
      { filter: t.topic('a/b'), qos: 2 },
      { filter: t.topic('a/#'), qos: 1 },
    ];
    await client.subscribe(filters);
    for (const published of [2, 1]) {
      await publisher.publish(t.topic('a/b'), 'x', { qos: published });
      // One merged copy or one per subscription: both are allowed.
      const first = await client.take('publish');
      const others = await client.fence(publisher, 2);
      const all = [first, ...others.filter((one) => one.type === 'publish')];
      const qos = all.map((one) => one.qos).toSorted();
      ok(all.length <= filters.length, 'at most one copy per subscription', describeAll(all));
      equal(qos.at(-1), published, 'highest QoS');
      for (const one of all) await client.acknowledge(one);
    }
  },
);

test(
  { '3.1.1': ['MQTT-3.8.4-1', 'MQTT-3.8.4-5', 'MQTT-3.9.3-1'], '5.0': ['MQTT-3.8.4-7'] },
  'answers a filter that the client may not use with a failure, or lets nothing through it',
  async (t) => {
    const credentials = t.broker.credentials;
    const [publisher, client] = await t.connectAll(credentials, credentials);
    const filters = [
      { filter: t.topic('a'), qos: 1 },
      { filter: `forbidden/${t.topic()}`, qos: 1 },
      { filter: t.topic('b'), qos: 2 },
    ];
    const packetId = client.nextPacketId();
    client.send(build.subscribe(t.version, { packetId, filters }));
    const { reasonCodes } = await client.take('suback', packetId);
    equal([reasonCodes.length, reasonCodes[0], reasonCodes[2]], [3, 1, 2], 'codes');
    const allowed = t.isV5 ? [0x01, 0x80, 0x87] : [0x01, 0x80];
    ok(allowed.includes(reasonCodes[1]), 'a grant or a failure', describeAll([]));
    await publisher.publish(`forbidden/${t.topic()}`, 'secret');
    await client.expectNothing(publisher, 1);
  },
  { profile: 'access' },
);
