/** Samples are taken again while somebody else has the processors. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseProcessorTimes, undisturbed } from '../../bench/undisturbed.js';

const test = suite('undisturbed');

/** The n-th run returns n; of 100 ticks that it wants, so many are stolen. */
async function measured(stolen: readonly number[]): Promise<{ result: number; lines: string[] }> {
  const lines: string[] = [];
  let runs = 0;
  let now = { used: 1_000, stolen: 50 };
  const run = (): Promise<number> => {
    const taken = stolen[runs++]!;
    now = { used: now.used + 100 - taken, stolen: now.stolen + taken };
    return Promise.resolve(runs);
  };
  const result = await undisturbed(
    run,
    (line) => lines.push(line),
    6,
    () => now,
  );
  return { result, lines };
}

test('a quiet sample counts at once', async () => {
  assert.equal(await measured([5]), { result: 1, lines: [] });
  assert.equal(await measured([0]), { result: 1, lines: [] });
});

test('a disturbed one is taken again, and it is said why', async () => {
  const { result, lines } = await measured([40, 6, 0]);
  assert.is(result, 3);
  assert.is(lines.length, 2);
  assert.match(lines[0]!, '40 % of the processors went to other machines');
});

test('when it never gets quiet, the least disturbed one counts', async () => {
  const { result, lines } = await measured([40, 30, 20, 50, 60, 70]);
  assert.is(result, 3);
  assert.is(lines.length, 5);
});

test('what a run throws ends it', async () => {
  let runs = 0;
  const run = (): Promise<never> => {
    runs++;
    return Promise.reject(new Error('no broker there'));
  };
  const times = () => ({ used: 0, stolen: 0 });
  try {
    await undisturbed(run, () => undefined, 6, times);
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, 'no broker there');
  }
  assert.is(runs, 1);
});

test('the times are those of all processors; what is not there is 0', () => {
  const text = 'cpu  10 2 30 400 5 6 7 80 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n';
  assert.equal(parseProcessorTimes(text), { used: 10 + 2 + 30 + 6 + 7, stolen: 80 });
  assert.equal(parseProcessorTimes('cpu  10 2 30 400\n'), { used: 42, stolen: 0 });
  assert.equal(parseProcessorTimes(''), { used: 0, stolen: 0 });
});

test.run();
