/** From a message to everybody who gets it: overlaps, No Local, shared subscriptions. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DropReason } from '../../src/broker/metrics.js';
import { messageOf } from '../../src/broker/own-messages.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { matches } from '../../src/protocol/topic.js';
import { FakeBroker, type FakeClient, type Received } from './support/fake-broker.js';

const test = suite('router');

interface Wanted {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly nl: boolean;
  readonly rap: boolean;
  /** 0: none. */
  readonly id: number;
}

const wanted: fc.Arbitrary<Wanted> = fc.record({
  filter: fc.constantFrom('a', '+', '#', 'a/#', 'a/b', 'a/+', '+/b'),
  qos: fc.constantFrom(0, 1, 2),
  nl: fc.boolean(),
  rap: fc.boolean(),
  id: fc.nat(3),
});

function idsOf({ properties }: Received): number[] {
  const ids = properties?.subscriptionIdentifier ?? [];
  return [ids].flat().map(Number).sort();
}

/** QoS, RETAIN and identifiers of what a session must get, one string per delivery. */
function expectedFor(
  list: readonly Wanted[],
  isMerged: boolean,
  qos: number,
  isOwn: boolean,
): string[] {
  const mine = list.filter(({ nl }) => !(isOwn && nl));
  if (mine.length === 0) return [];
  const groups = isMerged ? [mine] : mine.map((one) => [one]);
  return groups
    .map((group) => {
      const granted = Math.max(...group.map((one) => one.qos));
      const retain = group.some(({ rap }) => rap);
      const ids = group.filter(({ id }) => id > 0).map(({ id }) => id);
      return [Math.min(qos, granted), retain, ids.sort().join('+')].join(' ');
    })
    .sort();
}

for (const allowDuplicateMessages of [false, true]) {
  const how = allowDuplicateMessages ? 'one delivery per subscription' : 'one merged delivery';
  test(`overlapping subscriptions: ${how} [MQTT-3.3.4-2] [MQTT-3.3.4-4] [MQTT-3.8.3-3]`, () => {
    fc.assert(
      fc.property(
        fc.array(wanted, { maxLength: 5 }),
        fc.array(wanted, { maxLength: 5 }),
        fc.constantFrom(0, 1, 2),
        (ownList, otherList, qos) => {
          const broker = new FakeBroker({ delivery: { allowDuplicateMessages } });
          const clients = [ownList, otherList].map((list) => {
            const client = broker.connect();
            client.isAcknowledging = true;
            for (const { filter, qos: max, nl, rap, id } of list) {
              client.subscribe(filter, { qos: max, nl, rap, rh: 2 }, id === 0 ? undefined : id);
            }
            return client;
          });
          const topic = 'a/b';
          clients[0]!.publish(topic, 'x', { qos: qos as 0 | 1 | 2, messageId: 1, retain: true });
          clients.forEach((client, index) => {
            const list = [ownList, otherList][index]!;
            // The last subscription to a filter replaces those before it.
            const byFilter = new Map(list.map((one) => [one.filter, one]));
            const matching = [...byFilter.values()].filter(({ filter }) => matches(filter, topic));
            const got = client
              .take('publish')
              .map((packet) => [packet.qos, packet.retain, idsOf(packet).join('+')].join(' '));
            const isMerged = !allowDuplicateMessages;
            assert.equal(got.sort(), expectedFor(matching, isMerged, qos, index === 0));
          });
        },
      ),
      { numRuns: 150 },
    );
  });
}

test('many recipients of all versions and options each get their own packet', () => {
  const broker = new FakeBroker();
  const clients: { client: FakeClient; qos: 0 | 1 | 2; id: number | undefined }[] = [];
  for (let n = 0; n < 40; n++) {
    const version = ([3, 4, 5, 5] as const)[n % 4]!;
    const qos = (n % 3) as 0 | 1 | 2;
    const properties = { topicAliasMaximum: n % 8 === 3 ? 5 : 0 };
    const client = broker.connect({ version, ...(version === 5 ? { properties } : {}) });
    const id = version === 5 && n % 5 === 0 ? n + 1 : undefined;
    client.subscribe('some/topic', { qos }, id);
    clients.push({ client, qos, id });
  }
  const publishers = [broker.connect({ version: 4 }), broker.connect()];
  for (let round = 0; round < 12; round++) {
    const publisher = publishers[round % 2]!;
    const qos = (round % 3) as 0 | 1 | 2;
    const payload = `${round}`.padEnd(round * 500);
    const properties = round % 2 === 0 ? {} : { properties: { contentType: 'text' } };
    publisher.publish('some/topic', payload, { qos, messageId: 100 + round, ...properties });
    for (const { client, qos: granted, id } of clients) {
      const [packet, ...more] = client.take('publish');
      assert.equal(more, []);
      assert.is(packet!.payload!.toString(), payload);
      assert.is(packet!.qos, Math.min(qos, granted));
      if (client.version < 5) continue;
      assert.equal(idsOf(packet!), id === undefined ? [] : [id]);
      assert.is(packet!.properties?.contentType, round % 2 === 0 ? undefined : 'text');
    }
  }
});

