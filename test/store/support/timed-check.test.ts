/** Random runs end when a run ends, and none of them is left to itself. */
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { pass } from '../../faults/pass.js';
import { timedCheck } from './timed-check.js';

const test = suite('timed check');

test('the run that is under way when the time is over ends first', async () => {
  let begun = 0;
  let ended = 0;
  await timedCheck(fc.nat(), { runs: 1_000, timeLimitMs: 20 }, async () => {
    begun++;
    await pass(15);
    ended++;
  });
  assert.ok(begun >= 1 && begun < 10, `${begun} runs`);
  assert.is(ended, begun);
});

test('what is found after the time is over is told, as small as it gets', async () => {
  const runs: number[] = [];
  const checking = timedCheck(fc.nat(1_000), { runs: 1, timeLimitMs: 1_000 }, async (value) => {
    runs.push(value);
    if (runs.length === 1) await pass(1_100);
    if (runs.length === 1 || value > 3) throw new Error('too much');
  });
  let message = '';
  await checking.catch((error: Error) => {
    message = error.message;
  });
  assert.match(message, 'too much');
  assert.ok(runs.length > 1 || runs[0] === 0, 'shrunk');
});

test.run();
