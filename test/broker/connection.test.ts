/** One connection: its bytes in any pieces, its deadlines, and its being held. */
import * as mqttPacket from 'mqtt-packet';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { XorShift32 } from '../../src/base/prng.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('connection');

const SECOND_MS = 1000;

function ping(client: FakeClient): void {
  client.send({ cmd: 'pingreq' });
  client.takeFirst('pingresp');
}

test('no CONNECT before connect_timeout_ms: closed, without a word', () => {
  const broker = new FakeBroker({ limits: { connectTimeoutMs: 5_000 } });
  const client = broker.open();
  client.sendBytes([0x10]);
  broker.advance(4_999);
  assert.is(client.isOpen, true);
  broker.advance(1);
  assert.is(client.isOpen, false);
  assert.equal(client.take(), []);
  const { metrics } = broker.core;
  assert.equal([metrics.connectTimeouts, metrics.connectionsOpen], [1, 0]);
});

test('the connect timeout counts from accept, however often a few bytes come', () => {
  const broker = new FakeBroker({ limits: { connectTimeoutMs: 5_000 } });
  const client = broker.open();
  const bytes = [0x10, 0x20, 0x00, 0x04, 0x4d];
  for (const byte of bytes) {
    client.sendBytes([byte]);
    broker.advance(999);
  }
  assert.is(client.isOpen, true);
  broker.advance(5);
  assert.is(client.isOpen, false);
});

test('an authentication that never answers ends with the connection', async () => {
  const broker = new FakeBroker({ limits: { connectTimeoutMs: 60_000 } });
  broker.access.authenticate = () => new Promise(() => undefined);
  const client = broker.request();
  broker.advance(29_999);
  assert.is(client.isOpen, true);
  broker.advance(1);
  assert.is(client.takeFirst('connack').reasonCode, ReasonCode.NotAuthorized);
  await broker.settleLater();
  assert.equal([broker.core.deadlines.size, broker.core.metrics.connectionsOpen], [0, 0]);
});

test('a connected client is not subject to the connect timeout', () => {
  const broker = new FakeBroker();
  const client = broker.connect();
  broker.advance(10_000 * SECOND_MS);
  ping(client);
});

for (const version of [4, 5] as const) {
  test(`version ${version}: silence of 1.5 keep-alives ends the connection [MQTT-3.1.2-22]`, () => {
    const broker = new FakeBroker();
    const client = broker.connect({ version, keepalive: 10 });
    broker.advance(14_999);
    assert.is(client.isOpen, true);
    broker.advance(1);
    assert.is(client.isOpen, false);
    const farewell = client.take('disconnect').map(({ reasonCode }) => reasonCode);
    assert.equal(farewell, version === 5 ? [ReasonCode.KeepAliveTimeout] : []);
    assert.is(broker.core.metrics.keepAliveTimeouts, 1);
  });
}

for (const lastMs of [0, 1, 500, 7_000, 14_999]) {
  test(`the keep-alive counts from the last packet, here at ${lastMs} ms`, () => {
    const broker = new FakeBroker();
    const client = broker.connect({ keepalive: 10 });
    broker.advance(lastMs);
    ping(client);
    for (let ms = 0; ms < 14_950; ms += 50) broker.advance(50);
    assert.is(client.isOpen, true);
    for (let ms = 0; ms < 100; ms += 50) broker.advance(50);
    assert.is(client.isOpen, false, 'and is over 1.5 keep-alives later');
  });
}

test('keep-alive 0 is off', () => {
  const broker = new FakeBroker();
  const client = broker.connect({ keepalive: 0 });
  broker.advance(1e9);
  ping(client);
});

test('max_keepalive: version 5 is told Server Keep Alive, and held to it [MQTT-3.2.2-21]', () => {
  for (const keepalive of [0, 100]) {
    const broker = new FakeBroker({ delivery: { maxKeepAlive: 20 } });
    const client = broker.request({ keepalive });
    assert.is(client.takeFirst('connack').properties?.serverKeepAlive, 20);
    broker.advance(30 * SECOND_MS - 1);
    assert.is(client.isOpen, true);
    broker.advance(1);
    assert.is(client.isOpen, false);
  }
});

test('max_keepalive: version 3 is refused', () => {
  const broker = new FakeBroker({ delivery: { maxKeepAlive: 20 } });
  const client = broker.request({ version: 4, keepalive: 21 });
  assert.is(client.takeFirst('connack').returnCode, 2);
  broker.connect({ version: 4, keepalive: 20 });
});

test('a client that is not read is not silent, nor is it right afterwards', async () => {
  const broker = new FakeBroker();
  let allow: (isAllowed: boolean) => void = () => undefined;
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = () =>
    new Promise((resolve) => {
      allow = resolve;
    });
  const client = broker.connect({ keepalive: 10 });
  client.publish('a', 'x');
  for (let ms = 0; ms < 19_950; ms += 50) {
    broker.advance(50);
    if (ms % 5_000 === 0) client.post({ cmd: 'pingreq' });
  }
  assert.is(client.isOpen, true);
  allow(true);
  await Promise.resolve();
  await Promise.resolve();
  // It is read again from here on, but the timer comes first.
  broker.endTurn();
  assert.is(client.transport.isPaused, false);
  broker.clock.advance(50);
  broker.core.tick();
  assert.is(client.isOpen, true);
  broker.settle();
  assert.is(client.isOpen, true);
  assert.is(client.take('pingresp').length, 4);
});

