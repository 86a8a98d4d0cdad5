import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { XorShift32 } from '../../src/base/prng.js';

const test = suite('prng');

const draw = (seed: number, count: number, bound: number): number[] => {
  const prng = new XorShift32(seed);
  return Array.from({ length: count }, () => prng.below(bound));
};

test('a seed replays its numbers, another seed gives others', () => {
  assert.equal(draw(7, 100, 1_000), draw(7, 100, 1_000));
  assert.not.equal(draw(7, 100, 1_000), draw(8, 100, 1_000));
});

test('numbers are whole and below their bound', () => {
  for (const bound of [1, 2, 3, 255, 65_536, 2 ** 31]) {
    for (const value of draw(42, 1_000, bound)) {
      assert.ok(Number.isInteger(value) && value >= 0 && value < bound);
    }
  }
});

test('every number below a small bound is drawn about as often', () => {
  const counts = new Array<number>(10).fill(0);
  for (const value of draw(1, 100_000, 10)) counts[value]++;
  for (const count of counts) assert.ok(count > 9_000 && count < 11_000, `${counts}`);
});

test('the seed 0, on which xorshift would stand still, gives numbers all the same', () => {
  assert.ok(new Set(draw(0, 100, 1_000_000)).size > 90);
});

test('it does not come back to its start within a million numbers', () => {
  const prng = new XorShift32(3);
  const first = [prng.below(2 ** 31), prng.below(2 ** 31), prng.below(2 ** 31)];
  let matched = 0;
  for (let round = 0; round < 1_000_000; round++) {
    matched = prng.below(2 ** 31) === first[matched] ? matched + 1 : 0;
    assert.ok(matched < 3);
  }
});

test.run();
