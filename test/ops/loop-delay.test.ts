import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../src/base/clock.js';
import { LoopDelay } from '../../src/ops/loop-delay.js';

const test = suite('loop delay');

test('is how late a tick came, and the longest since it was asked for', () => {
  const clock = new FakeClock();
  const delay = new LoopDelay(clock, 1_000);
  for (const elapsedMs of [1_000, 1_300, 990]) {
    clock.advance(elapsedMs);
    delay.tick();
  }

  assert.is(delay.lastDelayMs, 0);
  assert.is(delay.takeLongestMs(), 300);
  assert.is(delay.takeLongestMs(), 0);
  clock.advance(1_050);
  delay.tick();
  assert.is(delay.lastDelayMs, 50);
  assert.is(delay.takeLongestMs(), 50);
});

test.run();
