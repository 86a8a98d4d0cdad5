/** The pack of faults, and the time until clients go on elsewhere. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { killsOf, type PackOptions, packOf } from './cluster-schedule.js';
import { percentile, ResumeMeter } from './resume-meter.js';

const test = suite('schedule of the fault suite for several brokers');

const options: PackOptions = {
  seed: 7,
  kills: 100,
  primaryKills: 30,
  partitions: 30,
  rollingRestarts: 10,
  reshards: 5,
  stopMsMax: 1_000,
  calmMsMax: 500,
};

test('a seed gives the same faults again, another seed gives others', () => {
  assert.equal(packOf(options), packOf(options));
  assert.not.equal(packOf(options), packOf({ ...options, seed: 8 }));
});

test('as many faults of each kind come as are asked for', () => {
  const pack = packOf(options);
  const count = (...kinds: string[]) => pack.filter(({ kind }) => kinds.includes(kind)).length;

  assert.is(
    pack.reduce((sum, { kind }) => sum + killsOf(kind), 0),
    100,
  );
  assert.ok(count('kill at start') > 0);
  assert.is(count('kill primary'), 30);
  assert.is(count('partition', 'long stop'), 30);
  assert.ok(count('partition') > 10 && count('long stop') > 5);
  assert.is(count('rolling restart'), 10);
  assert.is(count('reshard'), 5);
  for (const kind of ['stop', 'cut', 'takeover', 'fight', 'away', 'stop primary']) {
    assert.ok(count(kind) > 0, kind);
  }
  assert.is(new Set(pack.map(({ barrier }) => barrier)).size, 4);
});

test('the time counts from the first attempt elsewhere to the CONNACK there', () => {
  const meter = new ResumeMeter();
  meter.onKill(1, ['a', 'b', 'c'], false);
  meter.onAttempt('a', 1, 10);
  meter.onAttempt('a', 2, 20);
  meter.onAttempt('a', 3, 30);
  meter.onWelcome('a', 3, 50);
  // Back where it was, or where no one has been waiting for it.
  meter.onAttempt('b', 1, 10);
  meter.onWelcome('b', 1, 20);
  meter.onWelcome('x', 2, 20);
  meter.onDisturbance();
  meter.onAttempt('c', 2, 20);
  meter.onWelcome('c', 2, 120);
  meter.onWelcome('c', 2, 520);

  assert.equal(meter.undisturbedMs, [30]);
  assert.equal(meter.allMs, [30, 100]);
});

test('a percentile is the value that so many are not above', () => {
  const values = Array.from({ length: 200 }, (_, at) => 200 - at);
  assert.is(percentile(values, 50), 100);
  assert.is(percentile(values, 99), 198);
  assert.is(percentile(values, 100), 200);
  assert.is(percentile([], 99), 0);
});

test.run();
