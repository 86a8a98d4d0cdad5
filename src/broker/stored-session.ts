/**
 * The part of a durable session that lives in the store. The store's queue is the truth; what the
 * session's outbox holds is a window of it, as much as its client can soon take. Offline, nothing
 * is held here.
 *
 *     firstSeq ───────── window (outbox) ───────── outbox.endSeq ──── in the store ──── endSeq
 *
 * A message is sent only once it is safe in the queue: its number there is its packet identifier,
 * and a client must never see an identifier that a crash gives to another message.
 */
import { assert } from '../base/assert.js';
import type { Message } from '../protocol/message.js';
import { type Claim, type HeldId, Taken, type WriteOutcome, WriteStatus } from '../store/store.js';
import { Draft, type Journal, type PendingMessage } from './journal.js';
import { packetIdOf } from './outbox.js';
import { QueueWindow } from './queue-window.js';
import type { SharedGroup } from './shared-group.js';
import { messageOfRecord, type QueuedMessage } from './stored-message.js';
import type { TopicTable } from './topics.js';

/** The window is filled again when it holds less than half of this. */
const WINDOW_MESSAGES = 1_000;
const WINDOW_BYTES = 1024 * 1024;
/** Acknowledgements are written with the next write, or when so many have come. */
const SETTLED_MAX = 64;

/** What a stored session tells its session. */
export interface StoredSessionEvents {
  /** The window has more to send. */
  onQueued(): void;
  /** The queue did not take it, or gave it up for a newer one; null: it is not at hand. */
  onDropped(message: Message | null): void;
  /** Somebody else owns the session now, or it is gone. */
  onLost(status: WriteStatus): void;
  /** A message was lost because its session had ended. */
  onGone(message: Message): void;
  /** `queue_full_policy refuse`: a queue that is full makes the publisher's answer 0x97. */
  readonly isRefusing: boolean;
  queueLimits(): { readonly messagesMax: number; readonly bytesMax: number; dropsOldest: boolean };
  group(sharedFilter: string): SharedGroup | null;
}

export class StoredSession {
  readonly clientId: string;
  /** Of our claim; 0 while the client is not here. */
  epoch = 0;
  /** One past the last number that is known to be in the store's queue. */
  endSeq = 1;
  /** The window while the client is here; null: offline. */
  outbox: QueueWindow | null = null;
  private draft: Draft | null = null;
  private isReading = false;
  /** Goes up with every attach and detach: what began before does not count any more. */
  private generation = 0;
  private unwritten = 0;
  private nextNumber = 1;
  /** From the claim, until the window has passed them. */
  private resumed: { done: Set<number>; released: Set<number>; nextSeq: number } | null = null;
  private readonly journal: Journal;
  private readonly topics: TopicTable;
  private readonly events: StoredSessionEvents;

  constructor(clientId: string, journal: Journal, topics: TopicTable, events: StoredSessionEvents) {
    this.clientId = clientId;
    this.journal = journal;
    this.topics = topics;
    this.events = events;
  }

  /** True while messages wait in the store beyond the window. */
  get isBehind(): boolean {
    return this.outbox !== null && this.outbox.endSeq < this.endSeq;
  }

  /** The client is here; returns the window, which fills as the store is read. */
  attach(claim: Claim): QueueWindow {
    this.generation++;
    this.epoch = claim.epoch;
    this.endSeq = Math.max(this.endSeq, claim.endSeq);
    this.nextNumber = claim.nextNumber;
    const outbox = new QueueWindow(claim.firstSeq, claim.nextSeq);
    this.outbox = outbox;
    this.resumed = {
      done: new Set(claim.done),
      released: new Set(claim.released),
      nextSeq: claim.nextSeq,
    };
    this.refill();
    return outbox;
  }

  /** The client is gone; what it acknowledged is written with how the connection ended. */
  detach(expiresAtMs: number, will: Buffer | null, willAtMs: number): void {
    if (this.outbox === null) return;
    const draft = this.begin();
    draft.disconnect = { expiresAtMs, will, willAtMs };
    this.settleInto(draft);
    this.generation++;
    this.outbox = null;
    this.resumed = null;
    this.epoch = 0;
  }

