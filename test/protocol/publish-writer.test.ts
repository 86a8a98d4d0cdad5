import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { publish } from '../../conformance/raw/build.js';
import { propertyBytes } from '../../conformance/raw/properties.js';
import {
  ACKNOWLEDGEMENT_BYTES,
  noExtras,
  PUBACK_BYTE,
  PUBCOMP_BYTE,
  PUBREC_BYTE,
  PUBREL_BYTE,
  PublishExtras,
  packetSize,
  publishRemainingLength,
  REASONED_ACKNOWLEDGEMENT_BYTES,
  writeAcknowledgement,
  writeReasonedAcknowledgement,
} from '../../src/protocol/publish-writer.js';
import { expiryFirst, messageOf, writeMessage } from './support/messages.js';

const test = suite('publish writer');

function extrasOf(fields: Partial<PublishExtras>): PublishExtras {
  return Object.assign(new PublishExtras(), fields);
}

const simple = messageOf({ topic: 'a/b', payload: Buffer.from('pay') });

test('QoS 0 has no packet identifier', () => {
  assert.equal(writeMessage(simple, { isV5: false }), publish(4, { topic: 'a/b', payload: 'pay' }));
});

test('QoS, DUP, RETAIN and packet identifier are those of the delivery, not of the message', () => {
  for (const qos of [1, 2]) {
    for (const dup of [false, true]) {
      for (const retain of [false, true]) {
        for (const packetId of [1, 255, 256, 65_535]) {
          const fields = { qos, dup, retain, packetId };
          const wanted = publish(4, { topic: 'a/b', payload: 'pay', ...fields });
          assert.equal(writeMessage(simple, { isV5: false, ...fields }), wanted);
        }
      }
    }
  }
});

test('a v5 delivery of a message without properties has a property length of 0', () => {
  assert.equal(
    writeMessage(simple, { isV5: true, qos: 1, packetId: 3 }),
    publish(5, { topic: 'a/b', payload: 'pay', qos: 1, packetId: 3 }),
  );
});

test('a 3.1.1 delivery leaves the properties out', () => {
  const properties = propertyBytes({ contentType: 'text', userProperties: [['a', 'b']] });
  const message = messageOf({ topic: 'a/b', payload: Buffer.from('pay'), properties });
  const wanted = publish(4, { topic: 'a/b', payload: 'pay' });
  assert.equal(writeMessage(message, { isV5: false }), wanted);
});

test('properties are forwarded byte for byte [MQTT-3.3.2-17] [MQTT-3.3.2-18]', () => {
  const properties = Buffer.concat([
    propertyBytes({ userProperties: [['a', '1']] }),
    propertyBytes({ correlationData: Buffer.of(0, 255) }),
    propertyBytes({ userProperties: [['b', '2']] }),
    propertyBytes({ contentType: 'x' }),
    propertyBytes({ userProperties: [['a', '3']] }),
  ]);
  const message = messageOf({ topic: 't', payload: Buffer.from('p'), properties });
  const wanted = publish(5, { topic: 't', payload: 'p', properties });
  assert.equal(writeMessage(message, { isV5: true }), wanted);
});

test('all matching Subscription Identifiers are sent [MQTT-3.3.4-3] [MQTT-3.3.4-4]', () => {
  const ids = [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455];
  const properties = Buffer.concat([
    propertyBytes({ subscriptionIdentifiers: ids }),
    propertyBytes({ contentType: 'x' }),
  ]);
  const message = messageOf({
    topic: 't',
    payload: Buffer.from('p'),
    properties: propertyBytes({ contentType: 'x' }),
  });
  assert.equal(
    writeMessage(message, { isV5: true, extras: extrasOf({ subscriptionIds: ids }) }),
    publish(5, { topic: 't', payload: 'p', properties }),
  );
});

test('an alias goes with its topic name first and without it afterwards', () => {
  const alias = { topicAlias: 65_535 };
  assert.equal(
    writeMessage(simple, { isV5: true, extras: extrasOf(alias) }),
    publish(5, { topic: 'a/b', payload: 'pay', properties: alias }),
  );
  assert.equal(
    writeMessage(simple, { isV5: true, extras: extrasOf({ ...alias, isTopicOmitted: true }) }),
    publish(5, { topic: '', payload: 'pay', properties: alias }),
  );
});

test('the mount point is cut off the topic', () => {
  const message = messageOf({ topic: 'plant/ü/a/b', payload: Buffer.from('pay') });
  const mountLength = Buffer.byteLength('plant/ü/');
  for (const isV5 of [false, true]) {
    assert.equal(
      writeMessage(message, { isV5, extras: extrasOf({ mountLength }) }),
      publish(isV5 ? 5 : 4, { topic: 'a/b', payload: 'pay' }),
    );
  }
});

/** Milliseconds left, and the seconds that the receiver is told: never less than what is left. */
const remaining: readonly (readonly [number, number])[] = [
  [77_000, 77],
  [76_999.5, 77],
  [76_001, 77],
  [76_000, 76],
  [1_001, 2],
  [1_000, 1],
  [1, 1],
  [0.25, 1],
  [0, 0],
  [-1, 0],
  [-1e9, 0],
  [0xffff_ffff * 1000, 0xffff_ffff],
];

