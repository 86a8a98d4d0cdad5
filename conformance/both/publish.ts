/** PUBLISH: flags and forwarding (sections 3.3, 4.3.1). */
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { describe } from '../raw/packet.js';
import { test } from '../registry.js';

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.3.4-1', 'MQTT-2.3.1-6', 'MQTT-4.3.2-2', 'MQTT-4.3.3-2'],
    '5.0': ['MQTT-3.3.4-1', 'MQTT-2.2.1-5', 'MQTT-4.3.2-4', 'MQTT-4.3.3-8', 'MQTT-4.3.3-11'],
  },
  'answers QoS 0 with nothing, QoS 1 with PUBACK, QoS 2 with PUBREC and PUBCOMP, by their ids',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic(), 2);
    const client = await t.connect();
    const topic = t.topic();
    client.send(build.publish(t.version, { topic, payload: '0' }), build.pingreq());
    await client.expect('pingresp');
    client.send(build.publish(t.version, { topic, payload: '1', qos: 1, packetId: 4711 }));
    await client.expect('puback', 4711);
    client.send(build.publish(t.version, { topic, payload: '2', qos: 2, packetId: 65535 }));
    await client.expect('pubrec', 65535);
    client.send(build.ack(t.version, 'pubrel', 65535));
    await client.expect('pubcomp', 65535);
    const received = await watcher.receiveAll(3);
    equal(received.map((one) => one.payload.toString()).toSorted(), ['0', '1', '2'], 'messages');
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-2.3.1-5', 'MQTT-3.3.1-2', 'MQTT-4.3.1-1', 'MQTT-3.3.2-1'],
    '5.0': ['MQTT-2.2.1-2', 'MQTT-3.3.1-2', 'MQTT-4.3.1-1', 'MQTT-3.3.2-1', 'MQTT-2.2.2-1'],
  },
  'delivers QoS 0 as flags 0, topic name and payload, without a packet identifier',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 2);
    await publisher.publish(t.topic(), 'payload');
    const message = await client.expect('publish');
    const topic = t.topic();
    equal(message.bytes, build.publish(t.version, { topic, payload: 'payload' }), 'bytes');
  },
);

test(
  { '3.1.1': ['MQTT-3.3.1-2', 'MQTT-4.3.1-1'], '5.0': ['MQTT-3.3.1-2', 'MQTT-4.3.1-1'] },
  'closes at a QoS 0 PUBLISH with DUP 1, or delivers it with DUP 0',
  async (t) => {
    const [watcher, publisher] = await t.connectAll({}, {});
    await watcher.subscribe(t.topic(), 1);
    publisher.send(build.publish(t.version, { topic: t.topic(), payload: 'x', dup: true }));
    publisher.send(build.pingreq());
    await publisher.until('an answer', () => publisher.packets.length > 0 || publisher.isClosed);
    if (publisher.packets[0]?.type === 'pingresp') {
      ok(!(await watcher.receive()).dup, 'DUP 0', 'DUP 1');
      return;
    }
    await publisher.expectClosed({ codes: t.isV5 ? [0x81, 0x82] : [] });
    await watcher.expectNothing(watcher, 1);
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.3.1-3'], '5.0': ['MQTT-3.3.1-3'] },
  'does not pass on the DUP flag of a publisher',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 2);
    for (const qos of [1, 2]) {
      await publisher.publish(t.topic(), 'x', { qos, dup: true });
      const message = await client.receive();
      ok(!message.dup && message.qos === qos, 'DUP 0', describe(message));
    }
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-4.3.2-2'],
    '5.0': ['MQTT-4.3.2-5'],
  },
  'takes a QoS 1 PUBLISH with an acknowledged id as new, whatever its DUP flag is',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 1);
    for (const dup of [false, false, true]) {
      await publisher.publish(t.topic(), 'again', { qos: 1, packetId: 9, dup });
    }
    const received = await client.receiveAll(3);
    ok(
      received.every((one) => !one.dup),
      'three messages with DUP 0',
      'a DUP',
    );
    await client.expectNothing(publisher, 1);
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-4.3.3-2'],
    '5.0': ['MQTT-4.3.3-10', 'MQTT-4.3.3-11', 'MQTT-4.3.3-12'],
  },
  'delivers a repeated QoS 2 PUBLISH once until PUBREL, and again after PUBCOMP',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 2);
    const publish = (dup: boolean, payload: string) =>
      publisher.send(
        build.publish(t.version, { topic: t.topic(), payload, qos: 2, packetId: 9, dup }),
      );
    for (const dup of [false, true]) {
      publish(dup, 'once');
      await publisher.expect('pubrec', 9);
    }
    publisher.send(build.ack(t.version, 'pubrel', 9));
    await publisher.expect('pubcomp', 9);
    equal((await client.receive()).payload.toString(), 'once', 'payload');
    await client.expectNothing(publisher, 2);
    publish(false, 'new');
    await publisher.expect('pubrec', 9);
    publisher.send(build.ack(t.version, 'pubrel', 9));
    await publisher.expect('pubcomp', 9);
    equal((await client.receive()).payload.toString(), 'new', 'payload');
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-4.3.3-2'], '5.0': ['MQTT-4.3.3-10'] },
  'answers a QoS 2 PUBLISH with PUBREC however often it is repeated, with DUP 1 or 0',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 2);
    const fields = { topic: t.topic(), payload: 'once', qos: 2, packetId: 9 };
    for (const dup of [false, true, true, false]) {
      publisher.send(build.publish(t.version, { ...fields, dup }));
      await publisher.expect('pubrec', 9);
    }
    publisher.send(build.ack(t.version, 'pubrel', 9));
    await publisher.expect('pubcomp', 9);
    equal((await client.receive()).payload.toString(), 'once', 'payload');
    await client.expectNothing(publisher, 2);
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-4.3.3-2', 'MQTT-4.1.0-1'], '5.0': ['MQTT-4.3.3-10'] },
  'delivers a QoS 2 PUBLISH once that is repeated on the next connection of its session',
  async (t) => {
    const [client, publisher] = await t.connectAll({}, { isDurable: true });
    await client.subscribe(t.topic(), 2);
    const fields = { topic: t.topic(), payload: 'once', qos: 2, packetId: 9 };
    publisher.send(build.publish(t.version, fields));
    await publisher.expect('pubrec', 9);
    publisher.cut();
    const again = await t.connect({ clientId: publisher.clientId, isDurable: true });
    again.send(build.publish(t.version, { ...fields, dup: true }));
    await again.expect('pubrec', 9);
    again.send(build.ack(t.version, 'pubrel', 9));
    await again.expect('pubcomp', 9);
    equal((await client.receive()).payload.toString(), 'once', 'payload');
    await client.expectNothing(again, 2);
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-4.3.3-1', 'MQTT-2.3.1-6', 'MQTT-4.3.2-1'],
    '5.0': ['MQTT-4.3.3-2', 'MQTT-4.3.3-4', 'MQTT-2.2.1-5', 'MQTT-4.3.2-2'],
  },
  'sends QoS 1 and 2 with DUP 0, and answers PUBREC with PUBREL of the same id',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 2);
    for (let turn = 0; turn < 3; turn++) {
      await publisher.publish(t.topic(), 'one', { qos: 1 });
      const one = await client.expect('publish');
      ok(one.qos === 1 && !one.dup, 'QoS 1, DUP 0', describe(one));
      client.send(build.ack(t.version, 'puback', one.packetId));
      await publisher.publish(t.topic(), 'two', { qos: 2 });
      const two = await client.expect('publish');
      ok(two.qos === 2 && !two.dup, 'QoS 2, DUP 0', describe(two));
      client.send(build.ack(t.version, 'pubrec', two.packetId));
      const pubrel = await client.expect('pubrel', two.packetId);
      equal(pubrel.bytes[0], 0x62, 'first byte of PUBREL');
      client.send(build.ack(t.version, 'pubcomp', two.packetId));
    }
    await client.expectNothing(publisher, 2);
  },
);

