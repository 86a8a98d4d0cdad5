/**
 * Sending side of QoS 1 and 2, per session: what waits and what is in flight. Hot path.
 *
 * Every message gets the next number of a dense sequence, and its packet identifier is derived
 * from that, so a resend after any interruption carries the original identifier without anybody
 * having written it down:  packetId = ((seq - 1) mod 65535) + 1.
 *
 *     queued ──send──▶ sent ──PUBACK──────────────────────▶ done       (QoS 1)
 *                       └────PUBREC──▶ released ──PUBCOMP──▶ done      (QoS 2)
 *                       └────PUBREC ≥ 0x80──────────────────▶ done
 *     queued ──drop──▶ done
 *
 *     firstSeq ≤ nextSeq ≤ endSeq: done or in flight below nextSeq, queued (or done) above.
 *     The window firstSeq … nextSeq never spans 65 535 numbers, so identifiers are unique.
 *
 * After a reconnect nextSeq goes back to firstSeq, and what was sent before goes out again with
 * DUP [MQTT-4.4.0-1].
 */
import { assert } from '../base/assert.js';
import type { Message } from '../protocol/message.js';
import type { OutboxEntry, Undelivered } from './outbox-entry.js';
import {
  DONE,
  IDS,
  packetIdOf,
  QOS_SHIFT,
  QUEUED,
  RELEASED,
  RETAIN,
  SENT,
  STATE,
  WAS_SENT,
} from './outbox-flags.js';
import type { SharedGroup } from './shared-group.js';

const RING_START = 16;

export class Outbox {
  /** Oldest number that is not done. */
  firstSeq = 1;
  /** Next number to send. */
  nextSeq = 1;
  /** Next number to give out. */
  endSeq = 1;
  /** Messages sent and neither acknowledged nor refused; released ones included. */
  inflight = 0;
  /** Payload bytes of them, as far as the message is still held. */
  inflightBytes = 0;
  /** Messages waiting, those to be sent again included. */
  queued = 0;
  queuedBytes = 0;
  protected mask = RING_START - 1;
  protected messages: (Message | null)[] = new Array<Message | null>(RING_START).fill(null);
  protected flags = new Uint8Array(RING_START);
  protected ids: (readonly number[] | null)[] | null = null;
  protected groups: (SharedGroup | null)[] | null = null;

  /** Numbers between the oldest and the newest. */
  get length(): number {
    return this.endSeq - this.firstSeq;
  }

  /** Appends a message to the queue and returns its number. */
  add(
    message: Message,
    qos: number,
    retain: boolean,
    ids: readonly number[] | null,
    group: SharedGroup | null,
  ): number {
    if (this.endSeq - this.firstSeq > this.mask) this.grow();
    const seq = this.endSeq++;
    const slot = seq & this.mask;
    this.messages[slot] = message;
    this.flags[slot] = QUEUED | (qos << QOS_SHIFT) | (retain ? RETAIN : 0);
    if (ids !== null || this.ids !== null) this.setIdsOf(seq, ids);
    if (group !== null || this.groups !== null) this.setGroupOf(seq, group);
    this.queued++;
    this.queuedBytes += message.payloadLength;
    return seq;
  }

  /**
   * Appends a message that the caller sends at once. Pass null for `message` when it need not be
   * sent again: its session ends with the connection.
   */
  addSent(message: Message | null, qos: number, retain: boolean, payloadLength: number): number {
    if (this.endSeq - this.firstSeq > this.mask) this.grow();
    const seq = this.endSeq++;
    this.nextSeq = this.endSeq;
    const slot = seq & this.mask;
    this.messages[slot] = message;
    this.flags[slot] = SENT | (qos << QOS_SHIFT) | (retain ? RETAIN : 0);
    if (this.ids !== null) this.ids[slot] = null;
    if (this.groups !== null) this.groups[slot] = null;
    this.inflight++;
    if (message !== null) this.inflightBytes += payloadLength;
    return seq;
  }

