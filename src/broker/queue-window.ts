/**
 * An outbox whose numbers are given by the store: the part of a stored queue that is in memory.
 * Numbers that the store does not have any more are gone: done, and the store need not be told.
 *
 * It spans 65 535 numbers at most, as more could not be sent anyway: a client that leaves its
 * oldest message unacknowledged, while the queue behind it overflows again and again, costs no
 * more than that.
 */
import type { Message } from '../protocol/message.js';
import { SENT_AHEAD_MAX } from '../store/store.js';
import { Outbox } from './outbox.js';
import type { OutboxEntry } from './outbox-entry.js';
import {
  DONE,
  GONE,
  IDS,
  packetIdOf,
  QOS_SHIFT,
  QUEUED,
  RELEASED,
  SENT,
  STATE,
  WAS_SENT,
} from './outbox-flags.js';

export class QueueWindow extends Outbox {
  /** Nothing is sent: see `StoredSession.isBehind`. */
  isHeld = false;
  /** Below it messages may have been sent on earlier connections. */
  private sentBefore = 1;
  /** Numbers from here on are not sent, see `SENT_AHEAD_MAX`. */
  private sendBelow: number;
  /** Messages that lapsed and whose PUBREL is still to go out. */
  lapsed = 0;

  constructor(firstSeq: number, sentBefore: number) {
    super();
    this.firstSeq = firstSeq;
    this.nextSeq = firstSeq;
    this.endSeq = firstSeq;
    this.sentBefore = sentBefore;
    this.sendBelow = sentBefore + SENT_AHEAD_MAX;
  }

  /** Messages below were sent, now or earlier, and must not give way to newer ones. */
  get sentEndSeq(): number {
    return Math.max(this.nextSeq, this.sentBefore);
  }

  override peek(entry: OutboxEntry, inflightMax: number): boolean {
    return !this.isHeld && super.peek(entry, inflightMax) && entry.seq < this.sendBelow;
  }

  /** The store knows that what is below was sent; true: so more may be sent now. */
  onSentKnown(nextSeq: number): boolean {
    const wasShut = this.nextSeq >= this.sendBelow;
    this.sendBelow = Math.max(this.sendBelow, nextSeq + SENT_AHEAD_MAX);
    return wasShut && this.nextSeq < this.sendBelow;
  }

  /** The message just added may have been sent on an earlier connection: it goes out with DUP. */
  markSent(seq: number): void {
    this.sentBefore = Math.max(this.sentBefore, seq + 1);
    this.flags[seq & this.mask]! |= WAS_SENT;
  }

  /** Adds a QoS 2 message of which only PUBCOMP is missing. @param isGone as in `addDone` */
  addReleased(isGone: boolean): void {
    const slot = this.addSlot();
    this.flags[slot] = RELEASED | (2 << QOS_SHIFT) | WAS_SENT | (isGone ? GONE : 0);
    this.inflight++;
    if (this.nextSeq === this.endSeq - 1) this.nextSeq++;
  }

  /**
   * Adds a message that the store has not any more, and that the client may have: of QoS 2, it
   * waits for PUBREL. It has no message, and is not in flight before its turn comes.
   */
  addLapsed(): void {
    const slot = this.addSlot();
    this.flags[slot] = SENT | (2 << QOS_SHIFT) | WAS_SENT | GONE;
    this.lapsed++;
    if (this.nextSeq === this.endSeq - 1) this.nextSeq++;
  }

  /**
   * Identifier of the next message that lapsed, once PUBREC has come for all before it that the
   * client has: it may take messages over at PUBREL, and in order [MQTT-4.6.0-4]. 0: there is none.
   */
  releaseLapsed(): number {
    if (this.lapsed === 0) return 0;
    for (let seq = this.firstSeq; seq < this.endSeq; seq++) {
      const slot = seq & this.mask;
      const flags = this.flags[slot]!;
      if (!isWithClient(flags) || (flags & STATE) === RELEASED) continue;
      // Of what lapsed there is no message.
      if (this.messages[slot] !== null) return 0;
      this.flags[slot] = (flags & ~STATE) | RELEASED;
      this.lapsed--;
      this.inflight++;
      return packetIdOf(seq);
    }
    return 0;
  }

