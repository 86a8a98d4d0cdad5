/**
 * Looks whether queues of connected clients have more than is known: a broker that died between
 * putting a message there and telling of it has told nobody. After each such death, and now and
 * then anyway.
 */
import type { BrokerCore } from '../broker/core.js';
import type { StoredSession } from '../broker/stored-session.js';

/** Sessions that are looked at in one tick, several times a second. */
const PER_TICK = 200;
/** Milliseconds between looks that nothing asks for. */
const SWEEP_MS = 60_000;

export class QueueSweep {
  private readonly core: BrokerCore;
  private left: StoredSession[] = [];
  private beganMs: number;

  constructor(core: BrokerCore) {
    this.core = core;
    this.beganMs = core.clock.nowMs();
  }

  begin(): void {
    this.beganMs = this.core.clock.nowMs();
    this.left = [];
    for (const { stored } of this.core.sessions.values()) {
      if (stored?.window != null) this.left.push(stored);
    }
  }

  /** @param hasPeers nobody else puts anything there */
  tick(hasPeers: boolean): void {
    const isDue = this.core.clock.nowMs() - this.beganMs >= SWEEP_MS;
    // Not in the middle of a look at very many: the last ones would never be reached.
    if (hasPeers && isDue && this.left.length === 0) this.begin();
    for (let count = 0; count < PER_TICK && this.left.length > 0; count++) {
      this.left.pop()!.retry();
    }
  }
}
