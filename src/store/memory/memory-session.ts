/**
 * One durable session of the memory store: what `SessionWrite` does, told as plainly as possible.
 * The other stores are compared with it.
 *
 * A write takes effect in this order: settled, next number, released, held, append, forgotten,
 * subscriptions, disconnect, will. So what a write acknowledges makes room for what it appends.
 */
import {
  type Append,
  type Claim,
  type ClaimRequest,
  type QueuedRecord,
  type QueueLimits,
  type QueueRead,
  SENT_AHEAD_MAX,
  type SessionWrite,
  type Settled,
  type StoredSession,
  type StoredSubscription,
  Taken,
  type WriteOutcome,
  WriteStatus,
} from '../store.js';

/** Session Expiry Interval of a session that does not expire. */
const EXPIRY_NEVER = 0xffff_ffff;

interface Waiting {
  readonly record: Buffer;
  readonly payloadBytes: number;
}

export class MemorySession {
  readonly clientId: string;
  epoch = 0;
  private isConnected = false;
  private info: Buffer = Buffer.alloc(0);
  private expiryInterval = 0;
  private expiresAtMs = Number.POSITIVE_INFINITY;
  private will: Buffer | null = null;
  private willDelay = 0;
  private willAtMs = Number.POSITIVE_INFINITY;
  private readonly subscriptions = new Map<string, StoredSubscription>();
  /** Messages that are not done, by number, ascending. */
  private readonly waiting = new Map<number, Waiting>();
  private waitingBytes = 0;
  private firstSeq = 1;
  private nextSeq = 1;
  private endSeq = 1;
  /** Where the queue ended when its client was lost; 0: `nextSeq` is exact. */
  private lostAtSeq = 0;
  private readonly done = new Set<number>();
  private readonly released = new Set<number>();
  /** See `Claim.lapsed`. */
  private readonly lapsed = new Set<number>();
  private readonly held = new Map<number, number>();
  private nextNumber = 1;

  constructor(clientId: string) {
    this.clientId = clientId;
  }

  get messages(): number {
    return this.waiting.size;
  }

  get bytes(): number {
    return this.waitingBytes;
  }

  /** A client connects. */
  claim(request: ClaimRequest, epoch: number, isPresent: boolean): Claim {
    this.epoch = epoch;
    if (!request.connects) return this.answer(isPresent);
    if (this.isConnected) this.lostAtSeq = this.endSeq;
    this.isConnected = true;
    this.info = request.info;
    this.expiryInterval = request.expiryInterval;
    this.will = request.will;
    this.willDelay = request.willDelay;
    return this.answer(isPresent);
  }

  private answer(isPresent: boolean): Claim {
    return {
      epoch: this.epoch,
      isPresent,
      subscriptions: [...this.subscriptions.values()],
      firstSeq: this.firstSeq,
      done: ascending(this.done),
      released: ascending(this.released),
      lapsed: ascending(this.lapsed),
      endSeq: this.endSeq,
      nextSeq: this.nextSeq,
      unsentSeq: Math.max(this.nextSeq, this.lostAtSeq),
      held: [...this.held].map(([packetId, number]) => ({ packetId, number })),
      isHeldRouted: true,
      nextNumber: this.nextNumber,
      lastWill: null,
    };
  }

  /** The broker that the client was connected to is gone. */
  becomeOrphan(nowMs: number): void {
    if (!this.isConnected) return;
    this.isConnected = false;
    this.lostAtSeq = this.endSeq;
    const isForever = this.expiryInterval >= EXPIRY_NEVER;
    this.expiresAtMs = isForever ? Number.POSITIVE_INFINITY : nowMs + this.expiryInterval * 1000;
    this.willAtMs = this.will === null ? Number.POSITIVE_INFINITY : nowMs + this.willDelay * 1000;
  }

  apply(write: SessionWrite): WriteOutcome {
    if (write.settled !== null) this.settle(write.settled);
    this.nextSeq = Math.min(Math.max(this.nextSeq, write.nextSeq, this.firstSeq), this.endSeq);
    for (const seq of write.released) if (this.waiting.has(seq)) this.released.add(seq);
    for (const { packetId, number } of write.held) {
      this.held.set(packetId, number);
      this.nextNumber = Math.max(this.nextNumber, number + 1);
    }
    const outcome = this.append(write.append, write.limits);
    for (const packetId of write.forgotten) this.held.delete(packetId);
    for (const one of write.subscribed) this.subscriptions.set(one.filter, one);
    for (const filter of write.unsubscribed) this.subscriptions.delete(filter);
    if (write.disconnect !== null) {
      if (!write.disconnect.isUnsure) this.keepLapsed(write.disconnect.inFlight);
      if (this.isConnected && !write.disconnect.isUnsure) this.lostAtSeq = 0;
      this.isConnected = false;
      this.expiresAtMs = write.disconnect.expiresAtMs;
      this.will = write.disconnect.will;
      this.willAtMs = write.disconnect.willAtMs;
    }
    if (write.dismissesWill) this.will = null;
    return write.ends ? { ...outcome, lost: this.waiting.size } : outcome;
  }

