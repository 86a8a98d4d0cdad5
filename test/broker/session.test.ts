/** What becomes of a message for a session: sent, queued, expired, dropped, and counted. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DropReason } from '../../src/broker/metrics.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { type ConnectOptions, FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('session');

const SECOND_MS = 1000;
const ONE = 'one';

function durable(broker: FakeBroker, options: ConnectOptions = {}): FakeClient {
  const { properties } = options;
  return broker.connect({
    clientId: ONE,
    clean: false,
    ...options,
    properties: { sessionExpiryInterval: 1_000_000, ...properties },
  });
}

/** A broker with an offline subscriber to `a`, and a publisher. */
function offline(broker: FakeBroker): FakeClient {
  const client = durable(broker);
  client.subscribe('a', { qos: 2 });
  client.drop();
  return broker.connect({ clientId: 'publisher' });
}

function publishAll(publisher: FakeClient, payloads: Iterable<string>, qos: 0 | 1 | 2 = 1): void {
  for (const payload of payloads) {
    publisher.publish('a', payload, { qos, messageId: 1 });
    if (qos === 2) publisher.acknowledge('pubrel', 1);
  }
}

function droppedOf(broker: FakeBroker, reason: DropReason): number[] {
  return [broker.core.metrics.dropped[reason]!, broker.core.sessions.get(ONE)?.dropped ?? -1];
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => String(from + index));
}

test('what comes while the client is away waits in order, with its original identifiers', () => {
  const broker = new FakeBroker();
  const publisher = offline(broker);
  publishAll(publisher, numbers(1, 50));
  const client = durable(broker);
  const packets = client.take('publish');
  assert.equal(
    packets.map(({ payload }) => payload!.toString()),
    numbers(1, 50),
  );
  assert.equal(
    packets.map(({ messageId, dup }) => `${messageId} ${dup}`),
    [...numbers(1, 50).map((n) => `${n} false`)],
  );
  client.drop();
  const again = durable(broker).take('publish');
  assert.equal(
    again.map(({ messageId, dup }) => `${messageId} ${dup}`),
    [...numbers(1, 50).map((n) => `${n} true`)],
  );
});

test('Receive Maximum and max_inflight_messages bound what is in flight [MQTT-3.3.4-9]', () => {
  for (const [receiveMaximum, inflightMessagesMax, expected] of [
    [3, 100, 3],
    [100, 4, 4],
    [3, 0, 3],
  ] as const) {
    const broker = new FakeBroker({ limits: { inflightMessagesMax } });
    const publisher = offline(broker);
    publishAll(publisher, numbers(1, 10), 2);
    const client = durable(broker, { properties: { receiveMaximum } });
    assert.is(client.take('publish').length, expected);
    client.acknowledge('pubrec', 1);
    assert.is(client.take('publish').length, 0, 'only PUBCOMP gives a place back');
    client.acknowledge('pubcomp', 1);
    assert.is(client.take('publish').length, 1);
    client.acknowledge('pubrec', 2, 0x80);
    assert.is(client.take('publish').length, 1, 'or PUBREC with an error');
  }
});

test('max_inflight_bytes bounds payload bytes in flight, but lets one message through', () => {
  const broker = new FakeBroker({ limits: { inflightBytesMax: 100 } });
  const publisher = offline(broker);
  publishAll(publisher, ['a'.repeat(60), 'b'.repeat(40), 'c', 'd'.repeat(200), 'e']);
  const client = durable(broker);
  const lengths = (): number[] => client.takePayloads().map(({ length }) => length);
  assert.equal(lengths(), [60, 40]);
  client.acknowledge('puback', 1);
  assert.equal(lengths(), [1]);
  client.acknowledge('puback', 2);
  client.acknowledge('puback', 3);
  assert.equal(lengths(), [200]);
  client.acknowledge('puback', 4);
  assert.equal(lengths(), [1]);
});

