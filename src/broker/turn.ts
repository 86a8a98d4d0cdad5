/**
 * The turn: everything that one round of the event loop reads is applied first; then each socket
 * that something was written for is flushed once. Hot path.
 */
import type { Clock } from '../base/clock.js';

export interface Flushable {
  /** Sends what was collected. Called once at the end of the turn in which it became dirty. */
  flush(): void;
}

/** A turn as long as this was not all work: the process may have been stopped meanwhile. */
const LONG_MS = 100;

export class Turn {
  /** Monotonic milliseconds at the start of the turn; read once per turn. */
  nowMs: number;
  private isOpen = false;
  // Two lists that never shrink: growing one anew in each turn costs more than what it holds.
  private dirty: (Flushable | null)[] = [];
  private dirtyCount = 0;
  private flushing: (Flushable | null)[] = [];
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

  /** Flushes all that is dirty; also what becomes so meanwhile, in the next round. */
  end(): void {
    if (this.isOpen) this.checkLength();
    this.isOpen = false;
    const items = this.dirty;
    const count = this.dirtyCount;
    this.dirty = this.flushing;
    this.dirtyCount = 0;
    this.flushing = items;
    for (let index = 0; index < count; index++) {
      const item = items[index]!;
      items[index] = null;
      item.flush();
    }
  }

  private checkLength(): void {
    const endedMs = this.clock.nowMs();
    if (endedMs - this.nowMs >= LONG_MS) this.onLong(this.nowMs, endedMs);
  }
}
