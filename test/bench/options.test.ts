import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BenchError } from '../../bench/bench-error.js';
import { parseBenchOptions } from '../../bench/options.js';

const test = suite('bench options');

const partsOf = (args: readonly string[]) => {
  const { micro, endToEnd, durable, cluster, scale } = parseBenchOptions(args);
  return { micro, endToEnd, durable, cluster, scale };
};
const none = { micro: false, endToEnd: false, durable: false, cluster: false, scale: false };

test('without parts, all of them run', () => {
  const all = { micro: true, endToEnd: true, durable: true, cluster: true, scale: true };
  assert.equal(partsOf([]), all);
  assert.equal(partsOf(['--quick', '--only', 'x']), partsOf([]));
});

test('named parts run alone', () => {
  assert.equal(partsOf(['--durable']), { ...none, durable: true });
  assert.equal(partsOf(['--cluster']), { ...none, cluster: true });
  assert.equal(partsOf(['--e2e', '--durable']), { ...none, endToEnd: true, durable: true });
});

test('a new baseline is no reason to measure anything else', () => {
  assert.equal(partsOf(['--write-baseline']), none);
  assert.equal(partsOf(['--write-baseline', '--durable']), { ...none, durable: true });
});

test('another load generator is for the end-to-end part alone', () => {
  assert.equal(partsOf(['--generator', './other']), { ...none, endToEnd: true });
  assert.is(parseBenchOptions(['--generator', './other']).generator, './other');
  assert.is(parseBenchOptions([]).generator, null);
});

test('how many rounds can be said', () => {
  assert.is(parseBenchOptions([]).rounds, null);
  assert.is(parseBenchOptions(['--e2e', '--rounds', '7']).rounds, 7);
});

test('what is not understood is refused in one line that says so', () => {
  const refused = (args: readonly string[], detail: RegExp) => {
    assert.throws(
      () => parseBenchOptions(args),
      (error: unknown) => error instanceof BenchError && detail.test(error.message),
    );
  };
  refused(['--durabel'], /unknown argument --durabel/);
  refused(['--only'], /--only needs a pattern/);
  refused(['--only', '('], /--only \(: /);
  for (const wrong of ['0', '1.5', 'x', '101']) refused(['--rounds', wrong], /--rounds .+: give a/);
  refused(['--rounds'], /--rounds : give a whole number/);
  refused(['--generator'], /--generator needs the path of a program/);
  refused(['--generator', 'x', '--scale'], /--generator is for the end-to-end part alone/);
  refused(['--generator', 'x', '--write-baseline'], /--generator is for the end-to-end part alone/);
});

test.run();
