/**
 * Deliveries per second of CPU time of all brokers and all Redis processes, with one, two and
 * three brokers. The brokers of all sizes are there all the time, on one Redis, and take turns;
 * those whose turn it is not do nothing. Each load runs once before it counts, since
 * Node.js takes seconds of CPU time until it has compiled the paths of a load, and several brokers
 * on few cores take long for that. Medians of the rounds count.
 */
import { BenchError } from '../bench-error.js';
import { isGeneratorBound } from '../e2e/end-to-end.js';
import { runLoad } from '../e2e/load-process.js';
import type { LoadResult } from '../load/closed-loop.js';
import { median, spread } from '../statistics.js';
import { undisturbed } from '../undisturbed.js';
import { BenchRedis } from './bench-redis.js';
import { type ClusterCpu, cpuBetween, RunningCluster } from './running-cluster.js';
import { type ClusterWorkload, subscriberPorts } from './workloads.js';

export interface ClusterSpeedSettings {
  readonly rounds: number;
  /** Of each sample while the machine is not quiet; left out: see `undisturbed`. */
  readonly attempts?: number;
  readonly seconds: number;
  /** Of each load, on each number of brokers, before the first round. */
  readonly warmupSeconds: number;
}

/** Between the first message of a sample and the time that counts. */
const SETTLE_S = 0.5;

/** Medians over the rounds. CPU is in seconds per second. */
export interface ClusterMeasurement {
  readonly brokers: number;
  /** Deliveries per second of CPU time of brokers and Redis. */
  readonly figure: number;
  /** Largest distance of a round's figure from the median, as a share of it. */
  readonly spread: number;
  readonly perSecond: number;
  /** Of all brokers together. */
  readonly brokerCpu: number;
  readonly primaryCpu: number;
  readonly replicaCpu: number;
  readonly generatorCpu: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Deliveries that never came, in all rounds. */
  readonly lost: number;
  /** The generator, not the brokers, set the pace. */
  readonly isGeneratorBound: boolean;
}

export interface ClusterSpeedRow {
  readonly workload: Pick<ClusterWorkload, 'id' | 'name' | 'kind'>;
  /** By number of brokers. */
  readonly measurements: readonly ClusterMeasurement[];
}

/** A load on brokers that are there for it. */
interface Case {
  readonly workload: ClusterWorkload;
  readonly cluster: RunningCluster;
  readonly samples: ClusterMeasurement[];
}

export async function measureClusterSpeed(
  sizes: readonly number[],
  workloads: readonly ClusterWorkload[],
  settings: ClusterSpeedSettings,
  progress: (line: string) => void,
): Promise<ClusterSpeedRow[]> {
  if (workloads.length === 0) return [];
  const redis = await BenchRedis.start();
  const clusters: RunningCluster[] = [];
  try {
    const cases = await casesOf(sizes, workloads, redis, clusters);
    let runs = 0;
    const run = ({ cluster, workload }: Case, seconds: number) => {
      return runOnce(cluster, workload, `run-${runs++}`, seconds);
    };
    for (const one of cases) await run(one, settings.warmupSeconds);
    for (let round = 1; round <= settings.rounds; round++) {
      for (const one of cases) {
        const measure = () => run(one, settings.seconds);
        const sample = await undisturbed(measure, progress, settings.attempts);
        one.samples.push(sample);
        const { workload } = one;
        progress(`round ${round}: ${workload.name}, ${describe(sample)}`);
      }
    }
    return workloads.map((workload) => {
      const own = cases.filter((one) => one.workload === workload);
      const { id, name, kind } = workload;
      const measurements = own.map(({ samples }) => combine(samples));
      return { workload: { id, name, kind }, measurements };
    });
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
    await redis.stop();
  }
}

