/**
 * Fills the window of a stored queue while its client is here: with what becomes safe, as long as
 * nothing lies before it, and by reading the store.
 *
 *     firstSeq ───────── window ───────── window.endSeq ──── in the store ──── safeEndSeq
 *
 * One per connection: what a read brings after its end does not count any more.
 */
import { BrokerError } from '../base/errors.js';
import type { Limits } from '../config/limits.js';
import type { Message } from '../protocol/message.js';
import { MqttError } from '../protocol/mqtt-error.js';
import type { Claim, QueuedRecord, QueueRead } from '../store/store.js';
import type { PendingMessage } from './draft.js';
import type { Journal } from './journal.js';
import { packetIdOf } from './outbox-flags.js';
import { QueueWindow } from './queue-window.js';
import { Resumed, Sent } from './resumed.js';
import type { SharedGroup } from './shared-group.js';
import { messageOfRecord, type QueuedMessage } from './stored-message.js';
import type { TopicTable } from './topics.js';

/** Ranges of numbers that are remembered because the store has not said yet why they are gone. */
const UNEXPLAINED_MAX = 1_000;

/** The session that a feed belongs to. */
export interface FeedOwner {
  readonly clientId: string;
  /** One past the last number that is known to be safe: none is sent before. */
  readonly endSeq: number;
  /** Messages whose place in the queue is not known yet. */
  readonly underway: number;
  /** The window has more to send. */
  onFed(): void;
  /** A message is done without having been sent. */
  onSkipped(count: number): void;
  /** A QoS 0 message may have been sent before a crash, and is not sent again. */
  onUnsure(message: Message): void;
  /** A record is damaged, or its topic name is none; it is skipped. */
  onUnreadable(seq: number, error: Error): void;
  /** The group of `$share/…`; null: there is none any more. */
  group(sharedFilter: string): SharedGroup | null;
}

export class QueueFeed {
  readonly window: QueueWindow;
  private resumed: Resumed | null;
  private isReading = false;
  private isOver = false;
  /** First and end of each range that a read did not bring while writes were underway. */
  private readonly unexplained: number[] = [];
  private readonly owner: FeedOwner;
  private readonly journal: Journal;
  private readonly topics: TopicTable;

  constructor(claim: Claim, owner: FeedOwner, journal: Journal, topics: TopicTable) {
    this.owner = owner;
    this.journal = journal;
    this.topics = topics;
    const resumed = new Resumed(claim, this.limits);
    this.window = new QueueWindow(resumed.firstSeq, claim.nextSeq);
    this.resumed = resumed.firstSeq >= claim.endSeq ? null : resumed;
  }

  /** Some of what was not read yet may have been sent: the store is to keep that in mind. */
  get isUnsure(): boolean {
    return this.resumed?.mayBeSentFrom(this.window.endSeq) ?? false;
  }

  /** The client is gone; returns what it was sent and did not acknowledge, and is not left. */
  end(): Message[] {
    this.isOver = true;
    this.resumed = null;
    return this.window.lostInFlight();
  }

  /** Messages in the queue that are not done, as far as it is known here. */
  get left(): number {
    const { window, owner } = this;
    const done = window.holes + this.doneBeyond().length;
    return Math.max(0, owner.endSeq - window.firstSeq - done);
  }

  /** Numbers that are done beyond the window. */
  doneBeyond(): number[] {
    const { endSeq } = this.window;
    return [...(this.resumed?.done ?? [])].filter((seq) => seq >= endSeq);
  }

  /** QoS 2 messages that the client was sent, and that are not done. */
  get withClient(): number[] {
    const { window, resumed } = this;
    if (resumed === null) return window.withClient();
    const beyond = [...resumed.released, ...resumed.lapsed].filter((seq) => seq >= window.endSeq);
    return [...window.withClient(), ...beyond];
  }

  /** Released messages, so that PUBREL goes out again. */
  forEachReleased(visit: (packetId: number) => void): void {
    for (const seq of this.resumed?.released ?? []) visit(packetIdOf(seq));
  }

  /** PUBCOMP of a released message that the window has not reached yet. */
  onEarlyPubcomp(packetId: number): boolean {
    const { resumed } = this;
    if (resumed === null) return false;
    for (const seq of resumed.released) {
      if (packetIdOf(seq) !== packetId) continue;
      resumed.released.delete(seq);
      resumed.done.add(seq);
      return true;
    }
    return false;
  }

  /** A message is safe in the queue. */
  onSafe({ message, qos, retain, ids, group }: PendingMessage, seq: number): void {
    const { window } = this;
    if (window.endSeq === seq && this.isRoomy) window.add(message, qos, retain, ids, group);
  }

  /** The window takes what has just become safe. */
  private get isRoomy(): boolean {
    const { window } = this;
    const { windowMessagesMax, windowBytesMax } = this.limits;
    if (!window.hasRoom || window.queued >= windowMessagesMax) return false;
    return window.queuedBytes < windowBytesMax;
  }

  /** Records that another broker put in the queue, from `seq` on; they are safe there. */
  onRecords(seq: number, records: readonly Buffer[]): void {
    const { window } = this;
    for (let index = 0; index < records.length; index++) {
      if (window.endSeq !== seq + index || !this.isRoomy) continue;
      this.add({ seq: seq + index, record: records[index]! });
    }
  }

