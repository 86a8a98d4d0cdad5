/**
 * docs/conformance.md: what holds, statement by statement, for Tidewire, for a cluster of it and
 * for Mosquitto.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Result } from './runner.js';
import type { StatementEntry, Statements } from './statements.js';

/** Title of the column of `LocalCluster`. */
export const clusterTitle = 'Cluster';

export interface Column {
  /** `Tidewire`, `Cluster`, `Mosquitto`. */
  readonly title: string;
  /** What ran: `tidewire 0.1.0`. */
  readonly version: string;
  readonly results: readonly Result[];
}

/** `one`: it holds in a cluster, in tests whose clients were all at one broker. */
type Verdict = 'yes' | 'one' | 'no' | 'n/a';

/** Test name → who is right where Mosquitto fails it. */
export type Differences = Readonly<Record<string, string>>;

export function readDifferences(path: string): Differences {
  return JSON.parse(readFileSync(path, 'utf8')) as Differences;
}

/** Failing tests of Mosquitto about which nobody has said who is right. */
export function unexplained(differences: Differences, results: readonly Result[]): string[] {
  return results
    .filter((one) => one.status === 'failed' && differences[one.name] === undefined)
    .map(({ name }) => `differences.json does not say who is right about "${name}"`);
}

/** Lines without a failing test: it passed this time (some depend on timing), or is gone. */
export function unneeded(differences: Differences, results: readonly Result[]): string[] {
  const failing = results.filter((one) => one.status === 'failed').map((one) => one.name);
  return Object.keys(differences)
    .filter((name) => !failing.includes(name))
    .map((name) => `note: differences.json explains "${name}", which did not fail this time`);
}

export function writeReport(
  path: string,
  statements: Statements,
  columns: readonly Column[],
  differences: Differences,
): void {
  const parts = [
    '# Conformance',
    '',
    'Written by `npm run conformance -- --report`; do not edit. Black-box tests send raw packets,',
    'and',
    'run the Mosquitto clients, against each broker, started with the same configurations.',
    '`npm run conformance` tests this repository, `-- --mosquitto` the installed Mosquitto, and',
    '`-- --broker host:port` whatever listens there. Every packet from the broker is parsed',
    'strictly',
    'in every test. A statement holds when all of its tests pass.',
    '',
    '`-- --cluster`, the column Cluster, is three brokers of this repository on one Redis Cluster',
    'of three primaries and three replicas: the clients of each test connect in turn. *yes* there',
    'means that clients at different brokers showed the statement, *one* that it is about a',
    'connection by itself, which is to a broker of the cluster.',
    '',
    ...summary(statements, columns),
    ...tests(columns),
    ...differenceList(differences, columns),
    ...Object.keys(statements).flatMap((label) => [
      `## MQTT ${label}: statement by statement`,
      '',
      ...statementTable(label, statements, columns),
    ]),
  ];
  writeFileSync(path, `${parts.join('\n').trimEnd()}\n`);
}

function summary(statements: Statements, columns: readonly Column[]): string[] {
  const lines = [
    `| MQTT | statements | with tests | with a reason instead | ${titles(columns, 'hold: ')} |`,
    `| --- | --- | --- | --- | ${columns.map(() => '---').join(' | ')} |`,
  ];
  for (const [label, entries] of Object.entries(statements)) {
    const all = Object.values(entries);
    const tested = all.filter((entry) => (entry.tests ?? []).length > 0);
    const holds = columns.map((column) => {
      const verdicts = tested.map((entry) => verdict(entry, column));
      const na = verdicts.filter((one) => one === 'n/a').length;
      const yes = verdicts.filter((one) => one === 'yes' || one === 'one').length;
      return na === 0 ? `${yes}` : `${yes} (${na} n/a)`;
    });
    const counts = [all.length, tested.length, all.length - tested.length];
    lines.push(`| ${label} | ${counts.join(' | ')} | ${holds.join(' | ')} |`);
  }
  return [...lines, ''];
}

function tests(columns: readonly Column[]): string[] {
  const lines = [
    '| broker | tests passed | failed | not applicable |',
    '| --- | --- | --- | --- |',
  ];
  for (const { version, results } of columns) {
    const count = (status: string) => results.filter((one) => one.status === status).length;
    lines.push(`| ${version} | ${count('passed')} | ${count('failed')} | ${count('skipped')} |`);
  }
  return [...lines, ''];
}

function differenceList(differences: Differences, columns: readonly Column[]): string[] {
  const mosquitto = columns.find((column) => column.title === 'Mosquitto');
  if (mosquitto === undefined) return [];
  const failed = mosquitto.results.filter((one) => one.status === 'failed');
  if (failed.length === 0) return [];
  return [
    '## Where Mosquitto differs',
    '',
    '| test | who is right |',
    '| --- | --- |',
    ...failed.map(({ name }) => `| ${cell(name)} | ${cell(differences[name] ?? '')} |`),
    '',
  ];
}

function statementTable(
  label: string,
  statements: Statements,
  columns: readonly Column[],
): string[] {
  const lines = [
    `| statement | tests, or why there is none | ${titles(columns, '')} |`,
    `| --- | --- | ${columns.map(() => '---').join(' | ')} |`,
  ];
  for (const [id, entry] of Object.entries(statements[label])) {
    const names = (entry.tests ?? []).map((name) => name.slice(label.length + 1));
    const text = names.length > 0 ? names.join('; ') : `*${entry.reason ?? ''}*`;
    const verdicts = columns.map((column) => (names.length > 0 ? verdict(entry, column) : '–'));
    lines.push(`| ${id} | ${cell(text)} | ${verdicts.join(' | ')} |`);
  }
  return [...lines, ''];
}

function verdict(entry: StatementEntry, column: Column): Verdict {
  const results = (entry.tests ?? []).map((name) =>
    column.results.find((one) => one.name === name),
  );
  if (results.some((one) => one?.status === 'failed')) return 'no';
  const passed = results.filter((one) => one?.status === 'passed');
  if (passed.length === 0) return 'n/a';
  if (column.title !== clusterTitle) return 'yes';
  return passed.some((one) => one?.isAcross) ? 'yes' : 'one';
}

/** `3.1.1: 80 of 132`: statements that tests with clients at different brokers showed. */
export function acrossBrokers(statements: Statements, results: readonly Result[]): string {
  const column: Column = { title: clusterTitle, version: '', results };
  const counts = Object.entries(statements).map(([label, entries]) => {
    const verdicts = Object.values(entries)
      .filter((entry) => (entry.tests ?? []).length > 0)
      .map((entry) => verdict(entry, column));
    return `${label}: ${verdicts.filter((one) => one === 'yes').length} of ${verdicts.length}`;
  });
  return counts.join(', ');
}

function titles(columns: readonly Column[], before: string): string {
  return columns.map((column) => `${before}${column.title}`).join(' | ');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
