/** A file system without room, in a process of its own: the journal, and the database. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Child } from '../../support/process.js';
import { withTempFolder } from '../../support/temp.js';
import { checkBatches } from './crash-check.js';

const program = fileURLToPath(new URL('./crash-child.js', import.meta.url));
const hasShell = existsSync('/bin/sh');

const test = suite('disk store without room');

/** The journal's files have a megabyte, so the smaller limit is theirs. */
for (const [name, kilobytes] of [
  ['the journal', 512],
  ['the database', 2_560],
] as const) {
  test(`${name} cannot grow: the store says so and stops, and what was safe is there`, () =>
    withTempFolder(async (temp) => {
      // Windows has neither the limit nor the shell.
      if (!hasShell) return;
      const folder = temp.file('store');
      const blocks = kilobytes * 2;
      const command = `ulimit -f ${blocks}; [ "$(ulimit -f)" = ${blocks} ] && exec "$@"`;
      const limited = ['-c', command, 'sh', process.execPath, program, folder, 'no', '7'];
      const child = await Child.start('/bin/sh', limited);
      await child.untilLine(/^fatal /, { deadlineMs: 30_000 });
      await child.untilExit();

      const lines = child.stdoutLines;
      // LMDB takes a write that was cut short for an error of the disk.
      assert.match(
        lines.at(-1)!,
        /^fatal STORE_(FULL|FAILED) (there is no room for|cannot write) /,
      );
      assert.match(lines.at(-1)!, /start the broker again/);
      assert.is(lines.filter((line) => line.startsWith('fatal')).length, 1);
      const last = (word: string) =>
        Math.max(0, ...lines.filter((one) => one.startsWith(word)).map(numberIn));
      await checkBatches(folder, { safe: last('safe'), settled: last('settled') }, name);
    }));
}

function numberIn(line: string): number {
  return Number(line.split(' ')[1]);
}

test.run();
