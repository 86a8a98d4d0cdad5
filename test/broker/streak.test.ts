/**
 * QoS 0 messages of one topic that come in one read: what each of them would have done alone, and
 * in the same order.
 */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Message } from '../../src/protocol/message.js';
import { FakeBroker, type FakeBrokerOptions } from './support/fake-broker.js';
import { bytesOf, type Publish, sendTogether } from './support/together.js';

const test = suite('streak');

type Version = 4 | 5;
function burst(topic: string, payloads: readonly string[]): Publish[] {
  return payloads.map((payload) => ({ topic, payload }));
}

const one = fc.record({
  topic: fc.constantFrom('a', 'a', 'a', 'a', 'b'),
  size: fc.constantFrom(0, 1, 5, 90, 120, 130, 200),
  qos: fc.constantFrom(0, 0, 0, 0, 0, 0, 1),
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
  messageBytesMax: fc.constantFrom(0, 0, 125),
  allowsDuplicates: fc.constantFrom(false, false, true),
  isReadingOwn: fc.boolean(),
});
type Scenario = typeof scenarios extends fc.Arbitrary<infer T> ? T : never;

function packetOf({ topic, size, qos, retain, properties }: One, index: number): Publish {
  const payload = `${index}`.padEnd(size, '.');
  const id = qos > 0 ? { messageId: index + 1 } : {};
  const more = properties === undefined ? {} : { properties };
  return { topic, payload, qos: qos as 0 | 1, retain, ...id, ...more };
}

/** What everybody got, and every counter, after the messages came together or one by one. */
function outcome(scenario: Scenario, isTogether: boolean): unknown {
  const { version, messages, messageBytesMax, allowsDuplicates } = scenario;
  const broker = new FakeBroker({
    limits: { messageBytesMax },
    delivery: { allowDuplicateMessages: allowsDuplicates },
  });
  const slice = (available: number): number =>
    isTogether ? Math.min(available, scenario.slice) : available;
  const publisher = broker.connect({ version, slice });
  const plain = broker.connect({ version });
  plain.subscribe('a');
  const all = broker.connect({ version });
  all.subscribe('#', { qos: 1 });
  all.isAcknowledging = true;
  const other = broker.connect({ version: version === 4 ? 5 : 4 });
  other.subscribe('b');
  const small = broker.connect({ version: 5, properties: { maximumPacketSize: 130 } });
  small.subscribe('b');
  if (scenario.isReadingOwn) publisher.subscribe('a', version === 5 ? { nl: true } : {});
  if (allowsDuplicates) plain.subscribe('+');
  const packets = messages.map((message, index) => packetOf(message, index));
  if (isTogether) sendTogether(publisher, version, packets);
  else for (const packet of packets) publisher.sendBytes(bytesOf(version, packet));
  const clients = [publisher, plain, all, other, small];
  return [clients.map((client) => client.take()), { ...broker.core.metrics }];
}

test('messages in one read do what they do one by one', () => {
  fc.assert(
    fc.property(scenarios, (scenario) => {
      assert.equal(outcome(scenario, true), outcome(scenario, false));
    }),
    { numRuns: 600 },
  );
});

test('all of them are counted, and nobody looks at their topic again', () => {
  const broker = new FakeBroker();
  const publisher = broker.connect({ version: 4 });
  const subscriber = broker.connect({ version: 4 });
  subscriber.subscribe('a/b');
  publisher.publish('a/b', 'first');
  const { metrics, router } = broker.core;
  const before = metrics.publishReceived;
  let asked = 0;
  const publish = router.publish.bind(router);
  router.publish = (...args) => {
    asked++;
    return publish(...args);
  };
  sendTogether(publisher, 4, burst('a/b', ['1', '22', '333', '4'.repeat(200)]));
  assert.is(metrics.publishReceived - before, 4);
  assert.is(asked, 1);
  assert.equal(subscriber.takePayloads(), ['first', '1', '22', '333', '4'.repeat(200)]);
});

function together(options: FakeBrokerOptions, act: (broker: FakeBroker) => void): string[] {
  const broker = new FakeBroker(options);
  const publisher = broker.connect({ version: 4 });
  const subscriber = broker.connect({ version: 4 });
  subscriber.subscribe('a');
  act(broker);
  sendTogether(publisher, 4, burst('a', ['1', '2', '3', '4']));
  return subscriber.takePayloads();
}

test('who wants to hear of each message does', () => {
  const heard: string[] = [];
  const published = (_client: unknown, message: Message): void => {
    const { block, payloadStart, end } = message;
    heard.push(block.bytes.toString('latin1', payloadStart, end));
  };
  const got = together({ observer: { wantsPublish: true, published } }, () => undefined);
  assert.equal([got, heard], [got, ['1', '2', '3', '4']]);
  assert.is(got.length, 4);
});

test('an answer about publishing that does not last is asked for anew', () => {
  const answers = [true, true, false, true];
  const got = together({}, ({ access }) => {
    access.restrictsPublish = true;
    access.mayPublish = () => answers.shift()!;
  });
  assert.equal(got, ['1', '2', '4']);
});

test('max_publish_rate counts each of them', () => {
  const broker = new FakeBroker({ limits: { publishRatePerClient: 2 } });
  const publisher = broker.connect({ version: 4 });
  const subscriber = broker.connect({ version: 4 });
  subscriber.subscribe('a');
  sendTogether(publisher, 4, burst('a', [...'123456789']));
  assert.ok(subscriber.takePayloads().length < 9);
  for (let round = 0; round < 10; round++) broker.advance(1_000);
  assert.is(broker.core.metrics.publishReceived, 9);
});

test('a member of a shared subscription gets its share, not all', () => {
  const broker = new FakeBroker();
  const publisher = broker.connect({ version: 4 });
  const members = [broker.connect(), broker.connect()];
  for (const member of members) member.subscribe('$share/g/a');
  sendTogether(publisher, 4, burst('a', ['1', '2', '3', '4']));
  assert.equal(
    members.map((member) => member.takePayloads().length),
    [2, 2],
  );
});

test.run();
