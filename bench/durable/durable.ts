/** The durable part of the benchmarks: speed, the wait for PUBACK, long queues, starts. */
import type { DurableResults } from '../report/results.js';
import { measureDraining } from './draining.js';
import { type LatencySettings, latencyCases, measureLatency } from './latency.js';
import { durableWorkloads, measureSpeed, type SpeedSettings } from './speed.js';
import { measureStartUp, type StartUpSize } from './start-up.js';
import { redisVersion } from './stores.js';
import { findTargets } from './targets.js';

export interface DurableSettings {
  readonly speed: SpeedSettings;
  readonly latency: LatencySettings;
  /** Messages in the long queue. */
  readonly backlog: number;
  readonly startUp: StartUpSize;
}

const full: DurableSettings = {
  speed: { rounds: 3, seconds: 3, warmupSeconds: 2 },
  // At this rate Node.js takes many seconds until it has compiled all paths: what a broker does
  // in its first ones says nothing about the days that follow.
  latency: { ratePerS: 10_000, seconds: 10, warmupSeconds: 15, rounds: 3 },
  backlog: 1_000_000,
  startUp: { retained: 1_000_000, sessions: 100_000, queued: 10 },
};
const quick: DurableSettings = {
  speed: { rounds: 1, attempts: 1, seconds: 1, warmupSeconds: 0.5 },
  latency: { ratePerS: 10_000, attempts: 1, seconds: 2, warmupSeconds: 2, rounds: 1 },
  backlog: 50_000,
  startUp: { retained: 10_000, sessions: 1_000, queued: 10 },
};

/** @param isWanted by name of a workload, or `latency`, `drain`, `start` */
export async function measureDurable(
  isQuick: boolean,
  isWanted: (name: string) => boolean,
  progress: (line: string) => void,
): Promise<DurableResults> {
  const settings = isQuick ? quick : full;
  const targets = findTargets();
  if (redisVersion() === null) {
    progress('durable: redis-server is not installed: only the disk is measured.');
  }
  const workloads = durableWorkloads.filter(({ id, name }) => isWanted(id) || isWanted(name));
  const own = targets.filter(({ id }) => id === 'disk' || id === 'redis');
  return {
    redis: redisVersion(),
    settings: settings.speed,
    targets: targets.map(({ id, name }) => ({ id, name })),
    speed: await measureSpeed(targets, workloads, settings.speed, progress),
    latency: isWanted('latency')
      ? await measureLatency(targets, latencyCases, settings.latency, progress)
      : [],
    draining: isWanted('drain') ? await measureDraining(own, settings.backlog, progress) : [],
    startUp: isWanted('start') ? await measureStartUp(own, settings.startUp, progress) : [],
  };
}
