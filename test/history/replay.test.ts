// slow
/** History and replays through two brokers, each a process, that share one Redis. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TestContext } from '../../conformance/context.js';
import type { Packet } from '../../conformance/raw/packet.js';
import type { RawClient } from '../../conformance/raw-client.js';
import { withCluster } from '../cluster/cluster-suite.js';
import { numbers, payloads, publishAll } from '../cluster/messages.js';
import type { BrokerCluster } from '../support/broker-cluster.js';
import { until } from '../support/until.js';

const test = suite('replay');
const add = withCluster(test, {
  brokers: 2,
  lines: [
    'history_filter conf/#',
    'history_partitions 4',
    'history_max_age_qos2 0',
    'presence_stream true',
    'sys_interval 1',
  ],
});

const IMPLEMENTATION_SPECIFIC = 0x83;

function asking(...values: string[]) {
  return { userProperties: values.map((value) => ['tidewire-replay', value] as const) };
}

function replayedAt({ properties }: Packet): string | undefined {
  return properties.userProperties?.find(([name]) => String(name) === 'tidewire-replayed')?.[1] as
    | string
    | undefined;
}

/** How many messages the brokers have written, by what they say of themselves. */
async function logged(cluster: BrokerCluster, filter = /./): Promise<number> {
  let messages = 0;
  for (const partition of [0, 1, 2, 3]) {
    for (const qos of [0, 1, 2]) {
      const key = `tw:{hist:${partition}}:${qos}`;
      const entries = (await cluster.command('XRANGE', key, '-', '+')) as [string, string[]][];
      for (const [, fields] of entries)
        if (filter.test(fields.join())) messages += Number(fields[3]);
    }
  }
  return messages;
}

/** Publishes at one broker, then at the other, until all of it is in the history. */
async function fill(t: TestContext, cluster: BrokerCluster, topic: string, count: number) {
  const before = await logged(cluster);
  const texts = numbers(count);
  for (const node of [0, 1]) {
    const publisher = await t.connect({ node });
    const half = texts.slice((node * count) / 2, ((node + 1) * count) / 2);
    for (const text of half) await publisher.publish(topic, text, { qos: 1 + (Number(text) % 2) });
    const written = before + ((node + 1) * count) / 2;
    await until('the history', async () => (await logged(cluster)) >= written);
  }
  assert.is(await logged(cluster), before + count, 'each message is written once in the cluster');
  return texts;
}

async function receive(client: RawClient, count: number): Promise<Packet[]> {
  return client.receiveAll(count);
}

for (const isDurable of [false, true]) {
  const kind = isDurable ? 'durable' : 'transient';

  add(`a ${kind} subscriber gets the last messages of both brokers`, async (t, cluster) => {
    const topic = t.topic(`${kind}/last`);
    const texts = await fill(t, cluster, topic, 20);
    const client = await t.connect({ node: 1, isDurable });
    await client.subscribe(topic, 1, { properties: asking('last=5') });
    const messages = await receive(client, 5);
    assert.equal(payloads(messages), texts.slice(-5));
    for (const message of messages) {
      assert.equal([message.qos, message.retain, message.dup], [1, false, false]);
      assert.match(replayedAt(message)!, /^20\d\d-\d\d-\d\dT.*Z$/);
    }
    const publisher = await t.connect({ node: 0 });
    await publisher.publish(topic, 'live', { qos: 1 });
    const live = await client.receive();
    assert.equal([String(live.payload), replayedAt(live)], ['live', undefined]);
    await client.expectNothing(publisher, 1);
  });

  add(`a ${kind} subscriber gets all since a time, wildcards and all`, async (t, cluster) => {
    const texts = await fill(t, cluster, t.topic(`${kind}/since/x`), 300);
    const client = await t.connect({ node: 0, isDurable });
    const properties = { ...asking('since=-60'), subscriptionIdentifiers: [7] };
    await client.subscribe([{ filter: t.topic(`${kind}/since/+`), qos: 2 }], 2, { properties });
    const messages = await receive(client, 300);
    assert.equal(payloads(messages), texts);
    for (const [at, { properties, qos }] of messages.entries()) {
      assert.is(qos, 1 + (at % 2));
      assert.equal(properties.subscriptionIdentifiers, [7]);
    }
  });
}

add('a slow client gets all of a long replay, as it takes it', async (t, cluster) => {
  const topic = t.topic('slow');
  const texts = await fill(t, cluster, topic, 1_000);
  const client = await t.connect({ node: 1, properties: { receiveMaximum: 3 } });
  await client.subscribe(topic, 1, { properties: asking('since=-600') });
  assert.equal(payloads(await receive(client, 1_000)), texts);
});

add('while others publish, nothing is missing and nothing new comes twice', async (t) => {
  const topic = t.topic('busy');
  const publishers = await Promise.all([0, 1].map((node) => t.connect({ node })));
  const client = await t.connect({ node: 0 });
  const sent = publishers.map(async (publisher, node) => {
    for (let at = 0; at < 400; at++) await publisher.publish(topic, `${node} ${at}`, { qos: 1 });
  });
  await publishers[0]!.ping();
  await client.subscribe(topic, 1, { properties: asking('since=-600') });
  await Promise.all(sent);
  const fence = t.topic('busy-fence');
  await client.subscribe(fence, 1);
  for (const publisher of publishers) await publisher.publish(fence, 'end', { qos: 1 });
  const seen = new Map<string, number>();
  // What comes twice may be more than a client can be sent without an acknowledgement.
  for (let fences = 0; fences < publishers.length || seen.size < 800; ) {
    const packet = await client.receive();
    const text = String(packet.payload);
    if (packet.topic === fence) fences++;
    else seen.set(text, (seen.get(text) ?? 0) + 1);
  }
  const twice = [...seen].filter(([, count]) => count > 1).map(([text]) => text);
  // Of the other broker, around the time of the SUBACK, as is documented.
  assert.equal(
    twice.filter((text) => text.startsWith('0 ')),
    [],
  );
});

