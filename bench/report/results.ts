/**
 * Everything that the benchmarks found, as `bench/results/latest.json` holds it. The report and
 * the chart are made from this alone. A run replaces the parts that it measured in full.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { BenchError } from '../bench-error.js';
import type { JoiningRow } from '../cluster/joining.js';
import type { ClusterLatency } from '../cluster/latency.js';
import type { Resuming } from '../cluster/resuming.js';
import type { ClusterSpeedRow, ClusterSpeedSettings } from '../cluster/speed.js';
import type { SubscribingRow } from '../cluster/subscribing.js';
import type { DrainingRow } from '../durable/draining.js';
import type { LatencyRow } from '../durable/latency.js';
import type { SpeedRow, SpeedSettings } from '../durable/speed.js';
import type { StartUpRow } from '../durable/start-up.js';
import type { Target } from '../durable/targets.js';
import type { Broker } from '../e2e/brokers.js';
import type { EndToEndSettings, Measurement, WorkloadResult } from '../e2e/end-to-end.js';
import type { Machine } from '../machine.js';
import { resultsFile } from '../paths.js';
import { median } from '../statistics.js';

const RESULTS_VERSION = 2;

export interface Results {
  readonly version: typeof RESULTS_VERSION;
  readonly endToEnd: EndToEndSection | null;
  /** The same with another load generator. */
  readonly otherGenerator: OtherGeneratorSection | null;
  readonly micro: MicroSection | null;
  readonly scale: ScaleSection | null;
  readonly durable: DurableSection | null;
  readonly cluster: ClusterSection | null;
}

export interface SectionHead {
  /** Day of the run, `2025-01-31`. */
  readonly date: string;
  readonly machine: Machine;
}

export interface EndToEndSection extends SectionHead {
  readonly settings: EndToEndSettings;
  readonly brokers: readonly Pick<Broker, 'id' | 'name' | 'version'>[];
  readonly rows: readonly WorkloadResult[];
}

export interface OtherGeneratorSection extends EndToEndSection {
  /** Name of its program. */
  readonly generator: string;
}

export interface MicroSection extends SectionHead {
  readonly rows: readonly MicroRow[];
}
export interface MicroRow {
  readonly group: string;
  readonly name: string;
  /** Median nanoseconds of one operation. */
  readonly ns: number;
  /** Half of the 99 % confidence interval of the mean, in percent of it. */
  readonly errorPercent: number;
}

export interface DurableSection extends SectionHead, DurableResults {}
export interface DurableResults {
  /** Version of the Redis servers; null: none is installed. */
  readonly redis: string | null;
  readonly settings: SpeedSettings;
  readonly targets: readonly Pick<Target, 'id' | 'name'>[];
  readonly speed: readonly SpeedRow[];
  readonly latency: readonly LatencyRow[];
  readonly draining: readonly DrainingRow[];
  readonly startUp: readonly StartUpRow[];
}

export interface ClusterSection extends SectionHead, ClusterResults {}
export interface ClusterResults {
  /** Version of the Redis servers. */
  readonly redis: string;
  readonly settings: ClusterSpeedSettings;
  readonly speed: readonly ClusterSpeedRow[];
  /** Null: not measured. */
  readonly latency: ClusterLatency | null;
  readonly subscribing: readonly SubscribingRow[];
  readonly joining: readonly JoiningRow[];
  /** Null, or not there in older files: not measured. */
  readonly resuming?: Resuming | null;
}

export interface ScaleSection extends SectionHead {
  readonly rows: readonly ScaleRow[];
}
export interface ScaleRow {
  readonly subscriptions: number;
  /** Mean time to add one subscription. */
  readonly insertNs: number;
  readonly heapMiB: number;
  /** Heap and typed arrays, client ids and filters included. */
  readonly bytesPerSubscription: number;
  readonly matches: readonly ScaleMatch[];
}
export interface ScaleMatch {
  readonly name: string;
  /** Median time to match one topic that is not in any cache. */
  readonly ns: number;
  /** Mean number of subscriptions that matched. */
  readonly targets: number;
}

export function readResults(): Results {
  const empty: Results = {
    ...{ version: RESULTS_VERSION, endToEnd: null, otherGenerator: null, micro: null },
    ...{ scale: null, durable: null, cluster: null },
  };
  if (!existsSync(resultsFile)) return empty;
  const results = JSON.parse(readFileSync(resultsFile, 'utf8')) as Results;
  // A part that was added later is not in a file of before.
  if (results.version === RESULTS_VERSION) return { ...empty, ...results };
  throw new BenchError(`${resultsFile} has version ${results.version}: delete it and run again`);
}

export function writeResults(results: Results): void {
  mkdirSync(dirname(resultsFile), { recursive: true });
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 2)}\n`);
}

/** The broker that factors refer to: Mosquitto, or Aedes where it is not installed. */
export function referenceOf(section: EndToEndSection): EndToEndSection['brokers'][number] | null {
  const { brokers } = section;
  return (
    brokers.find(({ id }) => id === 'mosquitto') ?? brokers.find(({ id }) => id === 'aedes') ?? null
  );
}

export function measurementOf(row: WorkloadResult, id: Broker['id']): Measurement | null {
  return row.measurements.find((measurement) => measurement.broker === id) ?? null;
}

/** A broker's figure as a multiple of the reference's. */
export interface Factor {
  /** The median of the rounds, in each of which the two were measured one after the other. */
  readonly middle: number;
  readonly least: number;
  readonly most: number;
}

/** Null without both. */
export function factorOf(
  row: WorkloadResult,
  id: Broker['id'],
  reference: Broker['id'],
): Factor | null {
  const ours = measurementOf(row, id);
  const theirs = measurementOf(row, reference);
  if (ours === null || theirs === null || theirs.figure === 0) return null;
  const factors = theirs.figures.map((figure, round) => ours.figures[round] / figure);
  return { middle: median(factors), least: Math.min(...factors), most: Math.max(...factors) };
}

/** How Tidewire stands to its `must` and `aim`; `–` where there is nothing to compare with. */
export function verdictOf(row: WorkloadResult): string {
  const { workload } = row;
  const ours = measurementOf(row, 'tidewire');
  if (ours === null) return '–';
  if (workload.kind === 'memory') {
    return ours.figure <= workload.aim
      ? 'aim'
      : ours.figure <= workload.must
        ? 'must'
        : 'below must';
  }
  const factor = factorOf(row, 'tidewire', 'mosquitto');
  if (factor === null) return '–';
  const { middle } = factor;
  return middle >= workload.aim ? 'aim' : middle >= workload.must ? 'must' : 'below must';
}
