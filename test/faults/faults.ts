/**
 * `npm run test:faults -- [--store disk|redis] [--brokers N] [--kills N] [--primaries N]
 * [--partitions N] [--rolling N] [--reshards N] [--minutes N] [--seed N] [--logs FILE] [--write]`
 *
 * Kills, stops and restarts a broker under load, cuts its connections, kills Redis primaries, and
 * holds what was acknowledged against what arrived. With `--brokers 2` or more, on Redis, several
 * of them as one: they are also kept from Redis, and slots of Redis move. Exit code 1 when anything
 * is wrong. TIDEWIRE_BROKER names another broker.js.
 *
 * The same seed draws the same faults with the same delays. `--write` puts the tables of the run
 * into docs/faults.md. `--logs` writes what several brokers said, and when what was done to them.
 */
import { randomInt } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from '../support/root.js';
import { clusterMarkdown } from './cluster/cluster-report.js';
import { runClusterFaults } from './cluster/cluster-run.js';
import { runFaults } from './fault-run.js';
import { replaceSection, toMarkdown } from './report.js';
import type { StoreKind } from './schedule.js';
import { hasRedis } from './stores.js';

interface Outcome {
  /** Of the section in the document. */
  readonly name: string;
  readonly tables: string;
  readonly findings: readonly string[];
}

const seedMax = 2 ** 31 - 1;
const msPerMinute = 60_000;
/** Each broker has an address of the loopback of its own. */
const brokersMax = 200;
const document = join(projectRoot, 'docs', 'faults.md');

const { values } = parseArgs({
  options: {
    store: { type: 'string' },
    brokers: { type: 'string', default: '1' },
    kills: { type: 'string' },
    primaries: { type: 'string' },
    partitions: { type: 'string' },
    rolling: { type: 'string' },
    reshards: { type: 'string' },
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: `${randomInt(seedMax)}` },
    logs: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});

// In such a way that what was started ends too.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

const seed = count('--seed', values.seed);
const durationMs = positive('--minutes', values.minutes) * msPerMinute;
const brokers = count('--brokers', values.brokers);
if (brokers < 1 || brokers > brokersMax) fail(`--brokers ${brokers}: give 1 to ${brokersMax}`);
const again: string[] = ['npm run test:faults --'];
const { findings, name, tables } = await (brokers > 1 ? severalBrokers() : oneBroker());
print(`\n${tables}`);
if (values.write) {
  writeFileSync(document, replaceSection(readFileSync(document, 'utf8'), name, tables));
}
if (findings.length > 0) {
  print(`\nFAIL ${findings.length} findings; the same faults again: ${again.join(' ')}`);
  for (const finding of findings) print(`FAIL ${finding}`);
  process.exitCode = 1;
}

async function oneBroker(): Promise<Outcome> {
  for (const option of ['partitions', 'rolling', 'reshards', 'logs'] as const) {
    if (values[option] !== undefined) fail(`--${option}: only with --brokers 2 or more`);
  }
  const store = storeOf(values.store ?? 'disk');
  const kills = count('--kills', values.kills ?? '200');
  const primaries = count('--primaries', values.primaries ?? (store === 'redis' ? '30' : '0'));
  if (store === 'disk' && primaries > 0) fail('--primaries: only --store redis has any');
  again.push(`--store ${store} --kills ${kills}`);
  if (store === 'redis') again.push(`--primaries ${primaries}`);
  begin();
  const report = await runFaults({
    ...{ seed, store, kills, primaryKills: primaries, durationMs },
    stopMsMax: 4_000,
    calmMsMax: 1_800,
    publishers: 4,
    subscribers: 4,
    onProgress: print,
  });
  return { name: store, tables: toMarkdown(report), findings: report.findings };
}

async function severalBrokers(): Promise<Outcome> {
  if (storeOf(values.store ?? 'redis') === 'disk') fail('--brokers: only --store redis is shared');
  const kills = count('--kills', values.kills ?? '100');
  const primaries = count('--primaries', values.primaries ?? '30');
  const partitions = count('--partitions', values.partitions ?? '30');
  const rolling = count('--rolling', values.rolling ?? '10');
  const reshards = count('--reshards', values.reshards ?? '5');
  again.push(`--brokers ${brokers} --kills ${kills} --primaries ${primaries}`);
  again.push(`--partitions ${partitions} --rolling ${rolling} --reshards ${reshards}`);
  begin();
  const report = await runClusterFaults({
    ...{ seed, brokers, durationMs, kills, partitions, reshards },
    primaryKills: primaries,
    rollingRestarts: rolling,
    stopMsMax: 5_000,
    calmMsMax: 2_500,
    publishers: 3,
    subscribers: 3,
    members: 3,
    transients: 4,
    onProgress: print,
  });
  if (values.logs !== undefined) writeFileSync(values.logs, `${report.log.join('\n')}\n`);
  return { name: 'cluster', tables: clusterMarkdown(report), findings: report.findings };
}

/** Says how to do the same again. */
function begin(): void {
  again.push(`--seed ${seed}`);
  print(again.join(' '));
}

function storeOf(text: string): StoreKind {
  if (text !== 'disk' && text !== 'redis') return fail(`--store ${text}: give disk or redis`);
  if (text === 'redis' && !hasRedis) fail('--store redis: redis-server is not installed');
  return text;
}

function count(option: string, text: string): number {
  const value = positive(option, text);
  if (Number.isInteger(value)) return value;
  return fail(`${option} ${text}: give a whole number`);
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  return fail(`${option} ${text}: give a number, 0 or more`);
}

function fail(message: string): never {
  process.stderr.write(`faults: ${message}\n`);
  process.exit(2);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
