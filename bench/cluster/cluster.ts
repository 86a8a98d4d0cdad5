/**
 * The cluster part of the benchmarks: brokers that share a Redis Cluster. Speed per CPU second
 * with one, two and three of them, latency from one to another, what subscriptions cost, and how
 * long a further broker takes to join.
 */

import { redisVersion } from '../durable/stores.js';
import type { ClusterResults } from '../report/results.js';
import { type JoiningSize, measureJoining } from './joining.js';
import {
  type ClusterLatencySettings,
  clusterLatencyCases,
  measureClusterLatency,
} from './latency.js';
import { measureResuming, type ResumingSettings } from './resuming.js';
import { type ClusterSpeedSettings, measureClusterSpeed } from './speed.js';
import { measureSubscribing, type SubscribingSettings } from './subscribing.js';
import { clusterWorkloads } from './workloads.js';

interface ClusterSettings {
  readonly speed: ClusterSpeedSettings;
  readonly latency: ClusterLatencySettings;
  readonly subscribing: SubscribingSettings;
  readonly joining: JoiningSize;
  readonly resuming: ResumingSettings;
}

/** Brokers. */
const sizes = [1, 2, 3];

const full: ClusterSettings = {
  speed: { rounds: 3, attempts: 2, seconds: 2, warmupSeconds: 4 },
  latency: { ratePerS: 500, hops: 1_000, attempts: 3, seconds: 6, warmupSeconds: 2 },
  subscribing: { subscriptions: 30_000, timed: 300 },
  joining: { retained: 1_000_000, sessions: 100_000, filtersEach: 10, joins: 3 },
  resuming: { clients: [1, 10, 100, 1_000], kills: 5, warmUp: 500, ratePerS: 500 },
};
const quick: ClusterSettings = {
  speed: { rounds: 1, attempts: 1, seconds: 1, warmupSeconds: 0.5 },
  latency: { ratePerS: 500, hops: 100, attempts: 1, seconds: 1, warmupSeconds: 0.5 },
  subscribing: { subscriptions: 5_000, timed: 50 },
  joining: { retained: 10_000, sessions: 1_000, filtersEach: 10, joins: 1 },
  resuming: { clients: [10], kills: 1, warmUp: 50, ratePerS: 500 },
};

/**
 * Null where redis-server is not installed.
 *
 * @param isWanted by name of a workload, or `latency`, `subscription`, `resume`, `join, empty` …
 */
export async function measureCluster(
  isQuick: boolean,
  isWanted: (name: string) => boolean,
  progress: (line: string) => void,
): Promise<ClusterResults | null> {
  const redis = redisVersion();
  if (redis === null) {
    progress('Cluster: left out, since redis-server is not installed.');
    return null;
  }
  const settings = isQuick ? quick : full;
  const workloads = clusterWorkloads.filter(({ id, name }) => isWanted(id) || isWanted(name));
  return {
    redis,
    settings: settings.speed,
    speed: await measureClusterSpeed(sizes, workloads, settings.speed, progress),
    latency: isWanted('latency')
      ? await measureClusterLatency(clusterLatencyCases, settings.latency, progress)
      : null,
    subscribing: isWanted('subscription')
      ? await measureSubscribing(sizes, settings.subscribing, progress)
      : [],
    joining: await measureJoining(settings.joining, isWanted, progress),
    resuming: isWanted('resume') ? await measureResuming(settings.resuming, progress) : null,
  };
}
