/**
 * What a reload does to connections and sessions that are there. That each key takes effect is in
 * test/reloadable-keys.test.ts; here is what must not happen on the way.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { reload } from '../reload/core-keys.js';
import { FakeBroker } from './support/fake-broker.js';

const test = suite('reconfigure');

test('max_topic_levels holds for topic names after a reload', () => {
  const broker = new FakeBroker();
  reload(broker, { limits: { topicLevelsMax: 2 } });
  const client = broker.connect();
  client.publish('a/b/c', 'x', { qos: 1, messageId: 1 });
  assert.is(client.takeFirst('disconnect').reasonCode, 0x90);
});

test('a will and a retained message with more levels than the new limit are no trouble', () => {
  const broker = new FakeBroker();
  const reader = broker.connect();
  reader.subscribe('#', { rap: true });
  const will = { topic: 'a/b/c', payload: Buffer.from('bye'), qos: 0 as const, retain: true };
  const client = broker.connect({ will });

  reload(broker, { limits: { topicLevelsMax: 2 } });
  client.drop();

  assert.equal(reader.takePayloads(), ['bye']);
  assert.is(broker.core.retained.clientSize, 1);
  assert.is(broker.request({ will }).takeFirst('connack').reasonCode, 0x90);
});

test('max_topic_levels is about what clients send, not about their mount point', () => {
  const broker = new FakeBroker({ limits: { topicLevelsMax: 2 } });
  const reader = broker.connect();
  reader.subscribe('+/b');
  const listener = { ...broker.listener, mountPoint: 'x/y/' };
  const client = broker.connect({ listener });
  client.subscribe('a/b');
  client.publish('a/b', 'mounted');
  assert.equal(client.takePayloads(), ['mounted']);
  assert.equal(reader.takePayloads(), []);
});

test('what $SYS retains takes no room from clients', () => {
  const broker = new FakeBroker({ limits: { retainedMessagesMax: 1, retainedBytesMax: 3 } });
  for (const name of ['a', 'b', 'c']) {
    broker.core.publish(`$SYS/broker/${name}`, Buffer.from('1234'), { qos: 0, retain: true });
  }
  const client = broker.connect();
  const code = (topic: string, payload: string): number | undefined => {
    client.publish(topic, payload, { qos: 1, messageId: 1, retain: true });
    return client.takeFirst('puback').reasonCode;
  };
  assert.equal([code('a', '123'), code('a', '456'), code('b', '')], [0x10, 0x10, 0x10]);
  assert.equal([code('b', '1'), code('a', '4567'), code('b', '1')], [0x97, 0x97, 0x10]);
  assert.is(broker.core.retained.size, 4);
});

test('max_publish_rate holds for open connections after a reload', () => {
  const broker = new FakeBroker();
  const [reader, publisher] = [broker.connect(), broker.connect()];
  reader.subscribe('a');
  reload(broker, { limits: { publishRatePerClient: 1 } });
  for (let count = 0; count < 10; count++) publisher.publish('a', 'x');
  assert.is(reader.takePayloads().length, 1);
});

test('what was right by an old rate is no debt under the new one', () => {
  const broker = new FakeBroker({ limits: { publishRatePerClient: 1_000 } });
  const [reader, publisher] = [broker.connect(), broker.connect()];
  reader.subscribe('a');
  for (let count = 0; count < 900; count++) publisher.publish('a', 'x');
  assert.is(reader.takePayloads().length, 900);

  reload(broker, { limits: { publishRatePerClient: 10 } });
  for (let count = 0; count < 30; count++) publisher.publish('a', 'x');

  assert.is(reader.takePayloads().length, 10);
  broker.advance(1_000);
  assert.is(reader.takePayloads().length, 10);
});

test('a rate that is lifted lets the client go on within a second', () => {
  const broker = new FakeBroker({ limits: { publishRatePerClient: 1 } });
  const [reader, publisher] = [broker.connect(), broker.connect()];
  reader.subscribe('a');
  for (let count = 0; count < 10; count++) publisher.publish('a', 'x');
  assert.is(reader.takePayloads().length, 1);

  reload(broker, { limits: { publishRatePerClient: 0 } });
  broker.advance(1_000);

  assert.is(reader.takePayloads().length, 9);
});

test('a client may use the Receive Maximum of its CONNACK although a reload lowered it', () => {
  const broker = new FakeBroker();
  const client = broker.connect();
  reload(broker, { limits: { receiveMaximum: 2 } });
  for (let messageId = 1; messageId <= 3; messageId++) {
    client.publish('a', 'x', { qos: 2, messageId });
  }
  assert.is(client.take('pubrec').length, 3);
});

test('a lower max_inflight_messages waits until less is in flight', () => {
  const broker = new FakeBroker();
  const [reader, publisher] = [broker.connect(), broker.connect()];
  reader.subscribe('a', { qos: 1 });
  const publish = (count: number): void => {
    for (let n = 0; n < count; n++) publisher.publish('a', 'x', { qos: 1, messageId: 1 });
  };
  publish(3);
  const ids = reader.take('publish').map(({ messageId }) => messageId!);
  assert.is(ids.length, 3);

  reload(broker, { limits: { inflightMessagesMax: 2 } });
  publish(2);

  assert.is(reader.take('publish').length, 0);
  reader.acknowledge('puback', ids[0]!);
  assert.is(reader.take('publish').length, 0);
  reader.acknowledge('puback', ids[1]!);
  assert.is(reader.take('publish').length, 1);
});

test('max_inflight_messages never exceeds the client’s own Receive Maximum', () => {
  const broker = new FakeBroker({ limits: { inflightMessagesMax: 1 } });
  const reader = broker.connect({ properties: { receiveMaximum: 2 } });
  reader.subscribe('a', { qos: 1 });
  const publisher = broker.connect();
  for (let n = 0; n < 5; n++) publisher.publish('a', 'x', { qos: 1, messageId: 1 });
  assert.is(reader.take('publish').length, 1);
  reload(broker, { limits: { inflightMessagesMax: 0 } });
  assert.is(reader.take('publish').length, 1);
});

test('rules that changed with the limits are asked before anything more is sent', () => {
  const broker = new FakeBroker({ limits: { inflightMessagesMax: 1 } });
  broker.access.restrictsRead = true;
  const [reader, publisher] = [broker.connect(), broker.connect()];
  reader.subscribe('a', { qos: 1 });
  for (let n = 0; n < 3; n++) publisher.publish('a', 'x', { qos: 1, messageId: 1 });
  assert.is(reader.take('publish').length, 1);
  broker.access.mayRead = () => false;
  reload(broker, { limits: { inflightMessagesMax: 10 } });
  assert.is(reader.take('publish').length, 0);
});

test.run();