const policies = {
  drop_newest: numbers(1, 5),
  drop_oldest: numbers(4, 8),
  refuse: numbers(1, 5),
} as const;
for (const [policy, expected] of Object.entries(policies)) {
  test(`a full queue, ${policy}: ${expected} stay, the others are counted`, () => {
    const queueFullPolicy = policy as keyof typeof policies;
    const broker = new FakeBroker({
      delivery: { queueFullPolicy },
      limits: { queuedMessagesMax: 5 },
    });
    const publisher = offline(broker);
    publishAll(publisher, numbers(1, 8));
    const codes = publisher.take('puback').map(({ reasonCode }) => reasonCode ?? 0);
    const isRefused = policy === 'refuse';
    const last = isRefused ? ReasonCode.QuotaExceeded : 0;
    assert.equal(codes, [0, 0, 0, 0, 0, last, last, last]);
    const reason = isRefused ? DropReason.Refused : DropReason.QueueFull;
    assert.is(broker.core.metrics.dropped[reason], 3);
    if (!isRefused) assert.equal(droppedOf(broker, reason), [3, 3]);
    assert.equal(durable(broker).takePayloads(), [...expected]);
  });
}

test('refuse does not apply to who cannot be told: QoS 0 and version 3', () => {
  const broker = new FakeBroker({
    delivery: { queueFullPolicy: 'refuse' },
    limits: { queuedMessagesMax: 1 },
  });
  const publisher = offline(broker);
  const old = broker.connect({ version: 4 });
  const other = broker.connect({ clientId: 'other' });
  other.subscribe('a');
  publishAll(publisher, ['1']);
  old.publish('a', '2', { qos: 1, messageId: 1 });
  publishAll(publisher, ['3'], 0);
  publishAll(publisher, ['4']);
  assert.is(old.take('puback').length, 1);
  assert.equal(other.takePayloads(), ['1', '2', '3'], 'nobody gets what is refused');
  assert.equal(durable(broker).takePayloads(), ['1']);
  assert.is(broker.core.metrics.dropped[DropReason.QueueFull], 1);
});

test('a refused message is not retained either', () => {
  const broker = new FakeBroker({
    delivery: { queueFullPolicy: 'refuse' },
    limits: { queuedMessagesMax: 1 },
  });
  const publisher = offline(broker);
  publishAll(publisher, ['1']);
  publisher.publish('a', 'refused', { qos: 1, messageId: 1, retain: true });
  assert.is(publisher.take('puback').at(-1)!.reasonCode, ReasonCode.QuotaExceeded);
  assert.is(broker.core.retained.size, 0);
});

for (const queueFullPolicy of ['drop_newest', 'drop_oldest'] as const) {
  test(`max_queued_bytes with ${queueFullPolicy} is never exceeded`, () => {
    const broker = new FakeBroker({
      delivery: { queueFullPolicy },
      limits: { queuedBytesMax: 100 },
    });
    const publisher = offline(broker);
    for (const size of [10, 20, 30, 40, 90, 5, 100, 99, 3, 101, 50]) {
      publishAll(publisher, ['x'.repeat(size)]);
      const bytes = broker.core.sessions.get(ONE)!.outbox!.queuedBytes;
      assert.ok(bytes <= 100, `${bytes} bytes after one of ${size}`);
    }
    const expected = queueFullPolicy === 'drop_newest' ? [10, 20, 30, 40] : [3, 50];
    assert.equal(
      durable(broker)
        .takePayloads()
        .map(({ length }) => length),
      expected,
    );
  });
}