  /**
   * As `addSent`, of so many messages of QoS 1 that need not be sent again.
   *
   * @returns the number of the first
   */
  addSentInRow(count: number): number {
    while (this.endSeq - this.firstSeq + count > this.mask + 1) this.grow();
    const { flags, groups, ids, mask, messages } = this;
    const firstSeq = this.endSeq;
    for (let seq = firstSeq; seq < firstSeq + count; seq++) {
      const slot = seq & mask;
      messages[slot] = null;
      flags[slot] = SENT | (1 << QOS_SHIFT);
      if (ids !== null) ids[slot] = null;
      if (groups !== null) groups[slot] = null;
    }
    this.endSeq = firstSeq + count;
    this.nextSeq = this.endSeq;
    this.inflight += count;
    return firstSeq;
  }

  /** How many new messages may go out at once. */
  room(inflightMax: number): number {
    if (this.queued > 0) return 0;
    return Math.min(inflightMax - this.inflight, IDS - (this.nextSeq - this.firstSeq));
  }

  /** True when a new message may go out at once: nothing waits, and there is room in flight. */
  canSendNow(inflightMax: number): boolean {
    return this.room(inflightMax) > 0;
  }

  /** The next message to send; false when there is none or the window is closed. */
  peek(entry: OutboxEntry, inflightMax: number): boolean {
    while (this.nextSeq < this.endSeq) {
      const slot = this.nextSeq & this.mask;
      const flags = this.flags[slot]!;
      if ((flags & STATE) !== QUEUED) {
        this.nextSeq++;
        continue;
      }
      if (this.inflight >= inflightMax || this.nextSeq - this.firstSeq >= IDS) return false;
      entry.seq = this.nextSeq;
      entry.packetId = packetIdOf(this.nextSeq);
      entry.message = this.messages[slot]!;
      entry.qos = (flags >>> QOS_SHIFT) & 3;
      entry.retain = (flags & RETAIN) !== 0;
      entry.dup = (flags & WAS_SENT) !== 0;
      entry.ids = this.ids === null ? null : this.ids[slot]!;
      return true;
    }
    this.advance();
    return false;
  }

  /** The entry of the last `peek` was sent: QoS 1 and 2 are in flight, QoS 0 is done. */
  becomeSent(entry: OutboxEntry): void {
    assert(entry.seq === this.nextSeq, 'messages are sent in order');
    const slot = entry.seq & this.mask;
    const message = this.messages[slot]!;
    this.nextSeq++;
    this.queued--;
    this.queuedBytes -= message.payloadLength;
    if (entry.qos === 0) {
      this.finish(slot);
      return;
    }
    this.flags[slot] = (this.flags[slot]! & ~STATE) | SENT;
    this.inflight++;
    this.inflightBytes += message.payloadLength;
  }

  /** The entry of the last `peek` is not sent: expired, or larger than the client takes. */
  becomeDropped(entry: OutboxEntry): void {
    const slot = entry.seq & this.mask;
    this.nextSeq++;
    this.queued--;
    this.queuedBytes -= this.messages[slot]!.payloadLength;
    this.finish(slot);
  }

  /** Drops the oldest message that was never sent; null when there is none. */
  dropOldest(): Message | null {
    this.skipDone();
    for (let seq = this.nextSeq; seq < this.endSeq; seq++) {
      const slot = seq & this.mask;
      if ((this.flags[slot]! & (STATE | WAS_SENT)) !== QUEUED) continue;
      const message = this.messages[slot]!;
      this.queued--;
      this.queuedBytes -= message.payloadLength;
      this.finish(slot);
      const held = this.queued + this.inflight;
      if (this.length - held > held + RING_START) this.closeHoles();
      return message;
    }
    return null;
  }

