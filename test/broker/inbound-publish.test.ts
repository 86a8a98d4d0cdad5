/** PUBLISH from a client: what is taken, what is refused and how, and what is counted. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DropReason } from '../../src/broker/metrics.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('inbound publish');

const SECOND_MS = 1000;

function answerOf(client: FakeClient, cmd: 'puback' | 'pubrec'): number {
  return client.takeFirst(cmd).reasonCode ?? 0;
}

test('No Matching Subscribers is 0x10, somebody is 0', () => {
  const broker = new FakeBroker();
  const client = broker.connect();
  client.publish('a', 'x', { qos: 1, messageId: 1 });
  assert.is(answerOf(client, 'puback'), ReasonCode.NoMatchingSubscribers);
  client.publish('a', 'x', { qos: 2, messageId: 2 });
  assert.is(answerOf(client, 'pubrec'), ReasonCode.NoMatchingSubscribers);
  broker.connect().subscribe('a');
  client.publish('a', 'x', { qos: 1, messageId: 1 });
  assert.is(answerOf(client, 'puback'), ReasonCode.Success);
});

test('Maximum QoS: told in CONNACK, and 0x9B for what is above [MQTT-3.2.2-11]', () => {
  for (const maxQos of [0, 1] as const) {
    const broker = new FakeBroker();
    const listener = { ...broker.listener, maxQos };
    const client = broker.request({ listener });
    assert.is(client.takeFirst('connack').properties?.maximumQoS, maxQos);
    const suback = client.subscribe('a', { qos: 2 });
    assert.equal(suback.granted, [maxQos]);
    client.publish('a', 'x', { qos: maxQos, messageId: 1 });
    assert.equal(client.takePayloads(), ['x']);
    client.publish('a', 'x', { qos: 2, messageId: 1 });
    assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.QosNotSupported);
    const will = { topic: 'a', payload: Buffer.from('x'), qos: 2 as const };
    const refused = broker.request({ listener, will });
    assert.is(refused.takeFirst('connack').reasonCode, ReasonCode.QosNotSupported);
  }
});

test('Retain Available 0: told in CONNACK, and 0x9A for RETAIN [MQTT-3.2.2-14]', () => {
  const broker = new FakeBroker({ delivery: { retainAvailable: false } });
  const client = broker.request();
  assert.is(client.takeFirst('connack').properties?.retainAvailable, false);
  client.publish('a', 'x');
  assert.is(client.isOpen, true);
  client.publish('a', 'x', { retain: true });
  assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.RetainNotSupported);
  const will = { topic: 'a', payload: Buffer.from('x'), qos: 0 as const, retain: true };
  const refused = broker.request({ will });
  assert.is(refused.takeFirst('connack').reasonCode, ReasonCode.RetainNotSupported);
});

test('a reason code without properties makes an acknowledgement of five bytes', () => {
  const broker = new FakeBroker();
  const client = broker.connect({ properties: { maximumPacketSize: 100 } });
  for (const [messageId, qos] of [
    [300, 1],
    [301, 2],
  ] as const) {
    const before = broker.core.metrics.bytesSent;
    client.publish('nobody', 'x', { qos, messageId });
    const answer = client.takeFirst(qos === 1 ? 'puback' : 'pubrec');
    assert.is(answer.messageId, messageId);
    assert.is(answer.reasonCode, ReasonCode.NoMatchingSubscribers);
    assert.is(broker.core.metrics.bytesSent - before, 5);
  }
  client.acknowledge('pubrel', 77);
  assert.is(client.takeFirst('pubcomp').reasonCode, ReasonCode.PacketIdentifierNotFound);
});

test('topic aliases of a client: set, used, set anew, and gone with the connection', () => {
  const broker = new FakeBroker();
  const watcher = broker.connect();
  watcher.subscribe('#');
  const options = { clientId: 'one', clean: false, properties: { sessionExpiryInterval: 100 } };
  let client = broker.connect(options);
  const publish = (topic: string, topicAlias: number, payload = 'x'): void =>
    client.publish(topic, payload, {
      properties: { topicAlias, messageExpiryInterval: 9, userProperties: { k: 'v' } },
    });
  publish('one', 1);
  publish('', 1);
  publish('two', 10);
  publish('', 1);
  publish('three', 1);
  publish('', 1);
  publish('', 10);
  const packets = watcher.take('publish');
  assert.equal(
    packets.map(({ topic }) => topic),
    ['one', 'one', 'two', 'one', 'three', 'three', 'two'],
  );
  for (const { properties } of packets) {
    assert.is(properties!.messageExpiryInterval, 9);
    assert.equal({ ...(properties!.userProperties as object) }, { k: 'v' });
    assert.is(properties!.topicAlias, undefined, 'an alias is no property of the message');
  }
  client.drop();
  client = broker.connect(options);
  publish('', 1);
  assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.ProtocolError);
});

test('an alias of 0, or above Topic Alias Maximum, is 0x94 [MQTT-3.3.2-8] [MQTT-3.3.2-9]', () => {
  for (const topicAlias of [0, 11, 65_535]) {
    const broker = new FakeBroker();
    const client = broker.request();
    assert.is(client.takeFirst('connack').properties?.topicAliasMaximum, 10);
    // mqtt-packet does not write an alias of 0.
    const alias = [topicAlias >>> 8, topicAlias & 0xff];
    client.sendBytes([0x30, 7, 0, 1, 0x61, 3, 0x23, ...alias]);
    assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.TopicAliasInvalid);
  }
});

test('topic aliases of the broker: only where the client allows them, and the second time', () => {
  const broker = new FakeBroker();
  const clients = [0, 2, 100].map((topicAliasMaximum) =>
    broker.connect({ properties: topicAliasMaximum === 0 ? {} : { topicAliasMaximum } }),
  );
  for (const client of clients) client.subscribe('#');
  const publisher = broker.connect();
  const topics = ['topic/one', 'topic/two', 'topic/three'];
  for (let again = 0; again < 3; again++) for (const topic of topics) publisher.publish(topic, 'x');
  const seen = clients.map((client) =>
    client
      .take('publish')
      .slice(6)
      .map(({ topic, properties }) => `${topic} ${properties?.topicAlias ?? '-'}`),
  );
  assert.equal(seen, [
    ['topic/one -', 'topic/two -', 'topic/three -'],
    [' 1', ' 2', 'topic/three -'],
    [' 1', ' 2', ' 3'],
  ]);
});

test('access denied: 0x87 in version 5, acknowledged in version 3, dropped and counted', () => {
  const broker = new FakeBroker();
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = (_client, topic) => topic === 'allowed';
  const watcher = broker.connect();
  watcher.subscribe('#', { qos: 2 });
  for (const version of [4, 5] as const) {
    const client = broker.connect({ version });
    for (const topic of ['denied', 'allowed']) {
      client.publish(topic, '0');
      client.publish(topic, '1', { qos: 1, messageId: 1 });
      client.publish(topic, '2', { qos: 2, messageId: 2 });
      client.acknowledge('pubrel', 2);
      const isRefused = version === 5 && topic === 'denied';
      const code = isRefused ? ReasonCode.NotAuthorized : 0;
      assert.is(answerOf(client, 'puback'), code);
      assert.is(answerOf(client, 'pubrec'), code);
      const expected = version === 4 ? undefined : isRefused ? 0x92 : 0;
      assert.is(client.takeFirst('pubcomp').reasonCode, expected);
    }
    assert.equal(watcher.takePayloads(), ['0', '1', '2']);
  }
  assert.is(broker.core.metrics.dropped[DropReason.NotAuthorized], 6);
});

test('answers are remembered per topic until the access rules change', () => {
  const broker = new FakeBroker();
  const { access } = broker;
  let asked = 0;
  access.restrictsPublish = true;
  access.publishAnswersLast = true;
  access.mayPublish = () => {
    asked++;
    return access.version === 0;
  };
  const watcher = broker.connect();
  watcher.subscribe('#');
  const client = broker.connect();
  for (let again = 0; again < 3; again++) client.publish('a', 'x');
  assert.is(asked, 1);
  client.publish('b', 'x');
  assert.is(asked, 2);
  access.version++;
  client.publish('b', 'x');
  assert.is(asked, 3);
  assert.is(watcher.takePayloads().length, 4);
});

test('answers by promise: order is kept, in every mix of quick and slow ones', async () => {
  const broker = new FakeBroker();
  const slow: (() => void)[] = [];
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = (_client, topic) => {
    if (topic === 'quick') return true;
    return new Promise((resolve) => slow.push(() => resolve(topic !== 'denied')));
  };
  const watcher = broker.connect();
  watcher.subscribe('#', { qos: 2 });
  const client = broker.connect();
  const topics = ['slow', 'quick', 'denied', 'quick', 'slow', 'slow', 'quick'];
  topics.forEach((topic, index) => {
    const qos = (index % 3) as 0 | 1 | 2;
    client.post({
      cmd: 'publish',
      topic,
      payload: String(index),
      qos,
      messageId: index + 1,
      dup: false,
      retain: false,
    });
  });
  broker.settle();
  while (slow.length > 0) {
    slow.shift()!();
    await broker.settleLater();
  }
  assert.equal(watcher.takePayloads(), ['0', '1', '3', '4', '5', '6']);
  const answers = client.take().map(({ cmd, messageId }) => `${cmd} ${messageId}`);
  assert.equal(answers, ['puback 2', 'pubrec 3', 'puback 5', 'pubrec 6']);
});

test('an authorizer that fails denies', async () => {
  const broker = new FakeBroker();
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = () => Promise.reject(new Error('down'));
  const client = broker.connect();
  client.publish('a', 'x', { qos: 1, messageId: 1 });
  await broker.settleLater();
  assert.is(answerOf(client, 'puback'), ReasonCode.NotAuthorized);
});

for (const end of ['hangUp', 'reset'] as const) {
  test(`publishing, goodbye and gone (${end}): the client is heard to the end`, async () => {
    const broker = new FakeBroker();
    broker.access.restrictsPublish = true;
    broker.access.mayPublish = () => Promise.resolve(true);
    const watcher = broker.connect();
    watcher.subscribe('#');
    const will = { topic: 'will', payload: Buffer.from('will'), qos: 0 as const };
    const client = broker.connect({ will });
    for (const payload of ['1', '2']) {
      client.post({ cmd: 'publish', topic: 'a', payload, qos: 0, dup: false, retain: false });
    }
    client.post({ cmd: 'disconnect' });
    broker.settle();
    assert.is(client.transport.isPaused, true, 'it is held');
    client.transport[end]();
    await broker.settleLater();
    assert.is(client.isOpen, false);
    assert.equal(watcher.takePayloads(), ['1', '2']);
    assert.equal([broker.core.connections.size, broker.core.deadlines.size], [1, 0]);
  });
}

test('message_size_limit: 0x97, acknowledged in version 3, dropped and counted', () => {
  const broker = new FakeBroker({ limits: { messageBytesMax: 5 } });
  const watcher = broker.connect();
  watcher.subscribe('#', { qos: 2 });
  for (const version of [4, 5] as const) {
    const client = broker.connect({ version });
    for (const payload of ['123456', '12345']) {
      client.publish('a', payload);
      client.publish('a', payload, { qos: 1, messageId: 1 });
      const isRefused = version === 5 && payload.length > 5;
      assert.is(answerOf(client, 'puback'), isRefused ? ReasonCode.QuotaExceeded : 0);
    }
    assert.equal(watcher.takePayloads(), ['12345', '12345']);
  }
  assert.is(broker.core.metrics.dropped[DropReason.TooLarge], 4);
});

test('retained limits: delivered but not retained, 0x97, counted', () => {
  const broker = new FakeBroker({ limits: { retainedMessagesMax: 2, retainedBytesMax: 10 } });
  const client = broker.connect();
  client.subscribe('#');
  const retain = (topic: string, payload: string): number => {
    client.publish(topic, payload, { qos: 1, messageId: 1, retain: true });
    return answerOf(client, 'puback');
  };
  assert.is(retain('a', '12345'), 0);
  assert.is(retain('b', '12345'), 0);
  assert.is(retain('c', '1'), ReasonCode.QuotaExceeded);
  assert.is(retain('b', '123456'), ReasonCode.QuotaExceeded, 'the bytes of the old one are free');
  assert.is(retain('a', ''), 0);
  assert.is(retain('c', '12345'), 0);
  assert.is(client.takePayloads().length, 6);
  assert.is(broker.core.metrics.dropped[DropReason.RetainedFull], 2);
  assert.equal([broker.core.retained.size, broker.core.retained.bytes], [1, 5]);
});

test('a payload that is not the UTF-8 it says is 0x99', () => {
  const broker = new FakeBroker();
  const client = broker.connect();
  const properties = { payloadFormatIndicator: true };
  const payload = Buffer.from([0xff]);
  const packet = { cmd: 'publish', topic: 'a', payload, dup: false, retain: false } as const;
  client.send({ ...packet, properties, qos: 1, messageId: 1 });
  assert.is(answerOf(client, 'puback'), ReasonCode.PayloadFormatInvalid);
  client.send({ ...packet, properties, qos: 2, messageId: 1 });
  assert.is(answerOf(client, 'pubrec'), ReasonCode.PayloadFormatInvalid);
  client.send({ ...packet, properties, qos: 0 });
  assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.PayloadFormatInvalid);
});

test('max_publish_rate: a window of a second, nothing is lost and nothing reordered', () => {
  const broker = new FakeBroker({ limits: { publishRatePerClient: 10 } });
  const watcher = broker.connect();
  watcher.subscribe('#');
  const client = broker.connect();
  for (let n = 0; n < 35; n++) {
    const payload = String(n);
    client.post({ cmd: 'publish', topic: 'a', payload, qos: 0, dup: false, retain: false });
  }
  broker.settle();
  const perSecond: string[][] = [];
  for (let second = 0; second < 5; second++) {
    perSecond.push(watcher.takePayloads());
    broker.advance(999);
    assert.equal(watcher.takePayloads(), []);
    broker.advance(1);
  }
  assert.equal(
    perSecond.map(({ length }) => length),
    [10, 10, 10, 5, 0],
  );
  assert.equal(
    perSecond.flat(),
    Array.from({ length: 35 }, (_, n) => String(n)),
  );
  assert.is(client.transport.isPaused, false);
});

test('max_publish_bytes_rate: as many bytes per second on average', () => {
  const broker = new FakeBroker({ limits: { publishBytesPerClient: 1_000 } });
  const watcher = broker.connect();
  watcher.subscribe('#');
  const client = broker.connect();
  client.transport.slice = () => 100;
  for (let n = 0; n < 50; n++) {
    const payload = 'x'.repeat(94);
    client.post({ cmd: 'publish', topic: 'a', payload, qos: 0, dup: false, retain: false });
  }
  broker.settle();
  let count = watcher.takePayloads().length;
  for (let second = 1; second <= 5; second++) {
    assert.ok(count <= 11 * second, `${count} messages of 100 bytes after ${second} s`);
    broker.advance(SECOND_MS);
    count += watcher.takePayloads().length;
  }
  assert.is(count, 50);
});

test('a client that closes while its rate holds it leaves no deadline', () => {
  const broker = new FakeBroker({ limits: { publishRatePerClient: 1 } });
  const client = broker.connect();
  client.publish('a', 'x');
  client.drop();
  assert.is(broker.core.deadlines.size, 0);
});

test.run();