/** A conversation with everything in it: packets large and small, aliases, QoS 0 to 2. */
function conversation(): Buffer {
  const packets: mqttPacket.Packet[] = [
    { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clientId: 'one', clean: true },
    { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 2 }] },
  ];
  const sizes = [0, 1, 100, 200, 5_000, 20_000, 40_000, 3, 70_000, 2];
  for (const [index, size] of sizes.entries()) {
    const qos = (index % 3) as 0 | 1 | 2;
    packets.push({
      cmd: 'publish',
      topic: `topic/${index % 4}`,
      payload: `${index}`.padEnd(size, 'x'),
      qos,
      messageId: index + 1,
      dup: false,
      retain: false,
    });
    packets.push({ cmd: 'pingreq' });
    if (qos === 2) packets.push({ cmd: 'pubrel', messageId: index + 1 });
  }
  packets.push({
    cmd: 'publish',
    topic: 'aliased',
    payload: 'one',
    qos: 0,
    dup: false,
    retain: false,
    properties: { topicAlias: 3 },
  });
  packets.push({
    cmd: 'publish',
    topic: '',
    payload: 'two',
    qos: 0,
    dup: false,
    retain: false,
    properties: { topicAlias: 3, userProperties: { a: 'b' } },
  });
  const options = { protocolVersion: 5 };
  return Buffer.concat(packets.map((packet) => mqttPacket.generate(packet, options)));
}

/** What the client gets when its bytes arrive in these pieces. */
function answersTo(bytes: Buffer, slice: (available: number) => number): string[] {
  const broker = new FakeBroker();
  const client = broker.open({ slice });
  client.isAcknowledging = false;
  client.sendBytes(bytes);
  assert.is(client.isOpen, true);
  assert.equal([broker.core.metrics.protocolErrors, client.transport.unread], [0, 0]);
  return client.take().map((packet) => {
    const { cmd, messageId, qos, topic, payload, reasonCode } = packet;
    return [cmd, messageId, qos, topic, payload?.length, payload?.[0], reasonCode].join(' ');
  });
}

const prng = new XorShift32(42);
const slices: Readonly<Record<string, (available: number) => number>> = {
  'one byte': () => 1,
  'two bytes': () => 2,
  'seven bytes': () => 7,
  '1 to 10 bytes': () => 1 + prng.below(10),
  '1 to 3000 bytes': () => 1 + prng.below(3_000),
  '16 KiB and a byte': () => 16 * 1024 + 1,
  '1 byte and then 20 000': (available) => (available % 2 === 0 ? 1 : 20_000),
};
for (const [what, slice] of Object.entries(slices)) {
  test(`bytes that come in pieces of ${what} are understood as if they came at once`, () => {
    const bytes = conversation();
    const expected = answersTo(bytes, (available) => available);
    assert.equal(answersTo(bytes, slice), expected);
  });
}

test('bytes cut once, anywhere, are understood', () => {
  const bytes = conversation().subarray(0, 800);
  const whole = answersTo(bytes, (available) => available);
  // Every place in the first packets, then some in each of the others.
  for (let cut = 1; cut < bytes.length; cut += cut < 120 ? 1 : 11) {
    let isFirst = true;
    const slice = (available: number): number => {
      const length = isFirst ? cut : available;
      isFirst = false;
      return length;
    };
    assert.equal(answersTo(bytes, slice), whole, `cut at ${cut}`);
  }
});

test('a held connection goes on in the middle of what was read, in order', async () => {
  const broker = new FakeBroker();
  const order: string[] = [];
  const asked: ((isAllowed: boolean) => void)[] = [];
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = (_client, topic) =>
    topic === 'now' ? true : new Promise((resolve) => asked.push(resolve));
  const watcher = broker.connect();
  watcher.subscribe('#');
  const client = broker.connect();
  const publish = (topic: string, payload: string): void =>
    client.post({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false });
  for (const round of ['1', '2', '3']) {
    publish('later', `later ${round}`);
    publish('now', `now ${round}`);
    client.post({ cmd: 'pingreq' });
  }
  broker.settle();
  for (let round = 1; round <= 3; round++) {
    order.push(...watcher.takePayloads());
    assert.is(client.take('pingresp').length, round === 1 ? 0 : 1);
    assert.is(client.transport.isPaused, true);
    assert.is(asked.length, 1, 'one after the other');
    asked.shift()!(true);
    await broker.settleLater();
  }
  order.push(...watcher.takePayloads());
  assert.equal(order, ['later 1', 'now 1', 'later 2', 'now 2', 'later 3', 'now 3']);
  assert.is(client.transport.isPaused, false);
});

