/**
 * QoS 1 messages of one topic, and PUBACK packets, that come in one read: what each of them would
 * have done alone, and in the same order.
 */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeBroker, type FakeBrokerOptions, type FakeClient } from './support/fake-broker.js';
import { bytesOf, type Publish, sendTogether } from './support/together.js';

const test = suite('streak of QoS 1');

type Version = 4 | 5;

const one = fc.record({
  topic: fc.constantFrom('a', 'a', 'a', 'a', 'a', 'b'),
  size: fc.constantFrom(0, 1, 5, 90, 120, 130, 200),
  qos: fc.constantFrom(1, 1, 1, 1, 1, 1, 1, 0, 2),
  dup: fc.constantFrom(false, false, false, false, true),
  retain: fc.constantFrom(false, false, false, false, true),
  properties: fc.constantFrom(
    ...[undefined, undefined, undefined, undefined],
    { contentType: 'text' },
    { messageExpiryInterval: 5 },
  ),
});
type One = typeof one extends fc.Arbitrary<infer T> ? T : never;

const scenarios = fc.record({
  version: fc.constantFrom<Version>(4, 5),
  messages: fc.array(one, { minLength: 1, maxLength: 40 }),
  slice: fc.constantFrom(1_000_000, 1_000_000, 700, 131),
  limits: fc.record({
    messageBytesMax: fc.constantFrom(0, 0, 125),
    inflightMessagesMax: fc.constantFrom(100, 100, 7),
    inflightBytesMax: fc.constantFrom(0, 0, 300),
  }),
  allowsDuplicates: fc.constantFrom(false, false, true),
  isReadingOwn: fc.boolean(),
  hasDurable: fc.boolean(),
});
type Scenario = typeof scenarios extends fc.Arbitrary<infer T> ? T : never;

function packetOf({ size, qos, dup, properties, ...rest }: One, index: number): Publish {
  const payload = `${index}`.padEnd(size, '.');
  const id = qos > 0 ? { messageId: index + 1 } : {};
  const more = properties === undefined ? {} : { properties };
  return { ...rest, payload, qos: qos as 0 | 1 | 2, dup: dup && qos > 0, ...id, ...more };
}

function subscribers(broker: FakeBroker, scenario: Scenario): FakeClient[] {
  const { version, allowsDuplicates, hasDurable } = scenario;
  const plain = broker.connect({ version });
  plain.subscribe('a', { qos: 1 });
  if (allowsDuplicates) plain.subscribe('+', { qos: 1 });
  const all = broker.connect({ version });
  all.subscribe('#', { qos: 2 });
  const other = broker.connect({ version: version === 4 ? 5 : 4 });
  other.subscribe('b', { qos: 1 });
  const narrow = broker.connect({
    version: 5,
    properties: { maximumPacketSize: 130, receiveMaximum: 5 },
  });
  narrow.subscribe('b', { qos: 1 });
  if (!hasDurable) return [plain, all, other, narrow];
  const durable = broker.connect({ version: 4, clean: false, clientId: 'durable' });
  durable.subscribe('b', { qos: 1 });
  return [plain, all, other, narrow, durable];
}

/** What everybody got, and every counter, after the messages came together or one by one. */
function outcome(scenario: Scenario, isTogether: boolean): unknown {
  const { version, messages, limits, allowsDuplicates, isReadingOwn } = scenario;
  const broker = new FakeBroker({
    limits,
    delivery: { allowDuplicateMessages: allowsDuplicates },
  });
  const slice = (available: number): number =>
    isTogether ? Math.min(available, scenario.slice) : available;
  const publisher = broker.connect({ version, slice });
  const others = subscribers(broker, scenario);
  if (isReadingOwn) publisher.subscribe('a', { qos: 1, ...(version === 5 ? { nl: true } : {}) });
  const packets = messages.map((message, index) => packetOf(message, index));
  if (isTogether) sendTogether(publisher, version, packets);
  else for (const packet of packets) publisher.sendBytes(bytesOf(version, packet));
  const got = drained([publisher, ...others], isTogether);
  return [got, { ...broker.core.metrics }];
}

/** What the clients get until nothing more comes, each read answered with PUBACK packets. */
function drained(clients: readonly FakeClient[], isTogether: boolean): unknown {
  return clients.map((client) => {
    const got: unknown[] = [];
    for (;;) {
      const came = client.take();
      if (came.length === 0) return got;
      const messages = came.filter(({ cmd }) => cmd === 'publish');
      // Acknowledgements and messages have no order among each other.
      got.push(
        messages,
        came.filter(({ cmd }) => cmd !== 'publish'),
      );
      const ids = messages.filter(({ qos }) => qos === 1).map(({ messageId }) => messageId!);
      const pubacks = ids.map((id) => Buffer.from([0x40, 2, id >>> 8, id & 0xff]));
      if (ids.length === 0) continue;
      if (isTogether) client.sendBytes(Buffer.concat(pubacks));
      else for (const puback of pubacks) client.sendBytes(puback);
    }
  });
}

