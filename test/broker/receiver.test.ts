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

test('another connection: what is held stays so, and takes no quota [MQTT-4.9]', () => {
  const receiver = new Receiver();
  receiver.onPublish(1);
  receiver.onPublish(2);
  assert.is(receiver.inflight, 2);
  receiver.onConnected();
  assert.equal([receiver.inflight, receiver.size], [0, 2]);
  assert.equal([receiver.isHeld(1), receiver.isHeld(2)], [true, true]);
});

test('held since before, PUBLISH: takes quota, once', () => {
  const receiver = new Receiver();
  receiver.onPublish(1);
  receiver.onConnected();
  receiver.onRepeated(1);
  receiver.onRepeated(1);
  assert.equal([receiver.inflight, receiver.size, receiver.isHeld(1)], [1, 1, true]);
  assert.is(receiver.onPubrel(1), true);
  assert.equal([receiver.inflight, receiver.size], [0, 0]);
});

test('any PUBREL frees quota as PUBCOMP does at the client, down to none in flight', () => {
  const receiver = new Receiver();
  receiver.onPublish(1);
  receiver.onConnected();
  assert.is(receiver.onPubrel(1), true);
  assert.is(receiver.inflight, 0);
  receiver.onPublish(2);
  receiver.onPublish(3);
  assert.is(receiver.onPubrel(99), false);
  assert.equal([receiver.inflight, receiver.size], [1, 2]);
});

test('identifiers are held through any number of connections', () => {
  const receiver = new Receiver();
  for (let id = 1; id <= 3; id++) {
    receiver.onPublish(id);
    receiver.onConnected();
  }
  receiver.onConnected();
  assert.is(receiver.size, 3);
  for (let id = 1; id <= 3; id++) assert.is(receiver.onPubrel(id), true);
  assert.is(receiver.size, 0);
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