  /** PUBACK. False: no QoS 1 message with this identifier is in flight. */
  onPuback(packetId: number): boolean {
    const slot = this.inState(packetId, SENT);
    if (slot < 0 || this.qosAt(slot) !== 1) return false;
    this.settle(slot);
    return true;
  }

  /** PUBREC below 0x80. False: the identifier is unknown, answer PUBREL 0x92. */
  onPubrec(packetId: number): boolean {
    const slot = this.inState(packetId, SENT);
    if (slot < 0 || this.qosAt(slot) !== 2) return this.inState(packetId, RELEASED) >= 0;
    this.flags[slot] = (this.flags[slot]! & ~STATE) | RELEASED;
    this.forgetMessage(slot);
    return true;
  }

  /** PUBREC of 0x80 or above: the delivery is over [MQTT-4.4.0-2]. */
  onPubrecRefused(packetId: number): boolean {
    const slot = this.inState(packetId, SENT);
    if (slot < 0 || this.qosAt(slot) !== 2) return false;
    this.settle(slot);
    return true;
  }

  /** PUBCOMP. False: nothing with this identifier was released. */
  onPubcomp(packetId: number): boolean {
    const slot = this.inState(packetId, RELEASED);
    if (slot < 0) return false;
    this.settle(slot);
    return true;
  }

  /**
   * A new connection: all that was sent waits again, to go out with DUP. What was released stays
   * so; `release` is called with its identifiers, in order, for PUBREL.
   */
  resume(release: (packetId: number) => void): void {
    // Not only up to nextSeq: the connection before may have ended before it sent anything.
    for (let seq = this.firstSeq; seq < this.endSeq; seq++) {
      const slot = seq & this.mask;
      const flags = this.flags[slot]!;
      if ((flags & STATE) === RELEASED) release(packetIdOf(seq));
      if ((flags & STATE) !== SENT) continue;
      const message = this.messages[slot]!;
      this.flags[slot] = (flags & ~STATE) | QUEUED | WAS_SENT;
      this.inflight--;
      this.inflightBytes -= message.payloadLength;
      this.queued++;
      this.queuedBytes += message.payloadLength;
    }
    this.nextSeq = this.firstSeq;
  }

  /** Calls `visit` with every message that is held. */
  forEachMessage(visit: (message: Message) => void): void {
    for (let seq = this.firstSeq; seq < this.endSeq; seq++) {
      const message = this.messages[seq & this.mask];
      if (message) visit(message);
    }
  }

  /**
   * What goes to other members of its shared subscription when the session ends: QoS 1 that was
   * not acknowledged, QoS 2 whose delivery had not begun [MQTT-4.8.2-5].
   */
  undelivered(): Undelivered[] {
    const found: Undelivered[] = [];
    if (this.groups === null) return found;
    for (let seq = this.firstSeq; seq < this.endSeq; seq++) {
      const slot = seq & this.mask;
      const group = this.groups[slot];
      const message = this.messages[slot];
      if (!group || !message) continue;
      const hasBegun = (this.flags[slot]! & (STATE | WAS_SENT)) !== QUEUED;
      if (this.qosAt(slot) === 2 && hasBegun) continue;
      found.push({ message, group });
    }
    return found;
  }

  /** Remembers that a message just added came through a shared subscription. */
  setGroupOf(seq: number, group: SharedGroup | null): void {
    this.groups ??= new Array<SharedGroup | null>(this.mask + 1).fill(null);
    this.groups[seq & this.mask] = group;
  }

  /** Remembers the Subscription Identifiers of a message just added. */
  setIdsOf(seq: number, ids: readonly number[] | null): void {
    this.ids ??= new Array<readonly number[] | null>(this.mask + 1).fill(null);
    this.ids[seq & this.mask] = ids;
  }

  protected qosAt(slot: number): number {
    return (this.flags[slot]! >>> QOS_SHIFT) & 3;
  }

