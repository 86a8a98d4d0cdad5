/** Looks at the queues of connected clients. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../src/base/clock.js';
import type { BrokerCore } from '../../src/broker/core.js';
import { QueueSweep } from '../../src/cluster/queue-sweep.js';

const test = suite('queue sweep');

const minuteMs = 60_000;

class Queue {
  looks = 0;
  readonly window = {};

  retry(): void {
    this.looks++;
  }
}

function sweepOf(count: number) {
  const queues = Array.from({ length: count }, () => new Queue());
  const clock = new FakeClock();
  const sessions = new Map(queues.map((stored, at) => [at, { stored }]));
  const core = { clock, sessions } as unknown as BrokerCore;
  return { queues, clock, sweep: new QueueSweep(core) };
}

test('all are looked at after a death, some with each tick', () => {
  const { queues, sweep } = sweepOf(500);
  sweep.begin();
  sweep.tick(true);
  assert.ok(queues.some(({ looks }) => looks === 0));
  for (let tick = 0; tick < 3; tick++) sweep.tick(true);
  assert.ok(queues.every(({ looks }) => looks === 1));
});

test('of very many none waits for ever, as a look ends before the next one begins', () => {
  const { queues, clock, sweep } = sweepOf(500);
  for (let tick = 0; tick < 3; tick++) {
    clock.advance(minuteMs);
    sweep.tick(true);
  }
  assert.ok(queues.every(({ looks }) => looks > 0));
});

test('one that is alone does not look', () => {
  const { queues, clock, sweep } = sweepOf(1);
  clock.advance(minuteMs);
  sweep.tick(false);
  assert.is(queues[0]!.looks, 0);
  sweep.tick(true);
  assert.is(queues[0]!.looks, 1);
});

test.run();
