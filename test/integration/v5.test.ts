// slow
/** What MQTT 5.0 adds, end to end with MQTT.js. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../support/until.js';
import { RunningBroker, withBroker } from './support/broker.js';
import type { TestClient } from './support/test-client.js';

const test = suite('MQTT 5.0 features');
const noMatchingSubscribers = 0x10;
const quotaExceeded = 0x97;

let broker: RunningBroker;

test.before(async () => {
  broker = await RunningBroker.start({ global: ['sys_interval 1'] });
});
test.after.each(() => broker.leave());
test.after(() => broker?.stop());

test('topic aliases towards the broker: every message has its topic', async () => {
  const publisher = await broker.connect({ autoAssignTopicAlias: true });
  const subscriber = await broker.connect();
  await subscriber.subscribe('alias/#', 1);
  // More topics than the broker takes aliases: they are given anew all the time.
  const topics = Array.from({ length: 200 }, (_, n) => `alias/${n % 7 === 0 ? n % 30 : n % 5}`);

  for (const [n, topic] of topics.entries()) await publisher.publish(topic, `${n}`, { qos: 1 });

  await subscriber.untilMessages(topics.length);
  assert.equal(
    subscriber.packets.map(({ topic }) => topic),
    topics,
  );
  assert.is(publisher.client.connected, true);
});

test('topic aliases towards a client that takes them: most names are left out', async () => {
  const subscriber = await broker.connect({ properties: { topicAliasMaximum: 5 } });
  const bare: string[] = [];
  subscriber.client.on('packetreceive', (packet) => {
    if (packet.cmd === 'publish') bare.push(packet.topic);
  });
  await subscriber.subscribe('long/#', 1);
  const publisher = await broker.connect();
  const topics = Array.from({ length: 60 }, (_, n) => `long/${'name/'.repeat(10)}${n % 3}`);

  for (const topic of topics) await publisher.publish(topic, 'x', { qos: 1 });

  await subscriber.untilMessages(topics.length);
  assert.equal(
    subscriber.packets.map(({ topic }) => topic),
    topics,
  );
  const named = bare.filter((topic) => topic !== '').length;
  assert.is(bare.length, topics.length);
  assert.ok(named < 20, `${named} of ${bare.length} with a name`);
});

test('a client that takes no aliases gets none', async () => {
  const subscriber = await broker.connect({ properties: { topicAliasMaximum: 0 } });
  const aliases: unknown[] = [];
  subscriber.client.on('packetreceive', (packet) => {
    if (packet.cmd === 'publish') aliases.push(packet.properties?.topicAlias);
  });
  await subscriber.subscribe('plain', 1);

  for (let n = 0; n < 20; n++) await subscriber.publish('plain', 'x', { qos: 1 });

  await subscriber.untilMessages(20);
  assert.ok(aliases.every((alias) => alias === undefined));
});

test('a request finds its responder, and the answer its request', async () => {
  const responder = await broker.connect();
  responder.client.on('message', (_topic, payload, { properties }) => {
    const answer = `${Number(payload) * 2}`;
    const { responseTopic = '', correlationData = Buffer.alloc(0) } = properties ?? {};
    responder.client.publish(responseTopic, answer, { qos: 1, properties: { correlationData } });
  });
  await responder.subscribe('double', 1);
  const asking = await broker.connect();
  await asking.subscribe('answers/me', 1);

  for (let n = 0; n < 50; n++) {
    await asking.publish('double', `${n}`, {
      qos: 1,
      properties: { responseTopic: 'answers/me', correlationData: Buffer.from([n]) },
    });
  }

  await asking.untilMessages(50);
  const answers = asking.packets.map(({ payload, properties }) => [
    properties?.correlationData?.[0],
    Number(payload.toString()),
  ]);
  assert.equal(
    answers,
    Array.from({ length: 50 }, (_, n) => [n, 2 * n]),
  );
});

test('properties of a message pass through every kind of delivery', async () => {
  const properties = {
    payloadFormatIndicator: true,
    contentType: 'text/plain',
    responseTopic: 'back/here',
    correlationData: Buffer.from([0, 1, 255]),
    userProperties: { a: ['1', '2'], b: '3' },
  };
  const away = { clientId: 'away', clean: false, properties: { sessionExpiryInterval: 60 } };
  const durable = await broker.connect(away);
  await durable.subscribe('props', 2);
  await durable.end();
  const live = await broker.connect();
  await live.subscribe('props', 1);

  await live.publish('props', 'text', { qos: 2, retain: true, properties });

  const back = await broker.connect(away);
  const late = await broker.connect();
  await late.subscribe('props', 0);
  for (const client of [live, back, late]) {
    await client.untilMessages(1);
    assert.equal({ ...client.packets[0].properties?.userProperties }, properties.userProperties);
    const { userProperties: _, ...others } = { ...client.packets[0].properties };
    const { userProperties: __, ...expected } = properties;
    assert.equal(others, expected);
  }
  await live.publish('props', '', { qos: 1, retain: true });
});

test('a message that expires is not sent; others show the time that is left', async () => {
  const away = { clientId: 'late', clean: false, properties: { sessionExpiryInterval: 60 } };
  const first = await broker.connect(away);
  await first.subscribe('expiry/#', 1);
  await first.end();
  const publisher = await broker.connect();
  const lasting = (messageExpiryInterval: number) => ({
    ...{ qos: 1 as const, properties: { messageExpiryInterval } },
  });
  await publisher.publish('expiry/short', 'gone', lasting(1));
  await publisher.publish('expiry/long', 'there', lasting(1_000));
  await publisher.publish('kept/short', 'gone', { ...lasting(1), retain: true });
  await publisher.publish('kept/last', 'there', { qos: 1, retain: true });

  await until('the retained message to expire', async () => {
    const client = await broker.connect();
    await client.subscribe('kept/#', 1);
    await client.untilMessages(1);
    await until('the last one', () => client.payloads.includes('there'));
    await client.end();
    return !client.payloads.includes('gone');
  });
  const second = await broker.connect(away);

  await second.untilMessages(1);
  assert.equal(second.payloads, ['there']);
  const left = second.packets[0].properties?.messageExpiryInterval ?? 0;
  assert.ok(left >= 900 && left < 1_000, `${left} s left`);
});

test('a will waits for its delay, and is dropped when the client is back', async () => {
  const watcher = await broker.connect();
  await watcher.subscribe('will/#', 1);
  const mortal = (clientId: string, willDelayInterval: number) => ({
    ...{ clientId, clean: false, properties: { sessionExpiryInterval: 60 } },
    will: {
      topic: `will/${clientId}`,
      payload: Buffer.from('gone'),
      qos: 1 as const,
      properties: { willDelayInterval },
    },
  });
  const quick = await broker.connect(mortal('quick', 1));
  const back = await broker.connect(mortal('back', 1));

  await Promise.all([quick.cut(), back.cut()]);
  await broker.connect(mortal('back', 1));

  await watcher.untilMessages(1);
  assert.equal(
    watcher.packets.map(({ topic }) => topic),
    ['will/quick'],
  );
});

test('reason codes tell a publisher what became of its message', async () => {
  const client = await broker.connect();
  await client.publish('somebody', 'x', { qos: 1 });
  await client.subscribe('somebody', 1);
  await client.publish('somebody', 'x', { qos: 1 });

  assert.equal(client.pubackCodes, [noMatchingSubscribers, 0]);
});

test('a publisher is refused with 0x97 when a queue is full and the policy says so', async () => {
  const global = ['queue_full_policy refuse', 'max_queued_messages 5'];
  await withBroker({ global }, async (strict) => {
    const away = { clientId: 'away', clean: false, properties: { sessionExpiryInterval: 60 } };
    const absent = await strict.connect(away);
    await absent.subscribe('q', 1);
    await absent.end();
    const publisher = await strict.connect();
    for (let n = 0; n < 5; n++) await publisher.publish('q', `${n}`, { qos: 1 });

    const refused = await publisher.publish('q', '5', { qos: 1 }).catch((error) => error);

    assert.is(refused?.code, quotaExceeded);
    const back = await strict.connect(away);
    await back.untilMessages(5);
    assert.equal(back.payloads, ['0', '1', '2', '3', '4']);
  });
});

/** Messages that each of three members got, by payload: `PUBLISHER/TOPIC`. */
async function share(
  strategy: string,
  run: (members: TestClient[], all: RunningBroker) => unknown,
) {
  await withBroker({ global: [`shared_subscription_strategy ${strategy}`] }, async (all) => {
    const members = [await all.connect(), await all.connect(), await all.connect()];
    for (const member of members) await member.subscribe('$share/group/work/#', 1);
    const publishers = [];
    for (let n = 0; n < 6; n++) publishers.push(await all.connect({ clientId: `publisher-${n}` }));
    for (let n = 0; n < 120; n++) {
      const who = n % 6;
      const topic = `work/${Math.floor(n / 6) % 10}`;
      await publishers[who].publish(topic, `${who}`, { qos: 1 });
    }
    const came = () => members.reduce((sum, { packets }) => sum + packets.length, 0);
    await until('all messages', () => came() === 120);
    await run(members, all);
  });
}

