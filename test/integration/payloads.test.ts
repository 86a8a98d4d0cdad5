// slow
/** Large messages and many subscriptions. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../support/until.js';
import { RunningBroker, tlsFixture, tlsLines } from './support/broker.js';

const test = suite('payloads and subscriptions');
const packetTooLarge = 0x95;
const bytesMax = 11_000_000;

let broker: RunningBroker;
let narrow: RunningBroker;

test.before(async () => {
  broker = await RunningBroker.start({
    global: [`max_packet_size ${bytesMax}`],
    listeners: [[], ['protocol websockets'], tlsLines],
  });
  narrow = await RunningBroker.start({ global: ['max_packet_size 2000', 'sys_interval 1'] });
});
test.after.each(async () => {
  await broker.leave();
  await narrow.leave();
});
test.after(async () => {
  await broker?.stop();
  await narrow?.stop();
});

/** Bytes without a pattern that a mistake in a copy could hide in. */
function bytes(length: number): Buffer {
  const payload = Buffer.allocUnsafe(length);
  let state = length;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    payload[at] = state >>> 16;
  }
  return payload;
}

const ten = bytes(10_000_000);
const ca = readFileSync(tlsFixture('ca.crt'));
const ways = [
  { name: 'tcp', options: {} },
  { name: 'ws', options: { listener: 1, protocol: 'ws' } },
  { name: 'tls', options: { listener: 2, protocol: 'mqtts', host: 'localhost', ca } },
] as const;

for (const { name, options } of ways) {
  for (const qos of [0, 1, 2] as const) {
    test(`${name}: 10 MB at QoS ${qos} arrive whole`, async () => {
      const subscriber = await broker.connect(options);
      const publisher = await broker.connect(options);
      await subscriber.subscribe('large', qos);

      await publisher.publish('large', ten, { qos });

      const [packet] = await subscriber.untilMessages(1, 20_000);
      assert.ok(ten.equals(packet.payload as Buffer));
    });
  }
}

test('every size around the borders of lengths and buffers arrives whole', async () => {
  const client = await broker.connect();
  await client.subscribe('sizes', 1);
  const borders = [0, 127, 128, 4_096, 16_383, 16_384, 65_535, 65_536, 131_072, 2_097_151];
  const sizes = borders.flatMap((border) => [border - 20, border - 7, border, border + 1]);
  const all = sizes.filter((size) => size >= 0).map(bytes);

  for (const payload of all) await client.publish('sizes', payload, { qos: 1 });

  await client.untilMessages(all.length, 20_000);
  for (const [index, payload] of all.entries()) {
    assert.ok(payload.equals(client.packets[index].payload as Buffer), `${payload.length} bytes`);
  }
});

test('mosquitto_pub sends a file of 10 MB and mosquitto_sub gets it', async () => {
  const file = broker.folder.write('ten', ten);
  const copy = broker.folder.file('copy');
  const subscriber = broker.run(
    'sh',
    [
      ...['-c', `mosquitto_sub "$@" > ${copy}`, 'sh', '-p', `${broker.ports[0]}`],
      ...['-t', 'file', '-C', '1', '-N', '-q', '1', '-W', '20'],
    ],
    { deadlineMs: 20_000 },
  );
  await broker.run('mosquitto_pub', ['-t', 'file', '-f', file, '-q', '1', '-r']);

  assert.is((await subscriber).code, 0);
  await broker.run('mosquitto_pub', ['-t', 'file', '-n', '-q', '1', '-r']);
  assert.ok(ten.equals(readFileSync(copy)));
});

test('a packet above max_packet_size ends the connection with 0x95', async () => {
  const subscriber = await narrow.connect();
  await subscriber.subscribe('#', 1);
  const publisher = await narrow.connect();

  publisher.client.publish('t', bytes(2_001), { qos: 0 });

  await publisher.untilClosed();
  assert.equal(publisher.disconnects, [packetTooLarge]);
  await subscriber.publish('after', 'x', { qos: 1 });
  await subscriber.untilMessages(1);
  assert.equal(
    subscriber.packets.map(({ topic }) => topic),
    ['after'],
  );
});

test('a message larger than the receiver takes is dropped for it alone, and counted', async () => {
  const small = await narrow.connect({ properties: { maximumPacketSize: 500 } });
  const large = await narrow.connect();
  for (const client of [small, large]) await client.subscribe('t', 1);
  const watcher = await narrow.connect();
  await watcher.subscribe('$SYS/broker/dropped/too_large_for_receiver');

  await large.publish('t', bytes(501), { qos: 1 });
  await large.publish('t', bytes(100), { qos: 1 });

  await large.untilMessages(2);
  await small.untilMessages(1);
  assert.is(small.packets[0].payload.length, 100);
  await until('the counter', () => watcher.payloads.includes('1'));
});

test('a client with 1 000 subscriptions gets what each of them matches', async () => {
  const client = await broker.connect();
  const filters = Array.from({ length: 1_000 }, (_, n) => `many/${n}/+`);
  await client.subscribe(filters.slice(0, 500), 1);
  for (const filter of filters.slice(500)) await client.subscribe(filter, 1);
  const publisher = await broker.connect();

  for (let n = 0; n < 1_000; n++) await publisher.publish(`many/${n}/x`, `${n}`, { qos: 1 });
  await client.untilMessages(1_000);

  assert.equal(
    client.payloads,
    filters.map((_, n) => `${n}`),
  );
  await client.client.unsubscribeAsync(filters);
  await publisher.publish('many/7/x', 'unheard', { qos: 1 });
  await client.subscribe('end', 1);
  await publisher.publish('end', 'end', { qos: 1 });
  await client.untilMessages(1_001);
  assert.is(client.payloads.at(-1), 'end');
});

test('overlapping subscriptions give one message', async () => {
  const client = await broker.connect();
  const filters = ['over/#', 'over/+', 'over/x', '+/+', '+/+/#'];
  for (const [index, filter] of filters.entries()) {
    await client.client.subscribeAsync(filter, {
      qos: (index % 3) as 0 | 1 | 2,
      properties: { subscriptionIdentifier: index + 1 },
    });
  }

  await client.publish('over/x', 'once', { qos: 2 });
  await client.publish('over/y', 'end', { qos: 2 });

  await client.untilMessages(2);
  assert.equal(client.payloads, ['once', 'end']);
  const ids = client.packets[0].properties?.subscriptionIdentifier;
  assert.equal([ids].flat().sort(), [1, 2, 3, 4, 5]);
  assert.is(client.packets[0].qos, 2);
});

test.run();
