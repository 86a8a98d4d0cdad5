/** MQTT over WebSocket (section 6). */
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { BINARY, openWebSocket, TEXT } from '../raw/websocket.js';
import { RawClient } from '../raw-client.js';
import { test } from '../registry.js';

const inWebSockets = { profile: 'websockets' } as const;

test(
  { '3.1.1': ['MQTT-6.0.0-4'], '5.0': ['MQTT-6.0.0-4'] },
  'answers an upgrade that offers mqtt with the subprotocol mqtt, also among others',
  async (t) => {
    for (const offer of ['mqtt', 'chat, mqtt', 'mqtt, chat']) {
      const wire = await openWebSocket(t.endpoint(), offer);
      equal(wire.upgrade.status, 101, 'status');
      equal(wire.upgrade.headers.get('sec-websocket-protocol'), 'mqtt', 'subprotocol');
      wire.destroy();
    }
  },
  inWebSockets,
);

test(
  { '3.1.1': ['MQTT-6.0.0-1'], '5.0': ['MQTT-6.0.0-1'] },
  'sends binary frames only, and closes at a text frame',
  async (t) => {
    const wire = await openWebSocket(t.endpoint());
    const client = new RawClient(wire, t.version, t.clientId());
    client.sendConnect({});
    await client.expect('connack');
    await client.subscribe(t.topic(), 1);
    await client.publish(t.topic(), 'x', { qos: 1 });
    await client.receive();
    equal(wire.wrongOpcodes, [], 'opcodes other than binary');
    wire.writeFrame(TEXT, build.pingreq());
    await client.expectClosed({ codes: [0x80, 0x81, 0x82] });
    equal(client.breaches, [], 'breaches');
  },
  inWebSockets,
);

test(
  { '3.1.1': ['MQTT-6.0.0-2'], '5.0': ['MQTT-6.0.0-2'] },
  'takes packets that are cut over frames, and several in one frame',
  async (t) => {
    const wire = await openWebSocket(t.endpoint());
    const client = new RawClient(wire, t.version, t.clientId());
    const connect = build.connect(t.version, { clientId: t.clientId() });
    for (const byte of connect) wire.writeFrame(BINARY, Buffer.of(byte));
    await client.expect('connack');
    const topic = t.topic();
    const joined = Buffer.concat([
      build.subscribe(t.version, { packetId: 1, filters: [{ filter: topic, qos: 1 }] }),
      build.publish(t.version, { topic, payload: 'one', qos: 1, packetId: 2 }),
      build.publish(t.version, { topic, payload: 'two', qos: 1, packetId: 3 }),
      build.pingreq(),
    ]);
    wire.writeFrame(BINARY, joined.subarray(0, 40));
    // The rest as one fragmented WebSocket message.
    wire.writeFrame(BINARY, joined.subarray(40, 50), false);
    wire.writeFrame(0, joined.subarray(50), true);
    await client.take('suback', 1);
    await client.take('puback', 2);
    await client.take('puback', 3);
    await client.take('pingresp');
    const messages = await client.receiveAll(2);
    equal(
      messages.map((one) => one.payload.toString()),
      ['one', 'two'],
      'messages',
    );
    ok(client.breaches.length === 0, 'no breach', JSON.stringify(client.breaches));
    wire.destroy();
  },
  inWebSockets,
);

test(
  { '3.1.1': [], '5.0': [] },
  'carries messages between WebSocket and TCP clients',
  async (t) => {
    const [socket, tcp] = await t.connectAll({}, { profile: 'default' });
    await socket.subscribe(t.topic('#'), 2);
    await tcp.subscribe(t.topic('#'), 2);
    await tcp.publish(t.topic('a'), 'from tcp', { qos: 2 });
    equal((await socket.receive()).payload.toString(), 'from tcp', 'payload');
    await tcp.receive();
    await socket.publish(t.topic('b'), Buffer.alloc(50_000, 1), { qos: 1 });
    equal((await tcp.receive()).payload.length, 50_000, 'payload length');
  },
  inWebSockets,
);
