/**
 * Wills that are on their way into the store. A client that comes back before they are there waits
 * for them: its claim replaces the will that the store has of the connection before, and this
 * broker, the only one that knew of it from then on, might die.
 */
import type { Clock } from '../base/clock.js';
import type { Deadline, DeadlineHeap } from '../base/deadline-heap.js';
import { BrokerError } from '../base/errors.js';
import type { PublishWill } from './session-registry.js';
import type { PendingWill } from './will.js';

/** So long at most a client waits: as long as for the store itself. */
const WAIT_MS = 3_000;

interface Underway {
  count: number;
  readonly waiters: Set<Waiter>;
  readonly onceOut: (() => void)[];
}

export class WillsUnderway {
  private readonly clock: Clock;
  private readonly deadlines: DeadlineHeap;
  private readonly publishWill: PublishWill;
  private readonly underway = new Map<string, Underway>();

  constructor(clock: Clock, deadlines: DeadlineHeap, publishWill: PublishWill) {
    this.clock = clock;
    this.deadlines = deadlines;
    this.publishWill = publishWill;
  }

  /** @param then called when a store may forget the will */
  publish(pending: PendingWill, then: () => void): void {
    const { clientId } = pending.identity;
    const one = this.underway.get(clientId) ?? { count: 0, waiters: new Set(), onceOut: [] };
    this.underway.set(clientId, one);
    one.count++;
    this.publishWill(pending, () => {
      if (--one.count === 0) {
        this.underway.delete(clientId);
        for (const waiter of one.waiters) waiter.settle(null);
        for (const done of one.onceOut) done();
      }
      then();
    });
  }

  /** Calls back when all wills of a client are out, however long that takes. */
  onceOut(clientId: string, done: () => void): void {
    const one = this.underway.get(clientId);
    if (one === undefined) done();
    else one.onceOut.push(done);
  }

  /**
   * Waits for the wills of a client. Null: there are none.
   *
   * @throws BrokerError `STORE_AWAY`
   */
  whenOut(clientId: string): Promise<void> | null {
    const one = this.underway.get(clientId);
    if (one === undefined) return null;
    return new Promise((resolve, reject) => {
      const waiter = new Waiter(this.deadlines, (error) => {
        one.waiters.delete(waiter);
        if (error === null) resolve();
        else reject(error);
      });
      one.waiters.add(waiter);
      this.deadlines.schedule(waiter, this.clock.nowMs() + WAIT_MS);
    });
  }
}

class Waiter implements Deadline {
  deadlineMs = 0;
  heapIndex = -1;
  private readonly deadlines: DeadlineHeap;
  private readonly onSettled: (error: BrokerError | null) => void;

  constructor(deadlines: DeadlineHeap, onSettled: (error: BrokerError | null) => void) {
    this.deadlines = deadlines;
    this.onSettled = onSettled;
  }

  onDeadline(): void {
    this.settle(new BrokerError('STORE_AWAY', `a will was not taken for ${WAIT_MS} ms`));
  }

  settle(error: BrokerError | null): void {
    this.deadlines.cancel(this);
    this.onSettled(error);
  }
}
