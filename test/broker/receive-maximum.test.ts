/** Receive Maximum towards the broker: what counts as in flight, and for how long. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { FakeAccess, FakeBroker } from './support/fake-broker.js';

const test = suite('receive maximum');

test('Receive Maximum: one QoS 2 message more than it is 0x93 [MQTT-3.3.4-7]', () => {
  const broker = new FakeBroker({ limits: { receiveMaximum: 3 } });
  const client = broker.request();
  assert.is(client.takeFirst('connack').properties?.receiveMaximum, 3);
  for (let id = 1; id <= 3; id++) client.publish('a', 'x', { qos: 2, messageId: id });
  client.publish('a', 'x', { qos: 2, messageId: 2, dup: true });
  client.acknowledge('pubrel', 1);
  client.publish('a', 'x', { qos: 2, messageId: 4 });
  assert.is(client.isOpen, true);
  client.publish('a', 'x', { qos: 2, messageId: 5 });
  assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.ReceiveMaximumExceeded);
  assert.is(broker.core.metrics.receiveMaximumExceeded, 1);
});

test('the send quota is full again on a new connection, whatever is held [MQTT-4.9]', () => {
  const broker = new FakeBroker({ limits: { receiveMaximum: 3 } });
  const options = { clientId: 'one', clean: false, properties: { sessionExpiryInterval: 100 } };
  const first = broker.connect(options);
  for (let id = 1; id <= 3; id++) first.publish('a', 'x', { qos: 2, messageId: id });
  first.take('pubrec');
  first.drop();
  const client = broker.connect(options);
  for (let id = 11; id <= 13; id++) client.publish('a', 'x', { qos: 2, messageId: id });
  assert.is(client.take('pubrec').length, 3);
  // PUBCOMP for what was in flight before gives quota back as well, at the client too.
  client.acknowledge('pubrel', 1);
  client.publish('a', 'x', { qos: 2, messageId: 14 });
  assert.is(client.isOpen, true);
  client.publish('a', 'x', { qos: 2, messageId: 15 });
  assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.ReceiveMaximumExceeded);
});

test('a message sent again on a new connection takes its place of the send quota', () => {
  const broker = new FakeBroker({ limits: { receiveMaximum: 2 } });
  const watcher = broker.connect();
  watcher.subscribe('a');
  const options = { clientId: 'one', clean: false, properties: { sessionExpiryInterval: 100 } };
  const first = broker.connect(options);
  first.publish('a', 'x', { qos: 2, messageId: 1 });
  first.drop();
  const client = broker.connect(options);
  client.publish('a', 'x', { qos: 2, messageId: 1, dup: true });
  client.publish('a', 'y', { qos: 2, messageId: 2 });
  assert.equal(watcher.takePayloads(), ['x', 'y']);
  assert.is(client.isOpen, true);
  client.publish('a', 'z', { qos: 2, messageId: 3 });
  assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.ReceiveMaximumExceeded);
});

test('a refused QoS 2 message takes no place of Receive Maximum', () => {
  const broker = new FakeBroker({ limits: { receiveMaximum: 1 } });
  const access = new FakeAccess();
  access.restrictsPublish = true;
  access.mayPublish = (_client, topic) => topic !== 'denied';
  const client = broker.connect({ access });
  for (let id = 1; id <= 3; id++) {
    client.publish('denied', 'x', { qos: 2, messageId: id });
    assert.is(client.takeFirst('pubrec').reasonCode, ReasonCode.NotAuthorized);
  }
  client.publish('a', 'x', { qos: 2, messageId: 4 });
  assert.is(client.takeFirst('pubrec').reasonCode, ReasonCode.NoMatchingSubscribers);
});

test.run();