test('round_robin gives each member the same', () =>
  share('round_robin', (members) => {
    assert.equal(
      members.map(({ packets }) => packets.length),
      [40, 40, 40],
    );
  }));

test('random gives each member some', () =>
  share('random', (members) => {
    for (const { packets } of members) assert.ok(packets.length > 10, `${packets.length}`);
  }));

test('sticky stays with one member until it leaves', () =>
  share('sticky', async (members, all) => {
    const counts = members.map(({ packets }) => packets.length);
    assert.equal([...counts].sort(), [0, 0, 120]);
    const chosen = members[counts.indexOf(120)];
    await chosen.end();
    const publisher = await all.connect();

    for (let n = 0; n < 20; n++) await publisher.publish('work/x', 'x', { qos: 1 });

    const others = members.filter((member) => member !== chosen);
    await until('all at one other', () => others.some(({ packets }) => packets.length === 20));
    assert.is(chosen.packets.length, 120);
  }));

/** Checks that all messages with one key went to one member, and that more than one got some. */
function assertGrouped(members: readonly TestClient[], keyOf: (packet: Packet) => string): void {
  const owners = new Map<string, TestClient>();
  for (const member of members) {
    for (const packet of member.packets) {
      const owner = owners.get(keyOf(packet)) ?? member;
      owners.set(keyOf(packet), owner);
      assert.ok(owner === member, `${keyOf(packet)} went to two members`);
    }
  }
  assert.ok(new Set(owners.values()).size > 1, 'one member got everything');
}

type Packet = TestClient['packets'][number];

test('hash_client keeps a publisher with one member', () =>
  share('hash_client', (members) => assertGrouped(members, ({ payload }) => `${payload}`)));

test('hash_topic keeps a topic with one member', () =>
  share('hash_topic', (members) => assertGrouped(members, ({ topic }) => topic)));

test('what a member of a shared subscription did not acknowledge goes to another one', async () => {
  const silent = await broker.connect({ customHandleAcks: () => undefined });
  await silent.subscribe('$share/work/job', 1);
  const publisher = await broker.connect();
  for (let n = 0; n < 10; n++) await publisher.publish('job', `${n}`, { qos: 1 });
  const other = await broker.connect();
  await other.subscribe('$share/work/job', 1);

  await silent.cut();

  await other.untilMessages(10);
  assert.equal(
    other.payloads.sort(),
    Array.from({ length: 10 }, (_, n) => `${n}`),
  );
});

test.run();