/** In the order of the workloads and sizes. @param clusters gets all that are started */
async function casesOf(
  sizes: readonly number[],
  workloads: readonly ClusterWorkload[],
  redis: BenchRedis,
  clusters: RunningCluster[],
): Promise<Case[]> {
  const byKey = new Map<string, RunningCluster>();
  const cases: Case[] = [];
  for (const workload of workloads) {
    for (const brokers of sizes.filter((size) => size >= workload.brokersMin)) {
      const { lines } = workload;
      const key = `${brokers} ${lines.join()}`;
      let cluster = byKey.get(key);
      if (cluster === undefined) {
        const prefix = `bench-${byKey.size}:`;
        cluster = await RunningCluster.start({ brokers, lines, redis, prefix });
        byKey.set(key, cluster);
        clusters.push(cluster);
      }
      cases.push({ workload, cluster, samples: [] });
    }
  }
  return cases;
}

/** @param topics prefix that no run before had: nothing of them is left for this one */
async function runOnce(
  cluster: RunningCluster,
  workload: ClusterWorkload,
  topics: string,
  seconds: number,
): Promise<ClusterMeasurement> {
  const brokers = cluster.brokers.length;
  const looks: ClusterCpu[] = [];
  const result = await runLoad<LoadResult>({
    port: cluster.ports,
    subscriberPorts: subscriberPorts(workload, cluster.ports),
    brokerPid: cluster.pids,
    storePids: cluster.redis.pids,
    options: ['-x', topics, ...workload.load(brokers, topics)],
    onPhase: () => looks.push(cluster.cpu()),
    seconds,
    warmupSeconds: SETTLE_S,
  });
  // Of QoS 0 some may be lost where a broker has too much to do; what was acknowledged may not.
  if (result.qos > 0 && result.lost > 0) {
    throw new BenchError(`${workload.name}: ${result.lost} deliveries did not come`);
  }
  return fromLoad(brokers, result, cpuBetween(looks[0], looks[1]));
}

/** How the CPU time of Redis divides is our own look; how much it was is the generator's. */
function fromLoad(brokers: number, result: LoadResult, cpu: ClusterCpu): ClusterMeasurement {
  const redis = cpu.primaries + cpu.replicas;
  const primaryCpu = redis === 0 ? 0 : (result.store_cpu * cpu.primaries) / redis;
  return {
    brokers,
    figure: result.recv_per_cpu_s,
    spread: 0,
    perSecond: result.recv_per_s,
    brokerCpu: result.broker_cpu,
    primaryCpu,
    replicaCpu: result.store_cpu - primaryCpu,
    generatorCpu: result.generator_cpu,
    p50Us: result.p50_us,
    p99Us: result.p99_us,
    lost: result.lost,
    isGeneratorBound: isGeneratorBound(result.generator_cpu, result.broker_cpu),
  };
}

function combine(samples: readonly ClusterMeasurement[]): ClusterMeasurement {
  const middle = (pick: (sample: ClusterMeasurement) => number) => median(samples.map(pick));
  const brokerCpu = middle((sample) => sample.brokerCpu);
  const generatorCpu = middle((sample) => sample.generatorCpu);
  return {
    brokers: samples[0].brokers,
    figure: middle((sample) => sample.figure),
    spread: spread(samples.map((sample) => sample.figure)),
    perSecond: middle((sample) => sample.perSecond),
    brokerCpu,
    primaryCpu: middle((sample) => sample.primaryCpu),
    replicaCpu: middle((sample) => sample.replicaCpu),
    generatorCpu,
    p50Us: middle((sample) => sample.p50Us),
    p99Us: middle((sample) => sample.p99Us),
    lost: samples.reduce((sum, sample) => sum + sample.lost, 0),
    isGeneratorBound: isGeneratorBound(generatorCpu, brokerCpu),
  };
}

function describe(sample: ClusterMeasurement): string {
  const figure = Math.round(sample.figure).toLocaleString('en');
  const { brokerCpu, primaryCpu, replicaCpu, generatorCpu } = sample;
  const cpu = [brokerCpu, primaryCpu, replicaCpu].map((seconds) => seconds.toFixed(2)).join(' + ');
  const all = `brokers ${sample.brokers}: ${figure}/CPU s at ${cpu} CPU`;
  return `${all}, generator ${generatorCpu.toFixed(2)}`;
}