  /** Puts a message in the queue; it is sent when it is safe there. */
  append(
    message: Message,
    qos: number,
    retain: boolean,
    ids: readonly number[] | null,
    group: SharedGroup | null,
  ): void {
    this.journal.append(this.begin(), message, qos, retain, ids, group);
  }

  /** An inbound QoS 2 message; its number is in the mark of what is appended for it. */
  hold(packetId: number): HeldId {
    const held = { packetId, number: this.nextNumber++ };
    const draft = this.begin();
    draft.held.push(held);
    const ack = this.journal.await();
    if (ack !== null) draft.whenSafe.push(() => ack.onSafe());
    return held;
  }

  /** PUBREL of an inbound message. */
  forget(packetId: number, whenSafe: () => void): void {
    const draft = this.begin();
    draft.forgotten.push(packetId);
    draft.whenSafe.push(whenSafe);
  }

  /** PUBREC of an outbound message. */
  release(seq: number, whenSafe: () => void): void {
    const draft = this.begin();
    draft.released.push(seq);
    draft.whenSafe.push(whenSafe);
  }

  subscribe(filter: string, options: number, identifier: number): void {
    this.begin().subscribed.push({ filter, options, identifier });
  }

  unsubscribe(filter: string): void {
    this.begin().unsubscribed.push(filter);
  }

  /** Calls back when all that the turn wrote for the session is safe. */
  whenSafe(then: () => void): void {
    this.begin().whenSafe.push(then);
  }

  dismissWill(): void {
    this.begin().dismissesWill = true;
  }

  end(): void {
    this.begin().ends = true;
    this.generation++;
    this.outbox = null;
  }

  /** A message of the window is done; written lazily. */
  onSettled(): void {
    this.unwritten++;
    if (this.unwritten >= SETTLED_MAX) this.begin();
    this.refill();
  }

  /** PUBCOMP of a released message that the window has not reached yet. */
  onEarlyPubcomp(packetId: number): boolean {
    const { resumed } = this;
    if (resumed === null) return false;
    for (const seq of resumed.released) {
      if (packetIdOf(seq) !== packetId) continue;
      resumed.released.delete(seq);
      resumed.done.add(seq);
      this.unwritten++;
      return true;
    }
    return false;
  }

  /** Reads on when the window is half empty. */
  refill(): void {
    const { outbox, generation } = this;
    if (outbox === null || this.isReading || outbox.endSeq >= this.endSeq) return;
    if (outbox.queued >= WINDOW_MESSAGES / 2 || outbox.queuedBytes >= WINDOW_BYTES / 2) return;
    this.isReading = true;
    const fromSeq = outbox.endSeq;
    this.journal.store.read(this.clientId, fromSeq, WINDOW_BYTES).then(
      ({ records, nextSeq }) => {
        this.isReading = false;
        if (generation !== this.generation) {
          this.refill();
          return;
        }
        for (const { seq, record } of records) {
          this.addToWindow(
            outbox,
            seq,
            messageOfRecord(record, this.topics, this.journal.wallOffsetMs),
          );
        }
        this.fillGap(outbox, Math.min(nextSeq, this.endSeq));
        this.passResumed(outbox);
        this.events.onQueued();
        this.refill();
      },
      () => {
        // The store is away; it says so itself, and the next write or message reads on.
        this.isReading = false;
      },
    );
  }

  /** The turn's write for the session, for the journal. */
  takeDraft(): Draft {
    const { draft } = this;
    assert(draft !== null, 'an enlisted session has a draft');
    this.draft = null;
    if (draft.append.length > 0) draft.limits = this.events.queueLimits();
    if (this.outbox !== null) {
      draft.epoch = this.epoch;
      this.settleInto(draft);
    }
    return draft;
  }

