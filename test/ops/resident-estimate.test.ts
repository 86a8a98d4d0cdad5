import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ResidentEstimate } from '../../src/ops/resident-estimate.js';

const test = suite('resident estimate');

function usage(rss: number, known: number) {
  return { rss, heapUsed: known / 2, external: known / 2 };
}

test('is the resident memory while that grows', () => {
  const estimate = new ResidentEstimate();

  for (const rss of [50, 100, 400, 1_000]) {
    assert.is(estimate.update(usage(rss, rss - 40)), rss);
  }
});

test('falls with what JavaScript frees, though the process keeps it', () => {
  const estimate = new ResidentEstimate();
  estimate.update(usage(1_000, 900));

  assert.is(estimate.update(usage(1_000, 500)), 600);
  assert.is(estimate.update(usage(1_010, 300)), 400);
});

test('rises again with what is used anew', () => {
  const estimate = new ResidentEstimate();
  estimate.update(usage(1_000, 900));
  estimate.update(usage(1_000, 100));

  assert.is(estimate.update(usage(1_000, 800)), 900);
});

test('takes native memory into account when it makes a new height', () => {
  const estimate = new ResidentEstimate();
  estimate.update(usage(1_000, 900));

  assert.is(estimate.update(usage(1_500, 900)), 1_500);
  assert.is(estimate.update(usage(1_500, 400)), 1_000);
});

test('never exceeds the resident memory', () => {
  const estimate = new ResidentEstimate();
  estimate.update(usage(1_000, 500));

  assert.is(estimate.update(usage(600, 500)), 600);
});

test.run();
