import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../src/base/clock.js';
import { SAMPLE_WINDOW_MS, SAMPLED_LINES_MAX, SampledLog } from '../../src/ops/sampled-log.js';
import { RecordingLog } from './support.js';

const test = suite('sampled log');

function rig() {
  const clock = new FakeClock();
  const target = new RecordingLog();
  return { clock, target, log: new SampledLog(target, clock) };
}

test('writes the first of identical warnings, then one line per window with the count', () => {
  const { clock, target, log } = rig();

  for (let count = 0; count < 100; count++) log.write('warning', 'disk slow', { path: 'x' });
  assert.equal(target.take(), [{ level: 'warning', event: 'disk slow', fields: { path: 'x' } }]);
  clock.advance(SAMPLE_WINDOW_MS - 1);
  log.tick();
  assert.equal(target.take(), []);
  clock.advance(1);
  log.tick();

  assert.equal(target.take(), [
    { level: 'warning', event: 'disk slow', fields: { path: 'x', repeated: 99 } },
  ]);
});

test('goes on counting after a count, and begins anew after a quiet window', () => {
  const { clock, target, log } = rig();

  log.write('error', 'e');
  log.write('error', 'e');
  clock.advance(SAMPLE_WINDOW_MS);
  log.tick();
  log.write('error', 'e');
  assert.is(target.take().length, 2);
  clock.advance(SAMPLE_WINDOW_MS);
  log.tick();
  assert.equal(target.take(), [{ level: 'error', event: 'e', fields: { repeated: 1 } }]);
  clock.advance(SAMPLE_WINDOW_MS);
  log.tick();
  log.write('error', 'e');

  assert.equal(target.take(), [{ level: 'error', event: 'e', fields: {} }]);
});

test('keeps warnings apart that differ in level, event or any field', () => {
  const { target, log } = rig();

  log.write('warning', 'a', { path: 'x' });
  log.write('error', 'a', { path: 'x' });
  log.write('warning', 'b', { path: 'x' });
  log.write('warning', 'a', { path: 'y' });
  log.write('warning', 'a', { path: 'x' });

  assert.is(target.events.length, 4);
});

test('leaves the levels below warning alone', () => {
  const { target, log } = rig();

  log.write('notice', 'client connected', { clientId: 'a' });
  log.write('notice', 'client connected', { clientId: 'a' });

  assert.is(target.events.length, 2);
});

test('watches a bounded number of lines and tells the count of one that it gives up', () => {
  const { target, log } = rig();

  log.write('warning', 'first');
  log.write('warning', 'first');
  for (let id = 0; id < SAMPLED_LINES_MAX; id++) log.write('warning', 'w', { id });

  assert.is(target.events.length, SAMPLED_LINES_MAX + 2);
  assert.equal(target.events.at(-1)?.fields, { repeated: 1 });
});

test('tells all counts at the end', () => {
  const { target, log } = rig();

  log.write('warning', 'w');
  log.write('warning', 'w');
  log.flush();

  assert.equal(target.events.at(-1)?.fields, { repeated: 1 });
});

test('drops what goes nowhere without watching it', () => {
  const { target, log } = rig();
  target.off.add('warning');

  log.write('warning', 'w');
  log.flush();

  assert.not(log.enabled('warning'));
  assert.equal(target.events, []);
});

test.run();
