/** Session state: kept, resumed, thrown away (sections 3.1.2.4, 3.2.2.1, 4.1, 4.4, 4.5). */

import type { TestContext } from '../context.js';
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { describeAll, type Packet } from '../raw/packet.js';
import type { RawClient } from '../raw-client.js';
import { test } from '../registry.js';

const payloads = (packets: readonly Packet[]) => packets.map((one) => one.payload.toString());

async function resume(t: TestContext, client: RawClient): Promise<RawClient> {
  return t.connect({ clientId: client.clientId, isDurable: true });
}

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.1.2-4', 'MQTT-3.1.2-5', 'MQTT-4.1.0-1', 'MQTT-4.5.0-1'],
    '5.0': ['MQTT-3.1.2-5', 'MQTT-3.1.2-23', 'MQTT-4.5.0-1', 'MQTT-4.3.2-4', 'MQTT-4.3.3-8'],
  },
  'keeps the subscriptions of a session, and queues QoS 1 and 2 messages while it is away',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, { isDurable: true });
    await client.subscribe(t.topic('#'), 2);
    await client.disconnect();
    const sent = ['one', 'two', 'three', 'four'];
    for (const [at, payload] of sent.entries()) {
      await publisher.publish(t.topic('queued'), payload, { qos: 1 + (at % 2) });
    }
    const again = await resume(t, client);
    const received = await again.receiveAll(4);
    equal(payloads(received).toSorted(), sent.toSorted(), 'messages');
    ok(
      received.every((one) => one.qos === (['one', 'three'].includes(String(one.payload)) ? 1 : 2)),
      'the QoS of each message as published',
      describeAll(received),
    );
    await publisher.publish(t.topic('live'), 'live', { qos: 1 });
    equal(payloads([await again.receive()]), ['live'], 'messages');
    await again.expectNothing(publisher, 1);
  },
);

test(
  {
    '3.1.1': ['MQTT-3.1.2-6', 'MQTT-3.2.2-1', 'MQTT-3.2.2-2', 'MQTT-3.2.2-3', 'MQTT-3.1.2-4'],
    '5.0': ['MQTT-3.1.2-4', 'MQTT-3.1.2-6', 'MQTT-3.2.2-2', 'MQTT-3.2.2-3'],
  },
  'sets Session Present as the session is, and throws the session away on a clean start',
  async (t) => {
    const publisher = await t.connect();
    const first = await t.connect({ isDurable: true });
    const { clientId } = first;
    equal(first.connack?.sessionPresent, false, 'Session Present of a new session');
    await first.subscribe(t.topic(), 1);
    await first.disconnect();
    await publisher.publish(t.topic(), 'queued', { qos: 1 });
    const second = await resume(t, first);
    equal(second.connack?.sessionPresent, true, 'Session Present of a resumed session');
    await second.receive();
    await second.disconnect();
    await publisher.publish(t.topic(), 'queued for no one', { qos: 1 });
    const clean = await t.connect({ clientId, clean: true });
    equal(clean.connack?.sessionPresent, false, 'Session Present of a clean start');
    await publisher.publish(t.topic(), 'live for no one', { qos: 1 });
    await clean.expectNothing(publisher, 1);
    await clean.disconnect();
    const last = await resume(t, first);
    equal(last.connack?.sessionPresent, false, 'Session Present after a clean session');
    await publisher.publish(t.topic(), 'still no one', { qos: 1 });
    await last.expectNothing(publisher, 1);
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-4.1.0-2'], '5.0': ['MQTT-4.1.0-1'] },
  'keeps a clean session for as long as its connection',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 2);
    for (let turn = 0; turn < 3; turn++) {
      await client.ping();
      await publisher.publish(t.topic(), `${turn}`, { qos: turn });
      equal(payloads([await client.receive()]), [`${turn}`], 'messages');
    }
    // The state of a message in flight, too: PUBREC long after other traffic is still known.
    await publisher.publish(t.topic(), 'held', { qos: 2 });
    const held = await client.take('publish');
    await client.ping();
    await client.acknowledge(held);
  },
);

