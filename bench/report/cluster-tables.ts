/** The tables of the cluster part. */
import type { ClusterMeasurement, ClusterSpeedRow } from '../cluster/speed.js';
import type { ClusterResults } from './results.js';
import { type Table, thousands } from './tables.js';

const cpu = (seconds: number): string => seconds.toFixed(2);
const ms = (us: number): string => (us / 1000).toFixed(us < 10_000 ? 2 : 1);
const perThing = (us: number): string => us.toFixed(us < 10 ? 2 : 1);
/** More broker cores than this for one core of a primary are as good as any number. */
const MANY = 100;

/** Those that have rows, with a title for the terminal. */
export function clusterTables(results: ClusterResults): { title: string; table: Table }[] {
  return [
    {
      title: 'Cluster: deliveries per second of CPU time of brokers and Redis',
      table: clusterTable(results),
    },
    { title: 'Cluster: what a delivery costs, µs of CPU time', table: costTable(results) },
    { title: 'Cluster: wall clock', table: clusterDetailTable(results) },
    { title: 'Cluster: latency, ms', table: clusterLatencyTable(results) },
    { title: 'A transient subscription to a new filter', table: subscribingTable(results) },
    { title: 'Making many', table: makingTable(results) },
    { title: 'Joining', table: joiningTable(results) },
    { title: 'Going on after kill -9', table: resumingTable(results) },
  ].filter(({ table }) => table.length > 1);
}

/** Numbers of brokers that were measured. */
function sizesOf({ speed }: ClusterResults): number[] {
  const all = speed.flatMap((row) => row.measurements.map(({ brokers }) => brokers));
  return [...new Set(all)].sort((a, b) => a - b);
}

export function clusterTable(results: ClusterResults): Table {
  const sizes = sizesOf(results);
  const rows = results.speed.map((row) => [
    row.workload.name,
    ...sizes.map((size) => {
      const found = measuredAt(row, size);
      if (found === null) return '–';
      return thousands(found.figure) + (found.isGeneratorBound ? ' ᵍ' : '');
    }),
    keptText(row),
  ]);
  const headings = sizes.map((size) => `${size} broker${size === 1 ? '' : 's'}`);
  return [['Traffic', ...headings, 'Kept'], ...rows];
}

/**
 * The figure with the most brokers as a share of that with the fewest: 1 means that the last broker
 * adds as much as the first. Null: there is only one.
 */
export function keptOf({ measurements }: ClusterSpeedRow): number | null {
  const [fewest] = measurements;
  const most = measurements.at(-1);
  if (fewest === undefined || most === undefined || fewest === most) return null;
  return fewest.figure === 0 ? null : most.figure / fewest.figure;
}

function keptText(row: ClusterSpeedRow): string {
  const kept = keptOf(row);
  return kept === null ? '–' : `${(kept * 100).toFixed(0)} %`;
}

/** CPU time of one delivery in microseconds, with the most brokers. */
export interface DeliveryCost {
  readonly brokersUs: number;
  readonly primariesUs: number;
  readonly replicasUs: number;
  /** Deliveries per second that one core carries, of a broker and of a primary. */
  readonly perBrokerCore: number;
  readonly perPrimaryCore: number;
}

/** Null: it was not measured, or nothing came. */
export function costOf({ measurements }: ClusterSpeedRow): DeliveryCost | null {
  const most = measurements.at(-1);
  if (most === undefined || most.perSecond === 0 || most.brokerCpu === 0) return null;
  const { brokerCpu, perSecond, primaryCpu, replicaCpu } = most;
  return {
    brokersUs: (brokerCpu * 1e6) / perSecond,
    primariesUs: (primaryCpu * 1e6) / perSecond,
    replicasUs: (replicaCpu * 1e6) / perSecond,
    perBrokerCore: perSecond / brokerCpu,
    perPrimaryCore: primaryCpu === 0 ? Number.POSITIVE_INFINITY : perSecond / primaryCpu,
  };
}

export function costTable({ speed }: ClusterResults): Table {
  const headings = ['Traffic', 'Brokers µs', 'Primaries µs', 'Replicas µs', 'A broker’s core'];
  const rows = speed.flatMap((row) => {
    const cost = costOf(row);
    if (cost === null) return [];
    const cores = cost.perPrimaryCore / cost.perBrokerCore;
    return [
      [
        row.workload.name,
        perThing(cost.brokersUs),
        perThing(cost.primariesUs),
        perThing(cost.replicasUs),
        `${thousands(cost.perBrokerCore)}/s`,
        cores > MANY ? `> ${MANY}` : cores.toFixed(1),
      ],
    ];
  });
  return [[...headings, 'Broker cores per primary’s core'], ...rows];
}