  override onPubrec(packetId: number): boolean {
    this.onLapsedPubrec(packetId);
    return super.onPubrec(packetId);
  }

  override onPubrecRefused(packetId: number): boolean {
    this.onLapsedPubrec(packetId);
    return super.onPubrecRefused(packetId);
  }

  /** PUBREC of a message that lapsed: the client has it, whatever lies before it. */
  private onLapsedPubrec(packetId: number): void {
    if (this.lapsed === 0) return;
    const seq = this.seqNear(packetId);
    const slot = seq & this.mask;
    if (seq >= this.nextSeq || (this.flags[slot]! & STATE) !== SENT) return;
    if (this.messages[slot] !== null) return;
    this.lapsed--;
    this.inflight++;
  }

  /** QoS 2 messages that the client was sent, and that are not done; ascending. */
  withClient(): number[] {
    const seqs: number[] = [];
    for (let seq = this.firstSeq; seq < this.endSeq; seq++) {
      if (isWithClient(this.flags[seq & this.mask]!)) seqs.push(seq);
    }
    return seqs;
  }

  /** True while a number more may be added. */
  get hasRoom(): boolean {
    return this.endSeq - this.firstSeq < IDS;
  }

  /** The next number is done. @param isGone the store does not have it any more */
  addDone(isGone: boolean): void {
    // On its own: `flags` may be another array afterwards.
    const slot = this.addSlot();
    this.flags[slot] = isGone ? DONE | GONE : DONE;
    this.skipDone();
  }

  /** The store gave a message up for a newer one; null: it was sent, or is done, here. */
  giveUp(seq: number): Message | null {
    const slot = seq & this.mask;
    if (seq < this.firstSeq || seq >= this.endSeq) return null;
    // Sent before the store heard of it: it is lost if the client does not acknowledge it now.
    if ((this.flags[slot]! & (STATE | WAS_SENT)) !== QUEUED) {
      if ((this.flags[slot]! & STATE) !== DONE) this.flags[slot]! |= GONE;
      return null;
    }
    const message = this.messages[slot]!;
    this.queued--;
    this.queuedBytes -= message.payloadLength;
    this.finish(slot);
    this.flags[slot] = DONE | GONE;
    this.skipDone();
    return message;
  }

  /** Messages that were sent and that the store has given up: nobody can send them again. */
  lostInFlight(): Message[] {
    const lost: Message[] = [];
    for (let seq = this.firstSeq; seq < this.endSeq; seq++) {
      const slot = seq & this.mask;
      const message = this.messages[slot];
      if ((this.flags[slot]! & GONE) !== 0 && message) lost.push(message);
    }
    return lost;
  }

  /** Numbers from `firstSeq` on that are done, without those that are gone; ascending. */
  doneSeqs(): number[] {
    const done: number[] = [];
    for (let seq = this.firstSeq; seq < this.endSeq; seq++) {
      if ((this.flags[seq & this.mask]! & (STATE | GONE)) === DONE) done.push(seq);
    }
    return done;
  }

  /** Numbers from `firstSeq` on that are done or gone. */
  get holes(): number {
    let holes = 0;
    for (let seq = this.firstSeq; seq < this.endSeq; seq++) {
      const flags = this.flags[seq & this.mask]!;
      if ((flags & STATE) === DONE || (flags & GONE) !== 0) holes++;
    }
    return holes;
  }

  /** Number of the message in flight with this identifier. */
  seqOf(packetId: number): number {
    return this.seqNear(packetId);
  }

  private addSlot(): number {
    if (this.endSeq - this.firstSeq > this.mask) this.grow();
    const slot = this.endSeq++ & this.mask;
    this.messages[slot] = null;
    if (this.ids !== null) this.ids[slot] = null;
    if (this.groups !== null) this.groups[slot] = null;
    return slot;
  }
}

/** True for QoS 2 that was sent, now or earlier, and is not done. */
function isWithClient(flags: number): boolean {
  if (((flags >>> QOS_SHIFT) & 3) !== 2) return false;
  const state = flags & STATE;
  return state === SENT || state === RELEASED || (state === QUEUED && (flags & WAS_SENT) !== 0);
}
