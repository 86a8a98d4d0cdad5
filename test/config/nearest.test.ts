import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { editDistance, hint, nearest } from '../../src/config/nearest.js';

const test = suite('nearest word');

test('insertions, deletions, replacements and swaps count one each', () => {
  assert.is(editDistance('port', 'port'), 0);
  assert.is(editDistance('prot', 'port'), 1);
  assert.is(editDistance('pots', 'port'), 2);
  assert.is(editDistance('', 'port'), 4);
  assert.is(editDistance('listenr', 'listener'), 1);
});

test('the distance is the same both ways and never above the longer length', async () => {
  await fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const distance = editDistance(a, b);
      assert.is(distance, editDistance(b, a));
      assert.ok(distance <= Math.max(a.length, b.length));
      assert.is(distance === 0, a === b);
    }),
  );
});

test('a guess is made only when something is near', () => {
  const known = ['port', 'protocol', 'persistence'];

  assert.is(nearest('persistance', known), 'persistence');
  assert.is(nearest('protocl', known), 'protocol');
  assert.is(nearest('zebra', known), null);
  assert.is(nearest('-x', ['-c', '-p']), null);
  assert.is(nearest('', known), null);
  assert.is(hint('prot', known), ' (did you mean "port"?)');
  assert.is(hint('zebra', known), '');
});

test('a word of any length costs a bounded time', () => {
  assert.is(hint('x'.repeat(1_000_000), ['port']), '');
});

test.run();
