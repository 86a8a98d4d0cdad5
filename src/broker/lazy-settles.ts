/**
 * QoS 1 acknowledgements are written with a session's next write. Where none follows soon, they
 * are written by themselves, so that a crash repeats nothing that was acknowledged long ago.
 */
import type { Deadline, DeadlineHeap } from '../base/deadline-heap.js';

/** Milliseconds that an acknowledgement waits for another write, at most about twice. */
const WAIT_MS = 1_000;

export interface LazySession {
  /** True while it is on the list. */
  isLazy: boolean;
  /** Writes what is not written yet. */
  settle(): void;
}

export class LazySettles implements Deadline {
  deadlineMs = 0;
  heapIndex = -1;
  private readonly deadlines: DeadlineHeap;
  private waiting: LazySession[] = [];

  constructor(deadlines: DeadlineHeap) {
    this.deadlines = deadlines;
  }

  /** A session has something to write that is in no hurry. Hot path. */
  add(session: LazySession, nowMs: number): void {
    if (session.isLazy) return;
    session.isLazy = true;
    if (this.waiting.push(session) === 1) this.deadlines.schedule(this, nowMs + WAIT_MS);
  }

  onDeadline(): void {
    const sessions = this.waiting;
    this.waiting = [];
    for (const session of sessions) {
      session.isLazy = false;
      session.settle();
    }
  }

  close(): void {
    this.deadlines.cancel(this);
    this.waiting = [];
  }
}