test('QoS 0 for an offline session is dropped and counted, unless queue_qos0_messages', () => {
  const broker = new FakeBroker();
  const publisher = offline(broker);
  publishAll(publisher, ['1'], 0);
  publishAll(publisher, ['2'], 1);
  assert.equal(droppedOf(broker, DropReason.OfflineQos0), [1, 1]);
  assert.equal(durable(broker).takePayloads(), ['2']);

  const queueing = new FakeBroker({ delivery: { queueQos0Messages: true } });
  const other = offline(queueing);
  for (const [payload, qos] of [
    ['1', 0],
    ['2', 1],
    ['3', 0],
    ['4', 2],
    ['5', 0],
  ] as const) {
    publishAll(other, [payload], qos);
  }
  const packets = durable(queueing).take('publish');
  assert.equal(
    packets.map(({ payload, qos }) => `${payload} ${qos}`),
    ['1 0', '2 1', '3 0', '4 2', '5 0'],
  );
});

test('queued QoS 0 messages keep their place before those that come later [MQTT-4.6.0-6]', () => {
  const broker = new FakeBroker({ delivery: { queueQos0Messages: true } });
  const publisher = offline(broker);
  for (const payload of numbers(1, 4)) {
    publishAll(publisher, [`qos1 ${payload}`], 1);
    publishAll(publisher, [`qos0 ${payload}`], 0);
  }
  const client = durable(broker, { properties: { receiveMaximum: 1 } });
  client.isAcknowledging = false;
  publishAll(publisher, ['qos0 5'], 0);
  const order: string[] = [];
  for (let round = 0; round < 6; round++) {
    const packets = client.take('publish');
    order.push(...packets.map(({ payload }) => payload!.toString()));
    for (const { qos, messageId } of packets)
      if (qos === 1) client.acknowledge('puback', messageId!);
  }
  order.push(...client.takePayloads());
  assert.equal(
    order.filter((payload) => payload.startsWith('qos0')),
    numbers(1, 5).map((n) => `qos0 ${n}`),
  );
});

test('upgrade_outgoing_qos delivers with the QoS of the subscription', () => {
  for (const upgradeOutgoingQos of [false, true]) {
    const broker = new FakeBroker({ delivery: { upgradeOutgoingQos } });
    const client = broker.connect({ clientId: 'online' });
    client.subscribe('a', { qos: 2 });
    const publisher = offline(broker);
    publishAll(publisher, ['0'], 0);
    publishAll(publisher, ['1'], 1);
    const expected = upgradeOutgoingQos ? ['0 2', '1 2'] : ['0 0', '1 1'];
    assert.equal(
      client.take('publish').map(({ payload, qos }) => `${payload} ${qos}`),
      expected,
    );
    const later = durable(broker).take('publish');
    assert.equal(
      later.map(({ payload, qos }) => `${payload} ${qos}`),
      upgradeOutgoingQos ? ['0 2', '1 2'] : ['1 1'],
    );
  }
});

test('queued messages expire, or say how long they live [MQTT-3.3.2-5] [MQTT-3.3.2-6]', () => {
  const broker = new FakeBroker();
  const publisher = offline(broker);
  for (const seconds of [5, 20, 10, 100]) {
    const properties = { messageExpiryInterval: seconds };
    publisher.publish('a', String(seconds), { qos: 1, messageId: 1, properties });
  }
  publishAll(publisher, ['never']);
  broker.advance(10 * SECOND_MS);
  const packets = durable(broker).take('publish');
  assert.equal(
    packets.map(({ payload, properties }) => [
      payload!.toString(),
      properties?.messageExpiryInterval,
    ]),
    [
      ['20', 10],
      ['100', 90],
      ['never', undefined],
    ],
  );
  assert.equal(droppedOf(broker, DropReason.Expired), [2, 2]);
});

test('what was sent once does not expire any more [MQTT-4.4.0-1]', () => {
  const broker = new FakeBroker();
  const publisher = offline(broker);
  publisher.publish('a', 'x', { qos: 1, messageId: 1, properties: { messageExpiryInterval: 5 } });
  const client = durable(broker);
  assert.equal(client.takePayloads(), ['x']);
  client.drop();
  broker.advance(100 * SECOND_MS);
  assert.equal(durable(broker).takePayloads(), ['x']);
});

