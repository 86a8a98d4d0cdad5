/**
 * What this broker has given to its clients, and others get if it dies: messages for transient
 * members of shared subscriptions, until these have acknowledged them. Hot path of such messages.
 *
 *     waiting ──call──▶ sent ──safe──▶ kept ──fulfilled──▶ over, struck with a later call
 *        ▲ │              │ └─fulfilled─▶ over, struck with the next call
 *        │ └─fulfilled─▶ over: it is never written
 *        └──dead──────────┘
 *
 * What is fulfilled within a few milliseconds is not written at all, so clients that acknowledge at
 * once cost little. One call is on its way. Strikes wait for the next call, or the next tick.
 * Nothing is written outside of the cluster: it waits until this broker has joined.
 *
 * Bounded by the core: so many messages are queued, or in flight, for its clients.
 */
import type { Pledge, Pledged } from '../../fabric.js';
import { CALL_BYTES, CALL_MESSAGES, FULFILLED_MAX, PLEDGE_MS } from '../tuning.js';
import type { FabricHome } from './fabric-home.js';
import { PledgeLane } from './pledge-lane.js';

/** What a record costs in a call beside its bytes. */
const ITEM_BYTES = 40;

const State = { Waiting: 0, Sent: 1, Kept: 2, Over: 3 } as const;
type State = (typeof State)[keyof typeof State];

export class Pledges {
  private readonly home: FabricHome;
  /** Of this life; null: not joined. */
  private lane: PledgeLane | null = null;
  private lastNumber = 0;
  private readonly waiting = new Set<Entry>();
  /** Numbers to be struck. */
  private fulfilled: number[] = [];
  /** Over before they were safe: who waits for them is told at once. */
  private ended: Entry[] = [];
  private isTellAhead = false;
  private isTimed = false;
  /** Up to this number they may be written … */
  private ripe = 0;
  /** … and up to this one the next time. */
  private ripening = 0;
  private isTickDue = false;
  /** Redis took this broker for dead: it is asked again at the next tick. */
  private isRefused = false;
  /** Messages that are kept, or about to be. */
  size = 0;

  constructor(home: FabricHome) {
    this.home = home;
  }

  add(pledged: Pledged): Pledge {
    const one = new Entry(this, ++this.lastNumber, pledged);
    this.home.begin();
    this.size++;
    this.waiting.add(one);
    this.ripen();
    return one;
  }

  /** This broker has joined as `node`. */
  open(node: string): void {
    this.lane = new PledgeLane(this.home, node, this);
    this.isRefused = false;
    this.ripe = this.lastNumber;
    this.lane.pump();
  }

  /** It was taken for dead: what is kept is another's to see to, and what is not waits. */
  close(): void {
    this.lane = null;
    this.fulfilled = [];
  }

  tick(): void {
    this.isRefused = false;
    this.flush();
  }

  /** Strikes what was fulfilled. */
  flush(): void {
    this.isTickDue = this.fulfilled.length > 0;
    this.lane?.pump();
  }

  /** What the next call has; null: there is none. */
  take(lane: PledgeLane): PledgeCallParts | null {
    if (lane !== this.lane || this.isRefused) return null;
    const { entries, bytes } = this.takeRipe();
    const isMuch = this.isTickDue || this.fulfilled.length >= FULFILLED_MAX;
    if (entries.length === 0 && !isMuch) return null;
    this.isTickDue = false;
    return { fulfilled: this.fulfilled.splice(0, CALL_MESSAGES), entries, bytes };
  }

  /** @param isKept false: the broker that they were written for was dead */
  onAnswer(lane: PledgeLane, entries: readonly Entry[], isKept: boolean): void {
    if (!isKept && lane === this.lane) this.isRefused = true;
    for (const one of entries) {
      if (one.isOver) continue;
      if (isKept) {
        one.becomeKept();
        this.end(one);
      } else {
        one.becomeWaiting();
        this.waiting.add(one);
      }
    }
    if (!isKept) this.lane?.pump();
  }

  /** For pledges. */
  onFulfilled(one: Entry, before: State): void {
    this.size--;
    if (before === State.Waiting) this.waiting.delete(one);
    else if (this.lane !== null) this.fulfilled.push(one.number);
    if (this.fulfilled.length >= FULFILLED_MAX) this.lane?.pump();
    if (before === State.Kept) return;
    this.ended.push(one);
    if (this.isTellAhead) return;
    this.isTellAhead = true;
    queueMicrotask(() => this.tell());
  }

  private tell(): void {
    this.isTellAhead = false;
    const { ended } = this;
    this.ended = [];
    for (const one of ended) this.end(one);
  }

  private ripen(): void {
    if (this.isTimed) return;
    this.isTimed = true;
    this.home.cluster.after(PLEDGE_MS, () => {
      this.isTimed = false;
      this.ripe = this.ripening;
      this.ripening = this.lastNumber;
      this.lane?.pump();
      if (this.waiting.size > 0 && this.ripe < this.lastNumber) this.ripen();
    });
  }

  /** As many as fit in a call. */
  private takeRipe(): { entries: Entry[]; bytes: number } {
    const entries: Entry[] = [];
    let bytes = 0;
    for (const one of this.waiting) {
      if (one.number > this.ripe || entries.length === CALL_MESSAGES) break;
      const more = one.pledged.bytes + ITEM_BYTES;
      if (entries.length > 0 && bytes + more > CALL_BYTES) break;
      this.waiting.delete(one);
      one.becomeSent();
      entries.push(one);
      bytes += more;
    }
    return { entries, bytes };
  }

  private end(one: Entry): void {
    this.home.end();
    one.pledged.onSafe();
  }
}

/** What a call says. */
export interface PledgeCallParts {
  readonly fulfilled: readonly number[];
  readonly entries: readonly Entry[];
  /** Of the records, about. */
  readonly bytes: number;
}

class Entry implements Pledge {
  readonly number: number;
  readonly pledged: Pledged;
  private state: State = State.Waiting;
  private readonly owner: Pledges;

  constructor(owner: Pledges, number: number, pledged: Pledged) {
    this.owner = owner;
    this.number = number;
    this.pledged = pledged;
  }

  get isOver(): boolean {
    return this.state === State.Over;
  }

  fulfil(): void {
    const before = this.state;
    if (before === State.Over) return;
    this.state = State.Over;
    this.owner.onFulfilled(this, before);
  }

  becomeSent(): void {
    this.state = State.Sent;
  }

  becomeKept(): void {
    this.state = State.Kept;
  }

  becomeWaiting(): void {
    this.state = State.Waiting;
  }
}
