/**
 * What was read while a client was held waits in a carry from the shared pool. When the client
 * leaves in the middle of it, its bytes must stay untouched until everybody has his copy.
 */
import * as mqttPacket from 'mqtt-packet';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('carry of a client that leaves');

const RATE = 4;
/** Long enough for the carry to need memory of the pool. */
const PADDING = '.'.repeat(300);

function publish(topic: string): Buffer {
  const packet = { cmd: 'publish', qos: 0, dup: false, retain: false } as const;
  return mqttPacket.generate(
    { ...packet, topic, payload: topic + PADDING },
    { protocolVersion: 5 },
  );
}

/** A publisher that has used up its rate, with `packets` read and not parsed yet. */
function heldWith(broker: FakeBroker, packets: readonly Buffer[]): FakeClient {
  const will = { topic: 'will', payload: Buffer.from('w'.repeat(200)), qos: 0, retain: false };
  const publisher = broker.connect({ clientId: 'publisher', will: will as never });
  const first = Array.from({ length: RATE }, () => publish('early'));
  publisher.transport.fromPeer(Buffer.concat([...first, ...packets]));
  broker.settle();
  assert.ok(publisher.transport.isPaused, 'the rate limit holds the client');
  return publisher;
}

function disconnect(reasonCode: number): Buffer {
  return mqttPacket.generate({ cmd: 'disconnect', reasonCode }, { protocolVersion: 5 });
}

test('the will of a held client never reaches those who did not subscribe to it', () => {
  const broker = new FakeBroker({ limits: { publishRatePerClient: RATE } });
  const heir = broker.connect({ clientId: 'heir' });
  heir.subscribe('will');
  const reader = broker.connect({ clientId: 'reader' });
  reader.subscribe('late/#');
  heldWith(broker, [publish('late/1'), disconnect(0x04)]);
  broker.advance(1_000);
  assert.equal(heir.takePayloads(), ['w'.repeat(200)]);
  assert.equal(reader.takePayloads(), [`late/1${PADDING}`]);
});

test('subscribers of different topics each get their own bytes of a held client', () => {
  const broker = new FakeBroker({ limits: { publishRatePerClient: RATE } });
  const both = broker.connect({ clientId: 'both' });
  both.subscribe('late/1');
  both.subscribe('late/2');
  const first = broker.connect({ clientId: 'first' });
  first.subscribe('late/1');
  heldWith(broker, [publish('early'), publish('late/1'), publish('late/2'), disconnect(0)]);
  broker.advance(1_000);
  assert.equal(both.takePayloads(), [`late/1${PADDING}`, `late/2${PADDING}`]);
  assert.equal(first.takePayloads(), [`late/1${PADDING}`]);
});

test.run();
