/**
 * `npm test`: everything that a change must pass, on a fresh machine too. Checks, every test file,
 * the conformance suite and the benchmark guard; the last line is `N passed, N failed`.
 *
 * `npm run test:unit` (`--unit`) runs the quick test files only. Further arguments are parts of
 * file names: then only matching test files run, and nothing else.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkCount, failedChecks } from './checks.mjs';
import { ensureBuilt } from './compile.mjs';
import { ensureInstalled } from './install.mjs';
import { root, runMain, StepError } from './project.mjs';
import { ensureTools, extendPath } from './tools.mjs';

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const tally = { passed: 0, failed: 0 };

await runMain(async () => {
  const isUnit = process.argv.includes('--unit');
  const patterns = process.argv.slice(2).filter((argument) => argument !== '--unit');
  try {
    ensureInstalled();
    if (isUnit) extendPath();
    else ensureTools();
    await runAll(isUnit, patterns);
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    fail(error.message);
  }
  process.stdout.write(`${tally.passed} passed, ${tally.failed} failed\n`);
  if (tally.failed > 0) process.exitCode = 1;
});

/**
 * @param {boolean} isUnit
 * @param {readonly string[]} patterns
 */
async function runAll(isUnit, patterns) {
  const isWhole = !isUnit && patterns.length === 0;
  if (isWhole) runChecks();
  ensureBuilt('dist');
  ensureBuilt('build');
  await runCounted('tests', 'test/run.js', [...(isUnit ? ['--unit'] : []), ...patterns]);
  if (!isWhole) return;
  await runCounted('conformance', 'conformance/run.js', []);
  await runGuard();
}

function runChecks() {
  const failed = failedChecks();
  for (const name of failed) process.stdout.write(`FAIL ${name}\n`);
  if (failed.length === 0) process.stdout.write(`ok   ${checkCount} checks: types, lint, format\n`);
  tally.passed += checkCount - failed.length;
  tally.failed += failed.length;
}

/**
 * Runs a program that ends with a line `N passed, N failed` and adds its numbers. Success without
 * such a line, or with no test passed, is a failure.
 * @param {string} name
 * @param {string} program below build/
 * @param {readonly string[]} args
 */
async function runCounted(name, program, args) {
  const { code, lastLines } = await runProgram(program, args);
  const counts = [...lastLines.matchAll(/(\d+) passed, (\d+) failed/g)].at(-1);
  const passed = Number(counts?.[1] ?? 0);
  const failed = Number(counts?.[2] ?? 0);
  tally.passed += passed;
  tally.failed += failed;
  if (failed > 0 || (code === 0 && passed > 0)) return;
  fail(`${name}: exit code ${code}, ${counts?.[0] ?? 'no result'}`);
}

async function runGuard() {
  const { code } = await runProgram('bench/guard.js', []);
  if (code === 0) tally.passed++;
  else fail(`benchmark guard: exit code ${code}`);
}

/** @param {string} what */
function fail(what) {
  process.stdout.write(`FAIL ${what}\n`);
  tally.failed++;
}

/**
 * Runs a compiled program with its output passed through, and keeps the end of its stdout.
 * @param {string} program below build/
 * @param {readonly string[]} args
 * @returns {Promise<{ code: number | string | null, lastLines: string }>}
 */
function runProgram(program, args) {
  const file = join(root, 'build', program);
  if (!existsSync(file)) {
    const source = program.replace(/\.js$/, '.ts');
    return Promise.resolve({ code: `none, ${source} is missing`, lastLines: '' });
  }
  const child = spawn(process.execPath, [file, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let isInterrupted = false;
  const stop = () => {
    isInterrupted = true;
    child.kill('SIGTERM');
  };
  for (const signal of stopSignals) process.on(signal, stop);
  let lastLines = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text) => {
    process.stdout.write(text);
    lastLines = (lastLines + text).slice(-4096);
  });
  return new Promise((resolve, reject) => {
    child.once('close', (code, signal) => {
      for (const name of stopSignals) process.off(name, stop);
      if (isInterrupted) reject(new StepError('interrupted'));
      else resolve({ code: code ?? signal, lastLines });
    });
  });
}
