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
import { Progress } from './progress.js';
import { type FeedOwner, QueueFeed } from './queue-feed.js';
import type { QueueWindow } from './queue-window.js';
import type { SharedGroup } from './shared-group.js';
import type { StoredSessionEvents } from './stored-session-events.js';
import type { TopicTable } from './topics.js';

export class StoredSession implements FeedOwner, DraftOwner, QueueOwner, LazySession {
  readonly clientId: string;
  /** Of our last claim; 0: never claimed. */
  epoch: number;
  endSeq = 1;
  underway = 0;
  isLazy = false;
  feed: QueueFeed | null = null;
  private draft: Draft | null = null;
  private readonly progress = new Progress();
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
    this.progress.begin(claim.nextSeq);
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
    this.releaseLapsed();
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
    if (this.progress.hasMore) this.begin();
  }

  /** So many messages of the window are done; written lazily. */
  onSettled(count: number): void {
    this.onSkipped(count);
    this.releaseLapsed();
    this.refill();
  }

  /** The message of an entry was not sent, since its client may not read it. */
  onWithheld({ seq, qos, dup }: OutboxEntry): void {
    if (!dup || qos < 2) this.onSettled(1);
    else this.begin().release(seq);
    this.releaseLapsed();
  }

  /** PUBCOMP of a released message that the window has not reached yet. */
  onEarlyPubcomp(packetId: number): boolean {
    const isKnown = this.feed?.onEarlyPubcomp(packetId) ?? false;
    if (isKnown) this.onSkipped(1);
    return isKnown;
  }

  refill(): void {
    const { feed } = this;
    if (feed === null) return;
    if (this.progress.isDue(feed)) this.begin();
    feed.refill();
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
    this.releaseLapsed();
    this.events.onQueued();
  }

  onSkipped(count: number): void {
    const { feed } = this;
    if (feed === null) return;
    this.progress.onDone(count, feed, this.journal.limits.unsettledMessagesMax);
    if (this.progress.isDue(feed)) this.begin();
    else this.journal.settleSoon(this);
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
    this.progress.begin(0);
  }

  /** PUBREL goes out for what lapsed, as far as its turn has come. */
  private releaseLapsed(): void {
    const { feed } = this;
    while (feed !== null && feed.window.lapsed > 0) {
      const packetId = feed.window.releaseLapsed();
      if (packetId === 0) return;
      // Behind those whose PUBREC is on its way to the store.
      this.whenSafe(() => {
        if (this.feed === feed) this.events.onReleased(packetId);
      });
    }
  }

  private disconnect(expiresAtMs: number, will: Buffer | null, willAtMs: number): void {
    const draft = this.begin();
    const isUnsure = this.feed?.isUnsure ?? true;
    const inFlight = this.feed?.withClient ?? [];
    draft.disconnect = { expiresAtMs, will, willAtMs, isUnsure, inFlight };
    if (will !== null) this.journal.weigh(draft, will.length);
    this.settleInto(draft);
    this.abandon();
  }

  private settleInto(draft: Draft): void {
    if (this.feed !== null) this.progress.tell(draft, this.feed);
  }

  onWritten(draft: Draft, outcome: WriteOutcome): void {
    this.journal.onSafe(draft.bytes);
    this.underway -= draft.append.length;
    if (outcome.status === WriteStatus.Done) {
      this.onTold(draft);
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

  /** The store knows how far the client has come. */
  private onTold(draft: Draft): void {
    const { feed, progress } = this;
    if (feed === null || draft.tells !== feed) return;
    const { unsettledMessagesMax } = this.journal.limits;
    if (progress.onTold(draft, feed, unsettledMessagesMax)) this.events.onQueued();
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
