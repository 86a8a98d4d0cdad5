// slow
// deadline: 600 s
/** Many connections at the same time: most of them idle, the others busy, all of them alive. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type RunningBroker, withBroker } from '../integration/support/broker.js';
import { until } from '../support/until.js';
import { RawClient } from './support/raw-client.js';
import { affordable, isLong, residentBytes, say, scaled } from './support/soak.js';

const test = suite('connections');

const idleWanted = scaled(4_000, 9_000);
const busyWanted = scaled(300, 2_000);
/** Messages that each busy client sends. */
const messagesEach = scaled(20, 50);
/** How many CONNECTs are under way at once. */
const atOnce = 200;
/** Promised, and what fewer connections are allowed beside: the heap grows in steps. */
const idleBytesMax = 7 * 1024;
const heapStepBytes = 16 * 1024 * 1024;

async function connectMany(broker: RunningBroker, count: number, name: string) {
  const clients: RawClient[] = [];
  while (clients.length < count) {
    const batch = Array.from({ length: Math.min(atOnce, count - clients.length) }, (_, n) =>
      RawClient.connect({
        port: broker.ports[0],
        clientId: `${name}-${clients.length + n}`,
        keepAlive: 600,
        version: n % 2 === 0 ? 4 : 5,
      }),
    );
    clients.push(...(await Promise.all(batch)));
  }
  return clients;
}

/** Each one publishes to the next one, a message at a time, until all have sent theirs. */
async function keepBusy(clients: readonly RawClient[]): Promise<void> {
  const payload = Buffer.alloc(64, 'busy');
  await Promise.all(clients.map((client, n) => client.subscribe(`busy/${n}`, 1)));
  for (const [n, client] of clients.entries()) {
    const topic = `busy/${(n + 1) % clients.length}`;
    let sent = 1;
    client.onPuback = () => {
      if (sent++ < messagesEach) client.publish(topic, payload, 1);
    };
    client.publish(topic, payload, 1);
  }
  const isDone = ({ publishes, pubacks }: RawClient) =>
    publishes >= messagesEach && pubacks === messagesEach;
  await until('all messages', () => clients.every(isDone), { deadlineMs: 120_000 });
}

async function pingAll(clients: readonly RawClient[]): Promise<void> {
  for (const client of clients) client.ping();
  await until('all answers to PINGREQ', () => clients.every(({ pongs }) => pongs === 1), {
    deadlineMs: 60_000,
  });
}

test('idle and busy clients are held together, and an idle one costs little', async () => {
  const total = affordable(idleWanted + busyWanted);
  const busyCount = Math.min(busyWanted, Math.floor(total / 4));
  const idleCount = total - busyCount;
  await withBroker({ global: ['connection_messages false'] }, async (broker) => {
    // What the first connections cost once, compiled code and grown tables, is not theirs.
    const first = await connectMany(broker, 500, 'first');
    for (const client of first) client.destroy();
    const { pid } = broker.child;
    const before = residentBytes(pid);

    const idle = await connectMany(broker, idleCount, 'idle');
    const each = (residentBytes(pid) - before) / idleCount;
    const busy = await connectMany(broker, busyCount, 'busy');
    const startMs = performance.now();
    await keepBusy(busy);
    const seconds = (performance.now() - startMs) / 1_000;
    const messages = busyCount * messagesEach;
    await pingAll([...idle, ...busy]);

    say(`${idleCount} idle clients, ${(each / 1024).toFixed(1)} KiB each`);
    say(`${busyCount} busy clients, ${Math.round(messages / seconds)} messages/s among them`);
    const slack = isLong ? 0 : heapStepBytes / idleCount;
    assert.ok(each <= idleBytesMax + slack, `${each.toFixed(0)} bytes for an idle connection`);
    assert.ok([...idle, ...busy].every(({ isClosed }) => !isClosed));
    for (const client of [...idle, ...busy]) client.destroy();
  });
});

test('clients that come and go leave nothing behind', async () => {
  await withBroker({ global: ['connection_messages false'] }, async (broker) => {
    const rounds = scaled(6, 30);
    const seen: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const clients = await connectMany(broker, scaled(500, 2_000), `round-${round}`);
      await Promise.all(clients.map((client, n) => client.subscribe(`come/${round}/${n}`, 1)));
      for (const client of clients) client.destroy();
      seen.push(residentBytes(broker.child.pid));
    }

    const grown = seen.at(-1)! - seen[Math.floor(rounds / 2)];
    say(`resident: ${seen.map((bytes) => Math.round(bytes / 1024 / 1024)).join(' ')} MiB`);
    assert.ok(grown < heapStepBytes, `${grown} bytes more in the second half`);
    const witness = await broker.connect();
    await witness.publish('still', 'here', { qos: 1 });
  });
});

test.run();
