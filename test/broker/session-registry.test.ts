/** How sessions begin, pass from one connection to the next, and end. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { type ConnectOptions, FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('sessions');

const CLIENT = { clientId: 'one' };
const DURABLE: ConnectOptions = { ...CLIENT, properties: { sessionExpiryInterval: 100 } };
const SECOND_MS = 1000;

/** True when the session with its subscription is still there. */
function comesBack(broker: FakeBroker, options: ConnectOptions = {}): boolean {
  const client = broker.request({ ...DURABLE, clean: false, ...options });
  const connack = client.takeFirst('connack');
  return connack.sessionPresent!;
}

function publishFromElsewhere(broker: FakeBroker, payload: string, qos: 0 | 1 | 2 = 1): void {
  const publisher = broker.connect({ clientId: 'publisher' });
  publisher.publish('a', payload, { qos, messageId: 1 });
  publisher.disconnect();
}

for (const version of [3, 4, 5] as const) {
  test(`version ${version}: a second connection closes the first [MQTT-3.1.4-3]`, () => {
    const broker = new FakeBroker();
    const first = broker.connect({ ...CLIENT, version });
    const second = broker.connect({ ...CLIENT, version });
    assert.is(first.isOpen, false);
    assert.is(second.isOpen, true);
    const farewell = first.take('disconnect').map(({ reasonCode }) => reasonCode);
    assert.equal(farewell, version === 5 ? [ReasonCode.SessionTakenOver] : []);
    assert.is(broker.core.metrics.sessionsTakenOver, 1);
    assert.is(broker.core.metrics.clientsConnected, 1);
    assert.is(broker.core.sessions.size, 1);
    second.send({ cmd: 'pingreq' });
    assert.is(second.take('pingresp').length, 1);
  });
}

/** Version and Clean Start of either connection, and whether the session goes on. */
const takeovers: readonly (readonly [ConnectOptions, ConnectOptions, boolean])[] = [
  [{ version: 5, properties: { sessionExpiryInterval: 9 } }, { version: 5, clean: false }, true],
  [{ version: 5, properties: { sessionExpiryInterval: 9 } }, { version: 5, clean: true }, false],
  [{ version: 5 }, { version: 5, clean: false }, false],
  [{ version: 4, clean: false }, { version: 4, clean: false }, true],
  [{ version: 4, clean: false }, { version: 4, clean: true }, false],
  [{ version: 4, clean: true }, { version: 4, clean: false }, false],
  [{ version: 4, clean: false }, { version: 5, clean: false }, true],
  [{ version: 5, properties: { sessionExpiryInterval: 9 } }, { version: 4, clean: false }, true],
];
for (const [before, after, isPresent] of takeovers) {
  const name = (options: ConnectOptions): string => {
    const expiry = options.properties?.sessionExpiryInterval ?? 0;
    return `v${options.version} clean ${options.clean ?? true} expiry ${expiry}`;
  };
  for (const isOpen of [true, false]) {
    const how = isOpen ? 'taken over' : 'closed';
    test(`${name(before)}, ${how}, then ${name(after)}: session present ${isPresent}`, () => {
      const broker = new FakeBroker();
      const first = broker.connect({ ...CLIENT, ...before });
      first.subscribe('a', { qos: 1 });
      if (!isOpen) first.drop();
      const second = broker.request({ ...CLIENT, ...after });
      assert.is(second.takeFirst('connack').sessionPresent, isPresent);
      publishFromElsewhere(broker, 'x');
      assert.equal(second.takePayloads(), isPresent ? ['x'] : []);
      assert.is(broker.core.index.size, isPresent ? 1 : 0);
    });
  }
}

test('MQTT 3.1 has no session present flag, yet the session is', () => {
  const broker = new FakeBroker();
  const first = broker.connect({ ...CLIENT, version: 3, clean: false });
  first.subscribe('a', { qos: 1 });
  first.drop();
  publishFromElsewhere(broker, 'x');
  const second = broker.request({ ...CLIENT, version: 3, clean: false });
  assert.is(second.takeFirst('connack').sessionPresent, false);
  assert.equal(second.takePayloads(), ['x']);
});

test('expiry 0: the session ends with the connection [MQTT-4.1.0-2]', () => {
  const broker = new FakeBroker();
  const client = broker.connect(CLIENT);
  client.subscribe('a', { qos: 1 });
  client.drop();
  assert.equal([broker.core.sessions.size, broker.core.index.size], [0, 0]);
});

test('expiry n: the session is there until n seconds after the end, and then no more', () => {
  const broker = new FakeBroker();
  const client = broker.connect(DURABLE);
  broker.advance(1_000 * SECOND_MS);
  client.drop();
  broker.advance(100 * SECOND_MS - 1);
  assert.is(broker.core.sessions.size, 1);
  broker.advance(1);
  assert.is(broker.core.sessions.size, 0);
  assert.is(broker.core.metrics.sessionsExpired, 1);
  assert.is(comesBack(broker), false);
});

test('a client that comes back in time starts its expiry anew', () => {
  const broker = new FakeBroker();
  broker.connect(DURABLE).drop();
  broker.advance(99 * SECOND_MS);
  const back = broker.request({ ...DURABLE, clean: false });
  assert.is(back.takeFirst('connack').sessionPresent, true);
  broker.advance(1_000 * SECOND_MS);
  assert.is(back.isOpen, true);
  back.drop();
  broker.advance(99 * SECOND_MS);
  assert.is(comesBack(broker), true);
});

test('expiry 0xFFFFFFFF: never', () => {
  const broker = new FakeBroker();
  broker.connect({ ...CLIENT, properties: { sessionExpiryInterval: 0xffff_ffff } }).drop();
  broker.advance(0xffff_ffff * SECOND_MS);
  assert.is(broker.core.deadlines.size, 0);
  assert.is(comesBack(broker), true);
});

