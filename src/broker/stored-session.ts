/**
 * The part of a durable session that lives in the store. The store's queue is the truth; what the
 * session's outbox holds is a window of it, as much as its client can soon take: see `QueueFeed`.
 * Offline, nothing is held here.
 *
 * A message is sent only once it is safe in the queue: its number there is its packet identifier,
 * and a client must never see an identifier that a crash gives to another message.
 */
import { assert } from '../base/assert.js';
import type { Message } from '../protocol/message.js';
import { isMoreThanAppend } from '../store/answers.js';
import type { Claim, HeldId, StoredSubscription, WriteOutcome } from '../store/store.js';
import { Taken, WriteStatus } from '../store/store.js';
import { lookForMore, type QueueOwner } from './appended-elsewhere.js';
import { Draft, type DraftOwner, type PendingMessage } from './draft.js';
import { ITEM_BYTES, type Journal } from './journal.js';
import type { LazySession } from './lazy-settles.js';
import type { OutboxEntry } from './outbox-entry.js';
import type { Pausable } from './pressure.js';
import { type FeedOwner, QueueFeed } from './queue-feed.js';
import type { QueueWindow } from './queue-window.js';
import type { SharedGroup } from './shared-group.js';
import type { StoredSessionEvents } from './stored-session-events.js';
import type { TopicTable } from './topics.js';

/** Acknowledgements are written with the next write, or when so many have come. */
const SETTLED_MAX = 64;

export class StoredSession implements FeedOwner, DraftOwner, QueueOwner, LazySession {
  readonly clientId: string;
  /** Of our last claim; 0: never claimed. */
  epoch: number;
  endSeq = 1;
  underway = 0;
  isLazy = false;
  feed: QueueFeed | null = null;
  private draft: Draft | null = null;
  /** Messages of the window that are done, and the store does not know it. */
  private unwritten = 0;
  /** Those, and those of which the store was told and has not answered. */
  private unsettled = 0;
  /** Messages in the queue, not done, while the client is not here. */
  private left = 0;
  private nextNumber = 1;
  private readonly journal: Journal;
  private readonly topics: TopicTable;
  private readonly events: StoredSessionEvents;

  constructor(
    clientId: string,
    epoch: number,
    journal: Journal,
    topics: TopicTable,
    events: StoredSessionEvents,
  ) {
    this.clientId = clientId;
    this.epoch = epoch;
    this.journal = journal;
    this.topics = topics;
    this.events = events;
  }

  /** The part of the queue that is in memory; null: the client is not here. */
  get window(): QueueWindow | null {
    return this.feed?.window ?? null;
  }

  /** Messages that the client, who is here, has not been sent yet. */
  get waiting(): number {
    const { window } = this;
    return window === null ? 0 : this.endSeq - window.nextSeq + this.underway;
  }

  /** Messages that are not done, as far as it is known: of a client that is here. */
  get length(): number {
    const { window } = this;
    return window === null ? 0 : this.endSeq - window.firstSeq + this.underway;
  }

  /** Messages in the queue that are not done, as far as it is known here. */
  get messages(): number {
    return this.feed === null ? this.left + this.underway : this.length;
  }

  /** One past the last number that a message may have which was published so far. */
  get endSeqExpected(): number {
    return this.endSeq + this.underway;
  }

  /** The client is here; returns the window, which fills as the store is read. */
  attach(claim: Claim): QueueWindow {
    // That was about the will of the connection before.
    if (this.draft !== null) this.draft.dismissesWill = false;
    this.epoch = claim.epoch;
    this.endSeq = Math.max(this.endSeq, claim.endSeq);
    this.nextNumber = claim.nextNumber;
    this.feed = new QueueFeed(claim, this, this.journal, this.topics);
    this.feed.refill();
    return this.feed.window;
  }

  /** The client is gone; what it acknowledged is written with how the connection ended. */
  detach(expiresAtMs: number, will: Buffer | null, willAtMs: number): void {
    if (this.feed !== null) this.disconnect(expiresAtMs, will, willAtMs);
  }

  /** So many more are in the queue, as it was loaded, or as another broker said. */
  onMore(count: number): void {
    this.left += count;
  }

  /** A message gave way to one from another broker, which has counted it. */
  onGivenUpElsewhere(seq: number): void {
    this.feed?.giveUp(seq, () => undefined);
  }

  /** Looks whether another broker put messages in the queue without a word. */
  retry(): void {
    lookForMore(this, this.journal);
  }

