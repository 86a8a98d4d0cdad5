/**
 * Clients whose connection breaks at a bad moment: nothing is pumped into a socket that is no
 * more, and what they sent before is heard, but not for ever.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GONE_MS } from '../../src/broker/keep-alive.js';
import { DropReason } from '../../src/broker/metrics.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('clients that are gone');

const KIB = 1024;
const RATE = 4;
const DURABLE = { clean: false, properties: { sessionExpiryInterval: 100 } } as const;

function post(client: FakeClient, topic: string, payload: string): void {
  client.post({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false });
}

/** A client that has used up its rate, with one message read and not parsed yet. */
function heldClient(broker: FakeBroker, clientId: string, filter = 'to/held'): FakeClient {
  const will = { topic: 'will', payload: Buffer.from('gone'), qos: 0 as const, retain: false };
  const client = broker.connect({ clientId, ...DURABLE, will });
  client.subscribe(filter, { qos: 1 });
  for (let n = 0; n < RATE; n++) post(client, 'early', `${n}`);
  post(client, 'late', 'last words');
  broker.settle();
  assert.ok(client.transport.isPaused, 'the rate limit holds it');
  return client;
}

test('what waits for a socket that breaks stays in the queue, also QoS 0', () => {
  const broker = new FakeBroker({ delivery: { queueQos0Messages: true } });
  const options = { clientId: 'one', ...DURABLE };
  const first = broker.connect(options);
  first.subscribe('a', { qos: 1 });
  first.transport.stall();
  const publisher = broker.connect();
  const publish = (n: number): void => {
    const qos = n < 20 || n % 2 === 0 ? 1 : 0;
    publisher.publish('a', String(n).padEnd(10 * KIB), { qos, messageId: 1 });
  };
  for (let n = 0; n < 30; n++) publish(n);
  const { queued, inflight } = broker.core.sessions.get('one')!.outbox!;
  assert.ok(queued > 10, 'the socket does not take them all');
  first.drop();
  for (let n = 30; n < 35; n++) publish(n);
  const second = broker.connect(options);
  second.isAcknowledging = true;
  broker.settle();
  const packets = second.take('publish');
  const numbers = packets.map(({ payload }) => Number(payload!.toString()));
  assert.equal(
    numbers,
    Array.from({ length: 35 }, (_, n) => n),
  );
  assert.is(packets.filter(({ dup }) => dup).length, inflight, 'sent once, sent again');
});

test('a client that was held when it left is heard, and gets nothing any more', () => {
  const broker = new FakeBroker({ limits: { publishRatePerClient: RATE } });
  const watcher = broker.connect();
  watcher.subscribe('late');
  const held = heldClient(broker, 'held');
  held.drop();
  // Its session goes on without it.
  watcher.publish('to/held', 'kept', { qos: 1, messageId: 1 });
  broker.core.refreshGauges();
  assert.is(broker.core.metrics.messagesQueued, 1);
  broker.advance(1_000);
  assert.equal(watcher.takePayloads(), ['last words']);
  assert.is(broker.core.metrics.clientsConnected, 1);
  const back = broker.connect({ clientId: 'held', ...DURABLE });
  const [packet] = back.take('publish');
  assert.equal([packet!.payload!.toString(), packet!.dup], ['kept', false]);
});

test('QoS 0 for a client that is gone and still heard is dropped and counted', () => {
  const broker = new FakeBroker({ limits: { publishRatePerClient: RATE } });
  const held = heldClient(broker, 'held');
  held.drop();
  const publisher = broker.connect();
  publisher.publish('to/held', 'x');
  assert.is(broker.core.metrics.dropped[DropReason.OfflineQos0], 1);
});

test('a member of a shared subscription that is gone and still heard gets no share', () => {
  const broker = new FakeBroker({ limits: { publishRatePerClient: RATE } });
  const held = heldClient(broker, 'held', '$share/g/work');
  const other = broker.connect();
  other.subscribe('$share/g/work', { qos: 1 });
  held.drop();
  const publisher = broker.connect();
  const payloads = ['1', '2', '3', '4'];
  for (const payload of payloads) publisher.publish('work', payload, { qos: 1, messageId: 1 });
  assert.equal(other.takePayloads(), payloads);
});

for (const isOrderly of [true, false]) {
  const how = isOrderly ? 'says DISCONNECT' : 'breaks off';
  test(`a client that is held by its own answers and ${how} is heard`, () => {
    const broker = new FakeBroker({ limits: { outputBytesMax: 64 * KIB } });
    const watcher = broker.connect();
    watcher.subscribe('late');
    const client = broker.connect({
      will: { topic: 'late', payload: Buffer.from('will'), qos: 0, retain: false },
    });
    client.transport.stall();
    client.sendBytes(Buffer.alloc(100_000, Buffer.from([0xc0, 0])));
    assert.ok(client.transport.isPaused, 'its answers hold it');
    // One read may still have been on its way.
    client.transport.isPaused = false;
    post(client, 'late', 'last words');
    if (isOrderly) client.post({ cmd: 'disconnect', reasonCode: 0 });
    broker.settle();
    client.transport.isPaused = true;
    assert.equal(watcher.takePayloads(), []);
    client.drop();
    // DISCONNECT takes its will back.
    assert.equal(watcher.takePayloads(), isOrderly ? ['last words'] : ['last words', 'will']);
    assert.equal([broker.core.connections.size, broker.core.metrics.bytesWaiting], [1, 0]);
  });
}

