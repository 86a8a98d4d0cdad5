/** Message ordering (section 4.6) and sessions that keep up with many messages. */
import { equal } from '../expect.js';
import * as build from '../raw/build.js';
import type { Packet } from '../raw/packet.js';
import { test } from '../registry.js';

const COUNT = 50;
const numbers = Array.from({ length: COUNT }, (_, at) => `${at}`);
const payloads = (packets: readonly Packet[]) => packets.map((one) => one.payload.toString());

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-4.6.0-5', 'MQTT-4.6.0-6'],
    '5.0': ['MQTT-4.6.0-5', 'MQTT-4.6.0-6'],
  },
  'delivers the messages of a publisher in their order, at each QoS',
  async (t) => {
    for (const qos of [0, 1, 2]) {
      const [publisher, client] = await t.connectAll({}, {});
      await client.subscribe(t.topic(`q${qos}`), qos);
      const bytes = numbers.map((payload, at) => {
        const id = qos === 0 ? {} : { packetId: at + 1 };
        return build.publish(t.version, { topic: t.topic(`q${qos}`), payload, qos, ...id });
      });
      // At most as many at once as the least Receive Maximum in use, 20.
      for (let at = 0; at < COUNT; at += 10) {
        publisher.send(...bytes.slice(at, at + 10));
        for (let id = at + 1; qos > 0 && id <= at + 10; id++) {
          await publisher.expect(qos === 1 ? 'puback' : 'pubrec', id);
        }
        for (let id = at + 1; qos === 2 && id <= at + 10; id++) {
          publisher.send(build.ack(t.version, 'pubrel', id));
          await publisher.expect('pubcomp', id);
        }
      }
      equal(payloads(await client.receiveAll(COUNT)), numbers, 'messages');
    }
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-4.6.0-2', 'MQTT-4.6.0-3'], '5.0': ['MQTT-4.6.0-5'] },
  'acknowledges QoS 1 and QoS 2 publishes in the order in which they came',
  async (t) => {
    const [publisher, watcher] = await t.connectAll({}, {});
    await watcher.subscribe(t.topic('b'), 1);
    for (const qos of [1, 2]) {
      const ids = [7, 3, 65535, 1, 12, 2];
      publisher.send(
        ...ids.map((packetId) => {
          const topic = t.topic(packetId % 2 === 0 ? 'a' : 'b');
          return build.publish(t.version, { topic, payload: 'x', qos, packetId });
        }),
      );
      for (const id of ids) await publisher.expect(qos === 1 ? 'puback' : 'pubrec', id);
      for (const id of qos === 2 ? ids : []) {
        publisher.send(build.ack(t.version, 'pubrel', id));
        await publisher.expect('pubcomp', id);
      }
    }
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-4.6.0-4'], '5.0': ['MQTT-4.3.3-4'] },
  'sends PUBREL in the order of the PUBRECs that it got',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 2);
    const messages: Packet[] = [];
    for (let count = 0; count < 5; count++) {
      await publisher.publish(t.topic(), `${count}`, { qos: 2 });
      messages.push(await client.expect('publish'));
    }
    const order = [3, 0, 4, 1, 2].map((at) => messages[at].packetId);
    client.send(...order.map((id) => build.ack(t.version, 'pubrec', id)));
    for (const id of order) await client.expect('pubrel', id);
    client.send(...order.map((id) => build.ack(t.version, 'pubcomp', id)));
    await client.expectNothing(publisher, 2);
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-4.6.0-6', 'MQTT-4.6.0-1', 'MQTT-3.1.2-5'],
    '5.0': ['MQTT-4.6.0-5', 'MQTT-4.5.0-1'],
  },
  'delivers queued messages in their order, those sent before first',
  async (t) => {
    for (const qos of [1, 2]) {
      const [publisher, client] = await t.connectAll({}, { isDurable: true });
      await client.subscribe(t.topic(`q${qos}`), qos);
      const topic = t.topic(`q${qos}`);
      for (const payload of numbers.slice(0, 5)) await publisher.publish(topic, payload, { qos });
      const first: Packet[] = [];
      while (first.length < 5) first.push(await client.expect('publish'));
      equal(payloads(first), numbers.slice(0, 5), 'messages');
      await client.disconnect();
      for (const payload of numbers.slice(5)) await publisher.publish(topic, payload, { qos });
      const again = await t.connect({ clientId: client.clientId, isDurable: true });
      const received = await again.receiveAll(COUNT);
      equal(payloads(received), numbers, 'messages');
      equal(
        received.map((one) => one.dup),
        numbers.map((_, at) => at < 5),
        'DUP flags',
      );
    }
  },
);
