/** Pausing the publishers of a subscriber that cannot keep up: each state × each input. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DeadlineHeap } from '../../src/base/deadline-heap.js';
import { type Pausable, Pressure } from '../../src/broker/pressure.js';

const test = suite('pressure');

class Publisher implements Pausable {
  holds = 0;
  hold(): void {
    this.holds++;
  }
  release(): void {
    this.holds--;
  }
}

function setup(pauseMs = 100): {
  deadlines: DeadlineHeap;
  pressure: Pressure;
  publisher: Publisher;
} {
  const deadlines = new DeadlineHeap();
  return { deadlines, pressure: new Pressure(deadlines, pauseMs), publisher: new Publisher() };
}

test('full: the publisher is held, once', () => {
  const { deadlines, pressure, publisher } = setup();
  pressure.onFull(publisher, 0);
  pressure.onFull(publisher, 10);
  assert.is(publisher.holds, 1);
  assert.is(deadlines.nextMs, 100);
});

test('held, then drained: released, and no deadline is left', () => {
  const { deadlines, pressure, publisher } = setup();
  pressure.onFull(publisher, 0);
  pressure.onDrained();
  assert.is(publisher.holds, 0);
  assert.is(deadlines.size, 0);
  pressure.onFull(publisher, 50);
  assert.is(deadlines.nextMs, 150, 'and it starts anew');
});

test('held, then the time is over: released, and not held again until drained', () => {
  const { deadlines, pressure, publisher } = setup();
  const other = new Publisher();
  pressure.onFull(publisher, 0);
  pressure.onFull(other, 90);
  deadlines.advance(99);
  assert.equal([publisher.holds, other.holds], [1, 1]);
  deadlines.advance(100);
  assert.equal(
    [publisher.holds, other.holds],
    [0, 0],
    'one pause for all: the first one started it',
  );
  pressure.onFull(publisher, 120);
  assert.is(publisher.holds, 0);
  assert.is(deadlines.size, 0);
  pressure.onDrained();
  pressure.onFull(publisher, 130);
  assert.is(publisher.holds, 1);
});

test('drained without being full changes nothing', () => {
  const { deadlines, pressure } = setup();
  pressure.onDrained();
  assert.is(deadlines.size, 0);
});

test('a message of nobody holds nobody', () => {
  const { deadlines, pressure } = setup();
  pressure.onFull(null, 0);
  assert.is(deadlines.size, 0);
});

test('slow_subscriber_pause_ms 0 never holds', () => {
  const { deadlines, pressure, publisher } = setup(0);
  pressure.onFull(publisher, 0);
  assert.is(publisher.holds, 0);
  assert.is(deadlines.size, 0);
});

test.run();
