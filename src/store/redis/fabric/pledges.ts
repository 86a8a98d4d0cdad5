/**
 * What this broker has given to its clients, and others get if it dies: messages for transient
 * members of shared subscriptions, until these have acknowledged them. Hot path of such messages.
 *
 *     waiting ──call──▶ sent ──safe──▶ kept ──fulfilled──▶ over, struck with a later call
 *        ▲ │              │ └─fulfilled─▶ over, struck with the next call
 *        │ └─fulfilled─▶ over: it is never written
 *        └──dead──────────┘
 *
 * One call is on its way, so a client that acknowledges as fast as Redis answers costs little: what
 * was fulfilled meanwhile is not written at all. Strikes wait for the next call, or the next tick.
 * Nothing is written outside of the cluster: it waits until this broker has joined.
 *
 * Bounded by the core: so many messages are queued, or in flight, for its clients.
 */
import type { Pledge } from '../../fabric.js';
import { CALL_BYTES, CALL_MESSAGES, FULFILLED_MAX } from '../tuning.js';
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
  private readonly waiting = new Set<PledgedMessage>();
  /** Numbers to be struck. */
  private fulfilled: number[] = [];
  /** Over before they were safe: who waits for them is told at once. */
  private ended: PledgedMessage[] = [];
  private isPumpAhead = false;
  private isTickDue = false;
  /** Redis took this broker for dead: it is asked again at the next tick. */
  private isRefused = false;
  /** Messages that are kept, or about to be. */
  size = 0;

  constructor(home: FabricHome) {
    this.home = home;
  }

  add(record: Buffer, onSafe: () => void): Pledge {
    const one = new PledgedMessage(this, ++this.lastNumber, record, onSafe);
    this.home.begin();
    this.size++;
    this.waiting.add(one);
    this.pumpSoon();
    return one;
  }

  /** This broker has joined as `node`. */
  open(node: string): void {
    this.lane = new PledgeLane(this.home, node, this);
    this.isRefused = false;
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
    const isMuch = this.isTickDue || this.fulfilled.length >= FULFILLED_MAX;
    if (this.waiting.size === 0 && !isMuch) return null;
    this.isTickDue = false;
    const fulfilled = this.fulfilled.splice(0, CALL_MESSAGES);
    const messages: PledgedMessage[] = [];
    let bytes = 0;
    for (const one of this.waiting) {
      const more = one.record!.length + ITEM_BYTES;
      const isFull = messages.length === CALL_MESSAGES || bytes + more > CALL_BYTES;
      if (messages.length > 0 && isFull) break;
      this.waiting.delete(one);
      one.becomeSent();
      messages.push(one);
      bytes += more;
    }
    return { fulfilled, messages, bytes };
  }

  /** @param isKept false: the broker that they were written for was dead */
  onAnswer(lane: PledgeLane, messages: readonly PledgedMessage[], isKept: boolean): void {
    if (!isKept && lane === this.lane) this.isRefused = true;
    for (const one of messages) {
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
  onFulfilled(one: PledgedMessage, before: State): void {
    this.size--;
    if (before === State.Waiting) this.waiting.delete(one);
    else if (this.lane !== null) this.fulfilled.push(one.number);
    if (before !== State.Kept) this.ended.push(one);
    else if (this.fulfilled.length < FULFILLED_MAX) return;
    this.pumpSoon();
  }

  /** What a turn adds goes out together. */
  private pumpSoon(): void {
    if (this.isPumpAhead) return;
    this.isPumpAhead = true;
    queueMicrotask(() => {
      this.isPumpAhead = false;
      const { ended } = this;
      this.ended = [];
      for (const one of ended) this.end(one);
      this.lane?.pump();
    });
  }

  private end(one: PledgedMessage): void {
    this.home.end();
    one.onSafe();
  }
}

/** What a call says. */
export interface PledgeCallParts {
  readonly fulfilled: readonly number[];
  readonly messages: readonly PledgedMessage[];
  /** Of the messages, about. */
  readonly bytes: number;
}

export class PledgedMessage implements Pledge {
  readonly number: number;
  /** Null when it is kept, or over. */
  record: Buffer | null;
  readonly onSafe: () => void;
  private state: State = State.Waiting;
  private readonly owner: Pledges;

  constructor(owner: Pledges, number: number, record: Buffer, onSafe: () => void) {
    this.owner = owner;
    this.number = number;
    this.record = record;
    this.onSafe = onSafe;
  }

  get isOver(): boolean {
    return this.state === State.Over;
  }

  fulfil(): void {
    const before = this.state;
    if (before === State.Over) return;
    this.state = State.Over;
    this.record = null;
    this.owner.onFulfilled(this, before);
  }

  becomeSent(): void {
    this.state = State.Sent;
  }

  becomeKept(): void {
    this.state = State.Kept;
    this.record = null;
  }

  becomeWaiting(): void {
    this.state = State.Waiting;
  }
}
