/**
 * The end-to-end table: every broker under every workload, interleaved, so that whatever else the
 * machine does at the time meets all of them alike. Each run has a fresh broker process; medians
 * of the rounds count.
 */
import { BenchError } from '../bench-error.js';
import type { LoadResult } from '../load/closed-loop.js';
import type { IdleResult } from '../load/idle.js';
import { openFilesMax } from '../machine.js';
import { median, spread } from '../statistics.js';
import { undisturbed } from '../undisturbed.js';
import { BrokerProcess } from './broker-process.js';
import type { Broker } from './brokers.js';
import { runLoad } from './load-process.js';
import { IDLE_CONNECTIONS, type Workload } from './workloads.js';

/** Files that a broker or the generator has open besides the connections. */
const OTHER_FILES = 200;
/** The generator is the bottleneck when it is this busy while the broker is not. */
const GENERATOR_BUSY = 0.95;
const BROKER_BUSY = 0.9;

export interface EndToEndSettings {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** Of each sample while the machine is not quiet; left out: see `undisturbed`. */
  readonly attempts?: number;
  /** See `LoadRequest`. */
  readonly generator?: string | null;
}

/** Medians over the rounds of one broker under one workload. */
export interface Measurement {
  readonly broker: Broker['id'];
  /** Deliveries per second of broker CPU time; of an idle run: KB per connection. */
  readonly figure: number;
  /** Of each round. */
  readonly figures: readonly number[];
  /** Largest distance of a round's figure from the median, as a share of it. */
  readonly spread: number;
  readonly perSecond: number;
  readonly brokerCpu: number;
  /** Null: another load generator, which does not say. */
  readonly generatorCpu: number | null;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly rssMiB: number;
  /** Deliveries that never came, in all rounds. */
  readonly lost: number;
  /** The generator, not the broker, set the pace. */
  readonly isGeneratorBound: boolean;
}

export interface WorkloadResult {
  readonly workload: Workload;
  readonly measurements: readonly Measurement[];
  /** What a reader must know about this row; empty for nothing. */
  readonly note: string;
}

export async function measureEndToEnd(
  brokers: readonly Broker[],
  workloads: readonly Workload[],
  settings: EndToEndSettings,
  progress: (line: string) => void,
): Promise<WorkloadResult[]> {
  const notes = new Map<Workload, string[]>();
  const samples = new Map<string, Measurement[]>();
  for (const workload of workloads) notes.set(workload, []);
  for (let round = 1; round <= settings.rounds; round++) {
    for (const workload of workloads) {
      const { options, note } = fitToMachine(workload);
      if (round === 1 && note !== '') notes.get(workload)!.push(note);
      for (const broker of brokers) {
        const key = `${workload.id} ${broker.id}`;
        if (round > 1 && !samples.has(key)) continue;
        const run = () => runOnce(broker, workload, options, settings);
        // Memory does not depend on who has the processors.
        const sample = await (workload.kind === 'memory'
          ? run()
          : undisturbed(run, progress, settings.attempts)
        ).catch((error) => refusalOf(broker, error));
        const line = `round ${round}: ${workload.name}, ${broker.name}:`;
        if (typeof sample === 'string') {
          notes.get(workload)!.push(sample);
          progress(`${line} ${sample}`);
          continue;
        }
        samples.set(key, [...(samples.get(key) ?? []), sample]);
        progress(`${line} ${describe(workload, sample)}`);
      }
    }
  }
  return workloads.map((workload) => ({
    workload,
    measurements: brokers.flatMap((broker) => {
      const found = samples.get(`${workload.id} ${broker.id}`);
      return found === undefined ? [] : [combine(workload, found)];
    }),
    note: notes.get(workload)!.join('; '),
  }));
}

/** A peer that cannot do a workload (Aedes: MQTT 5.0) leaves a gap; Tidewire may not. */
function refusalOf(broker: Broker, error: unknown): string {
  if (!(error instanceof BenchError) || broker.id === 'tidewire') throw error;
  return `${broker.name}: ${error.message}`;
}

