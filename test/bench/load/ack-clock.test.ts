import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AckClock } from '../../../bench/load/ack-clock.js';

const test = suite('ack clock');

test('acknowledgements belong to the messages in their order [MQTT-4.6.0-2]', () => {
  const clock = new AckClock();
  clock.sent(10);
  clock.sent(20);
  assert.is(clock.acknowledged(), 10);
  clock.sent(30);
  assert.is(clock.acknowledged(), 20);
  assert.is(clock.acknowledged(), 30);
});

test('it grows in the middle of a round without losing the order', () => {
  const clock = new AckClock();
  for (let n = 0; n < 50; n++) clock.sent(n);
  for (let n = 0; n < 50; n++) assert.is(clock.acknowledged(), n);
  for (let n = 0; n < 1_000; n++) clock.sent(n);
  for (let n = 0; n < 1_000; n++) assert.is(clock.acknowledged(), n);
});

test('an acknowledgement too many has no time', () => {
  const clock = new AckClock();
  assert.ok(Number.isNaN(clock.acknowledged()));
});

test.run();