  /** Slot of the message in flight with this identifier and state; -1: there is none. */
  private inState(packetId: number, state: number): number {
    const seq = this.seqNear(packetId);
    if (seq >= this.nextSeq && !(state === RELEASED && seq < this.endSeq)) return -1;
    const slot = seq & this.mask;
    return (this.flags[slot]! & STATE) === state ? slot : -1;
  }

  /** The number from `firstSeq` on that has this identifier. */
  protected seqNear(packetId: number): number {
    return this.firstSeq + ((packetId - packetIdOf(this.firstSeq) + IDS) % IDS);
  }

  /** A message in flight is done. */
  private settle(slot: number): void {
    this.inflight--;
    this.forgetMessage(slot);
    this.finish(slot);
    this.advance();
  }

  private forgetMessage(slot: number): void {
    const message = this.messages[slot];
    if (!message) return;
    this.inflightBytes -= message.payloadLength;
    this.messages[slot] = null;
  }

  protected finish(slot: number): void {
    this.flags[slot] = DONE;
    this.messages[slot] = null;
    if (this.ids !== null) this.ids[slot] = null;
    if (this.groups !== null) this.groups[slot] = null;
  }

  /** Moves nextSeq, and firstSeq with it, behind what was dropped: it is not met again. */
  protected skipDone(): void {
    const { endSeq, flags, mask } = this;
    while (this.nextSeq < endSeq && (flags[this.nextSeq & mask]! & STATE) === DONE) this.nextSeq++;
    this.advance();
  }

  /** Moves firstSeq behind everything that is done. */
  private advance(): void {
    const { nextSeq, flags, mask } = this;
    let seq = this.firstSeq;
    while (seq < nextSeq && (flags[seq & mask]! & STATE) === DONE) seq++;
    this.firstSeq = seq;
  }

  /**
   * Renumbers what was never sent, and so has no identifier that anybody knows, to follow what
   * was: else a queue that drops its oldest behind a message in flight would grow for ever.
   */
  private closeHoles(): void {
    let to = this.firstSeq;
    for (let seq = this.firstSeq; seq < this.endSeq; seq++) {
      const flags = this.flags[seq & this.mask]!;
      const isFixed = (flags & STATE) === SENT || (flags & STATE) === RELEASED;
      if (isFixed || (flags & WAS_SENT) !== 0) to = seq + 1;
    }
    const firstMovable = to;
    for (let seq = firstMovable; seq < this.endSeq; seq++) {
      const from = seq & this.mask;
      if ((this.flags[from]! & STATE) === DONE) continue;
      if (seq !== to) this.move(from, to & this.mask);
      to++;
    }
    this.endSeq = to;
    if (this.nextSeq > firstMovable) this.nextSeq = firstMovable;
    this.advance();
  }

  protected move(from: number, to: number): void {
    this.flags[to] = this.flags[from]!;
    this.messages[to] = this.messages[from]!;
    if (this.ids !== null) this.ids[to] = this.ids[from]!;
    if (this.groups !== null) this.groups[to] = this.groups[from]!;
    this.finish(from);
  }

  protected grow(): void {
    const oldMask = this.mask;
    const size = (oldMask + 1) * 2;
    const mask = size - 1;
    const messages = new Array<Message | null>(size).fill(null);
    const flags = new Uint8Array(size);
    const ids = this.ids === null ? null : new Array<readonly number[] | null>(size).fill(null);
    const groups = this.groups === null ? null : new Array<SharedGroup | null>(size).fill(null);
    for (let seq = this.firstSeq; seq < this.endSeq; seq++) {
      const from = seq & oldMask;
      const to = seq & mask;
      messages[to] = this.messages[from]!;
      flags[to] = this.flags[from]!;
      if (ids !== null) ids[to] = this.ids![from]!;
      if (groups !== null) groups[to] = this.groups![from]!;
    }
    this.mask = mask;
    this.messages = messages;
    this.flags = flags;
    this.ids = ids;
    this.groups = groups;
  }
}