/** Fewer idle connections where the system does not allow as many open files. */
function fitToMachine(workload: Workload): { options: readonly string[]; note: string } {
  const connections = openFilesMax() - OTHER_FILES;
  if (workload.kind !== 'memory' || connections >= IDLE_CONNECTIONS) {
    return { options: workload.load, note: '' };
  }
  if (connections < 100) throw new BenchError('too few open files allowed: raise ulimit -n');
  const options = workload.load.map((word) => {
    return word === String(IDLE_CONNECTIONS) ? String(connections) : word;
  });
  return { options, note: `${connections} connections: the limit of open files allows no more` };
}

export async function runOnce(
  broker: Broker,
  workload: Workload,
  options: readonly string[],
  settings: EndToEndSettings,
): Promise<Measurement> {
  const target = await BrokerProcess.start(broker);
  try {
    const request = { port: target.port, brokerPid: target.pid, options, ...settings };
    return workload.kind === 'memory'
      ? fromIdle(broker, await runLoad<IdleResult>(request))
      : fromLoad(broker, await runLoad<LoadResult>(request));
  } finally {
    await target.stop();
  }
}

function fromLoad(broker: Broker, result: LoadResult): Measurement {
  return {
    broker: broker.id,
    figure: result.recv_per_cpu_s,
    figures: [result.recv_per_cpu_s],
    spread: 0,
    perSecond: result.recv_per_s,
    brokerCpu: result.broker_cpu,
    generatorCpu: result.generator_cpu ?? null,
    p50Us: result.p50_us,
    p99Us: result.p99_us,
    rssMiB: result.rss_mb,
    lost: result.lost,
    isGeneratorBound: isGeneratorBound(result.generator_cpu ?? null, result.broker_cpu),
  };
}

function fromIdle(broker: Broker, result: IdleResult): Measurement {
  return {
    broker: broker.id,
    figure: result.kb_per_conn,
    figures: [result.kb_per_conn],
    spread: 0,
    perSecond: result.connects_per_s,
    brokerCpu: result.connect_cpu_s / result.connect_s,
    generatorCpu: result.generator_cpu ?? null,
    p50Us: 0,
    p99Us: 0,
    rssMiB: result.rss_mb,
    lost: 0,
    isGeneratorBound: false, // its figure is memory, not speed
  };
}

function combine(workload: Workload, samples: readonly Measurement[]): Measurement {
  const middle = (pick: (sample: Measurement) => number) => median(samples.map(pick));
  const brokerCpu = middle((sample) => sample.brokerCpu);
  const isTold = samples.every((sample) => sample.generatorCpu !== null);
  const generatorCpu = isTold ? middle((sample) => sample.generatorCpu ?? 0) : null;
  return {
    broker: samples[0].broker,
    figure: middle((sample) => sample.figure),
    figures: samples.map((sample) => sample.figure),
    spread: spread(samples.map((sample) => sample.figure)),
    perSecond: middle((sample) => sample.perSecond),
    brokerCpu,
    generatorCpu,
    p50Us: middle((sample) => sample.p50Us),
    p99Us: middle((sample) => sample.p99Us),
    rssMiB: middle((sample) => sample.rssMiB),
    lost: samples.reduce((sum, sample) => sum + sample.lost, 0),
    isGeneratorBound: workload.kind === 'rate' && isGeneratorBound(generatorCpu, brokerCpu),
  };
}

export function isGeneratorBound(generatorCpu: number | null, brokerCpu: number): boolean {
  return generatorCpu !== null && generatorCpu >= GENERATOR_BUSY && brokerCpu < BROKER_BUSY;
}

function describe(workload: Workload, sample: Measurement): string {
  if (workload.kind === 'memory') return `${sample.figure} KB`;
  const figure = Math.round(sample.figure).toLocaleString('en');
  return `${figure}/CPU s at ${sample.brokerCpu.toFixed(2)} CPU`;
}