test(
  { '3.1.1': ['MQTT-3.1.2-7'], '5.0': [] },
  'keeps retained messages when the session that published them ends',
  async (t) => {
    const publisher = await t.connect();
    await t.retain(publisher, t.topic(), 'stays');
    await publisher.disconnect();
    const later = await t.connect();
    await later.subscribe(t.topic());
    equal(payloads([await later.receive()]), ['stays'], 'messages');
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.2.0-1'], '5.0': ['MQTT-3.2.0-1'] },
  'sends CONNACK before the queued messages of a session',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, { isDurable: true });
    await client.subscribe(t.topic(), 1);
    await client.disconnect();
    for (let count = 0; count < 5; count++) await publisher.publish(t.topic(), 'x', { qos: 1 });
    const again = await t.begin({ clientId: client.clientId, isDurable: true });
    await again.expect('connack');
    await again.receiveAll(5);
  },
);

test(
  {
    '3.1.1': ['MQTT-3.3.1-1', 'MQTT-4.4.0-1', 'MQTT-4.3.2-1', 'MQTT-2.3.1-4', 'MQTT-4.6.0-1'],
    '5.0': ['MQTT-3.3.1-1', 'MQTT-4.4.0-1', 'MQTT-4.3.2-3', 'MQTT-4.3.3-3', 'MQTT-4.6.0-5'],
  },
  'resends unacknowledged QoS 1 and 2 messages on resume: same ids, same order, DUP 1',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, { isDurable: true });
    await client.subscribe(t.topic(), 2);
    for (let count = 0; count < 6; count++) {
      await publisher.publish(t.topic(), `${count}`, { qos: 1 + (count % 2) });
    }
    const first: Packet[] = [];
    while (first.length < 6) first.push(await client.expect('publish'));
    ok(
      first.every((one) => !one.dup),
      'DUP 0 at first',
      describeAll(first),
    );
    client.cut();
    const again = await resume(t, client);
    const second: Packet[] = [];
    while (second.length < 6) second.push(await again.expect('publish'));
    const key = (one: Packet) => [one.packetId, one.qos, one.payload.toString()];
    equal(second.map(key), first.map(key), 'resent messages');
    ok(
      second.every((one) => one.dup),
      'DUP 1 when resent',
      describeAll(second),
    );
    for (const one of second) await again.acknowledge(one);
    await again.disconnect();
    const last = await resume(t, client);
    await last.expectNothing(publisher, 1);
  },
);

test(
  {
    '3.1.1': ['MQTT-4.4.0-1', 'MQTT-4.3.3-1'],
    '5.0': ['MQTT-4.3.3-5', 'MQTT-4.3.3-6', 'MQTT-4.4.0-1'],
  },
  'resends PUBREL, and not PUBLISH, on resume after PUBREC',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, { isDurable: true });
    await client.subscribe(t.topic(), 2);
    await publisher.publish(t.topic(), 'x', { qos: 2 });
    const message = await client.expect('publish');
    client.send(build.ack(t.version, 'pubrec', message.packetId));
    await client.expect('pubrel', message.packetId);
    client.cut();
    const again = await resume(t, client);
    await again.expect('pubrel', message.packetId);
    await again.expectNothing(publisher, 0);
    again.send(build.ack(t.version, 'pubcomp', message.packetId));
    await again.ping();
    await again.disconnect();
    const last = await resume(t, client);
    await last.expectNothing(publisher, 0);
  },
);

test(
  { '3.1.1': ['MQTT-4.3.2-1', 'MQTT-4.4.0-1'], '5.0': ['MQTT-4.3.2-3', 'MQTT-4.4.0-1'] },
  'resends nothing while the connection lasts, nor what was acknowledged',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, { isDurable: true });
    await client.subscribe(t.topic(), 2);
    await publisher.publish(t.topic(), 'acknowledged', { qos: 1 });
    await client.receive();
    await publisher.publish(t.topic(), 'held 1', { qos: 1 });
    await publisher.publish(t.topic(), 'held 2', { qos: 2 });
    await client.expect('publish');
    await client.expect('publish');
    for (let count = 0; count < 3; count++) await client.ping();
    await client.expectNothing(publisher, 0);
    await client.settle();
    client.cut();
    const again = await resume(t, client);
    const resent = [await again.expect('publish'), await again.expect('publish')];
    equal(payloads(resent), ['held 1', 'held 2'], 'resent messages');
    await again.expectNothing(publisher, 0);
  },
);
