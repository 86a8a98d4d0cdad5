// slow
// deadline: 600 s
/** A flood with a subscriber that does not read: it costs bounded memory and slows nobody else. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { median } from '../../bench/statistics.js';
import { type RunningBroker, withBroker } from '../integration/support/broker.js';
import { until } from '../support/until.js';
import { Flood } from './support/flood.js';
import { RawClient } from './support/raw-client.js';
import { Figures, MemoryWatch, MIB, residentBytes, say, scaled } from './support/soak.js';

const test = suite('stuck subscriber');

const readers = 3;
const phaseMs = scaled(1_000, 10_000);
const settleMs = 250;
const roundsMin = 3;
const roundsMax = 12;
/** Of the undisturbed rate, for the others. */
const rateMin = 0.8;
/** What one stuck subscriber may cost: its queue and buffers, and the heap's steps. */
const growthMax = 48 * MIB;
const payload = Buffer.alloc(256, 'flood');

interface Scene {
  readonly broker: RunningBroker;
  readonly subscribers: readonly RawClient[];
  readonly flood: Flood;
  readonly figures: Figures;
}

async function withFlood(
  qos: 0 | 1,
  body: (scene: Scene) => Promise<void>,
  more: readonly string[] = [],
): Promise<void> {
  const limits = ['max_queued_messages 1000', 'max_inflight_messages 100'];
  const global = ['sys_interval 1', ...limits, ...more];
  await withBroker({ global }, async (broker) => {
    const port = broker.ports[0];
    const subscribers: RawClient[] = [];
    for (let n = 0; n < readers; n++) {
      const client = await RawClient.connect({ port, clientId: `reader-${n}` });
      await client.subscribe('flood', qos);
      subscribers.push(client);
    }
    const figures = await Figures.of(broker);
    const publisher = await RawClient.connect({ port, clientId: 'publisher' });
    const flood = new Flood(publisher, 'flood', payload, qos);
    await body({ broker, subscribers, flood, figures });
    for (const client of [...subscribers, publisher]) client.destroy();
  });
}

/** Messages per second that the slowest of the readers got during one phase of the flood. */
async function rateOf({ subscribers, flood }: Scene): Promise<number> {
  // A subscriber that is stuck has some time to catch up, and holds the flood up meanwhile.
  await flood.run(settleMs);
  const before = subscribers.map(({ publishes }) => publishes);
  const startMs = performance.now();
  await flood.run(phaseMs);
  const seconds = (performance.now() - startMs) / 1_000;
  const got = subscribers.map(({ publishes }, n) => publishes - before[n]);
  return Math.min(...got) / seconds;
}

/**
 * The usual rates, medians, without and with a stuck subscriber, measured in turns. When the
 * machine does other things meanwhile, a few rounds say nothing: then there are more.
 */
async function compareRates(scene: Scene, qos: 0 | 1): Promise<number> {
  const alone: number[] = [];
  const beside: number[] = [];
  const ratio = () => median(beside) / median(alone);
  while (alone.length < roundsMin || (ratio() < rateMin && alone.length < roundsMax)) {
    alone.push(await rateOf(scene));
    const stuck = await stuckOne(scene.broker, qos);
    beside.push(await rateOf(scene));
    stuck.destroy();
  }
  say(`QoS ${qos}: alone ${rounded(alone)}, beside a stuck one ${rounded(beside)} messages/s`);
  return ratio();
}

/** A client whose subscription is there and who reads nothing more. */
async function stuckOne(broker: RunningBroker, qos: 0 | 1): Promise<RawClient> {
  const stuck = await RawClient.connect({
    ...{ port: broker.ports[0], clientId: 'stuck', version: 5 as const },
    ...{ cleanStart: false, sessionExpiryInterval: 600 },
  });
  await stuck.subscribe('flood', qos);
  stuck.stopReading();
  return stuck;
}

for (const qos of [0, 1] as const) {
  test(`QoS ${qos}: the others keep their speed, the memory its bounds`, async () => {
    await withFlood(qos, async (scene) => {
      const { broker, figures } = scene;
      await rateOf(scene);
      const before = residentBytes(broker.child.pid);
      const memory = new MemoryWatch(broker);

      const ratio = await compareRates(scene, qos);

      const growth = memory.stop() - before;
      say(`QoS ${qos}: ${(ratio * 100).toFixed(0)} %, ${(growth / MIB).toFixed(1)} MiB more`);
      assert.ok(ratio >= rateMin, `${ratio} of the undisturbed rate`);
      assert.ok(growth <= growthMax, `${growth} bytes more`);
      await figures.until(`dropped/${qos === 0 ? 'slow_subscriber' : 'queue_full'}`, (n) => n > 0);
    });
  });
}