test('too large for the receiver: dropped as if sent [MQTT-3.1.2-24] [MQTT-3.1.2-25]', () => {
  const maximumPacketSize = 60;
  // Header, topic, identifier and property length come to 8 bytes at QoS 1.
  const exact = 'x'.repeat(maximumPacketSize - 8);
  for (const isOffline of [false, true]) {
    const broker = new FakeBroker();
    const publisher = offline(broker);
    let client = durable(broker, { properties: { maximumPacketSize } });
    if (isOffline) client.drop();
    publishAll(publisher, ['before', `${exact}x`, exact, 'after']);
    if (isOffline) client = durable(broker, { properties: { maximumPacketSize } });
    assert.equal(client.takePayloads(), ['before', exact, 'after']);
    assert.equal(droppedOf(broker, DropReason.TooLargeForReceiver), [1, 1]);
    assert.is(client.isOpen, true);
  }
});

test('too large for the next connection: QoS 2 that was sent is released [MQTT-4.3.3-12]', () => {
  const broker = new FakeBroker();
  const publisher = offline(broker);
  publishAll(publisher, ['x'.repeat(100), 'small'], 2);
  const first = durable(broker);
  assert.is(first.take('publish').length, 2);
  first.drop();
  const second = durable(broker, { properties: { maximumPacketSize: 60 } });

  assert.equal(second.takePayloads(), ['small']);
  assert.is(second.takeFirst('pubrel').messageId, 1);
  assert.equal(droppedOf(broker, DropReason.TooLargeForReceiver), [1, 1]);
  second.acknowledge('pubcomp', 1);
  second.acknowledge('pubrec', 2);
  second.acknowledge('pubcomp', 2);
  second.drop();
  const third = durable(broker);
  assert.equal([third.take('pubrel'), third.take('publish')], [[], []]);
});

test('Maximum Packet Size holds for QoS 0, with identifiers and aliases as well', () => {
  const broker = new FakeBroker();
  const maximumPacketSize = 100;
  const options = { maximumPacketSize, topicAliasMaximum: 10 };
  const client = durable(broker, { properties: options });
  client.subscribe('#', {}, 268_435_455);
  const publisher = broker.connect({ clientId: 'publisher' });
  let count = 0;
  for (let size = 60; size < 100; size++) {
    for (let again = 0; again < 3; again++) publisher.publish('some/topic', 'x'.repeat(size));
    count += 3;
  }
  const sent = client.take('publish').length;
  assert.ok(sent > 0);
  assert.equal(droppedOf(broker, DropReason.TooLargeForReceiver), [count - sent, count - sent]);
});

test('the end of a session counts what it had not delivered', () => {
  const broker = new FakeBroker();
  const publisher = offline(broker);
  publishAll(publisher, numbers(1, 3));
  broker.connect({ clientId: ONE, clean: true });
  assert.is(broker.core.metrics.dropped[DropReason.SessionEnded], 3);
});

test('the observer hears of every drop with its session', () => {
  const heard: string[] = [];
  const broker = new FakeBroker({
    limits: { queuedMessagesMax: 1 },
    observer: {
      dropped: (reason, clientId, topic) => heard.push(`${reason} ${clientId} ${topic}`),
    },
  });
  const publisher = offline(broker);
  publishAll(publisher, ['0'], 0);
  publishAll(publisher, ['1', '2']);
  const client = durable(broker, { properties: { maximumPacketSize: 20 } });
  publishAll(publisher, ['x'.repeat(20)], 0);
  client.drop();
  broker.connect({ clientId: ONE, clean: true });
  assert.equal(heard, [
    `${DropReason.OfflineQos0} ${ONE} a`,
    `${DropReason.QueueFull} ${ONE} a`,
    `${DropReason.TooLargeForReceiver} ${ONE} a`,
    `${DropReason.SessionEnded} ${ONE} a`,
  ]);
});

test.run();