  /** The session is over, whether its client was here until now or not, and not yet deleted. */
  expire(wallMs: number, will: Buffer | null): void {
    this.disconnect(wallMs, will, wallMs);
  }

  forEachReleased(visit: (packetId: number) => void): void {
    this.feed?.forEachReleased(visit);
  }

  /** Puts a kept message in the queue; it is sent when it is safe there. */
  append(
    message: Message,
    qos: number,
    retain: boolean,
    ids: readonly number[] | null,
    group: SharedGroup | null,
  ): void {
    this.underway++;
    this.journal.append(this.begin(), message, qos, retain, ids, group);
  }

  /** Pauses a source while too much waits for the store. */
  press(source: Pausable | null): void {
    this.journal.press(source);
  }

  /** True when the queue, as far as it is known here, would not take the message. */
  isFull(message: Message): boolean {
    const { messagesMax, bytesMax } = this.events.queueLimits();
    if (bytesMax > 0 && message.payloadLength > bytesMax) return true;
    return this.feed !== null && messagesMax > 0 && this.length >= messagesMax;
  }

  /** An inbound QoS 2 message; its number is in the mark of what is appended for it. */
  hold(packetId: number): HeldId {
    const held = { packetId, number: this.nextNumber++ };
    const draft = this.begin();
    this.journal.weigh(draft, ITEM_BYTES);
    draft.hold(held, this.journal.await());
    return held;
  }

  /** PUBREL of an inbound message. */
  forget(packetId: number, whenSafe: () => void): void {
    const draft = this.begin();
    draft.forget(packetId);
    this.whenSafe(whenSafe);
  }

  /** PUBREC of an outbound message. */
  release(packetId: number, whenSafe: () => void): void {
    const draft = this.begin();
    if (this.feed !== null) draft.release(this.feed.window.seqOf(packetId));
    this.whenSafe(whenSafe);
  }

  /** @param subscription null: there is none any more */
  changeSubscription(filter: string, subscription: StoredSubscription | null): void {
    const draft = this.begin();
    draft.changeSubscription(filter, subscription);
    this.journal.weigh(draft, ITEM_BYTES + filter.length);
  }

  /** Calls back when all that the turn wrote for the session is safe. */
  whenSafe(then: () => void): void {
    const draft = this.begin();
    draft.callWhenSafe(then);
    this.journal.weigh(draft, ITEM_BYTES);
  }

  dismissWill(): void {
    this.begin().dismissesWill = true;
  }

  /** All messages below are done: they were given to others. */
  settleBelow(firstSeq: number): void {
    this.begin().settled = { firstSeq, done: [] };
  }

  end(): void {
    const draft = this.begin();
    draft.ends = true;
    // What its client acknowledged is not lost.
    this.settleInto(draft);
    this.abandon();
  }

  settle(): void {
    if (this.unwritten > 0) this.begin();
  }

  /** So many messages of the window are done; written lazily. */
  onSettled(count: number): void {
    this.onSkipped(count);
    this.refill();
  }

  /** The message of an entry was not sent, since its client may not read it. */
  onWithheld({ seq, qos, dup }: OutboxEntry): void {
    if (dup && qos === 2) this.begin().release(seq);
    else this.onSettled(1);
  }

  /** PUBCOMP of a released message that the window has not reached yet. */
  onEarlyPubcomp(packetId: number): boolean {
    const isKnown = this.feed?.onEarlyPubcomp(packetId) ?? false;
    if (isKnown) this.onSkipped(1);
    return isKnown;
  }

  refill(): void {
    this.feed?.refill();
  }

  /** The turn's write for the session, for the journal. */
  takeDraft(): Draft {
    const { draft } = this;
    assert(draft !== null, 'an enlisted session has a draft');
    this.draft = null;
    draft.finish();
    if (draft.append.length > 0) draft.limits = this.events.queueLimits();
    this.settleInto(draft);
    // Offline, an append needs no owner, and whoever owns the session by then takes it.
    const isOwners = this.feed !== null || isMoreThanAppend(draft);
    draft.epoch = isOwners ? this.epoch : 0;
    return draft;
  }

  onFed(): void {
    this.events.onQueued();
  }

  onSkipped(count: number): void {
    this.unwritten += count;
    this.unsettled += count;
    if (this.unwritten >= SETTLED_MAX) this.begin();
    else this.journal.settleSoon(this);
    if (this.isBehind) this.feed!.window.isHeld = true;
  }

  onUnsure(message: Message): void {
    this.events.onUnsure(message);
  }

  onUnreadable(seq: number, error: Error): void {
    this.events.onUnreadable(seq, error);
  }

