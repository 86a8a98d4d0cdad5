/**
 * Idle connections: how fast a broker takes them, and what each one costs it in memory while
 * nothing happens.
 */
import { elapsed, newRun, round, sourceAddress } from './closed-loop.js';
import { LoadClient, type Run } from './load-client.js';
import type { LoadOptions } from './options.js';
import { cpuSecondsOf, residentMiBOf } from './process-usage.js';

/** Connections under way at once. */
const CONNECT_BATCH = 200;

/** One line of JSON; the names are those of the C generator, and `generator_cpu`. */
export interface IdleResult {
  readonly connections: number;
  readonly connect_s: number;
  readonly connects_per_s: number;
  readonly connect_cpu_s: number;
  readonly idle_cpu_s: number;
  readonly rss_before_mb: number;
  readonly rss_mb: number;
  readonly kb_per_conn: number;
  /** CPU seconds of this process per second while connecting. */
  readonly generator_cpu: number;
}

export async function runIdle(options: LoadOptions): Promise<IdleResult> {
  const run = newRun(options);
  const failed = new Promise<never>((_, reject) => {
    run.onFailure = reject;
  });
  return await Promise.race([holdConnections(run), failed]);
}

async function holdConnections(run: Run): Promise<IdleResult> {
  const { options } = run;
  const rssBefore = residentMiBOf(options.brokerPids);
  const cpuBefore = cpuSecondsOf(options.brokerPids);
  const ownBefore = process.cpuUsage();
  const startedMs = performance.now();
  const clients = await connectInBatches(run);
  const connectS = (performance.now() - startedMs) / 1000;
  const cpuConnected = cpuSecondsOf(options.brokerPids);
  const own = process.cpuUsage(ownBefore);

  await elapsed(options.durationS * 1000);
  const idleCpu = cpuSecondsOf(options.brokerPids) - cpuConnected;
  const rssMiB = residentMiBOf(options.brokerPids);
  run.isOver = true;
  for (const client of clients) client.close();
  return {
    connections: clients.length,
    connect_s: round(connectS, 2),
    connects_per_s: Math.round(clients.length / connectS),
    connect_cpu_s: round(cpuConnected - cpuBefore, 2),
    idle_cpu_s: round(idleCpu, 2),
    rss_before_mb: round(rssBefore, 1),
    rss_mb: round(rssMiB, 1),
    kb_per_conn: round(((rssMiB - rssBefore) * 1024) / clients.length, 2),
    generator_cpu: round((own.user + own.system) / 1e6 / connectS, 2),
  };
}

async function connectInBatches(run: Run): Promise<LoadClient[]> {
  const { options } = run;
  const clients: LoadClient[] = [];
  while (clients.length < options.publishers) {
    const size = Math.min(CONNECT_BATCH, options.publishers - clients.length);
    const batch = Array.from({ length: size }, (_, i) => {
      return new LoadClient(run, clients.length + i, true);
    });
    const first = clients.length;
    await Promise.all(batch.map((client, i) => client.connect(sourceAddress(options, first + i))));
    clients.push(...batch);
  }
  return clients;
}
