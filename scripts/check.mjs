/** `npm run check`: types, lint and format, and the rules of test/tidy.test.ts. */
import { failedChecks } from './checks.mjs';
import { ensureBuilt } from './compile.mjs';
import { ensureInstalled } from './install.mjs';
import { root, runMain, StepError, succeeds } from './project.mjs';

await runMain(() => {
  ensureInstalled();
  const failed = failedChecks();
  ensureBuilt('build');
  if (!succeeds(process.execPath, [`${root}/build/test/run.js`, 'test/tidy.test.ts'])) {
    failed.push('tidy');
  }
  if (failed.length > 0) throw new StepError(`check failed: ${failed.join(', ')}`);
});