test('a client whose hold ends in the turn in which it leaves is heard', () => {
  const broker = new FakeBroker({ limits: { publishRatePerClient: RATE } });
  const watcher = broker.connect();
  watcher.subscribe('late');
  const held = heldClient(broker, 'held');
  broker.clock.advance(1_000);
  broker.core.tick();
  held.transport.reset();
  broker.settle();
  assert.equal(watcher.takePayloads(), ['last words']);
  assert.is(broker.core.connections.size, 1);
});

test('nobody who is gone is kept for longer than a minute by a hold that does not end', () => {
  const broker = new FakeBroker({ limits: { publishRatePerClient: RATE } });
  const watcher = broker.connect();
  watcher.subscribe('will');
  watcher.subscribe('late');
  const held = heldClient(broker, 'held');
  const [, connection] = broker.core.connections;
  // As MemoryGuard does, while memory is full.
  connection!.hold();
  held.drop();
  broker.advance(GONE_MS - 1);
  assert.is(broker.core.connections.size, 2);
  broker.advance(1);
  assert.is(broker.core.connections.size, 1);
  assert.equal(watcher.takePayloads(), ['gone']);
  connection!.release();
  broker.settle();
  assert.equal(watcher.takePayloads(), []);
});

test('a client that leaves while it is let in is heard, and gets nothing', async () => {
  const broker = new FakeBroker();
  const options = { clientId: 'one', ...DURABLE };
  const first = broker.connect(options);
  first.subscribe('a', { qos: 1 });
  first.drop();
  const publisher = broker.connect();
  publisher.publish('a', 'kept', { qos: 1, messageId: 1 });
  publisher.subscribe('late');
  let letIn: () => void = () => undefined;
  broker.access.authenticate = ({ username }) =>
    new Promise((resolve) => {
      letIn = () => resolve({ ok: true, username });
    });
  const hasty = broker.request(options);
  post(hasty, 'late', 'in and out');
  broker.settle();
  hasty.drop();
  letIn();
  await broker.settleLater();
  assert.equal(publisher.takePayloads(), ['in and out']);
  const back = broker.request(options);
  letIn();
  await broker.settleLater();
  const [packet] = back.take('publish');
  assert.equal([packet!.payload!.toString(), packet!.dup], ['kept', false]);
});

test('who has said CONNECT alone and gives up is not let in', async () => {
  const broker = new FakeBroker();
  const answers: (() => void)[] = [];
  const connected = { ...DURABLE, clientId: 'one' };
  const watcher = broker.connect(connected);
  broker.access.authenticate = ({ username }) =>
    new Promise((resolve) => answers.push(() => resolve({ ok: true, username })));
  const [silent, talker] = [broker.request(connected), broker.request()];
  assert.equal([silent.transport.isPaused, talker.transport.isPaused], [false, false]);
  post(talker, 'a', 'more');
  broker.settle();
  assert.ok(talker.transport.isPaused, 'it is not read without end');

  silent.drop();
  assert.is(broker.core.connections.size, 2);
  for (const answer of answers) answer();
  await broker.settleLater();

  assert.ok(watcher.isOpen, 'nobody took its session over');
  assert.ok(talker.isOpen && !talker.transport.isPaused);
  assert.is(broker.core.metrics.clientsAccepted, 2);
});

test('a client that is let in after it left is not listened to for ever', async () => {
  const broker = new FakeBroker();
  let letIn: () => void = () => undefined;
  broker.access.authenticate = ({ username }) =>
    new Promise((resolve) => {
      letIn = () => resolve({ ok: true, username });
    });
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = () => new Promise(() => undefined);
  const hasty = broker.request();
  post(hasty, 'a', 'nobody says whether it may');
  post(hasty, 'a', 'and so this one is not heard');
  broker.settle();
  hasty.drop();
  letIn();
  await broker.settleLater();
  assert.is(broker.core.connections.size, 1);
  broker.advance(GONE_MS);
  assert.equal([broker.core.connections.size, broker.core.deadlines.size], [0, 0]);
});

test('a program that stops the broker while a client is let in leaves nobody', () => {
  const broker = new FakeBroker();
  const watcher = broker.connect();
  watcher.subscribe('will');
  const will = { topic: 'will', payload: Buffer.from('gone'), qos: 0 as const, retain: false };
  const delayed = { ...will, properties: { willDelayInterval: 50 } };
  broker.connect({ clientId: 'one', ...DURABLE, will: delayed }).drop();
  // It is asked who may read the will, which comes now that the session ends.
  broker.access.restrictsRead = true;
  broker.access.mayRead = () => {
    broker.core.shutdown(ReasonCode.ServerShuttingDown);
    return false;
  };
  const client = broker.request({ clientId: 'one' });
  assert.is(client.isOpen, false);
  broker.settle();
  const { core } = broker;
  assert.equal([core.connections.size, core.metrics.clientsConnected], [0, 0]);
  assert.equal([core.sessions.size, core.deadlines.size], [0, 0]);
});

test.run();
