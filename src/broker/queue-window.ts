/**
 * An outbox whose numbers are given by the store: the part of a stored queue that is in memory.
 * Numbers that the store does not have any more are gone: done, and the store need not be told.
 *
 * It spans 65 535 numbers at most, as more could not be sent anyway: a client that leaves its
 * oldest message unacknowledged, while the queue behind it overflows again and again, costs no
 * more than that.
 */
import type { Message } from '../protocol/message.js';
import { Outbox } from './outbox.js';
import type { OutboxEntry } from './outbox-entry.js';
import {
  DONE,
  GONE,
  IDS,
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

  constructor(firstSeq: number, sentBefore: number) {
    super();
    this.firstSeq = firstSeq;
    this.nextSeq = firstSeq;
    this.endSeq = firstSeq;
    this.sentBefore = sentBefore;
  }

  /** Messages below were sent, now or earlier, and must not give way to newer ones. */
  get sentEndSeq(): number {
    return Math.max(this.nextSeq, this.sentBefore);
  }

  override peek(entry: OutboxEntry, inflightMax: number): boolean {
    return !this.isHeld && super.peek(entry, inflightMax);
  }

  /** The message just added may have been sent on an earlier connection: it goes out with DUP. */
  markSent(seq: number): void {
    this.sentBefore = Math.max(this.sentBefore, seq + 1);
    this.flags[seq & this.mask]! |= WAS_SENT;
  }

  /** Adds a QoS 2 message of which only PUBCOMP is missing. */
  addReleased(): void {
    const slot = this.addSlot();
    this.flags[slot] = RELEASED | (2 << QOS_SHIFT) | WAS_SENT;
    this.inflight++;
    if (this.nextSeq === this.endSeq - 1) this.nextSeq++;
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
    if ((this.flags[slot]! & STATE) === SENT) this.flags[slot]! |= GONE;
    if ((this.flags[slot]! & (STATE | WAS_SENT)) !== QUEUED) return null;
    const message = this.messages[slot]!;
    this.queued--;
    this.queuedBytes -= message.payloadLength;
    this.finish(slot);
    this.flags[slot] = DONE | GONE;
    this.skipDone();
    return message;
  }

  /** Messages in flight that the store has given up: nobody can send them again. */
  lostInFlight(): Message[] {
    const lost: Message[] = [];
    for (let seq = this.firstSeq; seq < this.nextSeq; seq++) {
      const slot = seq & this.mask;
      if ((this.flags[slot]! & (STATE | GONE)) === (SENT | GONE)) lost.push(this.messages[slot]!);
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
