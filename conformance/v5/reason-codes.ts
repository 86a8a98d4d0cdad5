/** Reason codes of acknowledgements (sections 3.4 to 3.7, 4.3). */
import { equal, ok, oneOf } from '../expect.js';
import * as build from '../raw/build.js';
import { test } from '../registry.js';

test(
  { '5.0': ['MQTT-3.4.2-1', 'MQTT-3.5.2-1'] },
  'uses 0x10 in PUBACK and PUBREC only when nobody matched',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic('some'), 1);
    for (const qos of [1, 2]) {
      const some = await publisher.publish(t.topic('some'), 'x', { qos });
      equal(some?.reasonCode, 0x00, 'reason code');
      const none = await publisher.publish(t.topic('none'), 'x', { qos });
      oneOf(none?.reasonCode ?? -1, [0x00, 0x10], 'reason code');
    }
  },
);

test(
  { '5.0': ['MQTT-3.4.2-1', 'MQTT-3.5.2-1', 'MQTT-4.3.3-9'] },
  'refuses publishes that the client may not make, and takes the id of a refused one as new',
  async (t) => {
    const { credentials } = t.broker;
    const [publisher, watcher] = await t.connectAll(credentials, credentials);
    await watcher.subscribe('#', 2);
    for (const qos of [1, 2]) {
      const refused = await publisher.publish(`forbidden/${t.topic()}`, 'no', { qos, packetId: 6 });
      equal(refused?.reasonCode, 0x87, 'reason code');
      const allowed = await publisher.publish(t.topic(), 'yes', { qos, packetId: 6 });
      oneOf(allowed?.reasonCode ?? -1, [0x00], 'reason code');
    }
    const seen = (await watcher.fence(publisher, 0)).map((one) => one.topic);
    ok(!seen.some((topic) => topic.startsWith('forbidden')), 'nothing forbidden', seen.join());
    equal(seen.filter((topic) => topic === t.topic()).length, 2, 'allowed messages');
  },
  { profile: 'access' },
);

test(
  { '5.0': ['MQTT-3.4.2-1', 'MQTT-3.5.2-1'] },
  'accepts a payload that is UTF-8 where the Payload Format Indicator says so',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 2);
    const properties = { payloadFormatIndicator: 1 };
    for (const qos of [1, 2]) {
      const right = await publisher.publish(t.topic(), 'grün', { qos, properties });
      equal(right?.reasonCode, 0x00, 'reason code');
      equal((await client.receive()).payload.toString(), 'grün', 'payload');
      // Validation is the receiver's choice: 0x99, or the message goes on.
      const wrong = await publisher.publish(t.topic(), Buffer.of(0xff), { qos, properties });
      oneOf(wrong?.reasonCode ?? -1, [0x00, 0x99], 'reason code');
      if (wrong?.reasonCode === 0x00) await client.receive();
    }
    await client.expectNothing(publisher, 0);
  },
);

test(
  { '5.0': ['MQTT-3.7.2-1', 'MQTT-4.3.3-11'] },
  'answers PUBREL for an unknown id with PUBCOMP of that id',
  async (t) => {
    const client = await t.connect();
    client.send(build.ack(5, 'pubrel', 1234));
    const pubcomp = await client.expect('pubcomp', 1234);
    // 0x92 is what the standard offers; a plain success is not forbidden.
    oneOf(pubcomp.reasonCode, [0x92, 0x00], 'reason code');
    await client.ping();
  },
);

test(
  { '5.0': ['MQTT-3.6.2-1'] },
  'answers PUBREC for an unknown id with PUBREL of that id',
  async (t) => {
    const client = await t.connect();
    client.send(build.ack(5, 'pubrec', 1234));
    const pubrel = await client.expect('pubrel', 1234);
    oneOf(pubrel.reasonCode, [0x92, 0x00], 'reason code');
    await client.ping();
  },
);

test(
  { '5.0': ['MQTT-4.3.3-4'] },
  'answers PUBREC 0x00, with or without the code written out, and 0x10 with PUBREL',
  async (t) => {
    const [publisher, client] = await t.connectAll({}, {});
    await client.subscribe(t.topic(), 2);
    for (const fields of [{}, { reasonCode: 0 }, { reasonCode: 0x10, properties: {} }]) {
      await publisher.publish(t.topic(), 'x', { qos: 2 });
      const message = await client.expect('publish');
      client.send(build.ack(5, 'pubrec', message.packetId, fields));
      const pubrel = await client.expect('pubrel', message.packetId);
      equal(pubrel.reasonCode, 0x00, 'reason code');
      client.send(build.ack(5, 'pubcomp', message.packetId, fields.reasonCode === 0 ? fields : {}));
    }
    await client.expectNothing(publisher, 2);
  },
);

test(
  { '5.0': ['MQTT-4.13.1-1'] },
  'closes at acknowledgements with reason codes or properties that they may not have',
  async (t) => {
    const publisher = await t.connect();
    const cases: readonly (readonly [string, number, build.AckFields])[] = [
      ['PUBACK 0x01', 1, { reasonCode: 0x01 }],
      ['PUBACK 0x92', 1, { reasonCode: 0x92 }],
      ['PUBACK with a Content Type', 1, { properties: { contentType: 'x' } }],
      ['PUBREC 0x92', 2, { reasonCode: 0x92 }],
      ['PUBREC with a Topic Alias', 2, { properties: { topicAlias: 1 } }],
    ];
    for (const [what, qos, fields] of cases) {
      const client = await t.connect();
      await client.subscribe(t.topic(), qos);
      await publisher.publish(t.topic(), 'x', { qos });
      const message = await client.expect('publish');
      client.send(build.ack(5, qos === 1 ? 'puback' : 'pubrec', message.packetId, fields));
      try {
        await client.expectClosed({ codes: [0x81, 0x82] });
      } catch (error) {
        if (error instanceof Error) error.message = `${what}: ${error.message}`;
        throw error;
      }
    }
  },
);

test(
  { '5.0': ['MQTT-3.1.2-29'] },
  'sends no problem information but in CONNACK, PUBLISH and DISCONNECT to a client that declined',
  async (t) => {
    const { credentials } = t.broker;
    const properties = { requestProblemInformation: 0 };
    const client = await t.connect({ ...credentials, properties });
    const topic = `forbidden/${t.topic()}`;
    for (const qos of [1, 2]) await client.publish(topic, 'x', { qos });
    await client.subscribe(topic, 1, { mayRefuse: true });
    await client.unsubscribe(t.topic('never'));
    client.send(build.ack(5, 'pubrel', 99));
    await client.expect('pubcomp', 99);
    client.send(build.ack(5, 'pubrec', 98));
    await client.expect('pubrel', 98);
    // The User Properties of a message are none of it.
    await client.subscribe(t.topic(), 1);
    const userProperties = [['a', 'b']] as const;
    await client.publish(t.topic(), 'x', { qos: 1, properties: { userProperties } });
    equal((await client.receive()).properties.userProperties, userProperties, 'user properties');
  },
  { profile: 'access' },
);
