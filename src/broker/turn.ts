/**
 * The turn: everything that one round of the event loop reads is applied first; then each socket
 * that something was written for is flushed once. Hot path.
 */
import type { Clock } from '../base/clock.js';

export interface Flushable {
  /** Sends what was collected. Called once at the end of the turn in which it became dirty. */
  flush(): void;
}

export class Turn {
  /** Monotonic milliseconds at the start of the turn; read once per turn. */
  nowMs: number;
  private isOpen = false;
  private dirty: Flushable[] = [];
  private flushing: Flushable[] = [];
  private readonly clock: Clock;
  private readonly schedule: (end: () => void) => void;
  private readonly onEnd = (): void => this.end();

  /** @param schedule runs its argument when the round's input has been read: `setImmediate` */
  constructor(clock: Clock, schedule: (end: () => void) => void) {
    this.clock = clock;
    this.schedule = schedule;
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
    this.dirty.push(item);
  }

  /** Flushes all that is dirty; also what becomes so meanwhile, in the next round. */
  end(): void {
    this.isOpen = false;
    const items = this.dirty;
    this.dirty = this.flushing;
    this.flushing = items;
    for (let index = 0; index < items.length; index++) items[index]!.flush();
    items.length = 0;
  }
}
