/** Queues that are longer than what is held of them in memory. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DropReason } from '../../../src/broker/metrics.js';
import { defaultLimits } from '../../../src/config/limits.js';
import type { FakeClient } from '../support/fake-broker.js';
import { DurableBroker, type DurableOptions } from './support/durable-broker.js';

const test = suite('durable: windows');

const MANY = 6_000;

/** Publishes `count` messages, numbered from `from`, in a few turns. */
async function flood(
  broker: DurableBroker,
  publisher: FakeClient,
  count: number,
  from = 1,
  properties = {},
): Promise<void> {
  for (let n = from; n < from + count; n++) {
    const messageId = ((n - 1) % 65_535) + 1;
    publisher.post({
      cmd: 'publish',
      topic: 'a',
      payload: `${n}`,
      qos: 1,
      dup: false,
      retain: false,
      messageId,
      properties,
    });
    if (n % 1_000 === 0) await broker.settle();
  }
  await broker.settle();
}

async function filled(count: number, options: DurableOptions = {}): Promise<DurableBroker> {
  const broker = await DurableBroker.start({
    ...options,
    limits: { queuedMessagesMax: 0, ...options.limits },
  });
  await broker.subscriber('s', 'a', 1);
  const publisher = await broker.connect({ clientId: 'p' });
  await flood(broker, publisher, count);
  return broker;
}

/** All numbers of a range, in order; a difference is said in one line. */
function areNumbers(actual: readonly string[], from: number, to: number): void {
  const wrong = actual.findIndex((one, index) => one !== `${from + index}`);
  const first = wrong < 0 ? '' : `, at ${wrong} ${actual[wrong]} in place of ${from + wrong}`;
  const sum = `${actual.length} from ${actual[0]}${first}`;
  assert.is(sum, `${to - from + 1} from ${from}`);
}

test('thousands of messages come in order, of which memory holds a window', async () => {
  const broker = await filled(MANY);
  const stalled = await broker.durable('s', { properties: { receiveMaximum: 50 } });
  await broker.settle();
  const { window } = broker.stored('s');
  // Payloads are some bytes long: a read brings as many as fit in its limit, far more than 1000.
  assert.is(window!.inflight, 50);
  stalled.drop();
  await broker.settle();
  assert.is(broker.stored('s').window, null, 'nothing is held of an offline client');

  const subscriber = await broker.durable('s', { properties: { receiveMaximum: 50 } });
  subscriber.isAcknowledging = true;
  // The first 50 came before acknowledging began.
  for (const { messageId } of subscriber.take('publish')) {
    subscriber.acknowledge('puback', messageId!);
  }
  await broker.settle();
  areNumbers(subscriber.takePayloads(), 51, MANY);
  subscriber.disconnect();
  await broker.settle();
  assert.is(broker.store.figures().messages, 0, 'all of it was acknowledged');
});

test('acknowledgements in one read count each: the store hears of them as early', async () => {
  const broker = await filled(100);
  const subscriber = await broker.durable('s');
  await broker.settle();
  const got = subscriber.take('publish');
  assert.is(got.length, 100);
  subscriber.sendBytes(
    Buffer.concat(got.slice(0, 64).map(({ messageId }) => Buffer.from([0x40, 2, 0, messageId!]))),
  );
  await broker.settle();
  assert.is(broker.store.figures().messages, 36);
});

test('large messages: the window is read on as it empties', async () => {
  const broker = await DurableBroker.start({ limits: { queuedMessagesMax: 0 } });
  await broker.subscriber('s', 'a', 1);
  const publisher = await broker.connect({ clientId: 'p' });
  const payload = (n: number): string => `${n}`.padEnd(100_000, '.');
  for (let n = 1; n <= 60; n++) {
    await broker.publish(publisher, 'a', payload(n), { qos: 1, messageId: n });
  }
  const subscriber = await broker.durable('s', { properties: { receiveMaximum: 3 } });
  await broker.settle();
  assert.ok(broker.stored('s').window!.queuedBytes < 2 * 1024 * 1024, 'not all 6 MB');
  assert.is(broker.store.reads, 1);
  const got: number[] = [];
  for (let round = 0; got.length < 60; round++) {
    assert.ok(round < 100);
    for (const { messageId, payload: bytes } of subscriber.take('publish')) {
      got.push(Number.parseInt(bytes!.toString(), 10));
      subscriber.acknowledge('puback', messageId!);
    }
    await broker.settle();
  }
  areNumbers(got.map(String), 1, 60);
  assert.ok(broker.store.reads > 3);
});

