/** The turn: once begun it ends once, and what is dirty is flushed once. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../src/base/clock.js';
import { Turn } from '../../src/broker/turn.js';

const test = suite('turn');

function setup(): { clock: FakeClock; turn: Turn; ends: (() => void)[] } {
  const clock = new FakeClock();
  const ends: (() => void)[] = [];
  return { clock, turn: new Turn(clock, (end) => ends.push(end)), ends };
}

test('its time is read when it begins, and stands still until it ends', () => {
  const { clock, turn, ends } = setup();
  clock.advance(5);
  turn.begin();
  const beganMs = clock.nowMs();
  clock.advance(5);
  turn.begin();
  assert.is(turn.nowMs, beganMs);
  assert.is(ends.length, 1);
  ends.pop()!();
  turn.begin();
  assert.is(turn.nowMs, beganMs + 5);
  assert.is(ends.length, 1);
});

test('a turn that took so long that its time is out of date is told of before a flush', () => {
  const clock = new FakeClock();
  const ends: (() => void)[] = [];
  const heard: unknown[] = [];
  const onLong = (beganMs: number, endedMs: number): void => {
    heard.push([beganMs, endedMs]);
  };
  const turn = new Turn(clock, (end) => ends.push(end), onLong);
  const beganMs = clock.nowMs();
  turn.markDirty({ flush: () => void heard.push('flushed') });
  clock.advance(2_000);
  ends.pop()!();
  turn.begin();
  clock.advance(20);
  ends.pop()!();
  // Not a turn: nothing has begun.
  clock.advance(2_000);
  turn.end();
  assert.equal(heard, [[beganMs, beganMs + 2_000], 'flushed']);
});

test('what is dirty is flushed in order, once; what becomes so meanwhile, in the next turn', () => {
  const { turn, ends } = setup();
  const flushed: string[] = [];
  const item = (name: string, then?: () => void) => ({
    flush: () => {
      flushed.push(name);
      then?.();
    },
  });
  turn.markDirty(item('one', () => turn.markDirty(item('three'))));
  turn.markDirty(item('two'));
  assert.is(ends.length, 1);
  ends.pop()!();
  assert.equal(flushed, ['one', 'two']);
  assert.is(ends.length, 1);
  ends.pop()!();
  assert.equal(flushed, ['one', 'two', 'three']);
  assert.is(ends.length, 0);
});

test('an end by hand does not make the scheduled one flush again', () => {
  const { turn, ends } = setup();
  let count = 0;
  turn.markDirty({ flush: () => void count++ });
  turn.end();
  ends.pop()!();
  assert.is(count, 1);
});

test.run();
