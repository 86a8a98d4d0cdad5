// slow
// deadline: 300 s
/** `memory_limit`: first nobody new comes in, then publishers wait; and all of it ends again. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type RunningBroker, withBroker } from '../integration/support/broker.js';
import { until } from '../support/until.js';
import { RawClient } from './support/raw-client.js';
import { MemoryWatch, MIB, say, scaled } from './support/soak.js';

const test = suite('memory limit');

const limit = scaled(220, 600) * MIB;
const payload = Buffer.alloc(20_000, 'memory');
/** The collector takes its time, and the broker looks ten times a second. */
const overshoot = 1.35;
const windowSize = 200;

/** Publishes QoS 1 messages as fast as PUBACKs come, without end. */
class Publisher {
  readonly client: RawClient;
  sent = 0;

  constructor(client: RawClient) {
    this.client = client;
    client.onPuback = () => this.next();
  }

  start(): void {
    for (let n = 0; n < windowSize; n++) this.next();
  }

  stop(): void {
    this.client.onPuback = null;
  }

  private next(): void {
    const numbered = Buffer.from(payload);
    numbered.writeUInt32BE(this.sent++, 0);
    this.client.publish('flood', numbered, 1);
  }
}

/** A durable subscriber without acknowledgements: everything stays with the broker. */
async function hoarder(broker: RunningBroker): Promise<RawClient> {
  const client = await RawClient.connect({
    ...{ port: broker.ports[0], clientId: 'hoarder', version: 5 as const, acknowledges: false },
    ...{ cleanStart: false, sessionExpiryInterval: 600 },
  });
  await client.subscribe('flood', 1);
  return client;
}

test('a flood that nobody takes ends at the limit, and goes on when there is room', async () => {
  const global = [
    ...[`memory_limit ${limit}`, 'max_queued_messages 0', 'slow_subscriber_pause_ms 0'],
    ...['sys_interval 1', 'max_inflight_messages 20'],
  ];
  await withBroker({ global }, async (broker) => {
    const port = broker.ports[0];
    const subscriber = await hoarder(broker);
    const publisher = new Publisher(await RawClient.connect({ port, clientId: 'publisher' }));
    const memory = new MemoryWatch(broker);
    const numbers: number[] = [];
    subscriber.onPublish = (bytes, start) => numbers.push(bytes.readUInt32BE(start));

    publisher.start();
    await broker.child.untilLine('memory is full', { deadlineMs: 60_000 });
    await until('the publisher to stand still', standsStill(publisher));
    const late = broker.open({});
    await until('a refusal', () => late.errors.length > 0 || late.closes > 0);
    assert.is(late.connects, 0);
    const highest = memory.stop();
    say(
      `limit ${limit / MIB} MiB: ${(highest / MIB).toFixed(0)} MiB with ${publisher.sent} messages`,
    );
    assert.ok(highest < overshoot * limit, `${highest} bytes`);

    publisher.stop();
    const timer = setInterval(() => subscriber.acknowledgeAll(), 1);
    await broker.child.untilLine('memory is sufficient', { deadlineMs: 60_000 });
    await until('every message', () => numbers.length === publisher.sent, { deadlineMs: 60_000 });

    clearInterval(timer);
    assert.equal(
      numbers,
      Array.from({ length: publisher.sent }, (_, n) => n),
    );
    const witness = await broker.connect();
    await witness.subscribe('after', 1);
    await witness.publish('after', 'all is well', { qos: 1 });
    await witness.untilMessages(1);
    for (const client of [subscriber, publisher.client]) client.destroy();
  });
});

/** True once no PUBACK has come for a while. */
function standsStill(publisher: Publisher): () => boolean {
  let seen = -1;
  let sinceMs = performance.now();
  return () => {
    const { pubacks } = publisher.client;
    if (pubacks !== seen) {
      seen = pubacks;
      sinceMs = performance.now();
    }
    return performance.now() - sinceMs > 500;
  };
}

test.run();