test('a program that publishes while a message goes out does not mix the two', () => {
  let broker: FakeBroker | null = null;
  const dropped = (_reason: number, _clientId: string | null, topic: string): void => {
    if (topic !== 'outer') return;
    broker!.core.publish('inner', Buffer.from('inner'), { qos: 0, retain: false });
  };
  broker = new FakeBroker({ observer: { dropped } });
  const clients = Array.from({ length: 6 }, (_, n) =>
    broker!.connect(n === 2 ? { properties: { maximumPacketSize: 25 } } : {}),
  );
  for (const client of clients) for (const topic of ['outer', 'inner']) client.subscribe(topic);
  const retained = { qos: 0, messageId: 1, retain: true } as const;
  clients[0]!.publish('outer', 'outer, and large', retained);
  for (const [n, client] of clients.entries()) {
    const got = client.take('publish').map(({ topic, payload }) => `${topic}: ${payload}`);
    const all = ['inner: inner', 'outer: outer, and large'];
    assert.equal(got.sort(), n === 2 ? all.slice(0, 1) : all);
  }
});

function sharers(broker: FakeBroker, count: number, durable = false): FakeClient[] {
  return Array.from({ length: count }, (_, index) => {
    const properties = durable ? { sessionExpiryInterval: 100 } : {};
    const client = broker.connect({ clientId: `member-${index}`, properties });
    client.subscribe('$share/g/a', { qos: 2 });
    return client;
  });
}

test('each message goes to one member, and to all plain subscribers', () => {
  const broker = new FakeBroker();
  const members = sharers(broker, 3);
  const plain = broker.connect();
  plain.subscribe('a');
  const publisher = broker.connect();
  for (let n = 0; n < 9; n++) publisher.publish('a', String(n), { qos: 1, messageId: 1 });
  assert.equal(
    members.map((member) => member.takePayloads().length),
    [3, 3, 3],
  );
  assert.is(plain.takePayloads().length, 9);
});

test('two groups of one filter, and one name with two filters, are groups of their own', () => {
  const broker = new FakeBroker();
  const client = broker.connect();
  for (const filter of ['$share/g/a', '$share/h/a', '$share/g/+']) client.subscribe(filter);
  broker.connect().publish('a', 'x');
  assert.is(client.takePayloads().length, 3);
  assert.is(broker.core.index.size, 3);
});

test('what a member did not acknowledge goes to another at its end [MQTT-4.8.2-5]', () => {
  const broker = new FakeBroker();
  const [first, second] = sharers(broker, 2) as [FakeClient, FakeClient];
  const publisher = broker.connect();
  for (const [payload, qos] of [
    ['1', 1],
    ['2', 1],
    ['3', 2],
    ['4', 2],
  ] as const) {
    publisher.publish('a', payload, { qos, messageId: Number(payload) });
  }
  assert.equal(first.takePayloads(), ['1', '3']);
  assert.equal(second.takePayloads(), ['2', '4']);
  first.drop();
  assert.equal(second.takePayloads(), ['1'], 'QoS 2 that has begun is not sent to others');
});

test('what nobody is left for is counted when the last member ends', () => {
  for (const isDurable of [true, false]) {
    const broker = new FakeBroker();
    const [only] = sharers(broker, 1, isDurable) as [FakeClient];
    const publisher = broker.connect();
    publisher.publish('a', 'x', { qos: 1, messageId: 1 });
    only.drop();
    broker.advance(100_000);
    assert.is(broker.core.sessions.get('member-0') === null, true);
    assert.is(broker.core.metrics.dropped[DropReason.SessionEnded], 1);
  }
});

test('a group that was empty for a while is still the one that inherits', () => {
  const broker = new FakeBroker();
  const [first] = sharers(broker, 1, true) as [FakeClient];
  broker.connect().publish('a', 'x', { qos: 1, messageId: 1 });
  first.unsubscribe('$share/g/a');
  const next = broker.connect({ clientId: 'next' });
  next.subscribe('$share/g/a', { qos: 1 });
  first.disconnect(0, { sessionExpiryInterval: 0 });
  const isInherited = next.takePayloads().length === 1;
  const isCounted = broker.core.metrics.dropped[DropReason.SessionEnded] === 1;
  assert.ok(isInherited || isCounted, 'the message is neither passed on nor counted');
});

