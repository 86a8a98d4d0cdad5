/** What 3.1.1, and 3.1, ask of CONNECT beyond 5.0 (section 3.1). */
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { test } from '../registry.js';

test(
  { '3.1': [], '3.1.1': ['MQTT-3.1.3-7', 'MQTT-3.1.3-8', 'MQTT-3.1.3-9', 'MQTT-3.2.2-5'] },
  'refuses an empty client id without CleanSession: CONNACK 0x02, then a close',
  async (t) => {
    const client = await t.begin({ clientId: '', clean: false });
    const connack = await client.expect('connack');
    equal(connack.bytes, Buffer.of(0x20, 2, 0, 2), 'CONNACK');
    await client.expectClosed();
  },
);

test(
  { '3.1.1': ['MQTT-3.1.3-9', 'MQTT-3.2.2-5'] },
  'refuses a client id that it is set to refuse: CONNACK 0x02, then a close',
  async (t) => {
    const client = await t.begin({ clientId: '', keepAlive: 1 });
    const connack = await client.expect('connack');
    equal(connack.bytes, Buffer.of(0x20, 2, 0, 2), 'CONNACK');
    await client.expectClosed();
  },
  { profile: 'restricted' },
);

test(
  { '3.1': [] },
  'serves 3.1 clients: MQIsdp, level 3, CONNACK with its first byte 0',
  async (t) => {
    const client = await t.connect({ clean: false, isDurable: true });
    equal(client.connack?.bytes, Buffer.of(0x20, 2, 0, 0), 'CONNACK');
    await client.disconnect();
    const again = await t.connect({ clientId: client.clientId, isDurable: true });
    equal(again.connack?.bytes, Buffer.of(0x20, 2, 0, 0), 'CONNACK of a resumed session');
  },
);

test(
  { '3.1.1': ['MQTT-3.1.2-1'] },
  'accepts MQIsdp only with level 3 and MQTT only with its own levels',
  async (t) => {
    const pairs: readonly (readonly [string, number])[] = [
      ['MQIsdp', 4],
      ['MQIsdp', 5],
      ['MQTT', 3],
    ];
    for (const [protocolName, level] of pairs) {
      const client = await t.open();
      client.readRaw();
      client.send(build.connect(4, { protocolName, level, clientId: client.clientId }));
      await client.until(`a close after ${protocolName} level ${level}`, () => client.isClosed);
      const answer = client.rawBytes.toString('hex');
      ok(['', '20020001', '2003008400'].includes(answer), 'a refusal or nothing', answer);
    }
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.3.5-2'] },
  'acknowledges a publish that the client may not make, or closes, and delivers nothing',
  async (t) => {
    const { credentials } = t.broker;
    const watcher = await t.connect(credentials);
    await watcher.subscribe('#', 2);
    for (const qos of [0, 1, 2]) {
      const client = await t.connect(credentials);
      const topic = `forbidden/${t.topic()}`;
      client.send(build.publish(t.version, { topic, qos, ...(qos > 0 ? { packetId: 5 } : {}) }));
      client.send(build.pingreq());
      await client.until(
        'an answer or a close',
        () => client.packets.length > 0 || client.isClosed,
      );
      if (qos === 1 && !client.isClosed) await client.expect('puback', 5);
      if (qos === 2 && !client.isClosed) await client.expect('pubrec', 5);
    }
    const seen = await watcher.fence(watcher, 1);
    equal(seen.filter((one) => one.topic.startsWith('forbidden')).length, 0, 'deliveries');
  },
  { profile: 'access' },
);
