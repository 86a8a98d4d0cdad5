/**
 * Durable QoS 1 subscribers: deliveries per second of CPU time, that of the broker and of all
 * processes that it keeps the messages in. Each run has a fresh broker on a fresh store; the
 * targets take turns, and medians of the rounds count.
 */
import { BenchError } from '../bench-error.js';
import { runLoad } from '../e2e/load-process.js';
import type { LoadResult } from '../load/closed-loop.js';
import { median, spread } from '../statistics.js';
import { undisturbed } from '../undisturbed.js';
import { RunningTarget, type Target } from './targets.js';

export interface DurableWorkload {
  readonly id: string;
  readonly name: string;
  readonly load: readonly string[];
  /** What Tidewire on Redis must reach, as a multiple of Aedes' figure. */
  readonly must: number;
}

export const durableWorkloads: readonly DurableWorkload[] = [
  {
    id: 'durable-4-4',
    name: 'QoS 1, 4 → 4, window 50',
    load: '-P 4 -S 4 -T 4 -q 1 -w 50 -c'.split(' '),
    must: 20,
  },
  {
    id: 'durable-500-500',
    name: 'QoS 1, 500 → 500, 1 in flight',
    load: '-P 500 -S 500 -T 500 -q 1 -w 1 -c'.split(' '),
    must: 4,
  },
];

export interface SpeedSettings {
  readonly rounds: number;
  /** Of each sample while the machine is not quiet; left out: see `undisturbed`. */
  readonly attempts?: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
}

/** Medians over the rounds. CPU is in seconds per second. */
export interface SpeedMeasurement {
  readonly target: Target['id'];
  /** Deliveries per second of CPU time of broker and store. */
  readonly figure: number;
  /** Largest distance of a round's figure from the median, as a share of it. */
  readonly spread: number;
  readonly perSecond: number;
  readonly brokerCpu: number;
  readonly storeCpu: number;
  readonly generatorCpu: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly rssMiB: number;
  /** fsyncs per second as the store counts them; null: not on disk. */
  readonly syncsPerS: number | null;
  /** Deliveries that never came, in all rounds. */
  readonly lost: number;
}

export interface SpeedRow {
  readonly workload: DurableWorkload;
  readonly measurements: readonly SpeedMeasurement[];
}

export async function measureSpeed(
  targets: readonly Target[],
  workloads: readonly DurableWorkload[],
  settings: SpeedSettings,
  progress: (line: string) => void,
): Promise<SpeedRow[]> {
  const samples = new Map<string, SpeedMeasurement[]>();
  for (let round = 1; round <= settings.rounds; round++) {
    for (const workload of workloads) {
      for (const target of targets) {
        const sample = await undisturbed(
          () => runOnce(target, workload, settings),
          progress,
          settings.attempts,
        );
        const key = `${workload.id} ${target.id}`;
        samples.set(key, [...(samples.get(key) ?? []), sample]);
        progress(`round ${round}: ${workload.name}, ${target.name}: ${describe(sample)}`);
      }
    }
  }
  return workloads.map((workload) => ({
    workload,
    measurements: targets.map(({ id }) => combine(samples.get(`${workload.id} ${id}`)!)),
  }));
}

async function runOnce(
  target: Target,
  { load }: DurableWorkload,
  settings: SpeedSettings,
): Promise<SpeedMeasurement> {
  const running = await RunningTarget.start(target);
  try {
    const syncs = target.store === 'disk' ? new SyncRate(running) : null;
    const result = await runLoad<LoadResult>({
      port: running.broker.port,
      brokerPid: running.broker.pid,
      storePids: running.store.pids,
      options: load,
      onPhase: () => syncs?.look(),
      ...settings,
    });
    if (target.id !== 'aedes' && result.lost > 0) {
      throw new BenchError(`${target.name}: ${result.lost} deliveries did not come`);
    }
    return fromLoad(target, result, (await syncs?.perSecond()) ?? null);
  } finally {
    await running.stop();
  }
}

/** Looks at the store's counter when the measured time begins and when it is over. */
class SyncRate {
  private readonly running: RunningTarget;
  private readonly looks: Promise<{ readonly atMs: number; readonly syncs: number }>[] = [];

  constructor(running: RunningTarget) {
    this.running = running;
  }

  look(): void {
    const answer = this.running.figures().then(({ syncs }) => {
      return { atMs: performance.now(), syncs };
    });
    // Whoever wants the rate hears of a failure.
    answer.catch(() => undefined);
    this.looks.push(answer);
  }

  async perSecond(): Promise<number> {
    const [from, to] = await Promise.all(this.looks);
    return ((to.syncs - from.syncs) * 1000) / (to.atMs - from.atMs);
  }
}

function fromLoad(target: Target, result: LoadResult, syncsPerS: number | null): SpeedMeasurement {
  return {
    target: target.id,
    figure: result.recv_per_cpu_s,
    spread: 0,
    perSecond: result.recv_per_s,
    brokerCpu: result.broker_cpu,
    storeCpu: result.store_cpu,
    generatorCpu: result.generator_cpu,
    p50Us: result.p50_us,
    p99Us: result.p99_us,
    rssMiB: result.rss_mb,
    syncsPerS,
    lost: result.lost,
  };
}

function combine(samples: readonly SpeedMeasurement[]): SpeedMeasurement {
  const middle = (pick: (sample: SpeedMeasurement) => number) => median(samples.map(pick));
  const [{ target, syncsPerS }] = samples;
  return {
    target,
    figure: middle((sample) => sample.figure),
    spread: spread(samples.map((sample) => sample.figure)),
    perSecond: middle((sample) => sample.perSecond),
    brokerCpu: middle((sample) => sample.brokerCpu),
    storeCpu: middle((sample) => sample.storeCpu),
    generatorCpu: middle((sample) => sample.generatorCpu),
    p50Us: middle((sample) => sample.p50Us),
    p99Us: middle((sample) => sample.p99Us),
    rssMiB: middle((sample) => sample.rssMiB),
    syncsPerS: syncsPerS === null ? null : middle((sample) => sample.syncsPerS ?? 0),
    lost: samples.reduce((sum, sample) => sum + sample.lost, 0),
  };
}

function describe(sample: SpeedMeasurement): string {
  const figure = Math.round(sample.figure).toLocaleString('en');
  const cpu = `${sample.brokerCpu.toFixed(2)} + ${sample.storeCpu.toFixed(2)} CPU`;
  const syncs = sample.syncsPerS === null ? '' : `, ${Math.round(sample.syncsPerS)} fsyncs/s`;
  return `${figure}/CPU s at ${cpu}${syncs}`;
}