test('messages that come while older ones are read follow them', async () => {
  const broker = await filled(3_000);
  broker.store.holdsReads = true;
  const subscriber = await broker.durable('s');
  subscriber.isAcknowledging = true;
  const publisher = await broker.connect({ clientId: 'p2' });
  await flood(broker, publisher, 1_000, 3_001);
  assert.equal(subscriber.take('publish'), []);
  broker.store.releaseReads();
  await broker.settle();
  await flood(broker, publisher, 500, 4_001);

  areNumbers(subscriber.takePayloads(), 1, 4_500);
});

test('a read that the store cannot do is done again', async () => {
  const broker = await filled(100);
  broker.store.holdsReads = true;
  const subscriber = await broker.durable('s');
  subscriber.isAcknowledging = true;
  broker.store.goAway();
  broker.store.releaseReads();
  await broker.settle();
  assert.equal(subscriber.take('publish'), []);
  await broker.advance(5_000);
  assert.equal(subscriber.take('publish'), [], 'the store is still away');
  broker.store.comeBack();
  await broker.advance(5_000);

  areNumbers(subscriber.takePayloads(), 1, 100);
});

test('a client that goes and comes during a read is given the queue once', async () => {
  const broker = await filled(100);
  broker.store.holdsReads = true;
  const first = await broker.durable('s');
  first.drop();
  await broker.settle();
  const second = await broker.durable('s');
  second.isAcknowledging = true;
  await broker.settle();
  broker.store.releaseReads();
  await broker.settle();

  areNumbers(second.takePayloads(), 1, 100);
  assert.equal(first.take('publish'), []);
});

test('a damaged record is skipped, counted and logged, and settled', async () => {
  const broker = await filled(5);
  const { inner } = broker.store.medium;
  const read = inner.read.bind(inner);
  inner.read = async (clientId, fromSeq, bytesMax) => {
    const found = await read(clientId, fromSeq, bytesMax);
    const records = found.records.map(({ seq, record }) => {
      const damaged = Buffer.from(record);
      if (seq === 2) damaged[0] = 99;
      // A topic name with a wildcard.
      if (seq === 4) damaged[4] = '#'.charCodeAt(0);
      return { seq, record: damaged };
    });
    return { ...found, records };
  };
  const subscriber = await broker.durable('s');
  subscriber.isAcknowledging = true;
  for (const { messageId } of subscriber.take('publish')) {
    subscriber.acknowledge('puback', messageId!);
  }
  await broker.settle();

  assert.is(broker.dropped(DropReason.Unreadable), 2);
  const said = broker.log.events.filter(({ event }) => event.includes('cannot be read'));
  assert.equal(
    said.map(({ fields }) => [fields.clientId, fields.seq]),
    [
      ['s', 2],
      ['s', 4],
    ],
  );
  subscriber.disconnect();
  await broker.settle();
  assert.is(broker.store.figures().messages, 0);
});

test('expired messages of a long queue are dropped, and the rest comes', async () => {
  const broker = await DurableBroker.start({ limits: { queuedMessagesMax: 0 } });
  await broker.subscriber('s', 'a', 1);
  const publisher = await broker.connect({ clientId: 'p' });
  await flood(broker, publisher, 3_000, 1, { messageExpiryInterval: 60 });
  await flood(broker, publisher, 10, 3_001);
  await broker.advance(61_000);

  const subscriber = await broker.durable('s');
  await broker.settle();
  areNumbers(subscriber.takePayloads(), 3_001, 3_010);
  assert.is(broker.dropped(DropReason.Expired), 3_000);
  subscriber.disconnect();
  await broker.settle();
  assert.is(broker.store.figures().messages, 10);
});