test('0xFFFFFFFE is long, but not never', () => {
  const broker = new FakeBroker();
  broker.connect({ ...CLIENT, properties: { sessionExpiryInterval: 0xffff_fffe } }).drop();
  broker.advance(0xffff_fffe * SECOND_MS - 1);
  assert.is(broker.core.sessions.size, 1);
  broker.advance(1);
  assert.is(broker.core.sessions.size, 0);
});

test('a version 3 client with Clean Session 0 keeps its session for ever', () => {
  const broker = new FakeBroker();
  broker.connect({ ...CLIENT, version: 4, clean: false }).drop();
  broker.advance(10_000_000 * SECOND_MS);
  assert.is(comesBack(broker, { version: 4 }), true);
});

test('DISCONNECT may change the expiry: shorter, longer, to 0, to never', () => {
  for (const [seconds, lives] of [
    [5, 5],
    [500, 500],
    [0, 0],
    [0xffff_ffff, Infinity],
  ] as const) {
    const broker = new FakeBroker();
    broker.connect(DURABLE).disconnect(0, { sessionExpiryInterval: seconds });
    assert.is(broker.core.sessions.size, lives === 0 ? 0 : 1);
    if (lives === 0) continue;
    broker.advance(Math.min(lives, 1_000_000) * SECOND_MS - 1);
    assert.is(broker.core.sessions.size, 1);
    broker.advance(1);
    assert.is(broker.core.sessions.size, lives === Infinity ? 1 : 0);
  }
});

test('DISCONNECT may not make a session of expiry 0 last [MQTT-3.14.2-2]', () => {
  const broker = new FakeBroker();
  const client = broker.connect(CLIENT);
  client.disconnect(0, { sessionExpiryInterval: 5 });
  assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.ProtocolError);
  assert.is(broker.core.sessions.size, 0);
});

test('persistent_client_expiration clamps what is asked for, and the client is told', () => {
  const broker = new FakeBroker({ delivery: { persistentClientExpirationS: 60 } });
  const client = broker.request(DURABLE);
  const { properties } = client.takeFirst('connack');
  assert.is(properties?.sessionExpiryInterval, 60);
  client.drop();
  broker.advance(60 * SECOND_MS - 1);
  assert.is(broker.core.sessions.size, 1);
  broker.advance(1);
  assert.is(broker.core.sessions.size, 0);
  broker.connect(DURABLE).disconnect(0, { sessionExpiryInterval: 0xffff_ffff });
  broker.advance(60 * SECOND_MS);
  assert.is(broker.core.sessions.size, 0, 'DISCONNECT is clamped as well');
  broker.connect({ ...CLIENT, version: 4, clean: false }).drop();
  broker.advance(60 * SECOND_MS);
  assert.is(broker.core.sessions.size, 0, 'and Clean Session 0');
});

test('a client that comes back with expiry 0 gets its old session, for the last time', () => {
  const broker = new FakeBroker();
  broker.connect(DURABLE).drop();
  const back = broker.request({ ...CLIENT, clean: false });
  assert.is(back.takeFirst('connack').sessionPresent, true);
  back.drop();
  assert.is(broker.core.sessions.size, 0);
});

test('takeover in the middle of deliveries: nothing is lost, QoS 1 comes again with DUP', () => {
  const broker = new FakeBroker();
  const first = broker.connect(DURABLE);
  first.subscribe('a', { qos: 2 });
  for (const payload of ['1', '2', '3']) publishFromElsewhere(broker, payload, 1);
  for (const payload of ['4', '5']) publishFromElsewhere(broker, payload, 2);
  const sent = first.take('publish');
  first.acknowledge('puback', sent[1]!.messageId!);
  first.acknowledge('pubrec', sent[3]!.messageId!);
  const second = broker.request({ ...DURABLE, clean: false });
  const again = second.take('publish');
  assert.equal(
    again.map(({ payload, dup, messageId }) => [payload!.toString(), dup, messageId]),
    [sent[0]!, sent[2]!, sent[4]!].map(({ payload, messageId }) => [
      payload!.toString(),
      true,
      messageId,
    ]),
  );
  assert.equal(
    second.take('pubrel').map(({ messageId }) => messageId),
    [sent[3]!.messageId],
  );
});

test('a session that comes and goes without answers keeps its state [MQTT-4.4.0-1]', () => {
  const broker = new FakeBroker();
  let client: FakeClient = broker.connect(DURABLE);
  client.subscribe('a', { qos: 2 });
  publishFromElsewhere(broker, 'x', 2);
  const { messageId } = client.takeFirst('publish');
  client.acknowledge('pubrec', messageId!);
  client.takeFirst('pubrel');
  for (let again = 0; again < 3; again++) {
    client.drop();
    client = broker.connect({ ...DURABLE, clean: false });
    assert.is(client.takeFirst('pubrel').messageId, messageId);
  }
  client.acknowledge('pubcomp', messageId!);
  client.drop();
  client = broker.connect({ ...DURABLE, clean: false });
  assert.equal(client.take(), []);
});

test('global_max_clients bounds sessions, not the return of those that are there', () => {
  const broker = new FakeBroker({ limits: { clientsMax: 1 } });
  broker.connect(DURABLE).drop();
  const refused = broker.request({ clientId: 'two' });
  assert.is(refused.takeFirst('connack').reasonCode, ReasonCode.QuotaExceeded);
  const old = broker.request({ clientId: 'three', version: 4 });
  assert.is(old.takeFirst('connack').returnCode, 3);
  assert.is(comesBack(broker), true);
  assert.is(broker.core.metrics.connectionsRefused, 2);
});

test.run();
