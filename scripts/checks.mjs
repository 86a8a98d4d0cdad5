/** The checks that look at the sources without running them. */
import { join } from 'node:path';
import { ensureBuilt, typeCheck } from './compile.mjs';
import { root, StepError, say, succeeds } from './project.mjs';

/** @type {readonly (readonly [string, () => boolean])[]} */
const checks = [
  ['types of src', () => compiles('dist')],
  ['types of tests, conformance and bench', () => compiles('build')],
  ['types of scripts', () => typeCheck('tsconfig.scripts.json')],
  ['lint and format', lint],
];

/** How many there are. */
export const checkCount = checks.length;

/** Runs all of them and returns the names of those that failed. */
export function failedChecks() {
  return checks.filter(([, passes]) => !passes()).map(([name]) => name);
}

/** @param {'dist' | 'build'} target */
function compiles(target) {
  try {
    ensureBuilt(target);
    return true;
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    say(error.message);
    return false;
  }
}

function lint() {
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
  return succeeds(process.execPath, [biome, 'check', '--error-on-warnings', '.']);
}