test('drop_oldest: what gives way, in the window or not, is counted', async () => {
  const broker = await DurableBroker.start({
    delivery: { queueFullPolicy: 'drop_oldest' },
    limits: { queuedMessagesMax: 1_500, slowSubscriberPauseMs: 0 },
  });
  const subscriber = await broker.durable('s', { properties: { receiveMaximum: 10 } });
  await broker.subscribe(subscriber, 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  await flood(broker, publisher, 6_000);
  const sent = subscriber.take('publish');
  assert.is(sent.length, 10);
  subscriber.isAcknowledging = true;
  for (const { messageId } of sent) subscriber.acknowledge('puback', messageId!);
  await broker.settle();

  const got = subscriber.takePayloads();
  const dropped = broker.dropped(DropReason.QueueFull);
  assert.is(sent.length + got.length + dropped, 6_000);
  areNumbers(got, 6_001 - got.length, 6_000);
  assert.is(got.length, 1_500);
});

test('drop_oldest while reads are held back: each message is delivered or counted', async () => {
  const broker = await filled(3_000, {
    delivery: { queueFullPolicy: 'drop_oldest' },
    limits: { queuedMessagesMax: 3_000, slowSubscriberPauseMs: 0 },
    habits: { appliesEarly: true },
  });
  broker.store.holdsReads = true;
  const subscriber = await broker.durable('s');
  await broker.settle();
  const publisher = await broker.connect({ clientId: 'p2' });
  broker.store.isHolding = true;
  await flood(broker, publisher, 2_000, 3_001);
  broker.store.releaseReads();
  await broker.settle();
  broker.store.flow();
  await broker.settle();
  const sent = subscriber.take('publish');
  subscriber.isAcknowledging = true;
  for (const { messageId } of sent) subscriber.acknowledge('puback', messageId!);
  await broker.settle();

  const got = [...sent.map(({ payload }) => payload!.toString()), ...subscriber.takePayloads()];
  areNumbers(got, 5_001 - got.length, 5_000);
  assert.is(got.length + broker.dropped(DropReason.QueueFull), 5_000);
});

test('a message that is never acknowledged costs a window of bounded length', async () => {
  const broker = await DurableBroker.start({
    delivery: { queueFullPolicy: 'drop_oldest' },
    limits: { queuedMessagesMax: 1_000, slowSubscriberPauseMs: 0 },
  });
  const subscriber = await broker.durable('s', { properties: { receiveMaximum: 5 } });
  await broker.subscribe(subscriber, 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  await flood(broker, publisher, 70_000);
  const { window } = broker.stored('s');
  assert.is(window!.inflight, 5);
  assert.ok(window!.endSeq - window!.firstSeq <= 65_535);
  subscriber.isAcknowledging = true;
  for (const { messageId } of subscriber.take('publish')) {
    subscriber.acknowledge('puback', messageId!);
  }
  await broker.settle();

  areNumbers(subscriber.takePayloads(), 69_001, 70_000);
  assert.is(broker.dropped(DropReason.QueueFull), 70_000 - 1_005);
});

test('the gauge of queued messages has what only the store has', async () => {
  const broker = await filled(3_000);
  const { core } = broker.broker;
  core.refreshGauges();
  assert.is(core.metrics.messagesQueued, 3_000);
  assert.is(core.metrics.sessions, 2);
});

test('the window has its limits, in messages and in bytes', async () => {
  for (const [limits, most] of [
    [{ windowMessagesMax: 10 }, 10],
    [{ windowBytesMax: 200 }, 12],
  ] as const) {
    const broker = await DurableBroker.start({ limits: defaultLimits(limits) });
    const client = await broker.durable('s', { properties: { receiveMaximum: 1 } });
    await broker.subscribe(client, 'a');
    const publisher = await broker.connect({ clientId: 'p' });
    for (let id = 1; id <= 60; id++) {
      publisher.publish('a', `${id}`.padStart(20), { qos: 1, messageId: id });
    }
    await broker.settle();
    const { window } = broker.stored('s');
    assert.ok(window!.queued <= most, `${window!.queued} in the window`);
    const got: number[] = [];
    for (;;) {
      const [packet] = client.take('publish');
      if (packet === undefined) break;
      got.push(Number(packet.payload));
      client.acknowledge('puback', packet.messageId!);
      await broker.settle();
      assert.ok('windowMessagesMax' in limits || window!.queued <= most);
    }
    assert.equal(
      got,
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
  }
});

test('where the store does not know how many messages it has, the sessions do', async () => {
  const broker = await DurableBroker.start();
  const told = (): number => {
    const { core } = broker.broker;
    const { inner } = broker.store.medium;
    const { messages } = inner.figures();
    broker.store.figures = () => ({});
    core.refreshGauges();
    assert.is(core.metrics.messagesQueued, messages);
    return core.metrics.messagesQueued;
  };
  await broker.subscriber('s', 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  const publish = async (count: number): Promise<void> => {
    for (let id = 1; id <= count; id++) publisher.publish('a', 'x', { qos: 1, messageId: id });
    await broker.settle();
  };
  await publish(5);
  assert.is(told(), 5);
  const client = await broker.durable('s', { properties: { receiveMaximum: 3 } });
  await broker.settle();
  const packets = client.take('publish');
  client.acknowledge('puback', packets[1]!.messageId!);
  client.drop();
  await broker.settle();
  assert.is(told(), 4);
  await publish(2);
  assert.is(told(), 6);
  await broker.restart();
  assert.is(told(), 6);
});
test.run();
