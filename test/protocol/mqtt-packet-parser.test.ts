import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { disconnect, subscribe } from '../../conformance/raw/build.js';
import { MqttError } from '../../src/protocol/mqtt-error.js';
import { parseWithMqttPacket } from '../../src/protocol/mqtt-packet-parser.js';

const MALFORMED = 0x81;

const test = suite('mqtt-packet parser');
const packet = subscribe(4, { packetId: 5, filters: [{ filter: 'a/b', qos: 1 }] });

const isMalformed = (error: unknown): boolean =>
  error instanceof MqttError && error.reasonCode === MALFORMED && error.message !== '';

test('one packet in the middle of a buffer is parsed', () => {
  const bytes = Buffer.concat([Buffer.alloc(9, 0xff), packet, packet]);
  const parsed = parseWithMqttPacket(bytes, 9, 9 + packet.length, 4);
  assert.is(parsed.cmd, 'subscribe');
  assert.is(parsed.messageId, 5);
});

test('what it gives does not point into the buffer', () => {
  const bytes = Buffer.from(packet);
  const parsed = parseWithMqttPacket(bytes, 0, bytes.length, 4);
  bytes.fill(0xee);
  assert.equal((parsed as { subscriptions?: unknown }).subscriptions, [{ topic: 'a/b', qos: 1 }]);
});

test('what mqtt-packet refuses is a malformed packet', () => {
  const unknownReason = disconnect(5, { reasonCode: 0x7f, properties: {} });
  const cases: readonly (readonly [Buffer, number])[] = [
    [Buffer.of(0x80, 0), 4],
    [subscribe(4, { packetId: 1, filters: [{ filter: 'a', options: 3 }] }), 4],
    [unknownReason, 5],
  ];
  for (const [bytes, version] of cases) {
    assert.throws(() => parseWithMqttPacket(bytes, 0, bytes.length, version), isMalformed);
  }
});

test('half a packet is a malformed packet', () => {
  for (let end = 1; end < packet.length; end++) {
    assert.throws(() => parseWithMqttPacket(packet, 0, end, 4), isMalformed);
  }
});

test.run();
