/** UNSUBSCRIBE and UNSUBACK (sections 3.10, 3.11). */
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { test } from '../registry.js';

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.10.4-2', 'MQTT-3.10.4-4', 'MQTT-2.3.1-7'],
    '5.0': ['MQTT-3.10.4-1', 'MQTT-3.10.4-2', 'MQTT-3.10.4-4', 'MQTT-3.10.4-5', 'MQTT-2.2.1-6'],
  },
  'answers UNSUBSCRIBE with UNSUBACK of its id, and delivers nothing more',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 1);
    await publisher.publish(t.topic(), 'before', { qos: 1 });
    await client.receive();
    client.send(build.unsubscribe(t.version, { packetId: 4711, filters: [t.topic()] }));
    const unsuback = await client.expect('unsuback', 4711);
    if (t.isV5) equal(unsuback.reasonCodes, [0x00], 'reason codes');
    await publisher.publish(t.topic(), 'after', { qos: 1 });
    await client.expectNothing(publisher, 1);
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.10.4-5'],
    '5.0': ['MQTT-3.10.4-5', 'MQTT-3.11.3-1', 'MQTT-3.11.3-2'],
  },
  'answers UNSUBSCRIBE also when there was no such subscription',
  async (t) => {
    const client = await t.connect();
    await client.subscribe(t.topic('known'), 1);
    const unsuback = await client.unsubscribe(t.topic('x'), t.topic('known'), t.topic('y/#'));
    if (t.isV5) equal(unsuback.reasonCodes, [0x11, 0x00, 0x11], 'reason codes');
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.10.4-6'], '5.0': ['MQTT-3.10.4-6'] },
  'deletes several subscriptions with one UNSUBACK',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    const names = ['a', 'b', 'c'];
    for (const name of names) await client.subscribe(t.topic(name), 1);
    await client.unsubscribe(t.topic('a'), t.topic('c'));
    for (const name of names) await publisher.publish(t.topic(name), name, { qos: 1 });
    equal((await client.receive()).payload.toString(), 'b', 'payload');
    await client.expectNothing(publisher, 1);
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.10.4-1'], '5.0': ['MQTT-3.10.4-1'] },
  'compares filters in UNSUBSCRIBE character by character',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    const filters = ['a/b', 'a/+', 'a/#', 'A/b'];
    await client.subscribe(
      filters.map((filter) => ({ filter: t.topic(filter), qos: 1 })),
      1,
    );
    const deliveries = async () => {
      await publisher.publish(t.topic('a/b'), 'x', { qos: 1 });
      return (await client.fence(publisher, 0)).length;
    };
    await client.unsubscribe(t.topic('a/+/'), t.topic('+/b'), t.topic('a'), t.topic('#'));
    ok((await deliveries()) > 0, 'a delivery', 'none');
    await client.unsubscribe(t.topic('a/+'));
    ok((await deliveries()) > 0, 'a delivery for a/b and a/#', 'none');
    await client.unsubscribe(t.topic('a/b'));
    ok((await deliveries()) > 0, 'a delivery for a/#', 'none');
    await client.unsubscribe(t.topic('a/#'));
    equal(await deliveries(), 0, 'deliveries');
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.10.4-3'], '5.0': ['MQTT-3.10.4-3'] },
  'completes after UNSUBSCRIBE the deliveries that have begun, also on the next connection',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, { isDurable: true });
    await client.subscribe(t.topic(), 2);
    await publisher.publish(t.topic(), '1', { qos: 1 });
    await publisher.publish(t.topic(), '2', { qos: 2 });
    await publisher.publish(t.topic(), '2 too', { qos: 2 });
    const [, two] = [await client.take('publish'), await client.take('publish')];
    await client.take('publish');
    await client.unsubscribe(t.topic());
    client.send(build.ack(t.version, 'pubrec', two.packetId));
    await client.take('pubrel', two.packetId);
    client.send(build.ack(t.version, 'pubcomp', two.packetId));
    await client.ping();
    await client.settle();
    client.cut();
    const again = await t.connect({ clientId: client.clientId, isDurable: true });
    const resent = await again.receiveAll(2);
    equal(
      resent.map((one) => one.payload.toString()),
      ['1', '2 too'],
      'resent messages',
    );
    await publisher.publish(t.topic(), 'late', { qos: 1 });
    await again.expectNothing(publisher, 1);
  },
);
