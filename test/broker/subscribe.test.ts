/** Subscribing: options, retained messages, mount points, and who may. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DropReason } from '../../src/broker/metrics.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('subscribe');

const SECOND_MS = 1000;

function retain(publisher: FakeClient, topic: string, payload: string, qos: 0 | 1 = 0): void {
  publisher.publish(topic, payload, { retain: true, qos, messageId: 1 });
  publisher.take('puback');
}

function seen(client: FakeClient): string[] {
  return client.take('publish').map(({ payload, retain }) => `${payload}${retain ? ' R' : ''}`);
}

test('Retain Handling 0, 1, 2, again [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]', () => {
  const broker = new FakeBroker();
  retain(broker.connect(), 'a', 'x');
  for (const [rh, expected] of [
    [0, [['x R'], ['x R']]],
    [1, [['x R'], []]],
    [2, [[], []]],
  ] as const) {
    const client = broker.connect();
    for (const wanted of expected) {
      client.subscribe('a', { rh });
      assert.equal(seen(client), wanted, `Retain Handling ${rh}`);
    }
  }
});

test('Retain Handling 1 sends again after UNSUBSCRIBE, and knows a resumed session', () => {
  const broker = new FakeBroker();
  retain(broker.connect(), 'a', 'x');
  const options = { clientId: 'one', clean: false, properties: { sessionExpiryInterval: 100 } };
  let client = broker.connect(options);
  client.subscribe('a', { rh: 1 });
  client.unsubscribe('a');
  client.take();
  client.subscribe('a', { rh: 1 });
  assert.equal(seen(client), ['x R']);
  client.drop();
  client = broker.connect(options);
  client.subscribe('a', { rh: 1 });
  assert.equal(seen(client), []);
});

test('a retained message follows SUBACK with RETAIN, a live one has it as was asked for', () => {
  const broker = new FakeBroker();
  const publisher = broker.connect();
  retain(publisher, 'a', 'old');
  for (const [rap, expected] of [
    [false, 'live'],
    [true, 'live R'],
  ] as const) {
    const client = broker.connect();
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0, rap }] });
    assert.equal(
      client.take().map(({ cmd }) => cmd),
      ['suback', 'publish'],
    );
    publisher.publish('a', 'live', { retain: true });
    assert.equal(seen(client), [expected]);
    retain(publisher, 'a', 'old');
    client.take();
  }
});

test('an empty payload deletes what is retained, and goes out live [MQTT-3.3.1-6]', () => {
  const broker = new FakeBroker();
  const client = broker.connect();
  client.subscribe('a', { rap: true });
  retain(client, 'a', 'x');
  retain(client, 'a', '');
  assert.equal(seen(client), ['x R', ' R']);
  assert.is(broker.core.retained.size, 0);
  client.subscribe('a');
  assert.equal(seen(client), []);
});

test('retained messages: No Local, shared subscriptions, identifiers and QoS', () => {
  const broker = new FakeBroker();
  const publisher = broker.connect();
  retain(publisher, 'a', 'x', 1);
  publisher.subscribe('a', { nl: true });
  assert.equal(seen(publisher), []);
  const client = broker.connect();
  client.subscribe('$share/g/a', { qos: 1 });
  assert.equal(seen(client), [], 'never to a shared subscription');
  client.subscribe('+', { qos: 2 }, 77);
  const [packet] = client.take('publish');
  assert.equal([packet!.qos, packet!.properties?.subscriptionIdentifier], [1, 77]);
});

test('a retained message says how long it still lives, and is gone when that is over', () => {
  const broker = new FakeBroker();
  const publisher = broker.connect();
  const properties = { messageExpiryInterval: 10 };
  publisher.publish('a', 'x', { retain: true, properties });
  broker.advance(4 * SECOND_MS);
  const client = broker.connect();
  client.subscribe('a');
  assert.is(client.takeFirst('publish').properties?.messageExpiryInterval, 6);
  broker.advance(6 * SECOND_MS);
  client.subscribe('a');
  assert.equal(seen(client), []);
  const { metrics, retained, deadlines } = broker.core;
  assert.equal([metrics.dropped[DropReason.Expired], retained.size, deadlines.size], [1, 0, 0]);
});

test('check_retain_source: who lost the right to publish takes its messages along', () => {
  for (const checkRetainSource of [true, false]) {
    const broker = new FakeBroker({ delivery: { checkRetainSource } });
    const { access } = broker;
    access.restrictsPublish = true;
    retain(broker.connect({ clientId: 'source' }), 'a', 'x');
    access.mayPublish = () => false;
    const client = broker.connect();
    client.subscribe('a');
    assert.equal(seen(client), checkRetainSource ? [] : ['x R']);
  }
});

function flood(count: number, qos: 0 | 1): FakeBroker {
  const broker = new FakeBroker({ limits: { queuedMessagesMax: 1_000 } });
  const publisher = broker.connect();
  for (let n = 0; n < count; n++) retain(publisher, `flood/${n}`, String(n), qos);
  return broker;
}

for (const qos of [0, 1] as const) {
  test(`QoS ${qos}: more retained messages than any queue may hold all arrive`, () => {
    const count = 5_000;
    const broker = flood(count, qos);
    const client = broker.connect();
    client.isAcknowledging = true;
    client.subscribe('flood/#', { qos: 1 });
    const got = new Set(client.takePayloads());
    assert.is(got.size, count);
    assert.is(broker.core.metrics.droppedTotal, 0);
  });
}

test('a retained flood drops nothing where queues are shorter than its steps', () => {
  for (const limits of [{ queuedMessagesMax: 5 }, { queuedBytesMax: 20 }]) {
    for (const queueFullPolicy of ['drop_newest', 'drop_oldest'] as const) {
      const broker = new FakeBroker({ limits, delivery: { queueFullPolicy } });
      const publisher = broker.connect();
      for (let n = 0; n < 500; n++) retain(publisher, `flood/${n}`, String(n), 1);
      const client = broker.connect({ properties: { receiveMaximum: 10 } });
      client.isAcknowledging = true;
      client.subscribe('flood/#', { qos: 1 });
      assert.is(client.takePayloads().length, 500);
      assert.is(broker.core.metrics.droppedTotal, 0);
    }
  }
});

test('a retained flood waits for a client that does not read, and goes on with it', () => {
  const count = 3_000;
  const broker = new FakeBroker();
  const publisher = broker.connect();
  for (let n = 0; n < count; n++) retain(publisher, `flood/${n}`, String(n).padEnd(1_000));
  const client = broker.connect();
  client.transport.stall();
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] });
  const waiting = broker.core.metrics.bytesWaiting;
  assert.ok(waiting < 300_000, `${waiting} bytes wait for a client that does not read`);
  for (let round = 0; round < 100 && broker.core.metrics.bytesWaiting > 0; round++) {
    client.transport.drain();
    client.transport.stall();
    broker.settle();
  }
  client.transport.drain();
  broker.settle();
  assert.is(client.takePayloads().length, count);
  assert.is(broker.core.metrics.droppedTotal, 0);
});

test('no old value of a topic follows a newer one out of the backlog', () => {
  const broker = flood(1_000, 1);
  const publisher = broker.connect();
  const client = broker.connect({ properties: { receiveMaximum: 5 } });
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'flood/#', qos: 1 }] });
  for (let n = 0; n < 1_000; n += 2) retain(publisher, `flood/${n}`, `new ${n}`, 1);
  for (let n = 1; n < 1_000; n += 10) retain(publisher, `flood/${n}`, '', 1);
  const last = new Map<string, string>();
  for (;;) {
    const packets = client.take('publish');
    if (packets.length === 0) break;
    for (const { topic, payload, messageId } of packets) {
      last.set(topic!, payload!.toString());
      client.acknowledge('puback', messageId!);
    }
  }
  for (let n = 0; n < 1_000; n++) {
    const expected = n % 2 === 0 ? `new ${n}` : n % 10 === 1 ? '' : String(n);
    // What was deleted may never have been sent at all.
    if (expected !== '' || last.has(`flood/${n}`)) assert.is(last.get(`flood/${n}`), expected);
  }
});

test('a client that subscribes again and again without reading costs bounded memory', () => {
  const broker = new FakeBroker();
  const publisher = broker.connect();
  for (let n = 0; n < 500; n++) retain(publisher, `flood/${n}`, 'x'.repeat(1_000));
  const client = broker.connect({ clientId: 'greedy' });
  client.transport.stall();
  const subscriptions = [{ topic: '#', qos: 0 as const }];
  for (let n = 0; n < 200; n++) client.send({ cmd: 'subscribe', messageId: 1, subscriptions });
  const { backlog } = broker.core.sessions.get('greedy')!;
  assert.is(backlog?.size, 1, 'one request for one filter');
});

test('a mount point is before every topic of its clients, and they never see it', () => {
  const broker = new FakeBroker();
  const listener = { ...broker.listener, mountPoint: 'm/ä/' };
  const inside = broker.connect({ listener });
  const other = broker.connect({ listener });
  const outside = broker.connect();
  inside.subscribe('#', { qos: 2 });
  outside.subscribe('#');
  other.publish('a', '1', { retain: true });
  other.publish('m/ä/a', '2');
  outside.publish('a', '3');
  outside.publish('m/ä/b', '4');
  const topicsOf = (client: FakeClient): string[] =>
    client.take('publish').map(({ topic, payload }) => `${topic} ${payload}`);
  assert.equal(topicsOf(inside), ['a 1', 'm/ä/a 2', 'b 4']);
  assert.equal(topicsOf(outside), ['m/ä/a 1', 'm/ä/m/ä/a 2', 'a 3', 'm/ä/b 4']);
  const late = broker.connect({ listener });
  late.subscribe('a');
  assert.equal(topicsOf(late), ['a 1']);
  assert.equal(inside.unsubscribe('#').granted, [0]);
  other.publish('a', '5');
  assert.equal(topicsOf(inside), []);
});

test('a mount point with shared subscriptions, aliases, wills and QoS 1', () => {
  const broker = new FakeBroker();
  const listener = { ...broker.listener, mountPoint: 'mounted/' };
  const properties = { topicAliasMaximum: 5 };
  const member = broker.connect({ listener, properties });
  const outside = broker.connect();
  member.subscribe('$share/g/topic/#', { qos: 1 });
  const will = { topic: 'topic/will', payload: Buffer.from('will'), qos: 1 as const };
  const publisher = broker.connect({ listener, will });
  outside.subscribe('mounted/#', { qos: 1 });
  for (let again = 0; again < 3; again++) {
    publisher.publish('topic/a', 'x', { qos: 1, messageId: 1, properties: { topicAlias: 1 } });
  }
  outside.publish('topic/a', 'y', { qos: 1, messageId: 1 });
  publisher.drop();
  const topicsOf = (client: FakeClient): string[] =>
    client.take('publish').map(({ topic, properties: own }) => `${topic}:${own?.topicAlias ?? ''}`);
  assert.equal(topicsOf(member), ['topic/a:', 'topic/a:1', ':1', 'topic/will:']);
  assert.equal(topicsOf(outside), [
    ...['a', 'a', 'a', 'will'].map((name) => `mounted/topic/${name}:`),
  ]);
});

test('a session that comes back through another listener keeps its packets whole', () => {
  const broker = new FakeBroker();
  const listener = { ...broker.listener, mountPoint: 'a/long/mount/point/' };
  const options = { clientId: 'one', clean: false, properties: { sessionExpiryInterval: 100 } };
  const publisher = broker.connect();
  for (const [first, second] of [
    [broker.listener, listener],
    [listener, broker.listener],
  ] as const) {
    const before = broker.connect({ ...options, clean: true, listener: first });
    before.subscribe('x', { qos: 1 });
    before.drop();
    publisher.publish('x', '1', { qos: 1, messageId: 1 });
    publisher.publish('a/long/mount/point/x', '2', { qos: 1, messageId: 1 });
    const after = broker.connect({ ...options, listener: second });
    for (const { topic } of after.take('publish')) {
      assert.ok(['x', 'a/long/mount/point/x'].includes(topic!), `topic ${JSON.stringify(topic)}`);
    }
    after.send({ cmd: 'pingreq' });
    assert.is(after.take('pingresp').length, 1);
    after.disconnect(0, { sessionExpiryInterval: 0 });
  }
});

test('one reason code per filter, in their order [MQTT-3.8.4-6] [MQTT-3.9.3-1]', () => {
  const broker = new FakeBroker({ limits: { topicLevelsMax: 4 } });
  broker.access.restrictsSubscribe = true;
  broker.access.maySubscribe = (_client, filter) => filter !== 'denied';
  const topics = ['a', 'a/#/b', 'denied', 'b', '$share//x', '$share/g/x', 'a/b/c/d/e', 'a+'];
  const subscriptions = topics.map((topic, index) => ({ topic, qos: (index % 3) as 0 | 1 | 2 }));
  for (const version of [4, 5] as const) {
    const client = broker.connect({ version });
    client.send({ cmd: 'subscribe', messageId: 7, subscriptions });
    const { messageId, granted } = client.takeFirst('suback');
    assert.is(messageId, 7);
    const failed = (code: number): number => (version === 5 ? code : 0x80);
    const invalid = failed(ReasonCode.TopicFilterInvalid);
    const denied = failed(ReasonCode.NotAuthorized);
    assert.equal(granted, [0, invalid, denied, 0, invalid, 2, invalid, invalid]);
  }
  assert.is(broker.core.metrics.subscriptionsRefused, 2);
  assert.is(broker.core.metrics.topicsRefused, 8);
  assert.is(broker.core.index.size, 6);
});

test('max_subscriptions_per_client: 0x97 for new ones, old ones may change', () => {
  const broker = new FakeBroker({ limits: { subscriptionsPerClientMax: 2 } });
  const client = broker.connect();
  assert.equal(client.subscribe('a').granted, [0]);
  assert.equal(client.subscribe('b').granted, [0]);
  assert.equal(client.subscribe('c').granted, [ReasonCode.QuotaExceeded]);
  assert.equal(client.subscribe('a', { qos: 1 }).granted, [1]);
  client.unsubscribe('b');
  assert.equal(client.subscribe('c').granted, [0]);
});

test('an answer about subscribing that takes its time keeps the order of packets', async () => {
  const broker = new FakeBroker();
  const asked: ((isAllowed: boolean) => void)[] = [];
  broker.access.restrictsSubscribe = true;
  broker.access.maySubscribe = () => new Promise((resolve) => asked.push(resolve));
  const client = broker.connect();
  const subscriptions = ['a', 'b'].map((topic) => ({ topic, qos: 1 as const }));
  client.post({ cmd: 'subscribe', messageId: 1, subscriptions });
  const packet = { cmd: 'publish', topic: 'a', payload: 'x', dup: false, retain: false } as const;
  client.post({ ...packet, qos: 0 });
  client.send({ cmd: 'pingreq' });
  assert.equal(client.take(), []);
  asked[1]!(false);
  asked[0]!(true);
  await broker.settleLater();
  const suback = client.takeFirst('suback');
  assert.equal(suback.granted, [1, ReasonCode.NotAuthorized]);
  assert.equal(
    client.take().map(({ cmd }) => cmd),
    ['publish', 'pingresp'],
  );
});

test('No Local on a shared subscription is a Protocol Error [MQTT-3.8.3-4]', () => {
  const broker = new FakeBroker();
  const client = broker.connect();
  const subscriptions = [{ topic: '$share/g/a', qos: 0 as const, nl: true }];
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions });
  assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.ProtocolError);
});

test('UNSUBSCRIBE answers per filter; what is on its way still comes [MQTT-3.10.4-5]', () => {
  const broker = new FakeBroker();
  const client = broker.connect();
  client.subscribe('a', { qos: 1 });
  client.subscribe('$share/g/b', { qos: 1 });
  client.publish('a', 'x', { qos: 1, messageId: 1 });
  const unsubscriptions = ['a', 'a', 'c', '$share/g/b', '$share/h/b'];
  client.send({ cmd: 'unsubscribe', messageId: 3, unsubscriptions });
  const none = ReasonCode.NoSubscriptionExisted;
  assert.equal(client.takeFirst('unsuback').granted, [0, none, none, 0, none]);
  assert.is(broker.core.index.size, 0);
  assert.equal(client.takePayloads(), ['x']);
});

test('a topic filter with too many levels counts under topics_refused', () => {
  const broker = new FakeBroker({ limits: { topicLevelsMax: 2 } });
  assert.equal(broker.connect().subscribe('a/b/c').granted, [0x8f]);
  assert.is(broker.core.metrics.topicsRefused, 1);
  assert.is(broker.core.metrics.subscriptionsRefused, 0);
});

test.run();
