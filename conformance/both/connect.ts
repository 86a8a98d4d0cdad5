/** CONNECT and CONNACK that a server accepts, in all versions (section 3.1, 3.2). */

import { user } from '../brokers/profiles.js';
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { test } from '../registry.js';

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.1.4-4', 'MQTT-7.0.0-2', 'MQTT-7.1.1-1', 'MQTT-3.2.2-1'],
    '5.0': ['MQTT-3.1.4-5', 'MQTT-4.2.0-1', 'MQTT-3.2.2-1', 'MQTT-3.2.2-2'],
  },
  'accepts a plain CONNECT over TCP with code 0 and Session Present 0',
  async (t) => {
    const client = await t.connect();
    const { connack } = client;
    ok(connack !== null, 'CONNACK', 'nothing');
    equal([connack.bytes[0], connack.bytes[2], connack.bytes[3]], [0x20, 0, 0], 'CONNACK bytes');
    if (!t.isV5) equal(connack.bytes, Buffer.of(0x20, 2, 0, 0), 'CONNACK');
    await client.subscribe(t.topic());
    await client.publish(t.topic(), 'works');
    equal((await client.receive()).payload.toString(), 'works', 'payload');
    await client.disconnect();
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-7.1.1-1'], '5.0': ['MQTT-4.2.0-1'] },
  'reads packets that come byte by byte, and many that come at once',
  async (t) => {
    const client = await t.open();
    const topic = t.topic();
    const packets = [
      build.subscribe(t.version, { packetId: 1, filters: [{ filter: topic, qos: 2 }] }),
      build.publish(t.version, { topic, payload: 'one', qos: 1, packetId: 2 }),
      build.publish(t.version, { topic, payload: 'two', qos: 2, packetId: 3 }),
      build.ack(t.version, 'pubrel', 3),
      build.pingreq(),
    ];
    for (const byte of build.connect(t.version, { clientId: client.clientId })) {
      client.send(Buffer.of(byte));
    }
    await client.expect('connack');
    for (const byte of Buffer.concat(packets)) client.send(Buffer.of(byte));
    await client.take('pingresp');
    await client.receiveAll(2);
    client.send(...packets.slice(1), ...packets.slice(1));
    const four = await client.receiveAll(4);
    const expected = ['one', 'two', 'one', 'two'];
    equal(
      four.map((one) => one.payload.toString()),
      expected,
      'messages',
    );
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.1.3-5'], '5.0': ['MQTT-3.1.3-5'] },
  'accepts client ids of 1 and of 23 characters out of all 62 letters and digits',
  async (t) => {
    const all = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
    // Another rotation per version, since the versions run at the same time.
    const from = t.version * 9;
    const rotated = all.slice(from) + all.slice(0, from);
    const ids = [rotated.slice(0, 23), rotated.slice(23, 46), rotated.slice(39), rotated[0]];
    for (const clientId of ids) {
      const client = await t.connect({ clientId });
      await client.ping();
      await client.disconnect();
    }
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.1.3-1', 'MQTT-3.1.2-9'],
    '5.0': ['MQTT-3.1.3-1', 'MQTT-3.1.2-9'],
  },
  'reads client id, will topic, will payload, user name and password in that order',
  async (t) => {
    const watcher = await t.connect(user);
    await watcher.subscribe(t.topic('#'), 2);
    const will = { topic: t.topic('will'), payload: 'gone', qos: 1 };
    const client = await t.connect({ will, ...user });
    client.cut();
    const message = await watcher.receive();
    equal([message.topic, message.payload.toString()], [t.topic('will'), 'gone'], 'will');
    equal(message.qos, 1, 'QoS of the will');
    const wrong = await t.begin({ ...user, password: 'wrong' });
    const refusal = await wrong.expect('connack');
    ok(refusal.reasonCode !== 0, 'a refusal of a wrong password', 'CONNACK 0x00');
  },
  { profile: 'access' },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.1.4-2'], '5.0': ['MQTT-3.1.4-3'] },
  'disconnects the client that is there when another one connects with its client id',
  async (t) => {
    const first = await t.connect();
    const second = await t.connect({ clientId: first.clientId });
    const code = await first.expectClosed({ codes: t.isV5 ? [0x8e] : [] });
    if (t.isV5) equal(code, 0x8e, 'reason code of DISCONNECT');
    await second.ping();
    await second.subscribe(t.topic());
    await second.publish(t.topic(), 'second');
    equal((await second.receive()).payload.toString(), 'second', 'payload');
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.1.4-3'],
    '5.0': ['MQTT-3.1.4-4'],
  },
  'goes on with the session, or begins anew, also when it takes over a live connection',
  async (t) => {
    const [publisher, first] = await t.connectAll({}, { isDurable: true });
    const { clientId } = first;
    await first.subscribe(t.topic(), 1);
    const second = await t.connect({ clientId, isDurable: true });
    if (t.version !== 3) equal(second.connack?.sessionPresent, true, 'Session Present');
    await publisher.publish(t.topic(), 'kept', { qos: 1 });
    equal((await second.receive()).payload.toString(), 'kept', 'payload');
    const third = await t.connect({ clientId, clean: true });
    equal(third.connack?.sessionPresent, false, 'Session Present');
    await publisher.publish(t.topic(), 'lost', { qos: 1 });
    await third.expectNothing(publisher, 1);
  },
);

test(
  { '3.1.1': ['MQTT-3.1.3-6'], '5.0': ['MQTT-3.1.3-6', 'MQTT-3.2.2-16'] },
  'gives each client with an empty client id a session of its own',
  async (t) => {
    const [one, two] = await t.connectAll({ clientId: '' }, { clientId: '' });
    await one.subscribe(t.topic('one'));
    await two.subscribe(t.topic('two'));
    await one.publish(t.topic('two'), 'to two');
    await two.publish(t.topic('one'), 'to one');
    equal((await one.receive()).payload.toString(), 'to one', 'payload');
    equal((await two.receive()).payload.toString(), 'to two', 'payload');
    await one.expectNothing(two);
    if (!t.isV5) return;
    const ids = [one, two].map((one) => one.connack?.properties.assignedClientIdentifier);
    ok(
      ids.every((id) => typeof id === 'string' && id !== ''),
      'assigned ids',
      JSON.stringify(ids),
    );
    ok(ids[0] !== ids[1], 'two different assigned ids', JSON.stringify(ids));
  },
);

test(
  { '3.1.1': ['MQTT-3.1.3-2'], '5.0': ['MQTT-3.1.3-2'] },
  'finds a session by its client id and keeps those of two client ids apart',
  async (t) => {
    const publisher = await t.connect();
    const one = await t.connect({ isDurable: true });
    const two = await t.connect({ isDurable: true });
    await one.subscribe(t.topic('one'), 1);
    await two.subscribe(t.topic('two'), 1);
    await Promise.all([one.disconnect(), two.disconnect()]);
    await publisher.publish(t.topic('one'), '1', { qos: 1 });
    await publisher.publish(t.topic('two'), '2', { qos: 1 });
    const oneAgain = await t.connect({ clientId: one.clientId, isDurable: true });
    const twoAgain = await t.connect({ clientId: two.clientId, isDurable: true });
    equal((await oneAgain.receive()).payload.toString(), '1', 'payload');
    equal((await twoAgain.receive()).payload.toString(), '2', 'payload');
    await oneAgain.expectNothing(publisher, 1);
    await twoAgain.expectNothing(publisher, 1);
  },
);

test(
  {
    '3.1.1': ['MQTT-3.1.2-24', 'MQTT-4.8.0-1'],
    '5.0': ['MQTT-3.1.2-22', 'MQTT-3.2.2-22'],
  },
  'cuts a client that is silent for one and a half times its Keep Alive, and sends its will',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('will'));
    const lasting = await t.connect({ keepAlive: 0 });
    const will = { topic: t.topic('will'), payload: 'silent' };
    const busy = await t.connect({ keepAlive: 2 });
    const start = performance.now();
    const silent = await t.connect({ keepAlive: 1, will });
    const closed = silent.expectClosed({ codes: t.isV5 ? [0x8d] : [], deadlineMs: 12_000 });
    await busy.ping();
    await closed;
    const seconds = (performance.now() - start) / 1000;
    ok(seconds >= 1, 'no close before Keep Alive is over', `a close after ${seconds.toFixed(2)} s`);
    ok(seconds < 4, 'a close near 1.5 × Keep Alive', `a close after ${seconds.toFixed(2)} s`);
    equal((await watcher.receive()).payload.toString(), 'silent', 'will');
    await lasting.ping();
    await busy.ping();
  },
  { isSlow: true },
);

