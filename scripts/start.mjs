/**
 * `npm start`: installs and builds what is missing or stale, then becomes the broker.
 * Arguments after `--` are the broker's: `npm start -- -p 1884 -v`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt } from './compile.mjs';
import { ensureInstalled } from './install.mjs';
import { become, root, runMain, StepError } from './project.mjs';

await runMain(async () => {
  ensureInstalled();
  ensureBuilt('dist');
  const broker = join(root, 'dist/broker.js');
  if (!existsSync(broker)) throw new StepError('src/broker.ts is missing: nothing to start');
  await become(broker, process.argv.slice(2));
});
