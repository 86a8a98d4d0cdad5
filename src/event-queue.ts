/**
 * What the embedding program is told, at the end of the turn and in order: its handlers may
 * publish, subscribe and disconnect without ever doing so in the middle of a delivery, and what
 * they throw reaches nobody else's packets.
 */
import type { Flushable, Turn } from './broker/turn.js';

export class EventQueue implements Flushable {
  private waiting: (() => void)[] = [];
  private readonly turn: Turn;

  constructor(turn: Turn) {
    this.turn = turn;
  }

  push(event: () => void): void {
    if (this.waiting.length === 0) this.turn.markDirty(this);
    this.waiting.push(event);
  }

  flush(): void {
    const events = this.waiting;
    this.waiting = [];
    for (const event of events) callProgram(event);
  }
}

/** Calls a program's handler; an error becomes an uncaught exception of its own. */
export function callProgram(handler: () => void): void {
  try {
    handler();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
