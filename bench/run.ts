/**
 * `npm run bench`: measures, prints tables, and after a full run writes the results, the report
 * and the chart: `bench/results/latest.json`, `docs/benchmarks.md` and `docs/benchmarks.svg`.
 */
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { basename } from 'node:path';
import { BenchError } from './bench-error.js';
import { measureCluster } from './cluster/cluster.js';
import { measureDurable } from './durable/durable.js';
import { type Broker, findAedes, findMosquitto, findTidewire } from './e2e/brokers.js';
import { type EndToEndSettings, measureEndToEnd } from './e2e/end-to-end.js';
import { workloads } from './e2e/workloads.js';
import { writeBaseline } from './guard/guard.js';
import { hasProcFs } from './load/process-usage.js';
import { describeMachine } from './machine.js';
import { measureMicro } from './micro/run-micro.js';
import { type BenchOptions, parseBenchOptions, usage } from './options.js';
import { chartFile, reportFile, resultsFile } from './paths.js';
import { toChart } from './report/bar-chart.js';
import { clusterTables } from './report/cluster-tables.js';
import { durableTables } from './report/durable-tables.js';
import { toReport } from './report/markdown.js';
import {
  type ClusterSection,
  type DurableSection,
  type EndToEndSection,
  type MicroSection,
  type Results,
  readResults,
  type ScaleSection,
  type SectionHead,
  writeResults,
} from './report/results.js';
import { detailTable, microTable, scaleTable, summaryTable, toText } from './report/tables.js';
import { measureScale } from './scale/scale.js';

/** The engine compiles for a second or two. */
const fullSettings: EndToEndSettings = { rounds: 3, seconds: 3, warmupSeconds: 2 };
const quickSettings: EndToEndSettings = { rounds: 1, attempts: 1, seconds: 1, warmupSeconds: 0.5 };
const scaleSizes = [1_000_000, 10_000_000];
const quickScaleSizes = [1_000_000];
/** Other work than this makes figures noisy. */
const QUIET_LOAD = 0.5;
const needsProcFs =
  'End to end, durable, cluster: left out, since CPU time of others is read from /proc (Linux).';

try {
  await main(parseBenchOptions(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}

async function main(options: BenchOptions): Promise<void> {
  if (options.help) return print(usage);
  const [load] = loadavg();
  if (load > QUIET_LOAD) print(`Load average ${load.toFixed(1)}: other work makes figures noisy.`);
  const head = { date: new Date().toISOString().slice(0, 10), machine: describeMachine() };
  const micro = options.micro ? runMicro(options, head) : null;
  const endToEnd = options.endToEnd ? await runEndToEnd(options, head) : null;
  const durable = options.durable ? await runDurable(options, head) : null;
  const cluster = options.cluster ? await runCluster(options, head) : null;
  const scale = options.scale ? await runScale(options, head) : null;
  if (options.writeBaseline) await writeBaseline(print);
  if ([micro, endToEnd, durable, cluster, scale].every((part) => part === null)) return;
  if (options.isQuick || options.only !== null) {
    return print('A partial or quick run: nothing was written to files.');
  }
  const before = readResults();
  const { generator } = options;
  const isOther = generator !== null && endToEnd !== null;
  save({
    version: before.version,
    endToEnd: isOther ? before.endToEnd : (endToEnd ?? before.endToEnd),
    otherGenerator: isOther
      ? { ...endToEnd, generator: basename(generator) }
      : before.otherGenerator,
    micro: micro ?? before.micro,
    scale: scale ?? before.scale,
    durable: durable ?? before.durable,
    cluster: cluster ?? before.cluster,
  });
}

function save(results: Results): void {
  writeResults(results);
  writeFileSync(reportFile, toReport(results));
  if (results.endToEnd !== null) writeFileSync(chartFile, toChart(results.endToEnd));
  print(`Written: ${resultsFile}, ${reportFile}, ${chartFile}`);
}

async function runEndToEnd(
  options: BenchOptions,
  head: SectionHead,
): Promise<EndToEndSection | null> {
  if (!hasProcFs) {
    print(needsProcFs);
    return null;
  }
  const chosen = workloads.filter(({ id, name }) => {
    return options.only === null || options.only.test(name) || options.only.test(id);
  });
  if (chosen.length === 0) return null;
  const { generator } = options;
  const usual = options.isQuick ? quickSettings : fullSettings;
  const settings = { ...usual, rounds: options.rounds ?? usual.rounds, generator };
  const brokers = findBrokers();
  const rows = await measureEndToEnd(brokers, chosen, settings, print);
  const named = brokers.map(({ id, name, version }) => ({ id, name, version }));
  const { rounds, seconds, warmupSeconds } = settings;
  const times = { rounds, seconds, warmupSeconds };
  const section: EndToEndSection = { ...head, settings: times, brokers: named, rows };
  print(`\nDeliveries per second of broker CPU time\n${toText(summaryTable(section))}`);
  print(`\n${toText(detailTable(section))}\n`);
  return section;
}

function findBrokers(): Broker[] {
  const tidewire = findTidewire();
  const mosquitto = findMosquitto();
  if (mosquitto === null) print('Mosquitto is not installed: the table goes without it.');
  return [tidewire, mosquitto, findAedes()].filter((broker) => broker !== null);
}

function runMicro(options: BenchOptions, head: SectionHead): MicroSection | null {
  const isWanted = (name: string) => options.only === null || options.only.test(name);
  const rows = measureMicro(options.isQuick, isWanted, print);
  if (rows.length === 0) return null;
  const section = { ...head, rows };
  print(`\nParts\n${toText(microTable(section))}\n`);
  return section;
}

async function runDurable(
  options: BenchOptions,
  head: SectionHead,
): Promise<DurableSection | null> {
  if (!hasProcFs) {
    print(needsProcFs);
    return null;
  }
  const isWanted = (name: string) => options.only === null || options.only.test(name);
  const results = await measureDurable(options.isQuick, isWanted, print);
  const section = { ...head, ...results };
  for (const { title, table } of durableTables(section)) print(`\n${title}\n${toText(table)}`);
  return section;
}

async function runCluster(
  options: BenchOptions,
  head: SectionHead,
): Promise<ClusterSection | null> {
  if (!hasProcFs) {
    print(needsProcFs);
    return null;
  }
  const isWanted = (name: string) => options.only === null || options.only.test(name);
  const results = await measureCluster(options.isQuick, isWanted, print);
  if (results === null) return null;
  for (const { title, table } of clusterTables(results)) print(`\n${title}\n${toText(table)}`);
  return { ...head, ...results };
}

async function runScale(options: BenchOptions, head: SectionHead): Promise<ScaleSection | null> {
  const rows = await measureScale(options.isQuick ? quickScaleSizes : scaleSizes, print);
  if (rows.length === 0) return null;
  const section = { ...head, rows };
  print(`\nMany subscriptions\n${toText(scaleTable(section))}\n`);
  return section;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
