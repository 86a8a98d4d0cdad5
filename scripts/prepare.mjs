/**
 * npm's `prepare`: builds after `npm ci` in a clone and when the package is installed from git.
 * Without the development dependencies (`npm ci --omit=dev`) there is no compiler, and nothing
 * to do.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt } from './compile.mjs';
import { root, runMain } from './project.mjs';

await runMain(() => {
  const hasCompiler = existsSync(join(root, 'node_modules/typescript'));
  if (hasCompiler && process.env.TIDEWIRE_SKIP_PREPARE !== '1') ensureBuilt('dist');
});