test('QoS 0: what the stuck subscriber does not get is counted, message by message', async () => {
  await withFlood(0, async ({ broker, subscribers, flood, figures }) => {
    const stuck = await stuckOne(broker, 0);
    await flood.run(phaseMs);
    const { sent } = flood;
    await until('all at the readers or counted', () =>
      settled([...subscribers], figures, readers * sent, 0),
    );

    stuck.readOn();

    await until(
      'all messages, delivered or counted',
      () => settled([...subscribers, stuck], figures, (readers + 1) * sent, 0),
      { deadlineMs: 20_000 },
    ).catch((cause) => {
      const got = [...subscribers, stuck].map(({ publishes }) => publishes);
      const dropped = figures.get('dropped/slow_subscriber');
      throw new Error(`sent ${sent}, got ${got}, dropped ${dropped}`, { cause });
    });
    assert.ok(stuck.publishes > 0 && stuck.publishes < sent);
    assert.is(figures.get('publish/messages/dropped'), figures.get('dropped/slow_subscriber'));
    stuck.destroy();
  });
});

/** True when messages that came and messages that were dropped are as many as `wanted`, or more. */
function settled(clients: RawClient[], figures: Figures, wanted: number, slack: number): boolean {
  const got = clients.reduce((sum, { publishes }) => sum + publishes, 0);
  return got + figures.get('dropped/slow_subscriber') + slack >= wanted;
}

/**
 * Where the machine does other things, the readers' process may have to wait for longer than the
 * 100 ms after which who does not read counts as stuck, and would lose messages as the stuck one
 * does. With this it is the stuck one alone, and the flood is held up once for so long.
 */
const patience = 'slow_subscriber_pause_ms 3000';
const floodMessages = scaled(10_000, 200_000);

test('QoS 1: a stuck subscriber gets its queue, in order, and the rest is counted', async () => {
  const body = async ({ broker, subscribers, flood, figures }: Scene): Promise<void> => {
    const stuck = await stuckOne(broker, 1);
    await flood.send(floodMessages);
    const { sent } = flood;
    await until(
      'all at the readers',
      () => subscribers.every(({ publishes }) => publishes === sent),
      { deadlineMs: 20_000 },
    ).catch((cause) => {
      const missing = subscribers.map(({ publishes }) => sent - publishes);
      throw new Error(`sent ${sent}, missing at the readers ${missing}`, { cause });
    });
    const numbers: number[] = [];
    stuck.onPublish = (bytes, start) => numbers.push(bytes.readUInt32BE(start));

    stuck.readOn();

    await figures.until('queued/messages/count', 0);
    const dropped = await figures.until('dropped/queue_full', (n) => n > 0);
    await until('all the rest', () => numbers.length + dropped === sent);
    assert.is(new Set(numbers).size, numbers.length);
    assert.equal(
      numbers,
      [...numbers].sort((a, b) => a - b),
    );
    stuck.destroy();
  };
  await withFlood(1, body, [patience]);
});

test('a hundred stuck subscribers cost their limits and no more', async () => {
  await withFlood(0, async (scene) => {
    const { broker, figures } = scene;
    await rateOf(scene);
    const before = residentBytes(broker.child.pid);
    const memory = new MemoryWatch(broker);
    const all: RawClient[] = [];
    for (let n = 0; n < 100; n++) {
      const port = broker.ports[0];
      const client = await RawClient.connect({ port, clientId: `stuck-${n}` });
      await client.subscribe('flood', 0);
      client.stopReading();
      all.push(client);
    }

    await rateOf(scene);

    const growth = memory.stop() - before;
    say(`100 stuck subscribers: ${(growth / MIB).toFixed(0)} MiB more`);
    // A mebibyte for each of them, as max_output_buffer_bytes says, and a third for the heap.
    assert.ok(growth < 1.34 * 100 * MIB + growthMax, `${growth} bytes`);
    await figures.until('dropped/slow_subscriber', (n) => n > 0);
    for (const client of all) client.destroy();
    await figures.until('connections/bytes_waiting', 0);
  });
});

function rounded(rates: readonly number[]): string {
  return rates.map((rate) => Math.round(rate)).join(', ');
}

test.run();
