/**
 * `npm run test:faults -- [--store disk|redis] [--kills N] [--minutes N] [--seed N] [--write]`
 *
 * Kills, stops and restarts a broker under load, cuts its connections, kills Redis primaries, and
 * holds what was acknowledged against what arrived. Exit code 1 when anything is wrong.
 * TIDEWIRE_BROKER names another broker.js.
 *
 * The same seed draws the same faults with the same delays. `--write` puts the tables of the run
 * into docs/faults.md.
 */
import { randomInt } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from '../support/root.js';
import { runFaults } from './fault-run.js';
import { replaceSection, toMarkdown } from './report.js';
import type { StoreKind } from './schedule.js';
import { hasRedis } from './stores.js';

const seedMax = 2 ** 31 - 1;
const msPerMinute = 60_000;
const document = join(projectRoot, 'docs', 'faults.md');

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'disk' },
    kills: { type: 'string', default: '200' },
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: `${randomInt(seedMax)}` },
    write: { type: 'boolean', default: false },
  },
});

const store = storeOf(values.store);
const seed = positive('--seed', values.seed);
const kills = positive('--kills', values.kills);
const durationMs = positive('--minutes', values.minutes) * msPerMinute;
if (store === 'redis' && !hasRedis) fail('--store redis: redis-server is not installed');

// In such a way that what was started ends too.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

const again = `npm run test:faults -- --store ${store} --kills ${kills} --seed ${seed}`;
print(again);
const report = await runFaults({
  seed,
  store,
  kills,
  durationMs,
  stopMsMax: 4_000,
  calmMsMax: 1_800,
  publishers: 4,
  subscribers: 4,
  onProgress: print,
});
print(`\n${toMarkdown(report)}`);
if (values.write) writeFileSync(document, replaceSection(readFileSync(document, 'utf8'), report));
if (report.findings.length > 0) {
  print(`\nFAIL ${report.findings.length} findings; the same faults again: ${again}`);
  for (const finding of report.findings) print(`FAIL ${finding}`);
  process.exitCode = 1;
}

function storeOf(text: string): StoreKind {
  if (text === 'disk' || text === 'redis') return text;
  return fail(`--store ${text}: give disk or redis`);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  return fail(`${name} ${text}: give a number, 0 or more`);
}

function fail(message: string): never {
  process.stderr.write(`faults: ${message}\n`);
  process.exit(2);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
