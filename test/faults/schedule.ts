/**
 * What is done to a broker and when, drawn from a seed: the same seed, store and mix give the same
 * faults with the same delays. What the machine makes of them is another matter.
 */
import { Random } from '../fuzz/random.js';

/** `kill` and `kill at start` are SIGKILL of the broker, `restart` is SIGTERM. */
export const faultKinds = [
  'kill',
  'kill at start',
  'restart',
  'stop',
  'cut',
  'takeover',
  'away',
  'kill primary',
  'stop primary',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export type StoreKind = 'disk' | 'redis';

/** What is drawn for a fault, whatever its kind. */
export interface Draws {
  /** Milliseconds after the broker was ready again, or the last fault was over. */
  readonly afterMs: number;
  /** How long processes are stopped, or a client stays away. */
  readonly forMs: number;
  /** `kill at start`: milliseconds after the start of the process. */
  readonly startMs: number;
  /** Percent of the clients that are hit, at least one. */
  readonly share: number;
  /** Bytes until a connection is cut. */
  readonly bytes: number;
  /** The cut counts what the client sends, not what it gets. */
  readonly isUp: boolean;
  /** The cut is a reset; the clients do not wait for a stopped process, but connect again. */
  readonly isHard: boolean;
  /** Picks whom it hits. */
  readonly pick: number;
}

export interface Fault extends Draws {
  readonly kind: FaultKind;
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly store: StoreKind;
  /** Longest time that a process is stopped, or a client away. At least 200. */
  readonly stopMsMax: number;
  /** Longest time between two faults. At least 100. */
  readonly calmMsMax: number;
}

type Mix = readonly (readonly [kind: FaultKind, weight: number])[];

const anyStore: Mix = [
  ['kill', 54],
  ['kill at start', 5],
  ['restart', 5],
  ['stop', 5],
  ['cut', 16],
  ['takeover', 7],
  ['away', 6],
];
const withRedis: Mix = [...anyStore, ['kill primary', 10], ['stop primary', 3]];

const bytesMax = 30_000;

export class Schedule {
  private readonly random: Random;
  private readonly mix: Mix;
  readonly stopMsMax: number;
  readonly calmMsMax: number;

  constructor({ seed, store, stopMsMax, calmMsMax }: ScheduleOptions) {
    this.random = new Random(seed);
    this.mix = store === 'redis' ? withRedis : anyStore;
    this.stopMsMax = stopMsMax;
    this.calmMsMax = calmMsMax;
  }

  /** The next fault. Each one takes the same number of draws, whatever its kind. */
  next(): Fault {
    return { kind: this.kind(), ...drawsOf(this.random, this) };
  }

  private kind(): FaultKind {
    const sum = this.mix.reduce((total, [, weight]) => total + weight, 0);
    let rest = this.random.below(sum);
    for (const [kind, weight] of this.mix) {
      if (rest < weight) return kind;
      rest -= weight;
    }
    throw new Error('the weights do not add up');
  }
}

export function drawsOf(
  random: Random,
  { stopMsMax, calmMsMax }: Pick<ScheduleOptions, 'stopMsMax' | 'calmMsMax'>,
): Draws {
  return {
    // Often at once: while clients come back, and while the store is still at its recovery.
    afterMs: random.chance(25) ? random.between(0, 100) : random.between(100, calmMsMax),
    forMs: random.between(200, stopMsMax),
    startMs: random.between(0, 400),
    share: random.between(1, 100),
    bytes: random.chance(50) ? random.between(0, 200) : random.between(0, bytesMax),
    isUp: random.chance(50),
    isHard: random.chance(50),
    pick: random.below(1_000),
  };
}