  private begin(): Draft {
    if (this.draft !== null) return this.draft;
    const draft = new Draft(this.clientId, (done, outcome) => this.onWritten(done, outcome));
    draft.epoch = this.epoch;
    this.draft = draft;
    this.journal.enlist(this);
    return draft;
  }

  private settleInto(draft: Draft): void {
    const { outbox } = this;
    if (outbox === null) return;
    draft.nextSeq = outbox.sentEndSeq;
    if (this.unwritten === 0) return;
    this.unwritten = 0;
    const done = outbox.doneSeqs();
    for (const seq of this.resumed?.done ?? []) if (seq >= outbox.endSeq) done.push(seq);
    draft.settled = { firstSeq: outbox.firstSeq, done };
  }

  private onWritten(draft: Draft, outcome: WriteOutcome): void {
    this.journal.onSafe(draft.bytes);
    if (outcome.status !== WriteStatus.Done) {
      for (const { message } of draft.messages) this.events.onGone(message);
      for (const { ack } of draft.messages) ack?.onSafe();
      if (draft.epoch !== 0 && draft.epoch === this.epoch) this.events.onLost(outcome.status);
      return;
    }
    this.onAppended(draft.messages, outcome);
    for (const then of draft.whenSafe) then();
  }

  private onAppended(messages: readonly PendingMessage[], outcome: WriteOutcome): void {
    const { taken, dropped } = outcome;
    let seq = outcome.firstSeq;
    for (const [index, pending] of messages.entries()) {
      const fate = taken === null ? Taken.Yes : taken[index]!;
      if (fate === Taken.Full) this.onFull(pending);
      if (fate === Taken.Yes) this.onTaken(pending, seq++);
      pending.ack?.onSafe();
    }
    for (const lost of dropped) this.giveUp(lost);
    if (messages.length > 0 && this.outbox !== null) this.events.onQueued();
  }

  private onFull({ message, ack }: PendingMessage): void {
    if (this.events.isRefusing && ack !== null) ack.isRefused = true;
    this.events.onDropped(message);
  }

  private onTaken(pending: PendingMessage, seq: number): void {
    const { outbox } = this;
    this.endSeq = Math.max(this.endSeq, seq + 1);
    if (outbox === null || outbox.endSeq !== seq) return;
    const isFull = outbox.queued >= WINDOW_MESSAGES || outbox.queuedBytes >= WINDOW_BYTES;
    if (isFull) return;
    const { message, qos, retain, ids, group } = pending;
    outbox.add(message, qos, retain, ids, group);
  }

  private giveUp(seq: number): void {
    const { outbox } = this;
    if (outbox === null || seq >= outbox.endSeq) {
      this.events.onDropped(null);
      return;
    }
    const message = outbox.giveUp(seq);
    if (message !== null) this.events.onDropped(message);
  }

  private addToWindow(outbox: QueueWindow, seq: number, queued: QueuedMessage): void {
    // Added meanwhile, by the answer to its append.
    if (seq < outbox.endSeq) return;
    this.fillGap(outbox, seq);
    const { resumed } = this;
    if (resumed?.released.has(seq)) {
      outbox.addReleased();
      return;
    }
    if (resumed?.done.has(seq)) {
      outbox.skipTo(seq + 1);
      return;
    }
    const { message, qos, retain, ids, sharedFilter } = queued;
    const group = sharedFilter === '' ? null : this.events.group(sharedFilter);
    outbox.add(message, qos, retain, ids, group);
    if (resumed !== null && seq < resumed.nextSeq) outbox.markSent(seq);
  }

  /** Numbers that the store did not give: done, but for those that are released. */
  private fillGap(outbox: QueueWindow, toSeq: number): void {
    while (outbox.endSeq < toSeq) {
      if (this.resumed?.released.has(outbox.endSeq)) outbox.addReleased();
      else outbox.skipTo(outbox.endSeq + 1);
    }
  }

  private passResumed(outbox: QueueWindow): void {
    if (this.resumed !== null && outbox.endSeq >= this.resumed.nextSeq) this.resumed = null;
  }
}
