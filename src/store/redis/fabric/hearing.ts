/**
 * How a broker knows that it has heard what others sent it before: it puts a note of its own in
 * its inbox, and waits until it reads that.
 *
 * A publisher that comes from another broker may have been acknowledged there while its messages
 * still lie in the inbox here: what it publishes now must not overtake them (promise P5).
 *
 *     idle ──hear──▶ underway ──its own note is read──▶ idle, or underway for those who came since
 *
 * A note that the inbox does not take says that there is none: nobody else would notice, since what
 * others say to a broker without an inbox is as good as said to a dead one. So a broker with others
 * around it sends one every now and then.
 */

import type { Clock } from '../../../base/clock.js';
import { HEARING_MS, INBOX_LOOK_MS } from '../tuning.js';
import type { InboxLane } from './inbox-lane.js';

/** To this broker's own inbox. */
export type NoteLane = Pick<InboxLane, 'add' | 'end' | 'pendingBytes'>;

interface Waiting {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

export class Hearing {
  private readonly clock: Clock;
  private readonly lane: NoteLane;
  private underway: Waiting | null = null;
  private next: Waiting | null = null;
  /** Of the last note. */
  private number = 0;
  /** Of the first note that was sent for `underway`: each one from there on will do. */
  private firstNumber = 0;
  private sentMs: number;
  private isStopped = false;
  private readonly onGone: () => void;

  /** @param onGone there is no inbox; called with every note that it did not take */
  constructor(clock: Clock, lane: NoteLane, onGone: () => void) {
    this.clock = clock;
    this.lane = lane;
    this.onGone = onGone;
    this.sentMs = clock.nowMs();
  }

  /** Resolves when what is in the inbox now has been read. Null: nobody reads it any more. */
  hear(): Promise<void> | null {
    if (this.isStopped) return null;
    this.next ??= waiting();
    const { promise } = this.next;
    if (this.underway === null) this.sendNext();
    return promise;
  }

  /** A note was read; others may have been sent since. */
  onNote(number: number): void {
    if (this.underway === null || number < this.firstNumber) return;
    this.underway.resolve();
    this.underway = null;
    if (this.next !== null) this.sendNext();
  }

  /**
   * A failover may have lost a note that was in the inbox.
   *
   * @param hasPeers there are others who may say something
   */
  tick(hasPeers: boolean): void {
    if (this.lane.pendingBytes > 0 || (this.underway === null && !hasPeers)) return;
    const everyMs = this.underway === null ? INBOX_LOOK_MS : HEARING_MS;
    if (this.clock.nowMs() - this.sentMs >= everyMs) this.send();
  }

  /** This life is over, and with it the connections that wait. */
  stop(): void {
    this.isStopped = true;
    this.lane.end();
    this.underway?.resolve();
    this.next?.resolve();
    this.underway = null;
    this.next = null;
  }

  private sendNext(): void {
    this.underway = this.next;
    this.next = null;
    this.firstNumber = this.number + 1;
    this.send();
  }

  private send(): void {
    this.sentMs = this.clock.nowMs();
    this.lane.add({ kind: 'note', number: ++this.number }, null, () => {
      if (!this.isStopped) this.onGone();
    });
  }
}

function waiting(): Waiting {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
