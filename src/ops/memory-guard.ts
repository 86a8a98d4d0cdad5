/**
 * Total memory: before the process is in danger, first no new clients come in, then those who
 * publish are not read any more. Pure subscribers go on, for it is their acknowledgements that
 * empty the queues.
 *
 *     normal ──90 %──▶ tight ──100 % (heap: 95 %)──▶ paused
 *        ▲───below 85 %───┴───────below 85 %────────────┘
 *
 * Percent of `memory_limit`, where it is set, or of the limit of the JavaScript heap, whichever
 * is nearer to its end. Only the whole way back below 85 % counts, so that nothing flaps. What is
 * in use is known only after a collection, and the engine may see no reason for one while
 * publishers stand still: the guard asks for it as long as it is not normal.
 */
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { Limits } from '../config/limits.js';
import { ResidentEstimate } from './resident-estimate.js';

const TIGHT = 0.9;
const RESIDENT_PAUSED = 1;
const HEAP_PAUSED = 0.95;
const NORMAL = 0.85;
/** A flood fills hundreds of megabytes in a second. */
const READ_EVERY_MS = 100;
const COLLECT_EVERY_MS = 1_000;
/** Or, where objects are many, so many times what the last collection took: 2 % of the time. */
const COLLECT_SPACING = 50;

export const MemoryState = { Normal: 0, Tight: 1, Paused: 2 } as const;
export type MemoryState = (typeof MemoryState)[keyof typeof MemoryState];

const stateNames = ['normal', 'tight', 'paused'] as const;

/** Bytes; as `process.memoryUsage()` says. */
export interface MemoryUsage {
  readonly rss: number;
  readonly heapUsed: number;
  /** Buffers and whatever else belongs to JavaScript objects outside of the heap. */
  readonly external: number;
}

/** What is needed of a connection. */
export interface GuardedConnection {
  readonly isClosed: boolean;
  readonly hasPublished: boolean;
  hold(): void;
  release(): void;
}

/** What is needed of the broker core. */
export interface GuardedCore {
  isMemoryTight: boolean;
  readonly limits: Pick<Limits, 'memoryBytesMax'>;
  readonly connections: Iterable<GuardedConnection>;
}

export interface MemoryGuardOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** `process.memoryUsage` */
  readonly memory: () => MemoryUsage;
  /** Frees what is not in use any more, before it returns. */
  readonly collect: () => void;
  /** Bytes: `v8.getHeapStatistics().heap_size_limit`. */
  readonly heapBytesMax: number;
  /** Tells the listeners whether to accept connections. */
  readonly setAccepting: (isAccepting: boolean) => void;
}

export class MemoryGuard {
  private readonly core: GuardedCore;
  private readonly options: MemoryGuardOptions;
  private readonly resident = new ResidentEstimate();
  private current: MemoryState = MemoryState.Normal;
  private readonly held = new Set<GuardedConnection>();
  private readAtMs = Number.NEGATIVE_INFINITY;
  private collectAtMs = Number.NEGATIVE_INFINITY;
  /** How often each state was entered. Index: state. */
  private readonly entered = [0, 0, 0];

  constructor(core: GuardedCore, options: MemoryGuardOptions) {
    this.core = core;
    this.options = options;
  }

  get state(): MemoryState {
    return this.current;
  }

  /** Publishers that are held now. */
  get heldConnections(): number {
    return this.held.size;
  }

  /** For `$SYS`. */
  figures(): Record<string, number> {
    return {
      'memory/state': this.current,
      'memory/tight': this.entered[MemoryState.Tight]!,
      'memory/paused': this.entered[MemoryState.Paused]!,
      'memory/publishers_held': this.held.size,
    };
  }

  /** To be called several times a second. */
  tick(): void {
    const nowMs = this.options.clock.nowMs();
    if (nowMs - this.readAtMs < READ_EVERY_MS) return;
    this.readAtMs = nowMs;
    if (this.current !== MemoryState.Normal && nowMs >= this.collectAtMs) this.collect(nowMs);
    const usage = this.options.memory();
    const next = this.next(usage);
    if (next !== this.current) this.become(next, usage);
    if (this.current === MemoryState.Paused) this.holdPublishers();
  }

  private collect(nowMs: number): void {
    const { clock, collect } = this.options;
    collect();
    const tookMs = clock.nowMs() - nowMs;
    this.collectAtMs = nowMs + Math.max(COLLECT_EVERY_MS, COLLECT_SPACING * tookMs);
  }

  private next(usage: MemoryUsage): MemoryState {
    const heap = usage.heapUsed / this.options.heapBytesMax;
    const { memoryBytesMax } = this.core.limits;
    const residentBytes = this.resident.update(usage);
    const resident = memoryBytesMax === 0 ? 0 : residentBytes / memoryBytesMax;
    const highest = Math.max(heap, resident);
    if (resident >= RESIDENT_PAUSED || heap >= HEAP_PAUSED) return MemoryState.Paused;
    if (highest < NORMAL) return MemoryState.Normal;
    // On the way down nothing changes before `NORMAL`.
    if (highest >= TIGHT && this.current === MemoryState.Normal) return MemoryState.Tight;
    return this.current;
  }

  private become(next: MemoryState, usage: MemoryUsage): void {
    const before = this.current;
    this.current = next;
    this.entered[next]!++;
    const isTight = next !== MemoryState.Normal;
    this.core.isMemoryTight = isTight;
    // Tight, clients with a session may still come back: they drain the queues.
    const isPaused = next === MemoryState.Paused;
    if (isPaused !== (before === MemoryState.Paused)) this.options.setAccepting(!isPaused);
    if (next === MemoryState.Paused) this.holdPublishers();
    else this.releaseAll();
    this.options.log.write(isTight ? 'warning' : 'notice', eventOf(next), {
      before: stateNames[before],
      residentBytes: usage.rss,
      heapBytes: usage.heapUsed,
      memoryLimit: this.core.limits.memoryBytesMax,
      heapLimit: this.options.heapBytesMax,
      publishersHeld: this.held.size,
    });
  }

  /** Also those who come to publish while it lasts. */
  private holdPublishers(): void {
    for (const connection of this.held) if (connection.isClosed) this.held.delete(connection);
    for (const connection of this.core.connections) {
      if (!connection.hasPublished) continue;
      if (connection.isClosed || this.held.has(connection)) continue;
      this.held.add(connection);
      connection.hold();
    }
  }

  private releaseAll(): void {
    const held = [...this.held];
    this.held.clear();
    for (const connection of held) connection.release();
  }
}

function eventOf(state: MemoryState): string {
  if (state === MemoryState.Paused) return 'memory is full: publishers are paused';
  if (state === MemoryState.Tight) return 'memory is tight: new connections are refused';
  return 'memory is sufficient again';
}
