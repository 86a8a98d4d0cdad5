import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock, systemClock } from '../../src/base/clock.js';

const test = suite('clock');

test('a fake clock stands still until it is advanced, both times together', () => {
  const clock = new FakeClock();
  const [nowMs, wallMs] = [clock.nowMs(), clock.wallMs()];
  assert.is(clock.nowMs(), nowMs);

  clock.advance(1_500);

  assert.is(clock.nowMs() - nowMs, 1_500);
  assert.is(clock.wallMs() - wallMs, 1_500);
});

test('the system clock’s monotonic time never goes back', () => {
  let last = systemClock.nowMs();
  for (let round = 0; round < 1_000; round++) {
    const nowMs = systemClock.nowMs();
    assert.ok(nowMs >= last);
    last = nowMs;
  }
});

test('the system clock’s wall time is the system’s', () => {
  const before = Date.now();
  const wallMs = systemClock.wallMs();
  assert.ok(before <= wallMs && wallMs <= Date.now());
});

test.run();
