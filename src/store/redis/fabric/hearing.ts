/**
 * How a broker knows that it has heard what others sent it before: it puts a note of its own in
 * its inbox, and waits until it reads that.
 *
 * A publisher that comes from another broker may have been acknowledged there while its messages
 * still lie in the inbox here: what it publishes now must not overtake them (promise P5).
 *
 *     idle ──hear──▶ underway ──its own note is read──▶ idle, or underway for those who came since
 */

import { HEARING_MS } from '../tuning.js';
import type { FabricHome } from './fabric-home.js';
import { InboxLane } from './inbox-lane.js';

interface Waiting {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

export class Hearing {
  private readonly home: FabricHome;
  private readonly lane: InboxLane;
  private underway: Waiting | null = null;
  private next: Waiting | null = null;
  /** Of the last note. */
  private number = 0;
  private sentMs = 0;
  private isStopped = false;

  /** @param node this broker in its present life */
  constructor(home: FabricHome, node: string) {
    this.home = home;
    this.lane = new InboxLane(home, node);
  }

  /** Resolves when what is in the inbox now has been read. Null: nobody reads it any more. */
  hear(): Promise<void> | null {
    if (this.isStopped) return null;
    this.next ??= waiting();
    const { promise } = this.next;
    if (this.underway === null) this.sendNext();
    return promise;
  }

  /** A note was read, perhaps one that was sent again since. */
  onNote(number: number): void {
    if (this.underway === null || number !== this.number) return;
    this.underway.resolve();
    this.underway = null;
    if (this.next !== null) this.sendNext();
  }

  /** A failover may have lost a note that was in the inbox. */
  tick(): void {
    if (this.underway === null || this.lane.pendingBytes > 0) return;
    if (this.home.options.clock.nowMs() - this.sentMs >= HEARING_MS) this.send();
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
    this.send();
  }

  private send(): void {
    this.sentMs = this.home.options.clock.nowMs();
    this.lane.add({ kind: 'note', number: ++this.number }, null, null);
  }
}

function waiting(): Waiting {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