add('what cannot be asked for is refused per filter, with the reason', async (t) => {
  const client = await t.connect({ node: 0 });
  for (const [values, reason] of [
    [['last=0'], /must be last=COUNT/],
    [['last=10001'], /last= can be 10000 at most/],
    [['since=yesterday'], /must be last=COUNT/],
    [['all'], /must be last=COUNT/],
    [['last=1', 'last=2'], /more than once/],
  ] as const) {
    const filters = [t.topic('a'), t.topic('b')].map((filter) => ({ filter, qos: 1 }));
    const suback = await client.subscribe(filters, 1, {
      properties: asking(...values),
      mayRefuse: true,
    });
    assert.equal(suback.reasonCodes, [IMPLEMENTATION_SPECIFIC, IMPLEMENTATION_SPECIFIC]);
    assert.match(String(suback.properties.reasonString), reason);
  }
  const filters = [`$share/g/${t.topic('s')}`, t.topic('s')].map((filter) => ({ filter, qos: 1 }));
  const suback = await client.subscribe(filters, 1, {
    properties: asking('last=1'),
    mayRefuse: true,
  });
  assert.equal(suback.reasonCodes, [IMPLEMENTATION_SPECIFIC, 1]);
  assert.match(String(suback.properties.reasonString), /a shared subscription has no replay/);
});

add('No Local, expiry and unsubscribing count for a replay as they do live', async (t, cluster) => {
  const topic = t.topic('rules');
  const before = await logged(cluster);
  const client = await t.connect({ node: 0 });
  const other = await t.connect({ node: 1 });
  await client.publish(topic, 'own', { qos: 1 });
  await other.publish(topic, 'gone', { qos: 1, properties: { messageExpiryInterval: 1 } });
  await other.publish(topic, 'lasting', { qos: 1, properties: { messageExpiryInterval: 100 } });
  await until('the history', async () => (await logged(cluster)) === before + 3);
  const startMs = performance.now();
  await until('the message to expire', () => performance.now() - startMs > 1_500);
  const filters = [{ filter: topic, qos: 1, noLocal: true }];
  await client.subscribe(filters, 1, { properties: asking('last=10') });
  const message = await client.receive();
  assert.is(String(message.payload), 'lasting');
  assert.ok(message.properties.messageExpiryInterval! < 100);
  await client.expectNothing(other, 1);
});

add('presence events of both brokers are there for redis-cli', async (t, cluster) => {
  const client = await t.connect({ node: 1 });
  await client.subscribe(t.topic('p'), 1);
  await client.unsubscribe(t.topic('p'));
  await client.disconnect();
  const found = async (): Promise<Record<string, string>[]> => {
    const entries = (await cluster.command('XRANGE', 'tw:{events}:log', '-', '+')) as [
      string,
      string[],
    ][];
    const events = entries.map(([, parts]) => {
      const pairs = parts.flatMap((part, at) => (at % 2 === 0 ? [[part, parts[at + 1]!]] : []));
      return Object.fromEntries(pairs) as Record<string, string>;
    });
    return events.filter((event) => event.client === client.clientId);
  };
  await until('the events', async () => (await found()).length === 4);
  const [connect, subscribe, unsubscribe, disconnect] = await found();
  assert.equal(
    [connect, subscribe, unsubscribe, disconnect].map((event) => event!.type),
    ['connect', 'subscribe', 'unsubscribe', 'disconnect'],
  );
  assert.match(connect!.node!, /^node-1~/);
  assert.match(connect!.address!, /^127\.0\.0\.1:\d+$/);
  assert.equal([subscribe!.filter, subscribe!.qos], [t.topic('p'), '1']);
  assert.equal(unsubscribe!.filter, t.topic('p'));
  assert.ok(disconnect!.reason!.length > 0);
  assert.match(disconnect!.time!, /^\d{13}$/);
});

add('$SYS says what was written, dropped and replayed, and is in no history', async (t) => {
  const client = await t.connect({ node: 0 });
  await client.subscribe('$SYS/broker/history/#', 0);
  const names = new Map<string, string>();
  const isSaid = () => ['logged', 'dropped', 'pending_bytes', 'replays', 'replayed'];
  while (!isSaid().every((name) => names.has(`$SYS/broker/history/${name}`))) {
    const { payload, topic } = await client.take('publish');
    names.set(String(topic), String(payload));
  }
  assert.is(names.get('$SYS/broker/history/dropped'), '0');
  const other = await t.connect({ node: 1 });
  await publishAll(other, t.topic('x'), ['1'], 1);
  await other.subscribe('$SYS/#', 0, { properties: asking('since=-600') });
  for (const packet of await other.fence(client)) assert.is(replayedAt(packet), undefined);
});

add('a broker that dies is said to be gone', async (_, cluster) => {
  const node = async (): Promise<boolean> => {
    const entries = (await cluster.command('XRANGE', 'tw:{events}:log', '-', '+')) as [
      string,
      string[],
    ][];
    return entries.some(([, parts]) => parts.join(' ').includes('broker_left node node-1~'));
  };
  await cluster.leave(1);
  await until('the event', node, { deadlineMs: 20_000 });
});

test.run();
