/** Slow and stuck subscribers: who is paused, what is dropped, and who is not troubled at all. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DropReason } from '../../src/broker/metrics.js';
import { READ_AREA } from '../../src/broker/transport.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('back-pressure');

const KIB = 1024;
const LIMITS = { outputBytesMax: 256 * KIB, slowSubscriberPauseMs: 100 };
const PAYLOAD = 'x'.repeat(8 * KIB);

interface Setup {
  readonly broker: FakeBroker;
  readonly slow: FakeClient;
  readonly fast: FakeClient;
  readonly publisher: FakeClient;
}

function setup(qos: 0 | 1, limits = {}): Setup {
  const broker = new FakeBroker({ limits: { ...LIMITS, ...limits } });
  const [slow, fast, publisher] = ['slow', 'fast', 'publisher'].map((clientId) =>
    broker.connect({ clientId }),
  ) as [FakeClient, FakeClient, FakeClient];
  slow.subscribe('a', { qos });
  fast.subscribe('a', { qos });
  fast.isAcknowledging = true;
  return { broker, slow, fast, publisher };
}

/** Sends `count` messages, numbered from `from` on, without waiting for anything. */
function post(publisher: FakeClient, from: number, count: number, qos: 0 | 1): void {
  for (let n = from; n < from + count; n++) {
    publisher.post({
      cmd: 'publish',
      topic: 'a',
      payload: `${n} ${PAYLOAD}`,
      qos,
      messageId: (n % 60_000) + 1,
      dup: false,
      retain: false,
    });
  }
}

function numbersOf(client: FakeClient): number[] {
  return client.takePayloads().map((payload) => Number(payload.split(' ')[0]));
}

function isAscending(numbers: readonly number[]): boolean {
  return numbers.every((n, index) => index === 0 || n > numbers[index - 1]!);
}

test('a slow reader pauses its publisher, and nothing is lost when it catches up in time', () => {
  const { broker, slow, fast, publisher } = setup(0);
  slow.transport.stall();
  post(publisher, 0, 200, 0);
  broker.settle();
  assert.is(publisher.transport.isPaused, true);
  assert.ok(publisher.transport.unread > 0, 'what is not read waits at the publisher');
  for (let round = 0; round < 100 && publisher.transport.unread > 0; round++) {
    broker.advance(50);
    slow.transport.drain();
    slow.transport.stall();
    broker.settle();
  }
  slow.transport.drain();
  broker.settle();
  const expected = Array.from({ length: 200 }, (_, n) => n);
  assert.equal(numbersOf(slow), expected);
  assert.equal(numbersOf(fast), expected);
  assert.is(broker.core.metrics.droppedTotal, 0);
  assert.is(publisher.transport.isPaused, false);
});

test('long runs of QoS 0 keep their place among the other messages', () => {
  const { broker, slow, fast, publisher } = setup(1);
  for (let n = 0; n < 60; n += 6) {
    post(publisher, n, 1, 1);
    post(publisher, n + 1, 5, 0);
  }
  slow.isAcknowledging = true;
  broker.settle();
  const expected = Array.from({ length: 60 }, (_, n) => n);
  assert.equal(numbersOf(slow), expected);
  assert.equal(numbersOf(fast), expected);
});

test('a stuck reader: a short pause, then its own QoS 0 messages are dropped and counted', () => {
  const { broker, slow, fast, publisher } = setup(0);
  slow.transport.stall();
  post(publisher, 0, 500, 0);
  broker.settle();
  assert.is(publisher.transport.isPaused, true);
  const before = numbersOf(fast).length;
  assert.ok(before < 500);
  broker.advance(99);
  assert.is(publisher.transport.isPaused, true);
  broker.advance(1);
  assert.is(before + numbersOf(fast).length, 500, 'the fast one has it all without more time');
  const { metrics } = broker.core;
  const dropped = metrics.dropped[DropReason.SlowSubscriber]!;
  assert.ok(dropped > 0);
  assert.is(broker.core.sessions.get('slow')!.dropped, dropped);
  assert.ok(metrics.bytesWaiting <= LIMITS.outputBytesMax + 64 * KIB, `${metrics.bytesWaiting}`);
  slow.transport.drain();
  broker.settle();
  const got = numbersOf(slow);
  assert.is(got.length + dropped, 500);
  assert.ok(isAscending(got));
  assert.is(metrics.bytesWaiting, 0);
});

test('once drained, a reader that was stuck is waited for again', () => {
  const { broker, slow, publisher } = setup(0);
  for (let round = 0; round < 2; round++) {
    slow.transport.stall();
    post(publisher, 0, 100, 0);
    broker.settle();
    assert.is(publisher.transport.isPaused, true);
    broker.advance(100);
    assert.is(publisher.transport.isPaused, false);
    slow.transport.drain();
    broker.settle();
  }
});

