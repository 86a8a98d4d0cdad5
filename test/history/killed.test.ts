// slow
/** With history_acknowledged nothing acknowledged is missing, whatever becomes of its broker. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as build from '../../conformance/raw/build.js';
import { systemClock } from '../../src/base/clock.js';
import { runHistoryCommand } from '../../src/history-command.js';
import { deathMs, leaseSeconds, withCluster } from '../cluster/cluster-suite.js';
import type { BrokerCluster } from '../support/broker-cluster.js';
import { until } from '../support/until.js';

/** Until the cluster has another primary, and its word alone is enough. */
const failoverMs = 20_000;

const test = suite('history of a broker that dies');
const add = withCluster(test, {
  brokers: 2,
  leaseSeconds,
  lines: ['history_filter conf/#', 'history_acknowledged true', 'presence_stream true'],
  expectedErrors: /the store is away/,
});

async function history(cluster: BrokerCluster, ...args: string[]): Promise<string[]> {
  const nodes = cluster.redis.addresses.map((address) => address.join(':')).join(',');
  let out = '';
  const code = await runHistoryCommand(['--redis-nodes', nodes, ...args], {
    out: async (bytes) => {
      out += String(bytes);
    },
    error: (text) => assert.unreachable(text),
    environment: {},
    clock: systemClock,
  });
  assert.is(code, 0);
  return out.split('\n').slice(0, -1);
}

add('what it acknowledged is in the history, once, in order', async (t, cluster) => {
  const topic = t.topic('k');
  const publisher = await t.connect({ node: 0 });
  const acknowledged: string[] = [];
  const publish = async (): Promise<void> => {
    for (let at = 0; !publisher.isClosed; at++) {
      await publisher.publish(topic, `${at}`, { qos: 1 + (at % 2) });
      acknowledged.push(`${at}`);
    }
  };
  const published = publish().catch((error: unknown) => {
    if (!publisher.isClosed) throw error;
  });
  await until('some messages', () => acknowledged.length > 300);
  await cluster.kill(0);
  await published;
  const lines = await history(cluster, topic);
  const texts = lines.map((line) => line.split(' ')[2]!);
  const all = Array.from({ length: texts.length }, (_, at) => `${at}`);
  assert.equal(texts, all);
  // One more may have been written, and not acknowledged.
  assert.ok(texts.length >= acknowledged.length && texts.length <= acknowledged.length + 1);
  const isSaid = async () =>
    (await history(cluster, '--events')).some((line) => / broker_left node=node-0~/.test(line));
  await until('the others to say that it is gone', isSaid, { deadlineMs: deathMs });
});

add('a replay from another broker has it, after a failover of Redis too', async (t, cluster) => {
  const topic = t.topic('f');
  const publisher = await t.connect({ node: 1 });
  for (let at = 0; at < 20; at++) await publisher.publish(topic, `${at}`, { qos: 1 });
  const [primary] = cluster.redis.primaries;
  await primary!.server.kill();
  for (let at = 20; at < 40; at++) {
    const packetId = publisher.nextPacketId();
    publisher.send(build.publish(5, { topic, payload: `${at}`, qos: 1, packetId }));
    await publisher.take('puback', packetId, failoverMs);
  }
  const client = await t.connect({ node: 0 });
  const packetId = client.nextPacketId();
  const properties = { userProperties: [['tidewire-replay', 'last=40']] as const };
  client.send(build.subscribe(5, { packetId, filters: [{ filter: topic, qos: 1 }], properties }));
  await client.take('suback', packetId, failoverMs);
  const texts: string[] = [];
  while (texts.length < 40) texts.push(String((await client.receive(failoverMs)).payload));
  assert.equal(
    texts,
    Array.from({ length: 40 }, (_, at) => `${at}`),
  );
});

test.run();
