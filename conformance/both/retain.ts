/** Retained messages (section 3.3.1.3). */
import { equal, ok } from '../expect.js';
import { describe } from '../raw/packet.js';
import { test } from '../registry.js';

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.3.1-5', 'MQTT-3.3.1-8', 'MQTT-3.3.1-6'],
    '5.0': ['MQTT-3.3.1-5', 'MQTT-3.3.1-9'],
  },
  'sends a later subscriber the latest retained message, with RETAIN 1, at the lower QoS',
  async (t) => {
    const publisher = await t.connect();
    for (const stored of [0, 1, 2]) {
      const topic = t.topic(`q${stored}`);
      await t.retain(publisher, topic, 'old', stored);
      await t.retain(publisher, topic, 'new', stored);
      for (const granted of [0, 1, 2]) {
        const client = await t.connect();
        await client.subscribe(topic, granted);
        const message = await client.receive();
        equal(message.payload.toString(), 'new', 'payload');
        equal(message.qos, Math.min(stored, granted), 'QoS');
        ok(message.retain && !message.dup, 'RETAIN 1, DUP 0', describe(message));
        await client.expectNothing(publisher, granted);
      }
    }
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.3.1-6'], '5.0': ['MQTT-3.3.1-9'] },
  'sends one retained message for each topic name that a wildcard filter matches',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    const names = ['a/1', 'a/2', 'a', 'a/b/c', 'b/1'];
    for (const name of names) await t.retain(publisher, t.topic(name), name);
    await client.subscribe(t.topic('a/+'), 1);
    const two = await client.receiveAll(2);
    equal(two.map((one) => one.payload.toString()).toSorted(), ['a/1', 'a/2'], 'messages');
    await client.expectNothing(publisher, 1);
    const other = await t.connect();
    await other.subscribe(t.topic('a/#'), 1);
    const four = await other.receiveAll(4);
    const expected = ['a', 'a/1', 'a/2', 'a/b/c'];
    equal(four.map((one) => one.payload.toString()).toSorted(), expected, 'messages');
    await other.expectNothing(publisher, 1);
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.3.1-7'], '5.0': ['MQTT-3.3.1-5'] },
  'forgets a retained message when a QoS 0 one follows',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await t.retain(publisher, t.topic(), 'old', 1);
    await t.retain(publisher, t.topic(), 'new', 0);
    await client.subscribe(t.topic(), 1);
    const messages = await client.fence(publisher, 0);
    // Keeping the new one is allowed, and so is dropping it.
    ok(
      messages.every((one) => one.payload.toString() === 'new'),
      'the new message or none',
      messages.map(describe).join(', '),
    );
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.3.1-9'], '5.0': ['MQTT-3.3.1-12'] },
  'delivers a retained publish to those already subscribed with RETAIN 0',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 1);
    await t.retain(publisher, t.topic(), 'live');
    const message = await client.receive();
    ok(!message.retain, 'RETAIN 0', describe(message));
    await client.expectNothing(publisher, 1);
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.3.1-10', 'MQTT-3.3.1-11'],
    '5.0': ['MQTT-3.3.1-6', 'MQTT-3.3.1-7'],
  },
  'removes a retained message when an empty one is retained, and delivers the empty one',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await t.retain(publisher, t.topic(), 'full');
    await client.subscribe(t.topic(), 1);
    equal((await client.receive()).payload.toString(), 'full', 'payload');
    await t.retain(publisher, t.topic(), '');
    equal((await client.receive()).payload.length, 0, 'payload length');
    await t.retain(publisher, t.topic('never'), '');
    const later = await t.connect();
    await later.subscribe(t.topic('#'), 1);
    await later.expectNothing(publisher, 1);
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.3.1-12'], '5.0': ['MQTT-3.3.1-8'] },
  'leaves the retained message alone when a message without RETAIN follows, also an empty one',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await t.retain(publisher, t.topic(), 'kept');
    await publisher.publish(t.topic(), 'live', { qos: 1 });
    await publisher.publish(t.topic(), '', { qos: 1 });
    await publisher.publish(t.topic('other'), 'live', { qos: 1 });
    await client.subscribe(t.topic('#'), 1);
    const message = await client.receive();
    equal([message.topic, message.payload.toString()], [t.topic(), 'kept'], 'message');
    await client.expectNothing(publisher, 1);
  },
);
