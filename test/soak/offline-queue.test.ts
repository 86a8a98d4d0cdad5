// slow
// deadline: 600 s
/** A flood for a durable session whose client is away: its queue has a limit, and so has memory. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withBroker } from '../integration/support/broker.js';
import { until } from '../support/until.js';
import { Flood } from './support/flood.js';
import { RawClient } from './support/raw-client.js';
import { Figures, MemoryWatch, MIB, residentBytes, say, scaled } from './support/soak.js';

const test = suite('offline queue');

const count = scaled(60_000, 1_000_000);
const kept = scaled(5_000, 50_000);
const payload = Buffer.alloc(500, 'offline');
/** Beside the payloads: a message's own objects, and what the collector has not taken yet. */
const slackBytes = 128 * MIB;
const bytesEach = 1_000;

const away = {
  ...{ clientId: 'away', version: 5 as const, cleanStart: false },
  sessionExpiryInterval: 3_600,
};

/** A limit, a policy, and the numbers of the messages that are left of `count`. */
const cases = [
  {
    name: 'drop_newest keeps the first ones',
    lines: [`max_queued_messages ${kept}`],
    firstKept: 0,
  },
  {
    name: 'drop_oldest keeps the last ones',
    lines: [`max_queued_messages ${kept}`, 'queue_full_policy drop_oldest'],
    firstKept: count - kept,
  },
  {
    name: 'max_queued_bytes keeps as many as fit',
    lines: ['max_queued_messages 0', `max_queued_bytes ${kept * payload.length}`],
    firstKept: 0,
  },
];

for (const { name, lines, firstKept } of cases) {
  test(`${name}; memory stays bounded; everything is counted`, async () => {
    await withBroker({ global: ['sys_interval 1', ...lines] }, async (broker) => {
      const port = broker.ports[0];
      const absent = await RawClient.connect({ port, ...away });
      await absent.subscribe('flood', 1);
      absent.destroy();
      const figures = await Figures.of(broker);
      await figures.until('clients/disconnected', 1);
      const publisher = await RawClient.connect({ port, clientId: 'publisher' });
      const before = residentBytes(broker.child.pid);
      const memory = new MemoryWatch(broker);

      await new Flood(publisher, 'flood', payload, 1).send(count);

      const growth = memory.stop() - before;
      say(`${kept} of ${count} messages kept: ${(growth / MIB).toFixed(1)} MiB more`);
      assert.ok(growth < slackBytes + kept * bytesEach, `${growth} bytes`);
      await figures.until('dropped/queue_full', count - kept);
      await figures.until('queued/messages/count', kept);
      await figures.until('queued/messages/bytes', kept * payload.length);

      const back = RawClient.begin({ port, ...away });
      const numbers: number[] = [];
      back.onPublish = (bytes, start) => numbers.push(bytes.readUInt32BE(start));
      await back.untilConnected();
      assert.is(back.sessionPresent, true);
      await until('the queue', () => numbers.length >= kept, { deadlineMs: 60_000 });

      assert.equal(
        numbers,
        Array.from({ length: kept }, (_, n) => firstKept + n),
      );
      await figures.until('queued/messages/count', 0);
      for (const client of [back, publisher]) client.destroy();
    });
  });
}

test('queues of many absent clients share what they have in common', async () => {
  await withBroker({ global: ['sys_interval 1'] }, async (broker) => {
    const port = broker.ports[0];
    const absent = scaled(100, 1_000);
    for (let n = 0; n < absent; n++) {
      const client = await RawClient.connect({ port, ...away, clientId: `away-${n}` });
      await client.subscribe('flood', 1);
      client.destroy();
    }
    const publisher = await RawClient.connect({ port, clientId: 'publisher' });
    const figures = await Figures.of(broker);
    await figures.until('clients/disconnected', absent);
    const before = residentBytes(broker.child.pid);
    const large = Buffer.alloc(4_000, 'shared');

    await new Flood(publisher, 'flood', large, 1).send(500);

    await figures.until('queued/messages/count', 500 * absent);
    const growth = residentBytes(broker.child.pid) - before;
    const copied = 500 * absent * large.length;
    say(
      `${absent} queues: ${(growth / MIB).toFixed(1)} MiB, ${(copied / MIB).toFixed(0)} if copied`,
    );
    assert.ok(growth < slackBytes + copied / 8, `${growth} bytes`);
    publisher.destroy();
  });
});

test('a session that expires gives its memory back', async () => {
  await withBroker({ global: ['sys_interval 1', 'max_queued_messages 0'] }, async (broker) => {
    const port = broker.ports[0];
    const short = { ...away, sessionExpiryInterval: 1 };
    const publisher = await RawClient.connect({ port, clientId: 'publisher' });
    const figures = await Figures.of(broker);
    const large = Buffer.alloc(20_000);
    const flood = new Flood(publisher, 'flood', large, 1);
    const seen: number[] = [];
    const rounds = scaled(4, 20);
    for (let round = 1; round <= rounds; round++) {
      const client = await RawClient.connect({ port, ...short });
      await client.subscribe('flood', 1);
      client.destroy();
      await flood.send(2_000);
      await figures.until('clients/expired', round);
      seen.push(residentBytes(broker.child.pid));
    }
    await figures.until('dropped/session_ended', (n) => n > 0);
    await figures.until('queued/messages/bytes', 0);
    say(
      `resident after each session: ${seen.map((bytes) => Math.round(bytes / MIB)).join(' ')} MiB`,
    );
    assert.ok(seen.at(-1)! < seen[0] + 2 * slackBytes, `${seen}`);
    publisher.destroy();
  });
});

test.run();
