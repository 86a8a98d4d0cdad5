/**
 * `npm run conformance`: black-box tests of a broker against the statements of MQTT 3.1.1 and
 * 5.0. Exit code 0 when every test passes and statements.json is complete.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Broker, LocalBroker, RemoteBroker } from './brokers/broker.js';
import { LocalCluster } from './brokers/cluster.js';
import { messageOf } from './expect.js';
import { type Options, parseOptions } from './options.js';
import {
  acrossBrokers,
  type Column,
  clusterTitle,
  readDifferences,
  unexplained,
  unneeded,
  writeReport,
} from './report.js';
import { type Result, run } from './runner.js';
import { selfCheck } from './self-check.js';
import { checkStatements, readStatements, syncStatements } from './statements.js';
import './tests.js';

const root = findRoot();
const statementsFile = join(root, 'conformance', 'statements.json');
const differencesFile = join(root, 'conformance', 'differences.json');
const reportFile = join(root, 'docs', 'conformance.md');

try {
  // Not by exitCode: waits that a test gave up need not be waited out.
  process.exit(await main(parseOptions(process.argv.slice(2))));
} catch (error) {
  process.stderr.write(`conformance: ${messageOf(error)}\n`);
  process.exit(2);
}

async function main(options: Options): Promise<number> {
  if (options.isSync) syncStatements(statementsFile);
  const statementFaults = checkStatements(readStatements(statementsFile));
  const faults = [...selfCheck(), ...statementFaults.map((one) => `statements.json: ${one}`)];
  for (const fault of faults) print(fault);
  if (options.isReport) return report(faults.length);
  const results = await runAgainst(chooseBroker(options), options.only);
  if (options.isCluster) summarizeAcross(results);
  return summarize(results, faults.length);
}

/** All of them, one after the other, and the report; fails when Tidewire or the report does. */
async function report(faults: number): Promise<number> {
  const results = await runAgainst(tidewire(), '');
  const status = summarize(results, faults);
  const clusterResults = await runAgainst(new LocalCluster(tidewireCommand()), '');
  summarizeAcross(clusterResults);
  const clusterStatus = summarize(clusterResults, 0);
  const mosquittoResults = await runAgainst(mosquitto(), '');
  const version = `Tidewire ${firstLine(tidewireCommand())}`;
  const columns: Column[] = [
    { title: 'Tidewire', version, results },
    { title: clusterTitle, version: `${version}, three brokers`, results: clusterResults },
    { title: 'Mosquitto', version: mosquittoVersion(), results: mosquittoResults },
  ];
  const differences = readDifferences(differencesFile);
  const wrong = unexplained(differences, mosquittoResults);
  for (const text of [...wrong, ...unneeded(differences, mosquittoResults)]) print(text);
  writeReport(reportFile, readStatements(statementsFile), columns, differences);
  print(`conformance: wrote ${reportFile}`);
  return status === 0 && clusterStatus === 0 && wrong.length === 0 ? 0 : 1;
}

async function runAgainst(broker: Broker, only: string): Promise<Result[]> {
  const stop = () => {
    broker.stop().then(
      () => process.exit(130),
      () => process.exit(130),
    );
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    return await run(broker, only);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    await broker.stop();
  }
}

function summarize(results: readonly Result[], faults: number): number {
  const failed = results.filter((one) => one.status === 'failed');
  const skipped = results.filter((one) => one.status === 'skipped');
  for (const { name, text } of failed) print(`FAIL ${name}: ${text}`);
  if (skipped.length > 0) print(`skipped ${skipped.length}: ${reasons(skipped)}`);
  const passed = results.length - failed.length - skipped.length;
  print(`conformance: ${passed} passed, ${failed.length} failed`);
  return failed.length === 0 && faults === 0 && passed > 0 ? 0 : 1;
}

/** Which statements were about clients at different brokers. */
function summarizeAcross(results: readonly Result[]): void {
  const tests = results.filter((one) => one.isAcross).length;
  const counts = acrossBrokers(readStatements(statementsFile), results);
  print(`across brokers: ${tests} tests; statements shown there ${counts}`);
}

function reasons(skipped: readonly Result[]): string {
  return [...new Set(skipped.map((one) => one.text))].join('; ');
}

function chooseBroker(options: Options): Broker {
  if (options.remote !== null) return new RemoteBroker(options.remote);
  if (options.isCluster) return new LocalCluster(tidewireCommand());
  return options.isMosquitto ? mosquitto() : tidewire();
}

/** TIDEWIRE_BROKER: another build of the executable. */
function tidewireCommand(): string[] {
  const file = process.env.TIDEWIRE_BROKER ?? join(root, 'dist', 'broker.js');
  if (!existsSync(file)) throw new Error(`${file} is not there: run npm run build`);
  return [process.execPath, file];
}

function tidewire(): Broker {
  return new LocalBroker('tidewire', tidewireCommand());
}

function mosquittoProgram(): string {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  const program = folders.map((one) => join(one, 'mosquitto')).find((one) => existsSync(one));
  if (program === undefined)
    throw new Error('mosquitto is not installed: it is in no folder of PATH');
  return program;
}

function mosquitto(): Broker {
  return new LocalBroker('mosquitto', [mosquittoProgram()]);
}

function firstLine(command: readonly string[]): string {
  const [program, ...first] = command;
  const output = execFileSync(program, [...first, '--version'], { encoding: 'utf8' });
  return (output.split('\n')[0] ?? '').replace(/^tidewire\s*/i, '');
}

/** `mosquitto -h` prints `mosquitto version 2.0.11` first, and fails. */
function mosquittoVersion(): string {
  let output = '';
  try {
    output = execFileSync(mosquittoProgram(), ['-h'], { encoding: 'utf8' });
  } catch (error) {
    output = String((error as { stdout?: unknown }).stdout ?? '');
  }
  return `Mosquitto ${/version (\S+)/.exec(output)?.[1] ?? '(unknown version)'}`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The repository: the nearest folder above, or the current one, that has the statements. */
function findRoot(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); at !== dirname(at); at = dirname(at)) {
    if (existsSync(join(at, 'conformance', 'statements.json'))) return at;
  }
  return process.cwd();
}