test('the same message in a queue by two ways is counted where it is not passed on', () => {
  const broker = new FakeBroker({ delivery: { allowDuplicateMessages: true } });
  const [first, second] = sharers(broker, 2, true) as [FakeClient, FakeClient];
  first.subscribe('a', { qos: 1 });
  first.drop();
  second.drop();
  broker.connect().publish('a', 'x', { qos: 1, messageId: 1 });
  broker.connect({ clientId: 'member-0' });
  const { dropped } = broker.core.metrics;
  assert.is(dropped[DropReason.SessionEnded], 1, 'the plain one; the shared one has a new member');
  const back = broker.connect({ clientId: 'member-1', clean: false });
  assert.equal(back.takePayloads(), ['x']);
});

test('refuse looks at shared subscriptions as well', () => {
  const broker = new FakeBroker({
    delivery: { queueFullPolicy: 'refuse' },
    limits: { queuedMessagesMax: 1 },
  });
  const [only] = sharers(broker, 1, true) as [FakeClient];
  only.drop();
  const publisher = broker.connect();
  for (const payload of ['1', '2']) publisher.publish('a', payload, { qos: 1, messageId: 1 });
  const codes = publisher.take('puback').map(({ reasonCode }) => reasonCode ?? 0);
  assert.equal(codes, [0, ReasonCode.QuotaExceeded]);
});

test('who may not read a topic does not get it, until the rules change', () => {
  const broker = new FakeBroker();
  const { access } = broker;
  access.restrictsRead = true;
  access.mayRead = ({ clientId }) => clientId !== 'denied' || access.version > 0;
  const clients = ['denied', 'allowed'].map((clientId) => broker.connect({ clientId }));
  for (const client of clients) client.subscribe('a');
  const publisher = broker.connect();
  publisher.publish('a', '1', { retain: true });
  assert.equal(
    clients.map((client) => client.takePayloads()),
    [[], ['1']],
  );
  clients[0]!.subscribe('a');
  assert.equal(clients[0]!.takePayloads(), [], 'nor what is retained');
  access.version++;
  broker.core.recheckAccess();
  publisher.publish('a', '2');
  assert.equal(
    clients.map((client) => client.takePayloads()),
    [['2'], ['2']],
  );
});

test('a client that is no longer allowed is sent away with 0x87', () => {
  const broker = new FakeBroker();
  const client = broker.connect({ clientId: 'one' });
  const other = broker.connect({ clientId: 'two' });
  broker.access.mayStay = ({ clientId }) => clientId === 'two';
  broker.core.recheckAccess();
  broker.settle();
  assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.NotAuthorized);
  assert.equal([client.isOpen, other.isOpen], [false, true]);
});

test('what expired on its way from another broker is dropped and counted for each session', () => {
  const dropped: string[] = [];
  const broker = new FakeBroker({
    observer: {
      dropped: (reason, clientId, topic) => dropped.push(`${reason} ${clientId} ${topic}`),
    },
  });
  const { core } = broker;
  const clients = ['one', 'two'].map((clientId) => broker.connect({ clientId }));
  for (const client of clients) client.subscribe('a', { qos: 1 });
  const topic = core.topics.fromName('a');
  const message = messageOf(topic, Buffer.from('late'), { qos: 1, retain: false }, 0);
  message.expiresAtMs = core.turn.nowMs;
  core.router.publishHere(topic, message);
  message.expiresAtMs++;
  core.router.publishHere(topic, message);
  broker.settle();
  assert.equal(
    clients.map((client) => client.takePayloads()),
    [['late'], ['late']],
  );
  assert.equal(dropped, [`${DropReason.Expired} one a`, `${DropReason.Expired} two a`]);
  assert.is(core.metrics.dropped[DropReason.Expired], 2);
});

test('routes that nobody asks for any more are forgotten', () => {
  const broker = new FakeBroker();
  const { core } = broker;
  const subscriber = broker.connect();
  subscriber.subscribe('#');
  const first = core.topics.fromName('topic/0');
  for (let index = 0; index <= 100_000; index++) {
    core.publish(`topic/${index}`, Buffer.alloc(0), { qos: 0, retain: false });
    if (index % 1_000 === 0) broker.settle();
  }
  broker.settle();
  assert.is(first.route, null);
  assert.is(subscriber.take('publish').length, 100_001);
  core.publish('topic/0', Buffer.alloc(0), { qos: 0, retain: false });
  broker.settle();
  assert.is(subscriber.take('publish').length, 1);
});

test.run();
