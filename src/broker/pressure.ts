/**
 * Back-pressure of one subscriber that cannot keep up. Its publishers are paused for a while; one
 * that does not catch up in that time counts as stuck, and from then on it is its own messages
 * that are dropped, so that it slows nobody else.
 *
 *     flowing ──full──▶ holding ──drained──▶ flowing
 *                          └──time out──▶ stuck ──drained──▶ flowing
 */
import type { Deadline, DeadlineHeap } from '../base/deadline-heap.js';

/** A source that can be paused: the connection of a publisher. */
export interface Pausable {
  hold(): void;
  release(): void;
}

export class Pressure implements Deadline {
  deadlineMs = 0;
  heapIndex = -1;
  /** `slow_subscriber_pause_ms`, which a reload may change. */
  pauseMs: number;
  private isStuck = false;
  private readonly held = new Set<Pausable>();
  private readonly deadlines: DeadlineHeap;

  constructor(deadlines: DeadlineHeap, pauseMs: number) {
    this.deadlines = deadlines;
    this.pauseMs = pauseMs;
  }

  /** The subscriber is nearly full: pauses `publisher`, unless the subscriber counts as stuck. */
  onFull(publisher: Pausable | null, nowMs: number): void {
    if (this.isStuck || publisher === null || this.held.has(publisher)) return;
    if (this.pauseMs === 0) {
      this.isStuck = true;
      return;
    }
    if (this.held.size === 0) this.deadlines.schedule(this, nowMs + this.pauseMs);
    this.held.add(publisher);
    publisher.hold();
  }

  /** The subscriber has caught up, or is gone. */
  onDrained(): void {
    this.isStuck = false;
    this.deadlines.cancel(this);
    this.releaseAll();
  }

  /** A publisher is gone; it is not released any more. */
  forget(publisher: Pausable): void {
    if (!this.held.delete(publisher)) return;
    if (this.held.size === 0) this.deadlines.cancel(this);
  }

  onDeadline(): void {
    this.isStuck = true;
    this.releaseAll();
  }

  private releaseAll(): void {
    if (this.held.size === 0) return;
    const publishers = [...this.held];
    this.held.clear();
    for (const publisher of publishers) publisher.release();
  }
}
