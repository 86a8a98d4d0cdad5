/**
 * The turn: everything that one round of the event loop reads is applied first; then each socket
 * that something was written for is flushed once. Hot path.
 *
 * Where nothing comes together on a socket, as with many publishers that each have a subscriber of
 * their own, waiting for the end only lets what a write needs fall out of the processor's caches:
 * such sockets are flushed every few reads.
 */
import type { Clock } from '../base/clock.js';

export interface Flushable {
  /** Sends what was collected. Called once at the end of the turn in which it became dirty. */
  flush(): void;
}

/** A turn as long as this was not all work: the process may have been stopped meanwhile. */
const LONG_MS = 100;
/** What need not wait for the end of the turn waits for so many reads. */
const PART_READS = 16;

export class Turn {
  /** Monotonic milliseconds at the start of the turn; read once per turn. */
  nowMs: number;
  private isOpen = false;
  private isHeld = false;
  private isFlushing = false;
  // Two lists that never shrink: growing one anew in each turn costs more than what it holds.
  private dirty: (Flushable | null)[] = [];
  private dirtyCount = 0;
  private flushing: (Flushable | null)[] = [];
  private early: (Flushable | null)[] = [];
  private earlyCount = 0;
  private earlyFlushing: (Flushable | null)[] = [];
  private reads = 0;
  private readonly clock: Clock;
  private readonly schedule: (end: () => void) => void;
  private readonly onLong: (beganMs: number, endedMs: number) => void;
  private readonly onEnd = (): void => this.end();

  /**
   * @param schedule runs its argument when the round's input has been read: `setImmediate`
   * @param onLong hears of a turn whose `nowMs` was out of date when it ended
   */
  constructor(
    clock: Clock,
    schedule: (end: () => void) => void,
    onLong: (beganMs: number, endedMs: number) => void = () => undefined,
  ) {
    this.clock = clock;
    this.schedule = schedule;
    this.onLong = onLong;
    this.nowMs = clock.nowMs();
  }

  /** To be called before any input is applied; cheap when the turn has begun already. */
  begin(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    this.nowMs = this.clock.nowMs();
    this.schedule(this.onEnd);
  }

  markDirty(item: Flushable): void {
    this.begin();
    this.dirty[this.dirtyCount++] = item;
  }

  /** The same for an item that loses nothing when it is flushed before the end of the turn. */
  markEarly(item: Flushable): void {
    this.begin();
    this.early[this.earlyCount++] = item;
  }

  /** What one read brought has been applied. */
  afterRead(): void {
    if (++this.reads < PART_READS) return;
    this.reads = 0;
    if (!this.isHeld && !this.isFlushing) this.flushEarly();
  }

  /** Nothing goes out until `go`, although input is applied. */
  hold(): void {
    this.isHeld = true;
  }

  go(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    this.end();
  }

  /** Flushes all that is dirty; also what becomes so meanwhile, in the next round. */
  end(): void {
    if (this.isOpen) this.checkLength();
    this.isOpen = false;
    if (this.isHeld) return;
    this.reads = 0;
    const items = this.dirty;
    const count = this.dirtyCount;
    this.dirty = this.flushing;
    this.dirtyCount = 0;
    this.flushing = items;
    this.flushEarly();
    this.flushAll(items, count);
  }

  private flushEarly(): void {
    const items = this.early;
    const count = this.earlyCount;
    this.early = this.earlyFlushing;
    this.earlyCount = 0;
    this.earlyFlushing = items;
    this.flushAll(items, count);
  }

  private flushAll(items: (Flushable | null)[], count: number): void {
    // What a flush reads besides waits for the next part.
    this.isFlushing = true;
    for (let index = 0; index < count; index++) {
      const item = items[index]!;
      items[index] = null;
      item.flush();
    }
    this.isFlushing = false;
  }

  private checkLength(): void {
    const endedMs = this.clock.nowMs();
    if (endedMs - this.nowMs >= LONG_MS) this.onLong(this.nowMs, endedMs);
  }
}