test('messages in one read do what they do one by one', () => {
  fc.assert(
    fc.property(scenarios, (scenario) => {
      assert.equal(outcome(scenario, true), outcome(scenario, false));
    }),
    { numRuns: 800 },
  );
});

function burst(count: number, from = 1): Publish[] {
  return Array.from({ length: count }, (_, index) => {
    const messageId = from + index;
    return { topic: 'a/b', payload: `${messageId}`, qos: 1, messageId };
  });
}

function setup(options: FakeBrokerOptions = {}) {
  const broker = new FakeBroker(options);
  const publisher = broker.connect({ version: 4 });
  const subscriber = broker.connect({ version: 4 });
  subscriber.subscribe('a/b', { qos: 1 });
  let asked = 0;
  const { router } = broker.core;
  const publish = router.publish.bind(router);
  router.publish = (...args) => {
    asked++;
    return publish(...args);
  };
  return { broker, publisher, subscriber, asked: () => asked };
}

test('nobody looks at their topic again, and each is acknowledged [MQTT-4.3.2-4]', () => {
  const { asked, broker, publisher, subscriber } = setup();
  const before = broker.core.metrics.publishReceived;
  sendTogether(publisher, 4, burst(50));
  assert.is(asked(), 1);
  assert.is(broker.core.metrics.publishReceived - before, 50);
  const numbers = Array.from({ length: 50 }, (_, index) => index + 1);
  assert.equal(
    publisher.take('puback').map(({ messageId }) => messageId),
    numbers,
  );
  const got = subscriber.take('publish');
  assert.equal(
    got.map(({ messageId, payload }) => [messageId, Number(payload)]),
    numbers.map((number) => [number, number]),
  );
});

test('what does not fit into a subscriber’s window waits', () => {
  const { publisher, subscriber } = setup({ limits: { inflightMessagesMax: 20 } });
  sendTogether(publisher, 4, burst(50));
  assert.is(publisher.take('puback').length, 50);
  const taken: number[] = [];
  for (let round = 0; round < 3; round++) {
    const got = subscriber.take('publish');
    assert.is(got.length, [20, 20, 10][round]);
    for (const { payload } of got) taken.push(Number(payload));
    subscriber.sendBytes(
      Buffer.concat(got.map(({ messageId }) => Buffer.from([0x40, 2, 0, messageId!]))),
    );
  }
  assert.equal(
    taken,
    Array.from({ length: 50 }, (_, index) => index + 1),
  );
});

test('packet identifiers go on behind the last one there is', () => {
  const { publisher, subscriber } = setup();
  subscriber.isAcknowledging = true;
  for (let at = 0; at < 65_535 - 30; at += 90) sendTogether(publisher, 4, burst(90));
  subscriber.isAcknowledging = false;
  subscriber.take();
  sendTogether(publisher, 4, burst(90));
  const ids = subscriber.take('publish').map(({ messageId }) => messageId!);
  assert.is(ids.length, 90);
  assert.is(new Set(ids).size, 90);
  assert.ok(ids.includes(65_535) && ids.includes(1) && !ids.includes(0));
});

test('packet identifier 0 in a row closes its connection [MQTT-2.2.1-3]', () => {
  const { publisher, subscriber } = setup();
  const [first, second, third] = burst(3).map((packet) => bytesOf(4, packet));
  // Behind the fixed header and the topic name.
  second!.writeUInt16BE(0, 2 + 2 + 3);
  publisher.sendBytes(Buffer.concat([first!, second!, third!]));
  assert.not.ok(publisher.isOpen);
  assert.equal(subscriber.takePayloads(), ['1']);
});

test('a PUBACK with identifier 0 in a row closes its connection', () => {
  const { publisher, subscriber } = setup();
  sendTogether(publisher, 4, burst(3));
  subscriber.sendBytes([0x40, 2, 0, 1, 0x40, 2, 0, 0, 0x40, 2, 0, 2]);
  assert.not.ok(subscriber.isOpen);
});

test('an answer about publishing that does not last is asked for anew', () => {
  const { broker, publisher, subscriber } = setup();
  const answers = [true, true, false, true];
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = () => answers.shift()!;
  sendTogether(publisher, 4, burst(4));
  assert.equal(subscriber.takePayloads(), ['1', '2', '4']);
  assert.is(publisher.take('puback').length, 4);
});

test.run();