export function clusterDetailTable({ speed }: ClusterResults): Table {
  const headings = ['Traffic', 'Brokers', 'Deliveries/s', 'Broker CPU', 'Primary CPU'];
  const more = ['Replica CPU', 'Generator CPU', 'p50 ms', 'p99 ms', 'Lost', 'Spread'];
  const rows = speed.flatMap(({ measurements, workload }) =>
    measurements.map((found) => detailRow(workload.name, found)),
  );
  return [[...headings, ...more], ...rows];
}

function detailRow(name: string, found: ClusterMeasurement): string[] {
  return [
    name,
    String(found.brokers),
    thousands(found.perSecond),
    cpu(found.brokerCpu),
    cpu(found.primaryCpu),
    cpu(found.replicaCpu),
    cpu(found.generatorCpu),
    ms(found.p50Us),
    ms(found.p99Us),
    String(found.lost),
    `±${(found.spread * 100).toFixed(0)} %`,
  ];
}

export function clusterLatencyTable({ latency }: ClusterResults): Table {
  const headings = ['Delivery', 'local p50', 'local p99', 'remote p50', 'remote p99'];
  const rows = (latency?.rows ?? []).map(({ local, name, remote }) => [
    name,
    ms(local.p50Us),
    ms(local.p99Us),
    ms(remote.p50Us),
    ms(remote.p99Us),
    ms(remote.p50Us - local.p50Us),
  ]);
  return [[...headings, 'more at p50'], ...rows];
}

export function subscribingTable({ subscribing }: ClusterResults): Table {
  const headings = ['Brokers', 'Per second', 'its broker µs', 'each other µs', 'primaries µs'];
  const more = ['replicas µs', 'its broker B', 'each other B', 'Redis B', 'SUBACK p50 ms'];
  const orNone = (value: number | null, text: (value: number) => string) => {
    return value === null ? '–' : text(value);
  };
  const rows = subscribing.map((row) => [
    String(row.brokers),
    thousands(row.perSecond),
    perThing(row.ownUs),
    orNone(row.otherUs, perThing),
    perThing(row.primariesUs),
    perThing(row.replicasUs),
    thousands(row.ownBytes),
    orNone(row.otherBytes, thousands),
    thousands(row.redisBytes),
    row.p50Ms.toFixed(2),
  ]);
  return [[...headings, ...more], ...rows];
}

export function makingTable({ joining }: ClusterResults): Table {
  const headings = ['What', 'How many', 'Seconds', 'Brokers µs', 'Redis µs', 'each broker B'];
  const rows = joining.flatMap(({ count, made, what }) => {
    if (made === null) return [];
    const { brokerBytes, brokersUs, redisBytes, redisUs, seconds } = made;
    const each = [perThing(brokersUs), perThing(redisUs)];
    const bytes = [thousands(brokerBytes), thousands(redisBytes)];
    return [[what, thousands(count), seconds.toFixed(1), ...each, ...bytes]];
  });
  return [[...headings, 'Redis B'], ...rows];
}

export function joiningTable({ joining }: ClusterResults): Table {
  const headings = ['In the cluster', 'How many', 'Seconds', 'CPU seconds', 'MiB'];
  const rows = joining.map(({ count, joinCpuS, joinS, joinedMiB, what }) => [
    what,
    count === 0 ? '–' : thousands(count),
    joinS.toFixed(2),
    joinCpuS.toFixed(2),
    thousands(joinedMiB),
  ]);
  return [headings, ...rows];
}

export function resumingTable({ resuming }: ClusterResults): Table {
  const rows = (resuming?.rows ?? []).map(({ clients, kills, longestUs, p50Us, p99Us }) => [
    thousands(clients),
    String(kills),
    ms(p50Us),
    ms(p99Us),
    ms(longestUs),
  ]);
  return [['Clients at once', 'Kills', 'p50 ms', 'p99 ms', 'longest ms'], ...rows];
}

function measuredAt(row: ClusterSpeedRow, brokers: number): ClusterMeasurement | null {
  return row.measurements.find((one) => one.brokers === brokers) ?? null;
}
