/** The tables of the durable part. */
import type { SpeedMeasurement, SpeedRow } from '../durable/speed.js';
import type { DurableResults } from './results.js';
import { type Table, thousands } from './tables.js';

const ms = (us: number): string => (us / 1000).toFixed(us < 10_000 ? 2 : 1);
const cpu = (seconds: number): string => seconds.toFixed(2);

/** Those that have rows, with a title for the terminal. */
export function durableTables(results: DurableResults): { title: string; table: Table }[] {
  return [
    {
      title: 'Durable: deliveries per second of CPU time of broker and store',
      table: durableTable(results),
    },
    { title: 'Durable: wall clock', table: durableDetailTable(results) },
    { title: 'PUBACK at a steady rate', table: latencyTable(results) },
    { title: 'A long queue', table: drainingTable(results) },
    { title: 'Start', table: startUpTable(results) },
  ].filter(({ table }) => table.length > 1);
}

/** Figures per target, and what Tidewire on Redis must reach. */
export function durableTable({ speed, targets }: DurableResults): Table {
  const own = targets.filter(({ id }) => id !== 'aedes');
  const headings = [
    'Workload',
    ...targets.map(({ name }) => name),
    ...own.map(({ name }) => `${name.replace('Tidewire, ', '')} × Aedes`),
    'Must (Redis)',
    'Reached',
  ];
  const rows = speed.map((row) => [
    row.workload.name,
    ...targets.map(({ id }) => thousands(measured(row, id)?.figure ?? 0)),
    ...own.map(({ id }) => factorText(durableFactor(row, id))),
    `${row.workload.must}×`,
    verdict(row),
  ]);
  return [headings, ...rows];
}

/** A target's figure as a multiple of Aedes'; null without both. */
export function durableFactor(row: SpeedRow, id: SpeedMeasurement['target']): number | null {
  const ours = measured(row, id);
  const theirs = measured(row, 'aedes');
  if (ours === null || theirs === null || theirs.figure === 0) return null;
  return ours.figure / theirs.figure;
}

export function durableDetailTable({ speed, targets }: DurableResults): Table {
  const headings = ['Workload', 'Broker', 'Deliveries/s', 'Broker CPU', 'Store CPU'];
  const more = ['Generator CPU', 'fsyncs/s', 'p50 ms', 'p99 ms', 'Memory MiB', 'Lost', 'Spread'];
  const rows = speed.flatMap((row) =>
    targets.flatMap(({ id, name }) => {
      const found = measured(row, id);
      return found === null ? [] : [detailRow(row.workload.name, name, found)];
    }),
  );
  return [[...headings, ...more], ...rows];
}

function detailRow(workload: string, name: string, found: SpeedMeasurement): string[] {
  return [
    workload,
    name,
    thousands(found.perSecond),
    cpu(found.brokerCpu),
    cpu(found.storeCpu),
    cpu(found.generatorCpu),
    found.syncsPerS === null ? '–' : thousands(found.syncsPerS),
    ms(found.p50Us),
    ms(found.p99Us),
    found.rssMiB.toFixed(0),
    String(found.lost),
    `±${(found.spread * 100).toFixed(0)} %`,
  ];
}

export function latencyTable({ latency }: DurableResults): Table {
  const headings = ['Broker', 'Messages/s', 'p50 ms', 'p99 ms', 'p999 ms', 'Must (p99)', 'Reached'];
  const more = ['Delivery p99 ms', 'Broker CPU', 'Store CPU', 'Generator CPU'];
  const rows = latency.map((row) => [
    row.name,
    thousands(row.sentPerS),
    ms(row.p50Us),
    ms(row.p99Us),
    ms(row.p999Us),
    row.mustMs === null ? '–' : `< ${row.mustMs} ms`,
    row.mustMs === null ? '–' : reached(row.p99Us < row.mustMs * 1000),
    ms(row.deliveryP99Us),
    cpu(row.brokerCpu),
    cpu(row.storeCpu),
    cpu(row.generatorCpu),
  ]);
  return [[...headings, ...more], ...rows];
}

export function drainingTable({ draining }: DurableResults): Table {
  const headings = ['Broker', 'Messages', 'Queued/s', 'Taken/s', 'Seconds', 'MiB before'];
  const more = ['queued', 'most, taking', 'with mapped', 'Store MiB', 'Broker CPU', 'Store CPU'];
  const rows = draining.map((row) => [
    row.name,
    thousands(row.messages),
    thousands(row.queuedPerS),
    thousands(row.perSecond),
    row.seconds.toFixed(1),
    row.beforeMiB.toFixed(0),
    row.queuedMiB.toFixed(0),
    row.drainMiB.toFixed(0),
    row.residentMiB.toFixed(0),
    row.storeMiB === 0 ? '–' : row.storeMiB.toFixed(0),
    cpu(row.brokerCpu),
    cpu(row.storeCpu),
    cpu(row.generatorCpu),
  ]);
  return [[...headings, ...more, 'Generator CPU'], ...rows];
}

export function startUpTable({ startUp }: DurableResults): Table {
  const headings = ['Broker', 'Retained', 'Sessions', 'Queued in each', 'End', 'Seconds', 'MiB'];
  const rows = startUp.flatMap(({ name, size, ordered, killed }) =>
    [['orderly', ordered] as const, ['SIGKILL', killed] as const].map(([end, start]) => [
      name,
      thousands(size.retained),
      thousands(size.sessions),
      String(size.queued),
      end,
      start.seconds.toFixed(1),
      thousands(start.ownMiB),
      thousands(start.residentMiB),
    ]),
  );
  return [[...headings, 'with mapped'], ...rows];
}

function measured(row: SpeedRow, id: SpeedMeasurement['target']): SpeedMeasurement | null {
  return row.measurements.find(({ target }) => target === id) ?? null;
}

function factorText(factor: number | null): string {
  return factor === null ? '–' : `${factor.toFixed(factor < 10 ? 2 : 1)}×`;
}

function verdict(row: SpeedRow): string {
  const factor = durableFactor(row, 'redis');
  return factor === null ? '–' : reached(factor >= row.workload.must);
}

function reached(isReached: boolean): string {
  return isReached ? 'must' : 'below must';
}
