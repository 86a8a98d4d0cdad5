// slow
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  connect,
  disconnect,
  pingreq,
  publish,
  subscribe,
  unsubscribe,
} from '../../conformance/raw/build.js';
import { until } from '../support/until.js';
import { FuzzedBroker } from './fuzzed-broker.js';
import { megabytes } from './fuzzer.js';
import { Wire } from './wire.js';

// What a client that has gone leaves behind, however much it sent.

const test = suite('residue of clients');
const longText = 60_000;
const PINGRESP = 0xd0;
const DISCONNECT = 0xe0;
const mib = 1024 * 1024;
// Tables of a fixed size may have filled; what was sent is three times this and more.
const growthMax = 20 * mib;

let broker: FuzzedBroker;

test.before(async () => {
  broker = await FuzzedBroker.start();
});
test.after(() => broker.stop());

/** Sends packets of one client in portions, each answered before the next, and then leaves. */
async function send(count: number, packet: (index: number) => Buffer): Promise<void> {
  const wire = new Wire('tcp', broker.ports.plain);
  wire.send(connect(4, { clientId: 'flood' }));
  const portion = 50;
  for (let start = 0; start < count; start += portion) {
    const packets = Array.from({ length: portion }, (_, index) => packet(start + index));
    wire.send(Buffer.concat([...packets, pingreq()]));
    await until('PINGRESP', () => wire.packets.some(([first]) => first === PINGRESP));
    wire.packets.length = 0;
  }
  wire.send(disconnect(4));
  await until('the end of the connection', () => wire.isClosed);
}

const floods: readonly (readonly [string, number, (index: number) => Buffer])[] = [
  ['long topic names', 1_000, (index) => publish(4, { topic: `${index}-`.padEnd(longText, 'x') })],
  [
    'long topic filters',
    1_000,
    (index) =>
      subscribe(4, { packetId: 1, filters: [{ filter: `${index}-`.padEnd(longText, 'x') }] }),
  ],
  [
    'filters that it gives up again',
    20_000,
    (index) => {
      const filter = `${index}/`.padEnd(1_000, 'x');
      const request = subscribe(4, { packetId: 1, filters: [{ filter }] });
      return Buffer.concat([request, unsubscribe(4, { packetId: 2, filters: [filter] })]);
    },
  ],
  [
    'QoS 2 messages that it never releases',
    1_000,
    (index) =>
      publish(4, {
        topic: 'q',
        payload: Buffer.alloc(longText),
        qos: 2,
        packetId: index + 1,
      }),
  ],
];

for (const [what, count, packet] of floods) {
  test(`a client with ${count} ${what} leaves next to nothing`, async () => {
    await send(200, packet);
    const before = await broker.memory();

    await send(count, (index) => packet(index + 200));

    const { live } = await broker.memory();
    const growth = live - before.live;
    assert.ok(growth < growthMax, `${megabytes(growth)} more than before`);
  });
}

test('2 000 transient clients with wills leave next to nothing', async () => {
  const before = await broker.memory();
  for (let index = 0; index < 2_000; index++) {
    const wire = new Wire('tcp', broker.ports.plain);
    const will = { topic: 'will', payload: Buffer.alloc(longText / 2) };
    wire.send(connect(5, { clientId: `${index}`, will }));
    wire.send(disconnect(5, { reasonCode: 0x80 }));
    await until('the end of the connection', () => wire.isClosed);
    assert.is(wire.packets[0]?.[3], 0, `refused: ${wire.packets[0]?.toString('hex')}`);
    assert.not(wire.packets.some(([first]) => first === DISCONNECT));
  }
  const { live } = await broker.memory();
  const growth = live - before.live;
  assert.ok(growth < growthMax, `${megabytes(growth)} more than before`);
});

test.run();
