/**
 * Virtual time: one queue of events for all processes of a history. A process is a broker, a Redis
 * server or a client; killed, none of its events happens any more; paused, they wait for it.
 */
import { XorShift32 } from '../../src/base/prng.js';

/** Microseconds would hide nothing: times are fractions of milliseconds. */
interface Event {
  atMs: number;
  order: number;
  readonly process: Process;
  run: (() => void) | null;
}

export class Process {
  readonly name: string;
  isDead = false;
  private isPaused = false;
  private waiting: Event[] = [];
  private readonly loop: Loop;

  constructor(name: string, loop: Loop) {
    this.name = name;
    this.loop = loop;
  }

  get isRunning(): boolean {
    return !this.isDead && !this.isPaused;
  }

  kill(): void {
    this.isDead = true;
    this.waiting = [];
  }

  pause(): void {
    this.isPaused = true;
  }

  /** What came meanwhile happens now, in its order. */
  resume(): void {
    this.isPaused = false;
    const { waiting } = this;
    this.waiting = [];
    for (const event of waiting) this.loop.again(event);
  }

  /** For the loop: whether the event may happen now. */
  admits(event: Event): boolean {
    if (this.isPaused && !this.isDead) this.waiting.push(event);
    return this.isRunning;
  }
}

/** A number from 0 up to and without 1, and choices by it. */
export class Draw {
  private readonly prng: XorShift32;

  constructor(seed: number) {
    this.prng = new XorShift32(seed);
    // Neighbouring seeds begin alike.
    for (let round = 0; round < 8; round++) this.prng.below(2);
  }

  below(bound: number): number {
    return this.prng.below(bound);
  }

  unit(): number {
    return this.prng.below(0x4000_0000) / 0x4000_0000;
  }

  between(low: number, high: number): number {
    return low + this.unit() * (high - low);
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  /** Another source, which draws on its own from now on. */
  fork(): Draw {
    return new Draw(this.prng.below(0x7fff_ffff) + 1);
  }
}

export class Loop {
  nowMs = 1_000;
  /** Of the event that happens: whose timers are set now. */
  current: Process;
  events = 0;
  /** What was thrown by an event; a history ends there. */
  failure: unknown = null;
  readonly world: Process;
  private readonly heap: Event[] = [];
  private order = 0;

  constructor() {
    this.world = new Process('world', this);
    this.current = this.world;
  }

  /** @returns cancels it */
  schedule(process: Process, delayMs: number, run: () => void): () => void {
    const atMs = this.nowMs + Math.max(0, delayMs);
    const event: Event = { atMs, order: this.order++, process, run };
    this.push(event);
    return () => {
      event.run = null;
    };
  }

  /** An event that could not happen at its time. */
  again(event: Event): void {
    event.atMs = this.nowMs;
    event.order = this.order++;
    this.push(event);
  }

  /** Lets everything happen up to a time. @throws what an event threw */
  runUntil(endMs: number): void {
    while (this.heap.length > 0 && this.heap[0]!.atMs <= endMs) this.step();
    this.nowMs = Math.max(this.nowMs, endMs);
  }

  /** Runs `body` as part of a process, and all that follows from it at once. */
  runAs(process: Process, body: () => void): void {
    const before = this.current;
    this.current = process;
    try {
      body();
      drain();
    } finally {
      this.current = before;
    }
    if (this.failure !== null) throw this.failure;
  }

  private step(): void {
    const event = this.pop();
    this.nowMs = Math.max(this.nowMs, event.atMs);
    const { process, run } = event;
    if (run === null || !process.admits(event)) return;
    event.run = null;
    this.events++;
    this.runAs(process, run);
  }

  private push(event: Event): void {
    const { heap } = this;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  private pop(): Event {
    const { heap } = this;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/**
 * Runs all microtasks that are due. Node calls the same between two timers; it only works outside
 * of microtasks, which is why histories begin in a `setImmediate` of their own.
 */
function drain(): void {
  (process as unknown as { _tickCallback(): void })._tickCallback();
}
