/** Message Expiry Interval (section 3.3.2.3.3): whole seconds, so these tests take some. */
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { test } from '../registry.js';

/** Real time is what these statements are about. */
const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000));

test(
  { '5.0': ['MQTT-3.3.2-5', 'MQTT-3.3.2-6'] },
  'drops expired messages of a queue, and sends the others with what is left of their interval',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, { isDurable: true });
    await client.subscribe(t.topic('#'), 2);
    await client.disconnect();
    const publish = (name: string, qos: number, messageExpiryInterval?: number) =>
      publisher.publish(t.topic(name), name, {
        qos,
        properties: messageExpiryInterval === undefined ? {} : { messageExpiryInterval },
      });
    await publish('short', 1, 1);
    await publish('long', 1, 100);
    await publish('short', 2, 1);
    await publish('for ever', 2);
    await seconds(3);
    const again = await t.connect({ clientId: client.clientId, isDurable: true });
    const [long, forEver] = await again.receiveAll(2);
    equal([long.topic, forEver.topic], [t.topic('long'), t.topic('for ever')], 'topics');
    const left = long.properties.messageExpiryInterval ?? -1;
    ok(left >= 90 && left <= 98, 'an interval of about 97', `${left}`);
    equal(forEver.properties.messageExpiryInterval, undefined, 'interval');
    await again.expectNothing(publisher, 1);
  },
  { isSlow: true },
);

test(
  { '5.0': ['MQTT-3.3.2-5', 'MQTT-3.3.2-6'] },
  'drops an expired retained message, and sends one with what is left of its interval',
  async (t) => {
    const [publisher, early] = await t.connectAll({}, {});
    await early.subscribe(t.topic('#'), 1);
    for (const [name, messageExpiryInterval] of [
      ['short', 1],
      ['long', 100],
    ] as const) {
      const topic = t.willRetain(t.topic(name));
      const properties = { messageExpiryInterval };
      await publisher.publish(topic, name, { qos: 1, retain: true, properties });
    }
    await early.receiveAll(2);
    await seconds(3);
    const later = await t.connect();
    await later.subscribe(t.topic('#'), 1);
    const message = await later.receive();
    equal(message.topic, t.topic('long'), 'topic');
    const left = message.properties.messageExpiryInterval ?? -1;
    ok(left >= 90 && left <= 98, 'an interval of about 97', `${left}`);
    await later.expectNothing(publisher, 1);
  },
  { isSlow: true },
);

test(
  { '5.0': ['MQTT-3.3.2-6'] },
  'forwards at once with the interval as published, never with a longer one',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 1);
    for (let interval = 2; interval < 150; interval++) {
      const properties = { messageExpiryInterval: interval };
      await publisher.publish(t.topic(), 'x', { qos: 1, properties });
      const forwarded = (await client.receive()).properties.messageExpiryInterval ?? -1;
      // A second less: some of the first one has passed.
      const isRight = forwarded === interval || forwarded === interval - 1;
      ok(isRight, `an interval of ${interval}`, `${forwarded}`);
    }
  },
);

test(
  { '5.0': ['MQTT-4.3.3-7'] },
  'resends a QoS 2 message that it sent before, though it has expired since',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, { isDurable: true });
    await client.subscribe(t.topic(), 2);
    const options = { qos: 2, properties: { messageExpiryInterval: 1 } };
    await publisher.publish(t.topic(), 'released', options);
    await publisher.publish(t.topic(), 'sent', options);
    const [released, sent] = [await client.expect('publish'), await client.expect('publish')];
    client.send(build.ack(5, 'pubrec', released.packetId));
    await client.expect('pubrel', released.packetId);
    client.cut();
    await seconds(2.5);
    const again = await t.connect({ clientId: client.clientId, isDurable: true });
    await again.take('pubrel', released.packetId);
    again.send(build.ack(5, 'pubcomp', released.packetId));
    const resent = await again.take('publish', sent.packetId);
    equal([resent.payload.toString(), resent.dup], ['sent', true], 'resent message');
    await again.acknowledge(resent);
  },
  { isSlow: true },
);

test(
  { '5.0': ['MQTT-4.3.3-13'] },
  'acknowledges a QoS 2 publish in full, though it expires on the way',
  async (t) => {
    const publisher = await t.connect();
    const topic = t.topic();
    const properties = { messageExpiryInterval: 1 };
    publisher.send(build.publish(5, { topic, qos: 2, packetId: 3, payload: 'x', properties }));
    await publisher.expect('pubrec', 3);
    await seconds(2);
    publisher.send(build.ack(5, 'pubrel', 3));
    const pubcomp = await publisher.expect('pubcomp', 3);
    equal(pubcomp.reasonCode, 0, 'reason code');
  },
  { isSlow: true },
);
