/**
 * `statements.json`: every numbered statement of both standards, with its tests or the reason why
 * it has none. Tests declare their statements in code; here the two are held against each other.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { invariants, testCases } from './registry.js';

/** Number of statements in each standard's Appendix B. */
const counts: Readonly<Record<string, number>> = { '3.1.1': 141, '5.0': 251 };

const LINE_LENGTH = 100;

export interface StatementEntry {
  readonly tests?: readonly string[];
  /** Why no test shows it. */
  readonly reason?: string;
}

/** Version label → statement id → entry. */
export type Statements = Readonly<Record<string, Readonly<Record<string, StatementEntry>>>>;

export function readStatements(path: string): Statements {
  return JSON.parse(readFileSync(path, 'utf8')) as Statements;
}

/** What is wrong with the file; empty when it is complete and agrees with the tests. */
export function checkStatements(statements: Statements): string[] {
  const faults: string[] = [];
  const declared = declarations();
  for (const [label, count] of Object.entries(counts)) {
    const entries = statements[label] ?? {};
    const found = Object.keys(entries).length;
    if (found !== count) faults.push(`${label}: ${found} statements, not ${count}`);
    for (const [id, entry] of Object.entries(entries)) {
      const tests = declared.get(`${label} ${id}`) ?? [];
      faults.push(...checkEntry(`${label} ${id}`, entry, tests));
    }
  }
  for (const key of declared.keys()) {
    const [label, id] = key.split(' ');
    if (statements[label]?.[id] === undefined) faults.push(`${key} is claimed but not listed`);
  }
  return faults;
}

/** Writes the tests that the code declares into the file; ids and reasons stay. */
export function syncStatements(path: string): void {
  const declared = declarations();
  const synced: Record<string, Record<string, StatementEntry>> = {};
  for (const [label, entries] of Object.entries(readStatements(path))) {
    synced[label] = {};
    for (const [id, entry] of Object.entries(entries)) {
      const tests = declared.get(`${label} ${id}`);
      synced[label][id] = tests === undefined ? { reason: entry.reason ?? '' } : { tests };
    }
  }
  writeFileSync(path, format(synced));
}

/** JSON as the project's formatter wants it: short lists stand on one line. */
function format(statements: Statements): string {
  const text = JSON.stringify(statements, null, 2);
  const joined = text.replace(/^( *"tests": )\[\n([^\]]*?)\n *\]/gm, (whole, start, list) => {
    const names = String(list)
      .split('\n')
      .map((line) => line.trim());
    const line = `${String(start)}[${names.join(' ')}]`;
    return line.length <= LINE_LENGTH ? line : whole;
  });
  return `${joined}\n`;
}

function checkEntry(key: string, entry: StatementEntry, declared: readonly string[]): string[] {
  const listed = entry.tests ?? [];
  const faults: string[] = [];
  for (const name of listed) {
    if (!declared.includes(name)) faults.push(`${key}: no test "${name}" claims it`);
  }
  for (const name of declared) {
    if (!listed.includes(name)) faults.push(`${key}: test "${name}" claims it but is not listed`);
  }
  const hasReason = (entry.reason ?? '') !== '';
  if (listed.length === 0 && !hasReason) faults.push(`${key}: neither a test nor a reason`);
  if (listed.length > 0 && hasReason) faults.push(`${key}: both tests and a reason`);
  return faults;
}

/** `5.0 MQTT-3.12.4-1` → names of the tests that claim it. */
function declarations(): Map<string, string[]> {
  const declared = new Map<string, string[]>();
  for (const { name, label, statements } of [...testCases, ...invariants]) {
    for (const id of statements) {
      const key = `${label} ${id}`;
      declared.set(key, [...(declared.get(key) ?? []), name]);
    }
  }
  return declared;
}
