/**
 * What is done to several brokers and when: a pack of faults, as many of each kind as are asked
 * for, shuffled by the seed. The same seed and numbers give the same faults with the same delays.
 */
import { Random } from '../../fuzz/random.js';
import { type Draws, drawsOf } from '../schedule.js';
import { type Barrier, barriers } from './redis-path.js';

/**
 * `stop` is SIGSTOP for less than the lease, `long stop` for more; `partition` keeps one broker
 * from Redis, for less or more; `fight` is one client id that connects again and again, anywhere.
 */
export const clusterFaultKinds = [
  'kill',
  'kill at start',
  'rolling restart',
  'stop',
  'long stop',
  'partition',
  'cut',
  'takeover',
  'fight',
  'away',
  'kill primary',
  'stop primary',
  'reshard',
] as const;
export type ClusterFaultKind = (typeof clusterFaultKinds)[number];

export interface ClusterFault extends Draws {
  readonly kind: ClusterFaultKind;
  readonly barrier: Barrier;
}

export interface PackOptions {
  readonly seed: number;
  /** SIGKILLs of brokers. */
  readonly kills: number;
  /** … of Redis primaries. */
  readonly primaryKills: number;
  /** Partitions and stops that are longer than the lease. */
  readonly partitions: number;
  readonly rollingRestarts: number;
  readonly reshards: number;
  /** Longest time that something is stopped or away, but for long stops. At least 200. */
  readonly stopMsMax: number;
  /** Longest time between two faults. At least 100. */
  readonly calmMsMax: number;
}

/** In `kill at start` the broker is killed twice. */
const killsAtStart = 2;

/** All faults of a run, in their order. */
export function packOf(options: PackOptions): ClusterFault[] {
  const random = new Random(options.seed);
  const kinds = kindsOf(options);
  for (let left = kinds.length - 1; left > 0; left--) {
    const at = random.below(left + 1);
    [kinds[left], kinds[at]] = [kinds[at], kinds[left]];
  }
  return kinds.map((kind) => ({
    kind,
    ...drawsOf(random, options),
    barrier: random.pick(barriers),
  }));
}

/** How often a broker is killed by a fault. */
export function killsOf(kind: ClusterFaultKind): number {
  if (kind === 'kill') return 1;
  return kind === 'kill at start' ? killsAtStart : 0;
}

function kindsOf(options: PackOptions): ClusterFaultKind[] {
  const { kills, partitions, primaryKills, reshards, rollingRestarts } = options;
  const atStart = Math.floor((kills * 0.06) / killsAtStart);
  const longStops = Math.round(partitions / 3);
  const counts: Readonly<Record<ClusterFaultKind, number>> = {
    kill: kills - atStart * killsAtStart,
    'kill at start': atStart,
    'rolling restart': rollingRestarts,
    stop: Math.ceil(kills * 0.1),
    'long stop': longStops,
    partition: partitions - longStops,
    cut: Math.ceil(kills * 0.2),
    takeover: Math.ceil(kills * 0.1),
    fight: Math.ceil(kills * 0.06),
    away: Math.ceil(kills * 0.1),
    'kill primary': primaryKills,
    'stop primary': Math.ceil(primaryKills * 0.2),
    reshard: reshards,
  };
  return clusterFaultKinds.flatMap((kind) => Array<ClusterFaultKind>(counts[kind]).fill(kind));
}
