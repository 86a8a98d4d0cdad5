/**
 * `npm run bench`, `conformance` and `fuzz`: builds everything, then becomes the program that the
 * first argument names below build/. Arguments after `--` are the program's.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt } from './compile.mjs';
import { ensureInstalled } from './install.mjs';
import { become, root, runMain, StepError } from './project.mjs';
import { extendPath } from './tools.mjs';

await runMain(async () => {
  const [program = '', ...args] = process.argv.slice(2);
  extendPath();
  ensureInstalled();
  ensureBuilt('dist');
  ensureBuilt('build');
  const file = join(root, 'build', program);
  if (!existsSync(file)) {
    throw new StepError(`build/${program} does not exist: its source is not in this tree`);
  }
  await become(file, args);
});
