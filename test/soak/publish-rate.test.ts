// slow
// deadline: 300 s
/** Rates of publishers: who is too fast is held, loses nothing, and is nobody else's trouble. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withBroker } from '../integration/support/broker.js';
import { until } from '../support/until.js';
import { Flood } from './support/flood.js';
import { RawClient } from './support/raw-client.js';
import { Figures, MemoryWatch, MIB, residentBytes, say, scaled } from './support/soak.js';

const test = suite('publish rates');

const seconds = scaled(2, 20);
const perSecond = 1_000;
const bytesPerSecond = 1_000_000;
const small = Buffer.alloc(32);
const large = Buffer.alloc(10_000);

const cases = [
  { name: 'max_publish_rate', line: `max_publish_rate ${perSecond}`, payload: small, perSecond },
  {
    name: 'max_publish_bytes_rate',
    line: `max_publish_bytes_rate ${bytesPerSecond}`,
    payload: large,
    perSecond: bytesPerSecond / large.length,
  },
];

for (const { name, line, payload, perSecond } of cases) {
  for (const qos of [0, 1] as const) {
    test(`${name} holds a QoS ${qos} flood back and loses nothing of it`, async () => {
      await withBroker({ global: [line, 'sys_interval 1'] }, async (broker) => {
        const port = broker.ports[0];
        const subscriber = await RawClient.connect({ port, clientId: 'subscriber' });
        await subscriber.subscribe('flood', qos);
        const figures = await Figures.of(broker);
        const publisher = await RawClient.connect({ port, clientId: 'publisher' });
        const memory = new MemoryWatch(broker);
        const before = residentBytes(broker.child.pid);
        const count = perSecond * (seconds + 1);
        const startMs = performance.now();

        const flood = new Flood(publisher, 'flood', payload, qos);
        const sending = flood.send(count);
        const other = await broker.connect();
        const askedMs = performance.now();
        await other.publish('elsewhere', 'quick', { qos: 1 });
        const answeredMs = performance.now() - askedMs;
        await sending;
        await until('all messages', () => subscriber.publishes === count, { deadlineMs: 30_000 });

        const tookMs = performance.now() - startMs;
        const growth = memory.stop() - before;
        say(`${name}, QoS ${qos}: ${Math.round((count / tookMs) * 1_000)} messages/s`);
        // A second's worth may come at once.
        assert.ok(tookMs > seconds * 1_000 * 0.9, `${count} messages in ${tookMs} ms`);
        assert.ok(tookMs < (seconds * 1.5 + 3) * 1_000, `${count} messages in ${tookMs} ms`);
        assert.ok(growth < 32 * MIB, `${growth} bytes`);
        assert.ok(answeredMs < 1_000, `the other publisher waited ${answeredMs} ms`);
        await figures.until('publishers/paused', (paused) => paused > 0);
        assert.is(figures.get('publish/messages/dropped'), 0);
        for (const client of [subscriber, publisher]) client.destroy();
      });
    });
  }
}

test('publishers faster than their only subscriber are held, not dropped, at QoS 1', async () => {
  const global = ['sys_interval 1', 'max_inflight_messages 20', 'slow_subscriber_pause_ms 10000'];
  await withBroker({ global }, async (broker) => {
    const port = broker.ports[0];
    const subscriber = await RawClient.connect({ port, clientId: 'slow', acknowledges: false });
    await subscriber.subscribe('flood', 1);
    const figures = await Figures.of(broker);
    const publishers: Flood[] = [];
    for (let n = 0; n < 4; n++) {
      const client = await RawClient.connect({ port, clientId: `publisher-${n}` });
      publishers.push(new Flood(client, 'flood', small, 1));
    }
    const count = scaled(5_000, 50_000);
    // Acknowledges what it has in flight only now and then: some thousand messages a second.
    const timer = setInterval(() => subscriber.acknowledgeAll(), 5);

    await Promise.all(publishers.map((flood) => flood.send(count / 4)));
    await until('all messages', () => subscriber.publishes === count, { deadlineMs: 60_000 });

    clearInterval(timer);
    subscriber.acknowledgeAll();
    await figures.until('publishers/paused', (paused) => paused > 0);
    await figures.until('queued/messages/count', 0);
    assert.is(figures.get('publish/messages/dropped'), 0);
    subscriber.destroy();
  });
});

test.run();