test('slow_subscriber_pause_ms 0: nobody is paused', () => {
  const { broker, slow, fast, publisher } = setup(0, { slowSubscriberPauseMs: 0 });
  slow.transport.stall();
  post(publisher, 0, 500, 0);
  broker.settle();
  assert.is(publisher.transport.isPaused, false);
  assert.is(numbersOf(fast).length, 500);
  assert.ok(broker.core.metrics.dropped[DropReason.SlowSubscriber]! > 0);
});

test('a stuck QoS 1 reader fills its queue to its limit and no buffer', () => {
  const { broker, slow, fast, publisher } = setup(1, { queuedMessagesMax: 50 });
  slow.transport.stall();
  post(publisher, 0, 500, 1);
  broker.settle();
  assert.is(publisher.transport.isPaused, true);
  broker.advance(100);
  assert.is(numbersOf(fast).length, 500);
  const { metrics } = broker.core;
  assert.ok(metrics.bytesWaiting <= 256 * KIB, `${metrics.bytesWaiting} bytes in the buffer`);
  slow.isAcknowledging = true;
  slow.transport.drain();
  broker.settle();
  const got = numbersOf(slow);
  assert.ok(isAscending(got));
  assert.is(got.length + metrics.dropped[DropReason.QueueFull]!, 500);
  assert.is(publisher.take('puback').length, 500);
});

test('a QoS 1 reader that reads but does not acknowledge pauses its publisher once', () => {
  const { broker, slow, fast, publisher } = setup(1, { queuedMessagesMax: 20 });
  post(publisher, 0, 300, 1);
  broker.settle();
  assert.is(publisher.transport.isPaused, true);
  broker.advance(100);
  assert.is(numbersOf(fast).length, 300);
  const first = slow.take('publish');
  assert.is(first.length, 100);
  slow.isAcknowledging = true;
  for (const { messageId } of first) slow.acknowledge('puback', messageId!);
  const rest = numbersOf(slow);
  assert.equal(
    rest,
    Array.from({ length: 20 }, (_, n) => 100 + n),
  );
  assert.is(broker.core.metrics.dropped[DropReason.QueueFull], 180);
});

test('a subscriber that goes away lets its publishers go on', () => {
  for (const leave of ['drop', 'takeover'] as const) {
    const { broker, slow, fast, publisher } = setup(0);
    slow.transport.stall();
    post(publisher, 0, 200, 0);
    broker.settle();
    assert.is(publisher.transport.isPaused, true);
    if (leave === 'drop') slow.drop();
    else broker.connect({ clientId: 'slow' });
    broker.settle();
    assert.is(publisher.transport.isPaused, false);
    assert.is(numbersOf(fast).length, 200);
    assert.is(broker.core.metrics.bytesWaiting, 0);
  }
});

test('a publisher that goes away while it is held leaves nothing behind', () => {
  const { broker, slow, publisher } = setup(0);
  slow.transport.stall();
  post(publisher, 0, 200, 0);
  broker.settle();
  publisher.drop();
  slow.transport.drain();
  broker.advance(1_000);
  slow.drop();
  assert.is(broker.core.deadlines.size, 0);
  assert.is(broker.core.metrics.bytesWaiting, 0);
});

test('a publisher that is held by two subscribers waits for both', () => {
  const { broker, slow, fast, publisher } = setup(0);
  slow.transport.stall();
  fast.transport.stall();
  post(publisher, 0, 200, 0);
  broker.settle();
  slow.transport.drain();
  broker.settle();
  assert.is(publisher.transport.isPaused, true);
  fast.transport.drain();
  broker.settle();
  assert.is(publisher.transport.isPaused, false);
  assert.is(numbersOf(fast).length, 200);
});

test('max_output_buffer_bytes_total bounds all slow readers together', () => {
  const total = 1024 * KIB;
  const broker = new FakeBroker({
    limits: { ...LIMITS, outputBytesTotalMax: total, slowSubscriberPauseMs: 0 },
  });
  const clients = Array.from({ length: 20 }, () => broker.connect());
  for (const client of clients) {
    client.subscribe('a');
    client.transport.stall();
  }
  const publisher = broker.connect();
  post(publisher, 0, 100, 0);
  broker.settle();
  const { metrics } = broker.core;
  // What one read brings may be on its way to a socket before it is found to be full.
  const most = total + clients.length * READ_AREA;
  assert.ok(metrics.bytesWaiting < most, `${metrics.bytesWaiting} bytes wait`);
  assert.ok(metrics.dropped[DropReason.SlowSubscriber]! > 0);
  for (const client of clients) client.transport.drain();
  broker.settle();
  assert.is(metrics.bytesWaiting, 0);
  post(publisher, 100, 1, 0);
  broker.settle();
  for (const client of clients) assert.is(numbersOf(client).at(-1), 100);
});

test('a client that does not read its answers is not read either', () => {
  const broker = new FakeBroker({ limits: { outputBytesMax: 64 * KIB } });
  const client = broker.connect();
  client.transport.stall();
  const pings = Buffer.alloc(200 * KIB).fill(Buffer.from([0xc0, 0]));
  client.transport.slice = () => 16 * KIB;
  client.sendBytes(pings);
  assert.is(client.transport.isPaused, true);
  assert.ok(broker.core.metrics.bytesWaiting < 128 * KIB);
  assert.ok(client.transport.unread > 50 * KIB);
  client.transport.drain();
  broker.settle();
  assert.is(client.take('pingresp').length, pings.length / 2);
});

