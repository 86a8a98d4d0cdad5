import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { XorShift32 } from '../../src/base/prng.js';
import { Backoff } from '../../src/bridge/restart-delay.js';

const test = suite('time until a bridge tries again');

test('without a cap it is always the same', () => {
  const backoff = new Backoff(new XorShift32(1));

  for (let n = 0; n < 10; n++) assert.is(backoff.next({ baseS: 20, capS: null }), 20_000);
});

test('with a cap it lies between both, and differs', () => {
  const backoff = new Backoff(new XorShift32(7));
  const drawn = Array.from({ length: 200 }, () => backoff.next({ baseS: 5, capS: 30 }));

  assert.ok(drawn.every((ms) => ms >= 5_000 && ms <= 30_000));
  assert.ok(new Set(drawn).size > 20);
  assert.ok(drawn.some((ms) => ms === 30_000));
});

test('after a connection it begins at the base again', () => {
  const backoff = new Backoff(new XorShift32(7));
  const first = backoff.next({ baseS: 5, capS: 30 });
  for (let n = 0; n < 20; n++) backoff.next({ baseS: 5, capS: 30 });

  backoff.reset();

  assert.is(first, 5_000);
  assert.is(backoff.next({ baseS: 5, capS: 30 }), 5_000);
});

test('a base at the longest possible time is no overflow', () => {
  const backoff = new Backoff(new XorShift32(7));
  const delay = { baseS: 2_147_483, capS: 2_147_483 };

  for (let n = 0; n < 10; n++) assert.is(backoff.next(delay), 2_147_483_000);
});

test.run();
