/**
 * Compares the publish path with the committed baseline. A check that misses its floor is measured
 * again, and fails only when no attempt reaches it.
 */
import { BenchError } from '../bench-error.js';
import { type Baseline, readBaseline, saveBaseline } from './baseline.js';
import { type Check, guardChecks } from './checks.js';

const ATTEMPTS = 3;

/** True when no check failed. The last line printed is the summary. */
export async function runGuard(print: (line: string) => void): Promise<boolean> {
  const baseline = readBaseline();
  let passed = 0;
  let failed = 0;
  for (const check of guardChecks()) {
    const isPassed = await runCheck(check, baseline, print);
    if (isPassed) passed++;
    else failed++;
  }
  print(`bench guard: ${passed} passed, ${failed} failed`);
  return failed === 0;
}

/** Replaces the baseline by what is measured now, in as many attempts as a check may have. */
export async function writeBaseline(print: (line: string) => void): Promise<void> {
  const ratios: Record<string, number> = {};
  for (const check of guardChecks()) {
    const attempts: number[] = [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) attempts.push(await check.measure());
    ratios[check.name] = Number(attempts.at(-1)!.toPrecision(3));
    print(`baseline: ${check.name}: ${attempts.map(asFactor).join(', ')}`);
  }
  saveBaseline(ratios);
}

async function runCheck(
  check: Check,
  baseline: Baseline,
  print: (line: string) => void,
): Promise<boolean> {
  const expected = baseline.ratios[check.name];
  if (expected === undefined) {
    throw new BenchError(`no baseline for "${check.name}": run it with --write-baseline`);
  }
  const floor = expected * (1 - check.tolerance);
  const attempts: number[] = [];
  while (attempts.length < ATTEMPTS) {
    attempts.push(await check.measure());
    if (attempts.at(-1)! >= floor) break;
  }
  const isPassed = attempts.at(-1)! >= floor;
  const found = attempts.map(asFactor).join(', ');
  const limits = `baseline ${asFactor(expected)}, at least ${asFactor(floor)}`;
  print(`${isPassed ? 'ok  ' : 'FAIL'} ${check.name}: ${found} (${limits})`);
  return isPassed;
}

function asFactor(ratio: number): string {
  return `${ratio.toPrecision(3)}×`;
}