test(
  { '3.1.1': ['MQTT-2.3.1-4'], '5.0': ['MQTT-2.2.1-4', 'MQTT-4.3.2-1', 'MQTT-4.3.3-1'] },
  'gives messages in flight different ids, and never one that waits for PUBREL',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 2);
    const ids = new Set<number>();
    for (let count = 0; count < 10; count++) {
      await publisher.publish(t.topic(), `${count}`, { qos: 1 + (count % 2) });
      const { packetId, qos } = await client.take('publish');
      ok(packetId > 0 && !ids.has(packetId), 'an unused id', `id ${packetId} again`);
      ids.add(packetId);
      if (qos === 2) client.send(build.ack(t.version, 'pubrec', packetId));
    }
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.3.2-3', 'MQTT-4.5.0-1'],
    '5.0': ['MQTT-3.3.2-3', 'MQTT-4.5.0-1'],
  },
  'delivers each message to every client with a matching filter, and to no other',
  async (t) => {
    const publisher = await t.connect();
    const filters = ['a/b', 'a/+', '+/b', '#', 'a/#', 'a', 'b', 'A/b', 'a/b/c', '/a/b', '+'];
    const clients = await Promise.all(filters.map(() => t.connect()));
    for (const [at, client] of clients.entries()) await client.subscribe(t.topic(filters[at]), 1);
    await publisher.publish(t.topic('a/b'), 'x', { qos: 1 });
    for (const [at, client] of clients.entries()) {
      const messages = await client.fence(publisher, 1);
      equal(messages.length, at < 5 ? 1 : 0, `messages for ${filters[at]}:`);
      if (at < 5) equal(messages[0].topic, t.topic('a/b'), 'topic');
    }
  },
);

test(
  { '3.1.1': [], '5.0': ['MQTT-1.5.5-1'] },
  'delivers packets of every length around the borders of the length encoding',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 0);
    const head = build.publish(t.version, { topic: t.topic() }).length - 2;
    for (const length of [127, 128, 16_383, 16_384, 100_000]) {
      const payload = Buffer.alloc(length - head, 0x61);
      await publisher.publish(t.topic(), payload);
      const message = await client.receive();
      equal(message.payload.length, payload.length, 'payload length');
      ok(message.payload.equals(payload), 'the payload as sent', 'another one');
    }
  },
);