test(
  { '3.1.1': ['MQTT-3.1.4-5'], '5.0': ['MQTT-3.1.4-6'] },
  'processes nothing that follows a CONNECT that it refuses',
  async (t) => {
    const watcher = await t.connect(user);
    await watcher.subscribe(t.topic('#'));
    const refused = await t.open();
    refused.send(
      build.connect(t.version, { clientId: refused.clientId, ...user, password: 'wrong' }),
      build.subscribe(t.version, { packetId: 1, filters: [{ filter: t.topic('#') }] }),
      build.publish(t.version, { topic: t.topic('smuggled'), payload: 'no', retain: true }),
    );
    await refused.expectClosed({ codes: t.isV5 ? [0x86, 0x87] : [4, 5] });
    await watcher.expectNothing(watcher);
  },
  { profile: 'access' },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.2.2-4', 'MQTT-3.2.2-5'],
    '5.0': ['MQTT-3.1.4-2', 'MQTT-3.2.2-6', 'MQTT-3.2.2-7'],
  },
  'refuses wrong credentials with Session Present 0, though there is a session, and closes',
  async (t) => {
    const durable = await t.connect({ ...user, isDurable: true });
    await durable.disconnect();
    const { clientId } = durable;
    for (const credentials of [{}, { ...user, password: 'wrong' }, { ...user, username: 'bob' }]) {
      const client = await t.begin({ clientId, clean: false, ...credentials });
      await client.until('a refusal', () => client.packets.length > 0);
      equal(client.packets[0].sessionPresent, false, 'Session Present');
      await client.expectClosed({ codes: t.isV5 ? [0x86, 0x87] : [4, 5] });
    }
    const again = await t.connect({ ...user, clientId, isDurable: true });
    if (t.version !== 3) equal(again.connack?.sessionPresent, true, 'Session Present');
  },
  { profile: 'access' },
);
