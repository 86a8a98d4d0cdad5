// slow
/**
 * A process that writes is killed at random instants. What it said was safe is there afterwards,
 * batches happened as a whole or not at all, and no queue has a gap.
 */
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { XorShift32 } from '../../../src/base/prng.js';
import { Child } from '../../support/process.js';
import { withTempFolder } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { checkBatches, type Said } from './crash-check.js';

const kills = 12;
const program = fileURLToPath(new URL('./crash-child.js', import.meta.url));
const seed = Number(process.env.TIDEWIRE_SEED ?? Date.now() % 1_000_000);

const test = suite('disk store that is killed');

test('what was said to be safe outlives SIGKILL, as a whole and without gaps', () =>
  withTempFolder(async (temp) => {
    const random = new XorShift32(seed);
    const folder = temp.file('store');
    for (let count = 0; count < kills; count++) {
      const sync = count % 2 === 0 ? 'always' : 'no';
      const said = await writeUntilKilled(folder, sync, random);
      await checkBatches(folder, said, `seed ${seed}, kill ${count + 1}`);
    }
  }));

async function writeUntilKilled(folder: string, sync: string, random: XorShift32): Promise<Said> {
  const childSeed = String(random.below(1_000_000));
  const child = await Child.start(process.execPath, [program, folder, sync, childSeed]);
  await child.untilLine(/^open$/, { deadlineMs: 20_000 });
  const enough = 1 + random.below(400);
  const hasSaidEnough = () => child.stdoutLines.length > enough || !child.isRunning;
  await until('some batches', hasSaidEnough, { deadlineMs: 20_000 });
  assert.ok(child.isRunning, child.output);
  await child.stop('SIGKILL');
  const last = (word: string) =>
    Math.max(0, ...child.stdoutLines.filter((line) => line.startsWith(word)).map(numberIn));
  return { safe: last('safe'), settled: last('settled') };
}

function numberIn(line: string): number {
  return Number(line.split(' ')[1]);
}

test.run();