  /**
   * The store gave a message up for a newer one.
   *
   * @param drop counts it; null: the message is not at hand. Not called when the client has it.
   */
  giveUp(seq: number, drop: (message: PendingMessage['message'] | null) => void): void {
    const { window } = this;
    if (seq >= window.endSeq) {
      drop(null);
      return;
    }
    const message = window.giveUp(seq);
    if (message !== null) drop(message);
    else if (this.isUnexplained(seq)) drop(null);
  }

  /** Reads on when the window is half empty. */
  refill(): void {
    const { window, owner } = this;
    if (this.isOver || this.isReading || window.endSeq >= owner.endSeq || !window.hasRoom) return;
    const { windowMessagesMax, windowBytesMax } = this.limits;
    if (window.queued >= windowMessagesMax / 2 || window.queuedBytes >= windowBytesMax / 2) return;
    this.isReading = true;
    const fromSeq = window.endSeq;
    this.journal.store.read(owner.clientId, fromSeq, windowBytesMax).then(
      (read) => this.onRead(read, fromSeq),
      () => {
        // The store is away, and says so itself.
        this.isReading = false;
        if (!this.isOver) this.journal.retryLater(this);
      },
    );
  }

  retry(): void {
    this.refill();
  }

  private onRead({ records, nextSeq, lapsed }: QueueRead, fromSeq: number): void {
    this.isReading = false;
    if (this.isOver) return;
    this.journal.beginTurn();
    const { window, owner } = this;
    if (owner.underway === 0) this.unexplained.length = 0;
    this.resumed?.onLapsed(lapsed);
    let end = Math.min(nextSeq, owner.endSeq);
    for (const record of records) {
      // What is in the store need not be safe yet; and the window may be full of holes.
      this.fillGap(Math.min(record.seq, end));
      if (record.seq >= end || !window.hasRoom) {
        end = Math.min(end, record.seq);
        break;
      }
      // Added meanwhile, as it became safe.
      if (record.seq >= window.endSeq) this.add(record);
    }
    this.fillGap(end);
    if (this.resumed !== null && window.endSeq >= this.resumed.endSeq) this.resumed = null;
    owner.onFed();
    if (this.isOver) return;
    if (window.endSeq > fromSeq) this.refill();
    else this.journal.retryLater(this);
  }

  private add({ seq, record }: QueuedRecord): void {
    const { window, resumed, owner } = this;
    if (resumed?.done.has(seq)) {
      window.addDone(false);
      return;
    }
    const sent = resumed === null ? Sent.No : resumed.sentBefore(seq);
    if (resumed?.released.has(seq)) {
      window.addReleased(false);
      return;
    }
    const queued = this.decode(seq, record);
    // QoS 0 goes out once at most.
    if (queued === null || (queued.qos === 0 && sent !== Sent.No)) {
      window.addDone(false);
      if (queued !== null && sent === Sent.Perhaps) owner.onUnsure(queued.message);
      owner.onSkipped(1);
      return;
    }
    const { message, qos, retain, ids, sharedFilter } = queued;
    const group = sharedFilter === '' ? null : owner.group(sharedFilter);
    window.add(message, qos, retain, ids, group);
    // What was sent does not expire; of what perhaps was, only QoS 2 must not [MQTT-4.3.3-7].
    const isSure = sent === Sent.Yes || qos === 2 || message.expiresAtMs > this.journal.nowMs;
    if (sent !== Sent.No && isSure) window.markSent(seq);
  }

  private get limits(): Limits {
    return this.journal.limits;
  }

  private decode(seq: number, record: Buffer): QueuedMessage | null {
    try {
      return messageOfRecord(record, this.topics, this.journal, this.journal.flightSlab);
    } catch (error) {
      if (!(error instanceof BrokerError || error instanceof MqttError)) throw error;
      this.owner.onUnreadable(seq, error);
      return null;
    }
  }

  /** Numbers that the store did not give: done or gone, but for those that wait for PUBCOMP. */
  private fillGap(toSeq: number): void {
    const { window, resumed } = this;
    while (window.endSeq < toSeq && window.hasRoom) {
      const seq = window.endSeq;
      if (resumed?.released.has(seq)) {
        window.addReleased(true);
      } else if (resumed?.lapsed.has(seq)) {
        window.addLapsed();
      } else {
        const isGone = !resumed?.done.has(seq);
        window.addDone(isGone);
        if (isGone && this.owner.underway > 0) this.remember(seq);
      }
    }
  }

  /** Whether the store will say that it gave this number up, or did so long ago, is not known. */
  private remember(seq: number): void {
    const { unexplained } = this;
    const last = unexplained.length - 1;
    if (last > 0 && unexplained[last] === seq) unexplained[last] = seq + 1;
    else unexplained.push(seq, seq + 1);
    if (unexplained.length > 2 * UNEXPLAINED_MAX) unexplained.splice(0, 2);
  }

  private isUnexplained(seq: number): boolean {
    const { unexplained } = this;
    for (let index = 0; index < unexplained.length; index += 2) {
      if (seq >= unexplained[index]! && seq < unexplained[index + 1]!) return true;
    }
    return false;
  }
}