  group(sharedFilter: string): SharedGroup | null {
    return this.events.group(sharedFilter);
  }

  private begin(): Draft {
    if (this.draft !== null) return this.draft;
    const draft = new Draft(this.clientId, this);
    this.draft = draft;
    this.journal.weigh(draft, ITEM_BYTES);
    this.journal.enlist(this);
    return draft;
  }

  /** The client is not here any more: it left, or another broker has the session. */
  abandon(): void {
    this.left = this.feed?.left ?? this.left;
    for (const message of this.feed?.end() ?? []) this.events.onDropped(message);
    this.feed = null;
    this.unwritten = 0;
    this.unsettled = 0;
  }

  /** Nothing more is sent: how much was, a crash must not leave open beyond a known number. */
  private get isBehind(): boolean {
    return this.unsettled >= this.journal.limits.unsettledMessagesMax;
  }

  private disconnect(expiresAtMs: number, will: Buffer | null, willAtMs: number): void {
    const draft = this.begin();
    draft.disconnect = { expiresAtMs, will, willAtMs, isUnsure: this.feed?.isUnsure ?? true };
    if (will !== null) this.journal.weigh(draft, will.length);
    this.settleInto(draft);
    this.abandon();
  }

  private settleInto(draft: Draft): void {
    const { feed, window } = this;
    if (feed === null || window === null) return;
    draft.nextSeq = window.sentEndSeq;
    if (this.unwritten === 0) return;
    draft.settles += this.unwritten;
    draft.settlesFor = feed;
    this.unwritten = 0;
    draft.settled = {
      firstSeq: window.firstSeq,
      done: [...window.doneSeqs(), ...feed.doneBeyond()],
    };
  }

  onWritten(draft: Draft, outcome: WriteOutcome): void {
    this.journal.onSafe(draft.bytes);
    this.underway -= draft.append.length;
    if (outcome.status === WriteStatus.Done) {
      if (draft.settles > 0 && draft.settlesFor === this.feed) this.onCaughtUp(draft.settles);
      this.onAppended(draft, outcome);
      for (const then of draft.whenSafe) then();
    } else {
      this.onRefused(draft, outcome);
    }
    for (const ack of draft.acks) ack.onSafe();
  }

  private onRefused(draft: Draft, outcome: WriteOutcome): void {
    const { status } = outcome;
    if (draft.epoch !== 0 && draft.epoch === this.epoch) this.events.onLost(status);
    // Somebody else has the session; the messages are in its queue all the same.
    if (status === WriteStatus.Stale && draft.append.length > 0) this.onAppended(draft, outcome);
    if (status === WriteStatus.Stale) return;
    for (const pending of draft.append) {
      this.events.onGone(pending.message);
      pending.ack?.onSafe();
    }
  }

  /** The store knows of so many more that they are done. */
  private onCaughtUp(count: number): void {
    this.unsettled -= count;
    const window = this.window!;
    if (!window.isHeld || this.isBehind) return;
    window.isHeld = false;
    this.events.onQueued();
  }

  private onAppended({ append, ends }: Draft, outcome: WriteOutcome): void {
    const { taken, dropped } = outcome;
    let seq = outcome.firstSeq;
    let { lost } = outcome;
    for (let index = 0; index < append.length; index++) {
      const pending = append[index]!;
      const fate = taken === null ? Taken.Yes : taken[index]!;
      if (fate === Taken.Full) this.onFull(pending);
      if (fate === Taken.Yes) this.onTaken(pending, seq++);
      if (fate === Taken.Yes && ends && lost > 0) {
        lost--;
        this.events.onGone(pending.message);
      }
      pending.ack?.onSafe();
    }
    if (lost > 0) this.events.onEnded(lost);
    for (const gone of dropped) this.giveUp(gone);
    if (append.length > 0 && this.feed !== null) this.events.onQueued();
  }

  private onFull({ message, ack }: PendingMessage): void {
    if (this.events.isRefusing && ack !== null) ack.isRefused = true;
    this.events.onDropped(message);
  }

  private onTaken(pending: PendingMessage, seq: number): void {
    this.endSeq = Math.max(this.endSeq, seq + 1);
    if (this.feed === null) this.left++;
    else this.feed.onSafe(pending, seq);
  }

  private giveUp(seq: number): void {
    const { feed, events } = this;
    if (feed === null) {
      // Not one that its client had acknowledged, and the store had not heard of it.
      if (this.left > 0) this.left--;
      events.onDropped(null);
      return;
    }
    feed.giveUp(seq, (message) => events.onDropped(message));
  }
}