  read(fromSeq: number, bytesMax: number): QueueRead {
    const records: QueuedRecord[] = [];
    let bytes = 0;
    let seq = Math.max(fromSeq, this.firstSeq);
    for (; seq < this.endSeq && (records.length === 0 || bytes < bytesMax); seq++) {
      const message = this.waiting.get(seq);
      if (message === undefined) continue;
      records.push({ seq, record: message.record });
      bytes += message.record.length;
    }
    while (seq < this.endSeq && !this.waiting.has(seq)) seq++;
    const lapsed = ascending(this.lapsed).filter((one) => one >= fromSeq && one < seq);
    return { records, nextSeq: seq, lapsed };
  }

  stored(): StoredSession {
    const { clientId, epoch, info, expiresAtMs, will, willAtMs, messages } = this;
    return { clientId, epoch, info, expiresAtMs, will, willAtMs, messages };
  }

  storedSubscriptions(): Iterable<StoredSubscription> {
    return this.subscriptions.values();
  }

  private settle({ firstSeq, done }: Settled): void {
    const end = Math.min(firstSeq, this.endSeq);
    for (let seq = this.firstSeq; seq < end; seq++) this.finish(seq);
    for (const seq of done) if (this.finish(seq)) this.done.add(seq);
    for (const seq of this.lapsed) {
      if (seq < firstSeq || done.includes(seq)) this.lapsed.delete(seq);
    }
    this.advance();
  }

  private append(messages: readonly Append[], limits: QueueLimits | null): WriteOutcome {
    const firstSeq = this.endSeq;
    const taken: Taken[] = [];
    const dropped: number[] = [];
    for (const message of messages) {
      const isTaken = limits === null || this.makeRoom(message.payloadBytes, limits, dropped);
      taken.push(isTaken ? Taken.Yes : Taken.Full);
      if (!isTaken) continue;
      this.waiting.set(this.endSeq++, message);
      this.waitingBytes += message.payloadBytes;
    }
    // A message of this very write cannot have been sent.
    for (const seq of dropped) if (seq < firstSeq && this.mayBeSent(seq)) this.lapsed.add(seq);
    this.advance();
    const areAllTaken = taken.every((one) => one === Taken.Yes);
    return {
      status: WriteStatus.Done,
      firstSeq,
      taken: areAllTaken ? null : taken,
      dropped,
      lost: 0,
    };
  }

  /** True when there is room, or the oldest that were never sent gave way. */
  private makeRoom(payloadBytes: number, limits: QueueLimits, dropped: number[]): boolean {
    // Nothing gives way for one that does not fit even into an empty queue.
    if (limits.bytesMax > 0 && payloadBytes > limits.bytesMax) return false;
    while (this.isFull(payloadBytes, limits)) {
      const oldest = limits.dropsOldest ? this.oldestUnsent() : null;
      if (oldest === null) return false;
      this.finish(oldest);
      dropped.push(oldest);
    }
    return true;
  }

  private isFull(payloadBytes: number, { messagesMax, bytesMax }: QueueLimits): boolean {
    if (messagesMax > 0 && this.waiting.size >= messagesMax) return true;
    return bytesMax > 0 && this.waitingBytes + payloadBytes > bytesMax;
  }

  private oldestUnsent(): number | null {
    for (const seq of this.waiting.keys()) if (seq >= this.nextSeq) return seq;
    return null;
  }

  /** Whether the client may have been sent a message that the store does not know to be sent. */
  private mayBeSent(seq: number): boolean {
    if (seq >= this.nextSeq + SENT_AHEAD_MAX) return false;
    return this.isConnected || seq < this.lostAtSeq;
  }

  private keepLapsed(inFlight: readonly number[]): void {
    for (const seq of this.lapsed) if (!inFlight.includes(seq)) this.lapsed.delete(seq);
  }

  /** A message is done, or gave way. False: it was before. */
  private finish(seq: number): boolean {
    const message = this.waiting.get(seq);
    if (message === undefined) return false;
    this.waiting.delete(seq);
    this.waitingBytes -= message.payloadBytes;
    this.released.delete(seq);
    return true;
  }

  /** Moves `firstSeq` behind all that is done. */
  private advance(): void {
    while (this.firstSeq < this.endSeq && !this.waiting.has(this.firstSeq)) {
      this.done.delete(this.firstSeq);
      this.firstSeq++;
    }
    this.nextSeq = Math.max(this.nextSeq, this.firstSeq);
  }
}

function ascending(numbers: ReadonlySet<number>): number[] {
  return [...numbers].sort((a, b) => a - b);
}
