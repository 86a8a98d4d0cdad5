/** `bench/baseline.json`: the ratios that the publish path had when somebody last looked. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { BenchError } from '../bench-error.js';
import { baselineFile } from '../paths.js';

const BASELINE_VERSION = 1;

export interface Baseline {
  readonly version: typeof BASELINE_VERSION;
  /** Check name → how many times faster than the yardstick we were. */
  readonly ratios: Readonly<Record<string, number>>;
}

export function readBaseline(): Baseline {
  const advice = 'run `npm run bench -- --write-baseline`';
  if (!existsSync(baselineFile)) throw new BenchError(`${baselineFile} is missing: ${advice}`);
  const baseline = JSON.parse(readFileSync(baselineFile, 'utf8')) as Baseline;
  if (baseline.version === BASELINE_VERSION) return baseline;
  throw new BenchError(`${baselineFile} has version ${baseline.version}: ${advice}`);
}

export function saveBaseline(ratios: Readonly<Record<string, number>>): void {
  const baseline: Baseline = { version: BASELINE_VERSION, ratios };
  writeFileSync(baselineFile, `${JSON.stringify(baseline, null, 2)}\n`);
}
