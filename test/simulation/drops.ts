/** What brokers said that they dropped (promise P6). */
import { DropReason } from '../../src/broker/metrics.js';

export interface Drop {
  /** In which of its lives. */
  readonly broker: string;
  readonly reason: DropReason;
  /** Null: of nobody. */
  readonly clientId: string | null;
  readonly count: number;
  readonly atMs: number;
}

/** Of a session that goes on. */
const reasons: ReadonlySet<DropReason> = new Set([
  DropReason.QueueFull,
  DropReason.Expired,
  DropReason.TooLargeForReceiver,
  DropReason.SlowSubscriber,
]);

export class Drops {
  private readonly all: Drop[] = [];

  add(drop: Drop): void {
    this.all.push(drop);
  }

  /** So many were dropped for a client, or for nobody who is still there (null), since a time. */
  of(clientId: string | null, sinceMs: number): number {
    let count = 0;
    for (const one of this.all) {
      if (one.clientId !== clientId || one.atMs < sinceMs || !reasons.has(one.reason)) continue;
      count += one.count;
    }
    return count;
  }

  /** So many, in all, by one broker for one reason. */
  by(broker: string, reason: DropReason): number {
    let count = 0;
    for (const one of this.all)
      if (one.broker === broker && one.reason === reason) count += one.count;
    return count;
  }
}