test('QoS 1 for many stuck readers is bounded as well, what does not fit stays queued', () => {
  const total = 1024 * KIB;
  const limits = { outputBytesTotalMax: total, inflightMessagesMax: 0, queuedMessagesMax: 0 };
  const broker = new FakeBroker({ limits: { ...LIMITS, ...limits } });
  const clients = Array.from({ length: 20 }, () => broker.connect());
  for (const client of clients) {
    client.subscribe('a', { qos: 1 });
    client.transport.stall();
  }
  const publisher = broker.connect();
  for (let n = 0; n < 30; n++) {
    post(publisher, n, 1, 1);
    broker.advance(100);
  }
  const { metrics } = broker.core;
  assert.ok(metrics.bytesWaiting < 1.5 * total, `${metrics.bytesWaiting} bytes wait`);
  const expected = Array.from({ length: 30 }, (_, n) => n);
  for (const client of clients) {
    client.isAcknowledging = true;
    client.transport.drain();
    broker.settle();
    assert.equal(numbersOf(client), expected);
  }
  assert.equal([metrics.bytesWaiting, metrics.droppedTotal], [0, 0]);
});

test('what is written while a socket is full counts as waiting at once', () => {
  const broker = new FakeBroker();
  const client = broker.connect();
  client.transport.stall();
  const sizes = [1, 10, 1_000, 5_000].map((count) => {
    for (let n = 0; n < count; n++) client.post({ cmd: 'pingreq' });
    broker.settle();
    return broker.core.metrics.bytesWaiting;
  });
  assert.equal(sizes, [2, 22, 2_022, 12_022]);
  client.transport.drain();
  assert.is(broker.core.metrics.bytesWaiting, 0);
  assert.is(client.take('pingresp').length, 6_011);
});

test('acknowledgements of a reader whose socket is full make nobody wait for it again', () => {
  const { broker, slow, fast, publisher } = setup(0);
  slow.subscribe('one', { qos: 1 });
  publisher.publish('one', 'x', { qos: 1, messageId: 1 });
  publisher.publish('one', 'y', { qos: 1, messageId: 2 });
  const early = slow.take('publish');
  slow.transport.stall();
  post(publisher, 0, 300, 0);
  broker.settle();
  assert.is(publisher.transport.isPaused, true);
  // It pretends to live while it takes nothing.
  slow.acknowledge('puback', early[0]!.messageId!);
  assert.is(publisher.transport.isPaused, true, 'the socket is as full as before');
  broker.advance(100);
  assert.is(publisher.transport.isPaused, false);
  slow.acknowledge('puback', early[1]!.messageId!);
  post(publisher, 300, 300, 0);
  broker.settle();
  assert.is(publisher.transport.isPaused, false, 'who is stuck stays so until it has drained');
  assert.is(numbersOf(fast).length, 600);
});

test('publishers_paused counts no client that waits for an authorizer', async () => {
  const broker = new FakeBroker();
  const answers: ((isAllowed: boolean) => void)[] = [];
  const answer = (): Promise<boolean> => new Promise((resolve) => answers.push(resolve));
  broker.access.restrictsPublish = true;
  broker.access.restrictsSubscribe = true;
  broker.access.mayPublish = answer;
  broker.access.maySubscribe = answer;
  const { authenticate } = broker.access;
  broker.access.authenticate = (client, password) =>
    Promise.resolve(authenticate(client, password));
  const client = broker.request();
  await broker.settleLater();
  client.takeFirst('connack');
  client.publish('a', 'x');
  const { metrics } = broker.core;
  assert.equal([client.transport.isPaused, metrics.publishersPaused], [true, 0]);
  // Memory gets tight meanwhile: that does count, and outlasts the answer.
  const [connection] = broker.core.connections;
  connection!.hold();
  assert.is(metrics.publishersPaused, 1);
  answers[0]!(true);
  await broker.settleLater();
  assert.is(client.transport.isPaused, true);
  connection!.release();
  broker.settle();
  assert.is(client.transport.isPaused, false);
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] });
  assert.equal([client.transport.isPaused, metrics.publishersPaused], [true, 1]);
});

test('memory_limit: new connections are refused, those that are there go on', () => {
  const broker = new FakeBroker();
  const client = broker.connect();
  broker.core.isMemoryTight = true;
  const refused = broker.request({ clientId: 'new' });
  assert.is(refused.takeFirst('connack').reasonCode, ReasonCode.QuotaExceeded);
  const old = broker.request({ clientId: 'old', version: 4 });
  assert.is(old.takeFirst('connack').returnCode, 3);
  client.send({ cmd: 'pingreq' });
  assert.is(client.take('pingresp').length, 1);
  broker.core.isMemoryTight = false;
  broker.connect({ clientId: 'new' });
});

test.run();
