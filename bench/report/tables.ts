/** The rows of all tables as plain text cells; the terminal and the report lay them out. */
import type { WorkloadResult } from '../e2e/end-to-end.js';
import {
  type EndToEndSection,
  type Factor,
  factorOf,
  type MicroSection,
  measurementOf,
  referenceOf,
  type ScaleSection,
  verdictOf,
} from './results.js';

/** First row: headings. First column: left-aligned; others: right-aligned. */
export type Table = readonly (readonly string[])[];

/** Figures per broker, factors, and what Tidewire must reach. */
export function summaryTable(section: EndToEndSection): Table {
  const reference = referenceOf(section);
  const headings = [
    'Workload',
    ...section.brokers.map(({ name }) => name),
    reference === null ? '×' : `× ${reference.name}`,
    'Rounds',
    'Must',
    'Aim',
    'Reached',
  ];
  return [headings, ...section.rows.map((row) => summaryRow(section, row, reference?.id ?? null))];
}

function summaryRow(
  section: EndToEndSection,
  row: WorkloadResult,
  reference: 'mosquitto' | 'aedes' | 'tidewire' | null,
): string[] {
  const { workload } = row;
  const isMemory = workload.kind === 'memory';
  const figures = section.brokers.map(({ id }) => {
    const found = measurementOf(row, id);
    if (found === null) return '–';
    const mark = found.isGeneratorBound ? ' ᵍ' : '';
    return (isMemory ? `${found.figure.toFixed(1)} KB` : thousands(found.figure)) + mark;
  });
  const factor = reference === null ? null : factorOf(row, 'tidewire', reference);
  const limit = (value: number) => (isMemory ? `≤ ${value} KB` : `${value}×`);
  return [
    workload.name,
    ...figures,
    factor === null || isMemory ? '–' : `${times(factor.middle)}×`,
    factor === null || isMemory ? '–' : rangeOf(factor),
    limit(workload.must),
    limit(workload.aim),
    verdictOf(row),
  ];
}

/** Of a single round there is none. */
function rangeOf({ least, most }: Factor): string {
  return least === most ? '–' : `${times(least)}–${times(most)}`;
}

export function times(factor: number): string {
  return factor.toFixed(factor < 10 ? 2 : 1);
}

/** Wall-clock figures, so that nobody has to take the CPU figures on trust. */
export function detailTable(section: EndToEndSection): Table {
  const headings = ['Workload', 'Broker', 'Deliveries/s', 'Broker CPU', 'Generator CPU'];
  const rows: string[][] = [[...headings, 'p50 ms', 'p99 ms', 'Memory MiB', 'Lost', 'Spread']];
  for (const row of section.rows) {
    if (row.workload.kind === 'memory') continue;
    for (const { id, name } of section.brokers) {
      const found = measurementOf(row, id);
      if (found === null) continue;
      rows.push([
        row.workload.name,
        name,
        thousands(found.perSecond),
        found.brokerCpu.toFixed(2),
        found.generatorCpu === null ? '–' : found.generatorCpu.toFixed(2),
        (found.p50Us / 1000).toFixed(2),
        (found.p99Us / 1000).toFixed(2),
        found.rssMiB.toFixed(0),
        String(found.lost),
        `±${(found.spread * 100).toFixed(0)} %`,
      ]);
    }
  }
  return rows;
}

export function microTable(section: MicroSection): Table {
  const rows = section.rows.map((row) => [
    `${row.group}: ${row.name}`,
    nanoseconds(row.ns),
    thousands(1e9 / row.ns),
    `±${row.errorPercent.toFixed(1)} %`,
  ]);
  return [['Operation', 'Median', 'Per second', 'Error'], ...rows];
}

export function scaleTable(section: ScaleSection): Table {
  const names = section.rows[0]?.matches.map(({ name }) => name) ?? [];
  const rows = section.rows.map((row) => [
    thousands(row.subscriptions),
    nanoseconds(row.insertNs),
    `${thousands(row.heapMiB)} MiB`,
    `${row.bytesPerSubscription.toFixed(0)} B`,
    ...row.matches.map(({ ns, targets }) => `${nanoseconds(ns)} (${targets.toFixed(1)})`),
  ]);
  return [['Subscriptions', 'Insert', 'Memory', 'Each', ...names], ...rows];
}

/** For the terminal. */
export function toText(table: Table): string {
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => width(row[column]))));
  const lines = table.map((row) => {
    const cells = row.map((cell, column) => {
      const gap = ' '.repeat(widths[column] - width(cell));
      return column === 0 ? cell + gap : gap + cell;
    });
    return cells.join('  ').trimEnd();
  });
  return [lines[0], '-'.repeat(width(lines[0])), ...lines.slice(1)].join('\n');
}

/** For the report. */
export function toMarkdown(table: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = table[0].map((_, column) => (column === 0 ? '---' : '---:'));
  return [line(table[0]), line(rule), ...table.slice(1).map(line)].join('\n');
}

function width(text: string): number {
  return [...text].length;
}

export function thousands(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function nanoseconds(ns: number): string {
  if (ns < 1000) return `${ns.toFixed(ns < 100 ? 1 : 0)} ns`;
  if (ns < 1e6) return `${(ns / 1000).toFixed(2)} µs`;
  return `${(ns / 1e6).toFixed(2)} ms`;
}
