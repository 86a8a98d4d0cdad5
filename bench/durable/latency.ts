/**
 * How long a publisher waits for its PUBACK at a steady rate. The loop is open: a
 * message is due at its time whatever became of those before it, and its time counts from there, so
 * a broker that halts for a moment pays for all that was due meanwhile.
 */
import { BenchError } from '../bench-error.js';
import { runLoad } from '../e2e/load-process.js';
import type { LoadResult } from '../load/closed-loop.js';
import { undisturbed } from '../undisturbed.js';
import { RunningTarget, type Target } from './targets.js';

const CLIENTS = 100;
/** Of what should have been sent; with less, the generator did not keep the pace. */
const SENT_SHARE_MIN = 0.98;

export interface LatencyCase {
  readonly target: Target['id'];
  readonly name: string;
  readonly lines: readonly string[];
  /** p99 in milliseconds; null: none is set. */
  readonly mustMs: number | null;
}

export const latencyCases: readonly LatencyCase[] = [
  {
    target: 'cluster',
    name: 'Tidewire, Redis Cluster, ack_level replica',
    lines: ['ack_level replica'],
    mustMs: 20,
  },
  { target: 'redis', name: 'Tidewire, Redis', lines: [], mustMs: null },
  { target: 'disk', name: 'Tidewire, disk', lines: [], mustMs: null },
];

export interface LatencyRow {
  readonly name: string;
  readonly mustMs: number | null;
  readonly sentPerS: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  /** From publish to delivery. */
  readonly deliveryP99Us: number;
  readonly brokerCpu: number;
  readonly storeCpu: number;
  readonly generatorCpu: number;
}

export interface LatencySettings {
  /** Messages per second of all publishers together. */
  readonly ratePerS: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** Of which the one with the median p99 counts: a pause of the machine spoils a whole one. */
  readonly rounds: number;
  /** Of each sample while the machine is not quiet; left out: see `undisturbed`. */
  readonly attempts?: number;
}

export async function measureLatency(
  targets: readonly Target[],
  cases: readonly LatencyCase[],
  settings: LatencySettings,
  progress: (line: string) => void,
): Promise<LatencyRow[]> {
  const rows: LatencyRow[] = [];
  for (const one of cases) {
    const target = targets.find(({ id }) => id === one.target);
    if (target === undefined) continue;
    const found: LatencyRow[] = [];
    while (found.length < settings.rounds) {
      const row = await undisturbed(
        () => runOnce(target, one, settings),
        progress,
        settings.attempts,
      );
      const times = [row.p50Us, row.p99Us, row.p999Us].map((us) => (us / 1000).toFixed(1));
      progress(`PUBACK at ${row.sentPerS}/s, ${one.name}: ${times.join(', ')} ms (p50, p99, p999)`);
      found.push(row);
    }
    found.sort((row, other) => row.p99Us - other.p99Us);
    rows.push(found[Math.floor(found.length / 2)]);
  }
  return rows;
}

async function runOnce(
  target: Target,
  { name, lines, mustMs }: LatencyCase,
  settings: LatencySettings,
): Promise<LatencyRow> {
  const running = await RunningTarget.start(target, lines);
  try {
    const clients = String(CLIENTS);
    const result = await runLoad<LoadResult>({
      port: running.broker.port,
      brokerPid: running.broker.pid,
      storePids: running.store.pids,
      options: [
        ...['-P', clients, '-S', clients, '-T', clients, '-q', '1', '-c', '-a'],
        ...['-w', '10000', '-r', String(settings.ratePerS / CLIENTS)],
      ],
      ...settings,
    });
    if (result.lost > 0) throw new BenchError(`${name}: ${result.lost} deliveries did not come`);
    if (result.sent_per_s < settings.ratePerS * SENT_SHARE_MIN) {
      throw new BenchError(`${name}: ${result.sent_per_s} messages/s, not ${settings.ratePerS}`);
    }
    return {
      ...{ name, mustMs },
      sentPerS: result.sent_per_s,
      p50Us: result.ack_p50_us,
      p99Us: result.ack_p99_us,
      p999Us: result.ack_p999_us,
      deliveryP99Us: result.p99_us,
      brokerCpu: result.broker_cpu,
      storeCpu: result.store_cpu,
      generatorCpu: result.generator_cpu,
    };
  } finally {
    await running.stop();
  }
}
