/** Receive Maximum, both ways (sections 3.3.4, 4.9). */

import { RESTRICTED_RECEIVE_MAXIMUM } from '../brokers/profiles.js';
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { describeAll, type Packet } from '../raw/packet.js';
import type { RawClient } from '../raw-client.js';
import { test } from '../registry.js';

/** Everything of QoS 1 and 2 that is there at a fence of QoS 0. */
async function inFlight(client: RawClient, publisher: RawClient): Promise<Packet[]> {
  return (await client.fence(publisher, 0)).filter((packet) => packet.qos > 0);
}

test(
  { '5.0': ['MQTT-3.3.4-9', 'MQTT-4.9.0-1', 'MQTT-4.9.0-2'] },
  'sends no more QoS 1 and 2 messages than Receive Maximum, and one more for each that ended',
  async (t) => {
    const publisher = await t.connect();
    const client = await t.connect({ properties: { receiveMaximum: 3 } });
    await client.subscribe(t.topic(), 2);
    for (let at = 0; at < 12; at++) {
      await publisher.publish(t.topic(), `${at}`, { qos: 1 + (at % 2) });
    }
    const first = await inFlight(client, publisher);
    equal(
      first.map((one) => one.payload.toString()),
      ['0', '1', '2'],
      'messages in flight',
    );
    client.send(build.ack(5, 'puback', first[0].packetId));
    equal((await client.take('publish')).payload.toString(), '3', 'payload');
    // A PUBREC that accepts ends nothing; PUBCOMP does.
    client.send(build.ack(5, 'pubrec', first[1].packetId));
    await client.take('pubrel', first[1].packetId);
    equal(describeAll(await inFlight(client, publisher)), 'nothing', 'messages after PUBREC');
    client.send(build.ack(5, 'pubcomp', first[1].packetId));
    equal((await client.take('publish')).payload.toString(), '4', 'payload');
    client.send(build.ack(5, 'puback', first[2].packetId));
    equal((await client.take('publish')).payload.toString(), '5', 'payload');
  },
);

test(
  { '5.0': ['MQTT-4.4.0-2', 'MQTT-3.3.4-9', 'MQTT-4.3.3-4'] },
  'takes PUBACK and PUBREC of 0x80 or above as the end of a delivery, without PUBREL',
  async (t) => {
    const publisher = await t.connect();
    const properties = { receiveMaximum: 1 };
    const client = await t.connect({ isDurable: true, properties });
    await client.subscribe(t.topic(), 2);
    for (const [at, qos] of [1, 2, 1].entries()) {
      await publisher.publish(t.topic(), `${at}`, { qos });
    }
    const one = await client.expect('publish');
    client.send(build.ack(5, 'puback', one.packetId, { reasonCode: 0x80 }));
    const two = await client.expect('publish');
    equal([two.qos, two.payload.toString()], [2, '1'], 'message');
    client.send(build.ack(5, 'pubrec', two.packetId, { reasonCode: 0x83 }));
    const three = await client.expect('publish');
    equal(three.payload.toString(), '2', 'payload');
    client.send(build.ack(5, 'puback', three.packetId, { reasonCode: 0x97 }));
    await client.ping();
    await client.disconnect();
    const again = await t.connect({ clientId: client.clientId, isDurable: true });
    await again.expectNothing(publisher, 1);
  },
);

test(
  { '5.0': ['MQTT-3.3.4-10', 'MQTT-4.9.0-2', 'MQTT-4.9.0-3'] },
  'answers everything, and sends QoS 0, while the window of the client is full',
  async (t) => {
    const publisher = await t.connect();
    const client = await t.connect({ properties: { receiveMaximum: 1 } });
    await client.subscribe(t.topic('in'), 2);
    await publisher.publish(t.topic('in'), 'held', { qos: 2 });
    await publisher.publish(t.topic('in'), 'waits', { qos: 1 });
    const held = await client.expect('publish');
    await client.ping();
    await client.subscribe(t.topic('more'), 1);
    await client.unsubscribe(t.topic('more'));
    await client.publish(t.topic('out'), 'x', { qos: 1 });
    await client.publish(t.topic('out'), 'x', { qos: 2 });
    await client.expectNothing(publisher, 0);
    client.send(build.ack(5, 'pubrec', held.packetId));
    await client.expect('pubrel', held.packetId);
    client.send(build.ack(5, 'pubcomp', held.packetId));
    equal((await client.expect('publish')).payload.toString(), 'waits', 'payload');
  },
);

test(
  { '5.0': ['MQTT-3.3.4-7', 'MQTT-4.13.1-1'] },
  'closes with 0x93 at more QoS 2 publishes at once than its Receive Maximum',
  async (t) => {
    const client = await t.connect();
    const maximum = client.connack?.properties.receiveMaximum ?? 65_535;
    equal(maximum, RESTRICTED_RECEIVE_MAXIMUM, 'Receive Maximum');
    const publish = (packetId: number) =>
      client.send(build.publish(5, { topic: t.topic(), qos: 2, packetId, payload: 'x' }));
    for (let packetId = 1; packetId <= maximum; packetId++) {
      publish(packetId);
      await client.expect('pubrec', packetId);
    }
    await client.ping();
    // Ending one makes room for one.
    client.send(build.ack(5, 'pubrel', 1));
    await client.expect('pubcomp', 1);
    publish(maximum + 1);
    await client.expect('pubrec', maximum + 1);
    publish(maximum + 2);
    await client.expectClosed({ codes: [0x93] });
  },
  { profile: 'restricted' },
);

test(
  { '5.0': ['MQTT-2.2.1-4', 'MQTT-4.3.2-1', 'MQTT-3.3.4-9'] },
  'keeps many messages in flight at once with ids that are all different',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 1);
    const count = 300;
    for (let at = 0; at < count; at++) await publisher.publish(t.topic(), `${at}`, { qos: 1 });
    const ids = new Set<number>();
    for (let at = 0; at < count; at++) ids.add((await client.expect('publish')).packetId);
    equal(ids.size, count, 'different ids');
    ok(!ids.has(0), 'no id 0', 'one');
  },
  { profile: 'wide' },
);

test(
  { '5.0': ['MQTT-2.2.1-4'] },
  'goes past 65 535 deliveries without the id 0 or an id that is in use',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 1);
    await publisher.publish(t.topic(), 'held', { qos: 1 });
    const held = await client.expect('publish');
    let isHeld = true;
    const batch = 300;
    for (let sent = 0; sent < 66_000; sent += batch) {
      const packets = Array.from({ length: batch }, (_, at) =>
        build.publish(5, { topic: t.topic(), qos: 1, packetId: at + 1 }),
      );
      publisher.send(...packets);
      for (let at = 0; at < batch; at++) await publisher.expect('puback', at + 1);
      const messages = (await client.fence(publisher, 0)).filter((one) => one.type === 'publish');
      if (messages.length < batch) {
        // A server may wait for the oldest id before it comes round to it again.
        ok(isHeld && sent > 60_000, `${batch} messages`, `${messages.length}`);
        client.send(build.ack(5, 'puback', held.packetId));
        isHeld = false;
      }
      while (messages.length < batch) messages.push(await client.take('publish'));
      for (const { packetId } of messages) {
        ok(!isHeld || packetId !== held.packetId, 'an unused id', `id ${packetId}, in use`);
      }
      client.send(...messages.map(({ packetId }) => build.ack(5, 'puback', packetId)));
    }
  },
  { profile: 'wide', isSlow: true },
);