test('bytes that come while a connection is held wait, also one read after the pause', async () => {
  const broker = new FakeBroker();
  let allow: (isAllowed: boolean) => void = () => undefined;
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = (_client, topic) =>
    topic === 'now' ? true : new Promise((resolve) => (allow = resolve));
  const client = broker.connect();
  client.publish('later', 'x');
  assert.is(client.transport.isPaused, true);
  // What was on its way already.
  client.transport.isPaused = false;
  client.sendBytes([0xc0]);
  assert.equal(client.take(), []);
  client.transport.isPaused = true;
  allow(true);
  await broker.settleLater();
  client.sendBytes([0x00]);
  assert.is(client.take('pingresp').length, 1);
});

test('above max_packet_size: 0x95 as soon as the length is there [MQTT-3.2.2-15]', () => {
  const broker = new FakeBroker({ limits: { packetBytesMax: 1_000 } });
  const client = broker.request();
  assert.is(client.takeFirst('connack').properties?.maximumPacketSize, 1_000);
  client.publish('a', 'x'.repeat(1_000 - 3 - 3 - 1));
  assert.is(client.isOpen, true);
  client.sendBytes([0x30, 0xe6, 0x07]);
  assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.PacketTooLarge);
  assert.is(broker.core.metrics.packetsTooLarge, 1);
});

test('CONNECT above max_connect_bytes: version 5 gets 0x95, version 3 nothing', () => {
  const broker = new FakeBroker({ limits: { connectBytesMax: 64 } });
  for (const version of [3, 4, 5] as const) {
    const client = broker.request({ clientId: 'x'.repeat(100), version });
    assert.is(client.isOpen, false);
    const codes = client.take().map(({ cmd, reasonCode }) => [cmd, reasonCode]);
    assert.equal(codes, version === 5 ? [['connack', ReasonCode.PacketTooLarge]] : []);
  }
  const { metrics } = broker.core;
  assert.equal([metrics.packetsTooLarge, metrics.connectionsRefused], [3, 3]);
  broker.connect({ clientId: 'x' });
});

test('CONNECT above max_connect_bytes whose version has not come is closed without a word', () => {
  const header = [0x10, 0xff, 0x7f];
  const pieces = [
    header,
    [...header, 0, 4, 0x4d, 0x51],
    [...header, 0, 4, 0x4d, 0x51, 0x54, 0x54],
    [...header, 0, 4, 0x4d, 0x51, 0x54, 0x54, 6],
    [...header, 0, 4, 0xff, 0xff, 0xff, 0xff, 5],
  ];
  for (const bytes of pieces) {
    const broker = new FakeBroker({ limits: { connectBytesMax: 64 } });
    const client = broker.open();
    client.sendBytes(bytes);
    assert.equal([client.isOpen, client.take()], [false, []]);
    assert.is(broker.core.connections.size, 0);
  }
  const broker = new FakeBroker({ limits: { connectBytesMax: 64 } });
  const client = broker.open();
  client.sendBytes([...header, 0, 4, 0x4d, 0x51, 0x54, 0x54, 5]);
  assert.is(client.takeFirst('connack').reasonCode, ReasonCode.PacketTooLarge);
});

test('message_size_limit holds for wills: 0x95, and 5 in version 3, as Mosquitto has it', () => {
  const broker = new FakeBroker({ limits: { messageBytesMax: 10 } });
  const reader = broker.connect();
  reader.subscribe('will');
  const will = (bytes: number) => ({
    topic: 'will',
    payload: Buffer.alloc(bytes, 'w'),
    qos: 0 as const,
    retain: false,
  });
  for (const version of [3, 4, 5] as const) {
    const refused = broker.request({ will: will(11), version });
    const { reasonCode, returnCode } = refused.takeFirst('connack');
    const code = version === 5 ? reasonCode : returnCode;
    assert.is(code, version === 5 ? ReasonCode.PacketTooLarge : 5);
    assert.is(refused.isOpen, false);
    assert.equal(reader.takePayloads(), []);
    broker.connect({ will: will(10), version }).drop();
    assert.equal(reader.takePayloads(), ['w'.repeat(10)]);
  }
});

test('MQTT 3.1 may set DUP on PUBREL, SUBSCRIBE and UNSUBSCRIBE that it sends again', () => {
  const broker = new FakeBroker();
  const client = broker.connect({ version: 3 });
  client.publish('a', 'x', { qos: 2, messageId: 5 });
  client.takeFirst('pubrec');
  client.sendBytes([0x6a, 2, 0, 5]);
  assert.is(client.takeFirst('pubcomp').messageId, 5);
  client.sendBytes([0x8a, 6, 0, 6, 0, 1, 0x61, 0]);
  assert.is(client.takeFirst('suback').messageId, 6);
  client.sendBytes([0xaa, 5, 0, 7, 0, 1, 0x61]);
  assert.is(client.takeFirst('unsuback').messageId, 7);
});

test.run();