test('the expiry is what is left of it, and never more than it was [MQTT-3.3.2-6]', () => {
  const rest = propertyBytes({ userProperties: [['k', 'v']] });
  for (const [leftMs, seconds] of remaining) {
    const given = leftMs > 77_000 ? 0xffff_ffff : 77;
    const message = messageOf({ ...expiryFirst(given, rest), expiresAtMs: 500 + leftMs });
    const properties = Buffer.concat([propertyBytes({ messageExpiryInterval: seconds }), rest]);
    const wanted = publish(5, { topic: 't', payload: 'p', properties });
    const before = Buffer.from(message.block.bytes);

    assert.equal(writeMessage(message, { isV5: true, nowMs: 500 }), wanted, `${leftMs} ms`);
    assert.equal(message.block.bytes, before);
  }
  // Brokers' clocks may differ by some milliseconds.
  const late = messageOf({ ...expiryFirst(77, rest), expiresAtMs: 500 + 77_004 });
  const properties = Buffer.concat([propertyBytes({ messageExpiryInterval: 77 }), rest]);
  const wanted = publish(5, { topic: 't', payload: 'p', properties });
  assert.equal(writeMessage(late, { isV5: true, nowMs: 500 }), wanted);
});

test('the expiry is found behind alias, identifiers and other properties', () => {
  const user = propertyBytes({ userProperties: [['k', 'v']] });
  const parts = {
    topic: 't',
    payload: Buffer.from('p'),
    properties: Buffer.concat([user, propertyBytes({ messageExpiryInterval: 9 })]),
    expiryAt: user.length + 1,
    expiresAtMs: 4_000,
  };
  const extras = extrasOf({ topicAlias: 5, subscriptionIds: [300, 1] });
  const properties = Buffer.concat([
    propertyBytes({ topicAlias: 5, subscriptionIdentifiers: [300, 1] }),
    user,
    propertyBytes({ messageExpiryInterval: 3 }),
  ]);
  const options = { isV5: true, extras, nowMs: 1_000, qos: 2, packetId: 2 };
  assert.equal(
    writeMessage(messageOf(parts), options),
    publish(5, { topic: 't', payload: 'p', qos: 2, packetId: 2, properties }),
  );
});

test('the size of a packet counts its first byte and its Remaining Length', () => {
  const sizes: readonly (readonly [number, number])[] = [
    [0, 2],
    [127, 129],
    [128, 131],
    [16_383, 16_386],
    [16_384, 16_388],
    [2_097_151, 2_097_155],
    [2_097_152, 2_097_157],
    [268_435_455, 268_435_460],
  ];
  for (const [length, size] of sizes) assert.is(packetSize(length), size);
});

const lengths = [
  126, 127, 128, 129, 16_382, 16_383, 16_384, 16_385, 2_097_151, 2_097_152, 2_097_153,
];

for (const isV5 of [false, true]) {
  test(`a PUBLISH of any length is framed right in MQTT ${isV5 ? 5 : 3}`, () => {
    const overhead = publishRemainingLength(
      messageOf({ topic: 't', payload: Buffer.alloc(0) }),
      1,
      isV5,
      noExtras,
    );
    for (const length of lengths) {
      const payload = Buffer.alloc(length - overhead, 'p');
      const written = writeMessage(messageOf({ topic: 't', payload }), {
        isV5,
        qos: 1,
        packetId: 77,
      });
      const wanted = publish(isV5 ? 5 : 4, { topic: 't', payload, qos: 1, packetId: 77 });
      assert.ok(written.equals(wanted), `${length}`);
    }
  });
}

test('a property section of any length is framed right', () => {
  const values = [113, 114, 115, 16_369, 16_370, 16_371, 60_000];
  for (const length of values) {
    const pair = propertyBytes({ userProperties: [['n', 'v'.repeat(length)]] });
    for (const count of length === 60_000 ? [34, 35] : [1]) {
      const properties = Buffer.concat(Array.from({ length: count }, () => pair));
      const written = writeMessage(
        messageOf({ topic: 't', payload: Buffer.from('p'), properties }),
        { isV5: true, extras: extrasOf({ subscriptionIds: [3] }) },
      );
      const all = Buffer.concat([propertyBytes({ subscriptionIdentifiers: [3] }), properties]);
      const wanted = publish(5, { topic: 't', payload: 'p', properties: all });
      assert.ok(written.equals(wanted), `${count} × ${length}`);
    }
  }
});

test('the longest topic name is written whole', () => {
  const topic = 'a'.repeat(65_535);
  const payload = Buffer.from('p');
  const written = writeMessage(messageOf({ topic, payload }), { isV5: true });
  assert.ok(written.equals(publish(5, { topic, payload })));
});

test('an acknowledgement is four bytes', () => {
  const bytes = [
    [PUBACK_BYTE, '4002'],
    [PUBREC_BYTE, '5002'],
    [PUBREL_BYTE, '6202'],
    [PUBCOMP_BYTE, '7002'],
  ] as const;
  for (const [firstByte, hex] of bytes) {
    for (const packetId of [1, 255, 256, 65_535]) {
      const target = Buffer.alloc(ACKNOWLEDGEMENT_BYTES + 2, 0xa5);
      writeAcknowledgement(target, 1, firstByte, packetId);
      const id = packetId.toString(16).padStart(4, '0');
      assert.is(target.toString('hex'), `a5${hex}${id}a5`);
    }
  }
});

test('an acknowledgement with a reason code and no properties is five bytes', () => {
  for (const packetId of [1, 255, 256, 65_535]) {
    const target = Buffer.alloc(REASONED_ACKNOWLEDGEMENT_BYTES + 2, 0xa5);
    writeReasonedAcknowledgement(target, 1, PUBREC_BYTE, packetId, 0x10);
    const id = packetId.toString(16).padStart(4, '0');
    assert.is(target.toString('hex'), `a55003${id}10a5`);
  }
});

test('the extras of deliveries without anything of their own cannot be changed', () => {
  assert.ok(Object.isFrozen(noExtras));
});

test.run();
