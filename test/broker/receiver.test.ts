/** Each state of an inbound QoS 2 identifier × each input. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Receiver } from '../../src/broker/receiver.js';

const test = suite('qos 2 receiver');

test('absent, PUBLISH: held [MQTT-4.3.3-8]', () => {
  const receiver = new Receiver();
  assert.is(receiver.isHeld(7), false);
  receiver.onPublish(7);
  assert.is(receiver.isHeld(7), true);
  assert.is(receiver.size, 1);
});

test('absent, PUBREL: unknown', () => {
  const receiver = new Receiver();
  assert.is(receiver.onPubrel(7), false);
  assert.is(receiver.size, 0);
});

test('held, PUBLISH: still held, once [MQTT-4.3.3-10]', () => {
  const receiver = new Receiver();
  receiver.onPublish(7);
  receiver.onPublish(7);
  assert.is(receiver.size, 1);
});

test('held, PUBREL: absent, and the next PUBLISH is a new message [MQTT-4.3.3-12]', () => {
  const receiver = new Receiver();
  receiver.onPublish(7);
  assert.is(receiver.onPubrel(7), true);
  assert.is(receiver.isHeld(7), false);
  assert.is(receiver.size, 0);
  assert.is(receiver.onPubrel(7), false);
});

test('any inputs leave the receiver with the identifiers that were published last', () => {
  const input = fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 5 }));
  fc.assert(
    fc.property(fc.array(input), (inputs) => {
      const receiver = new Receiver();
      const held = new Array<boolean>(6).fill(false);
      for (const [isPublish, id] of inputs) {
        assert.is(receiver.isHeld(id), held[id]);
        if (isPublish) receiver.onPublish(id);
        else assert.is(receiver.onPubrel(id), held[id]);
        held[id] = isPublish;
        assert.is(receiver.size, held.filter(Boolean).length);
      }
    }),
  );
});

test.run();
