/** Maximum Packet Size, both ways (sections 3.1.2.11.4, 3.2.2.3.6). */

import { RESTRICTED_PACKET_SIZE } from '../brokers/profiles.js';
import { equal, ok, oneOf } from '../expect.js';
import * as build from '../raw/build.js';
import { test } from '../registry.js';

/** Payload that makes a PUBLISH so many bytes long. */
function fill(fields: build.PublishFields, size: number): string {
  return 'x'.repeat(size - build.publish(5, fields).length);
}

test(
  { '5.0': ['MQTT-3.1.2-24', 'MQTT-3.1.2-25'] },
  'drops what is larger than the client takes, as if it had been sent, and goes on',
  async (t) => {
    const publisher = await t.connect();
    const maximum = 100;
    const properties = { maximumPacketSize: maximum, receiveMaximum: 1 };
    const client = await t.connect({ isDurable: true, properties });
    await client.subscribe(t.topic(), 2);
    for (const qos of [0, 1, 2]) {
      const id = qos > 0 ? { packetId: 1 } : {};
      const fields = { topic: t.topic(), qos, ...id };
      await publisher.publish(t.topic(), fill(fields, maximum + 1), { qos });
      await publisher.publish(t.topic(), fill(fields, maximum), { qos });
      const message = await client.receive();
      ok(
        message.bytes.length === maximum,
        'a packet of exactly 100 bytes',
        `${message.bytes.length}`,
      );
      await client.expectNothing(publisher, 0);
    }
    await client.disconnect();
    await publisher.publish(t.topic(), 'x'.repeat(500), { qos: 1 });
    await publisher.publish(t.topic(), 'small', { qos: 1 });
    const again = await t.connect({ clientId: client.clientId, isDurable: true, properties });
    equal((await again.receive()).payload.toString(), 'small', 'payload');
    await again.disconnect();
    // Nothing of it is kept for a connection that would take it.
    const last = await t.connect({ clientId: client.clientId, isDurable: true });
    await last.expectNothing(publisher, 1);
  },
);

test(
  { '5.0': ['MQTT-3.2.2-15'] },
  'accepts a packet of exactly its Maximum Packet Size and closes at a larger one',
  async (t) => {
    const [watcher, client] = await t.connectAll({}, {});
    await watcher.subscribe(t.topic(), 1);
    equal(
      client.connack?.properties.maximumPacketSize,
      RESTRICTED_PACKET_SIZE,
      'Maximum Packet Size',
    );
    const fields = { topic: t.topic(), qos: 1, packetId: 1 };
    const payload = fill(fields, RESTRICTED_PACKET_SIZE - 1);
    const bytes = build.publish(5, { ...fields, payload });
    equal(bytes.length, RESTRICTED_PACKET_SIZE, 'length of the packet');
    client.send(bytes);
    await client.expect('puback', 1);
    await watcher.receive();
    client.send(build.publish(5, { ...fields, packetId: 2, payload: `${payload}x` }));
    await client.expectClosed({ codes: [0x95] });
    await watcher.expectNothing(watcher, 1);
  },
  { profile: 'restricted' },
);

test(
  {
    '5.0': [
      'MQTT-3.4.2-2',
      'MQTT-3.4.2-3',
      'MQTT-3.5.2-2',
      'MQTT-3.5.2-3',
      'MQTT-3.9.2-1',
      'MQTT-3.9.2-2',
      'MQTT-3.14.2-3',
      'MQTT-3.14.2-4',
    ],
  },
  'keeps refusing acknowledgements and DISCONNECT within the Maximum Packet Size',
  async (t) => {
    const options = { ...t.broker.credentials, properties: { maximumPacketSize: 60 } };
    const client = await t.connect(options);
    const topic = `forbidden/${t.topic()}`;
    for (const qos of [1, 2]) {
      const answer = await client.publish(topic, 'x', { qos });
      oneOf(answer?.reasonCode ?? -1, [0x00, 0x10, 0x80, 0x87], 'reason code');
      ok((answer?.bytes.length ?? 99) <= 60, 'at most 60 bytes', `${answer?.bytes.length}`);
    }
    const filters = [{ filter: topic }, { filter: `${topic}/2` }];
    const suback = await client.subscribe(filters, 1, { mayRefuse: true });
    ok(suback.bytes.length <= 60, 'at most 60 bytes', `${suback.bytes.length}`);
    client.sendConnect(options);
    await client.expectClosed({ codes: [0x82] });
  },
  { profile: 'access' },
);

test(
  {
    '5.0': [
      'MQTT-3.6.2-2',
      'MQTT-3.6.2-3',
      'MQTT-3.7.2-2',
      'MQTT-3.7.2-3',
      'MQTT-3.11.2-1',
      'MQTT-3.11.2-2',
    ],
  },
  'keeps PUBREL, PUBCOMP and UNSUBACK within the Maximum Packet Size',
  async (t) => {
    const client = await t.connect({ properties: { maximumPacketSize: 60 } });
    client.send(build.ack(5, 'pubrel', 77));
    oneOf((await client.expect('pubcomp', 77)).reasonCode, [0x00, 0x92], 'PUBCOMP code');
    const unsuback = await client.unsubscribe(t.topic('never'), t.topic('at all'));
    oneOf(unsuback.reasonCodes[0], [0x11], 'UNSUBACK code');
    await client.publish(t.topic(), 'x', { qos: 2 });
    client.send(build.ack(5, 'pubrec', 88));
    const pubrel = await client.expect('pubrel', 88);
    oneOf(pubrel.reasonCode, [0x92, 0x00], 'PUBREL code');
  },
);
