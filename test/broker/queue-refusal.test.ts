/** `queue_full_policy refuse`: who is refused, and who is not although a queue is full. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Limits } from '../../src/config/limits.js';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('queue refusal');

const SUCCESS = 0;
const QUOTA_EXCEEDED = 0x97;

/** Nobody is paused before a queue is full. */
function refusing(limits: Partial<Limits>): FakeBroker {
  const delivery = { queueFullPolicy: 'refuse' } as const;
  return new FakeBroker({ limits: { slowSubscriberPauseMs: 0, ...limits }, delivery });
}

function durable(broker: FakeBroker, clientId: string, filter: string, noLocal = false) {
  const properties = { sessionExpiryInterval: 100 };
  const client = broker.connect({ clientId, clean: false, properties });
  client.subscribe(filter, { qos: 1, nl: noLocal });
  return client;
}

function sleeper(broker: FakeBroker, clientId: string, filter = 'a'): void {
  durable(broker, clientId, filter).drop();
}

function answer(publisher: FakeClient, bytes: number): number {
  publisher.publish('a', 'x'.repeat(bytes), { qos: 1, messageId: 1 });
  return publisher.takeFirst('puback').reasonCode ?? SUCCESS;
}

/** Messages in the queue of a session. */
function queued(broker: FakeBroker, clientId: string): number {
  return broker.core.sessions.get(clientId)?.outbox?.queued ?? 0;
}

test('refuse: a message larger than max_queued_bytes is answered 0x97, not Success', () => {
  const broker = refusing({ queuedBytesMax: 10 });
  sleeper(broker, 'sleeper');
  const publisher = broker.connect();
  assert.is(answer(publisher, 50), QUOTA_EXCEEDED);
  assert.is(answer(publisher, 10), SUCCESS);
  assert.is(answer(publisher, 1), QUOTA_EXCEEDED);
  assert.is(queued(broker, 'sleeper'), 1);
});

test('a message larger than max_queued_bytes goes out where it need not be queued', () => {
  const broker = refusing({ queuedBytesMax: 10, inflightMessagesMax: 2 });
  const reader = durable(broker, 'reader', 'a');
  const publisher = broker.connect();
  assert.equal([answer(publisher, 50), answer(publisher, 50)], [SUCCESS, SUCCESS]);
  assert.is(answer(publisher, 50), QUOTA_EXCEEDED, 'the window is full');
  const [first] = reader.take('publish');
  reader.acknowledge('puback', first!.messageId!);
  assert.is(answer(publisher, 50), SUCCESS);
  assert.is(reader.take('publish').length, 1);
});

test('a retained message larger than max_queued_bytes comes when the window opens', () => {
  const broker = refusing({ queuedBytesMax: 10, inflightMessagesMax: 1 });
  const publisher = broker.connect();
  for (const topic of ['r/1', 'r/2']) publisher.publish(topic, 'x'.repeat(50), { retain: true });
  const reader = broker.connect();
  for (const topic of ['r/1', 'r/2']) {
    publisher.publish(topic, 'x'.repeat(50), { qos: 1, messageId: 1, retain: true });
  }
  reader.subscribe('r/#', { qos: 1 });
  const [first, ...more] = reader.take('publish');
  assert.is(more.length, 0);
  reader.acknowledge('puback', first!.messageId!);
  assert.is(reader.take('publish').length, 1);
});

for (const limits of [{ queuedBytesMax: 10 }, { queuedMessagesMax: 1 }]) {
  test(`a shared group with a member that has room is not refused: ${Object.keys(limits)}`, () => {
    const broker = refusing(limits);
    for (const name of ['one', 'two', 'three']) sleeper(broker, name, '$share/group/a');
    const publisher = broker.connect();
    const codes = Array.from({ length: 4 }, () => answer(publisher, 8));
    assert.equal(codes, [SUCCESS, SUCCESS, SUCCESS, QUOTA_EXCEEDED]);
    const lengths = ['one', 'two', 'three'].map((name) => queued(broker, name));
    assert.equal(lengths, [1, 1, 1]);
  });
}

test('an offline member with room goes before an online one without', () => {
  const broker = refusing({ queuedMessagesMax: 1, inflightMessagesMax: 1 });
  sleeper(broker, 'offline', '$share/group/a');
  const online = durable(broker, 'online', '$share/group/a');
  const publisher = broker.connect();
  const codes = Array.from({ length: 4 }, () => answer(publisher, 1));
  assert.equal(codes, [SUCCESS, SUCCESS, SUCCESS, QUOTA_EXCEEDED]);
  assert.is(online.take('publish').length, 1);
  assert.equal([queued(broker, 'online'), queued(broker, 'offline')], [1, 1]);
});

test('members that may not read the topic neither get the message nor have room for it', () => {
  const broker = refusing({ queuedMessagesMax: 1 });
  broker.access.restrictsRead = true;
  broker.access.mayRead = ({ clientId }) => clientId !== 'blind';
  for (const name of ['blind', 'seeing']) sleeper(broker, name, '$share/group/a');
  const publisher = broker.connect();
  assert.equal([answer(publisher, 1), answer(publisher, 1)], [SUCCESS, QUOTA_EXCEEDED]);
  assert.is(queued(broker, 'blind'), 0);
});

test('version 3, which cannot be told, has its message given to a member with room', () => {
  const broker = refusing({ queuedMessagesMax: 1 });
  for (const name of ['one', 'two']) sleeper(broker, name, '$share/group/a');
  const publisher = broker.connect({ version: 4 });
  for (let n = 0; n < 2; n++) publisher.publish('a', 'x', { qos: 1, messageId: 1 });
  assert.equal([queued(broker, 'one'), queued(broker, 'two')], [1, 1]);
});

test('a full queue that the message would not go to refuses nothing', () => {
  const broker = refusing({ queuedMessagesMax: 1, inflightMessagesMax: 1 });
  const publisher = durable(broker, 'publisher', 'a', true);
  const other = broker.connect();
  assert.equal([answer(other, 1), answer(other, 1)], [SUCCESS, SUCCESS]);
  assert.is(answer(other, 1), QUOTA_EXCEEDED);
  publisher.take();
  assert.is(answer(publisher, 1), SUCCESS, 'No Local: it gets none of its own');
});

test.run();
