/**
 * From publish to delivery at a modest steady rate, on one broker and from one to another, beside
 * the one Redis hop that is between them.
 */
import { BenchError } from '../bench-error.js';
import { runLoad } from '../e2e/load-process.js';
import type { LoadResult } from '../load/closed-loop.js';
import { undisturbed } from '../undisturbed.js';
import { type Hop, measureHop } from './redis-hop.js';
import { RunningCluster } from './running-cluster.js';

const CLIENTS = 10;

export interface ClusterLatencySettings {
  /** Messages per second of all publishers together. */
  readonly ratePerS: number;
  readonly hops: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** Of each sample while the machine is not quiet; left out: see `undisturbed`. */
  readonly attempts?: number;
}

export interface ClusterLatencyCase {
  readonly name: string;
  readonly options: string;
}

export const clusterLatencyCases: readonly ClusterLatencyCase[] = [
  { name: 'QoS 0', options: '-q 0' },
  { name: 'QoS 1', options: '-q 1' },
  { name: 'durable QoS 1', options: '-q 1 -c' },
];

export interface ClusterLatency {
  readonly ratePerS: number;
  /** Without any broker. */
  readonly hop: Hop;
  readonly rows: readonly ClusterLatencyRow[];
}

export interface ClusterLatencyRow {
  readonly name: string;
  /** Publisher and subscriber on one broker. */
  readonly local: Hop;
  /** On two. */
  readonly remote: Hop;
}

export async function measureClusterLatency(
  cases: readonly ClusterLatencyCase[],
  settings: ClusterLatencySettings,
  progress: (line: string) => void,
): Promise<ClusterLatency> {
  const cluster = await RunningCluster.start({ brokers: 2 });
  try {
    const hop = await measureHop(cluster.redis.ports[0], settings.hops);
    progress(`latency of one Redis hop: ${describe(hop)}`);
    const rows: ClusterLatencyRow[] = [];
    let runs = 0;
    for (const { name, options } of cases) {
      const [here, there] = cluster.ports;
      const measure = async (how: 'local' | 'remote'): Promise<Hop> => {
        const to = how === 'local' ? here : there;
        // Nothing of the runs before is left for this one: it has topics and sessions of its own.
        const run = () => {
          return runOnce(cluster, to, `${options} -x run-${runs++}`.split(' '), settings);
        };
        const found = await undisturbed(run, progress, settings.attempts);
        progress(`latency at ${settings.ratePerS}/s, ${how}, ${name}: ${describe(found)}`);
        return found;
      };
      rows.push({ name, local: await measure('local'), remote: await measure('remote') });
    }
    return { ratePerS: settings.ratePerS, hop, rows };
  } finally {
    await cluster.stop();
  }
}

async function runOnce(
  cluster: RunningCluster,
  subscriberPort: number,
  options: readonly string[],
  settings: ClusterLatencySettings,
): Promise<Hop> {
  const clients = String(CLIENTS);
  const { lost, p50_us, p99_us } = await runLoad<LoadResult>({
    port: cluster.ports[0],
    subscriberPorts: [subscriberPort],
    brokerPid: cluster.pids,
    storePids: cluster.redis.pids,
    options: [
      ...['-P', clients, '-S', clients, '-T', clients],
      ...['-r', String(settings.ratePerS / CLIENTS), ...options],
    ],
    ...settings,
  });
  if (lost > 0) throw new BenchError(`${lost} deliveries did not come at a modest rate`);
  return { p50Us: p50_us, p99Us: p99_us };
}

function describe({ p50Us, p99Us }: Hop): string {
  return `${(p50Us / 1000).toFixed(2)} ms p50, ${(p99Us / 1000).toFixed(2)} ms p99`;
}
