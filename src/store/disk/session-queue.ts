/**
 * The queue of one session: its numbers, what of it is done, and what of it is not in the database
 * yet. Hot path.
 *
 *     firstSeq ──────── nextSeq ──────────────────────── endSeq
 *        in the database ──────────── storedEnd · recent ──┤
 *
 * Messages are done in any order (`done`), and the oldest that were never sent may have given way
 * (`gaps`); `firstSeq` is behind all of them that it can be.
 *
 * An entry leaves `recent` when the database has it, or when all of it is done.
 */
import {
  type Append,
  type QueueLimits,
  SENT_AHEAD_MAX,
  type Settled,
  Taken,
  type WriteOutcome,
  WriteStatus,
} from '../store.js';
import type { Entry } from './generation.js';
import { countOf, payloadBytesOf } from './queue-entry.js';

const nothing: readonly number[] = [];

/** The sizes of an entry that is in the database; see `sizesOf`. */
export interface StoredSizes {
  readonly firstSeq: number;
  readonly sizes: Buffer;
}

/** Finds the entry with a number in the database. */
export type FindStored = (number: number, seq: number) => StoredSizes;

export class SessionQueue {
  firstSeq = 1;
  nextSeq = 1;
  endSeq = 1;
  /** One past the last message that is safe: later ones are not to be sent yet. */
  safeEndSeq = 1;
  /** Messages that are not done, and their payload bytes. */
  messages = 0;
  bytes = 0;
  /** One past the last message in the database; 0: there is none. */
  storedEnd = 0;
  /** Entries in the database below are removed. */
  trimmedTo = 1;
  /** Done, and not below `firstSeq`. */
  done: Set<number> | null = null;
  released: Set<number> | null = null;
  /** First and end of each run of messages that gave way, ascending. */
  gaps: number[] | null = null;
  /** See `Claim.lapsed`. */
  lapsed: Set<number> | null = null;
  /** Ascending; null: none. */
  recent: Entry[] | null = null;
  /** `done`, `released`, `gaps` or `lapsed` are not as they are stored. */
  hasNewLists = false;
  hasNewGaps = false;
  private readonly number: number;
  private readonly findStored: FindStored;
  /** The entry whose sizes were asked for last. */
  private sizes: Buffer | null = null;
  private sizesAt = 0;
  private sizesFrom = 0;
  private sizesEnd = 0;

  constructor(number: number, findStored: FindStored) {
    this.number = number;
    this.findStored = findStored;
  }

  settle({ firstSeq, done }: Settled): void {
    const end = Math.min(firstSeq, this.endSeq);
    for (let seq = this.firstSeq; seq < end; seq++) {
      const gapEnd = this.gapEnd(seq);
      if (gapEnd > 0) seq = gapEnd - 1;
      else if (!this.isDone(seq)) this.forget(seq);
    }
    if (end > this.firstSeq) {
      this.firstSeq = end;
      this.passLists();
    }
    for (const seq of done) {
      if (seq < this.firstSeq || seq >= this.endSeq || this.isGone(seq)) continue;
      this.forget(seq);
      this.done ??= new Set();
      this.done.add(seq);
      this.hasNewLists = true;
    }
    for (const seq of this.lapsed ?? []) {
      if (seq < firstSeq || done.includes(seq)) this.dropLapsed(seq);
    }
    this.advance();
  }

  /** Of those that lapsed, these are still in flight, and no others. */
  keepLapsed(inFlight: readonly number[]): void {
    for (const seq of this.lapsed ?? []) if (!inFlight.includes(seq)) this.dropLapsed(seq);
  }

  /** Messages below were sent. */
  sendTo(nextSeq: number): void {
    this.nextSeq = Math.min(Math.max(this.nextSeq, nextSeq), this.endSeq);
  }

  release(seqs: readonly number[]): void {
    for (const seq of seqs) {
      if (seq < this.firstSeq || seq >= this.endSeq || this.isGone(seq)) continue;
      this.released ??= new Set();
      this.released.add(seq);
      this.hasNewLists = true;
    }
  }

  /**
   * Gives numbers to the messages that are taken, and calls `take` with those. The numbers of those
   * that gave way for them are in the outcome; `dropped` may be among the new ones.
   *
   * @param mayBeSentTo below, messages may be with the client that `nextSeq` does not tell of
   */
  append(
    messages: readonly Append[],
    limits: QueueLimits | null,
    mayBeSentTo: number,
    take: (firstSeq: number, taken: readonly Append[]) => void,
  ): WriteOutcome {
    const firstSeq = this.endSeq;
    const { Done: status } = WriteStatus;
    if (limits === null || !this.mayBeFull(messages, limits)) {
      for (const { payloadBytes } of messages) this.bytes += payloadBytes;
      this.messages += messages.length;
      this.endSeq += messages.length;
      if (messages.length > 0) take(firstSeq, messages);
      return { status, firstSeq, taken: null, dropped: nothing, lost: 0 };
    }
    const accepted: Append[] = [];
    const taken: Taken[] = [];
    const dropped: number[] = [];
    for (const message of messages) {
      const isTaken = this.makeRoom(message.payloadBytes, limits, dropped, firstSeq, accepted);
      taken.push(isTaken ? Taken.Yes : Taken.Full);
      if (!isTaken) continue;
      accepted.push(message);
      this.messages++;
      this.bytes += message.payloadBytes;
      this.endSeq++;
    }
    if (accepted.length > 0) take(firstSeq, accepted);
    // A message of this very write cannot have been sent.
    const sentEnd = Math.min(mayBeSentTo, firstSeq, this.nextSeq + SENT_AHEAD_MAX);
    for (const seq of dropped) if (seq < sentEnd) this.addLapsed(seq);
    if (dropped.length > 0) this.advance();
    const areAllTaken = accepted.length === messages.length;
    return { status, firstSeq, taken: areAllTaken ? null : taken, dropped, lost: 0 };
  }

  addRecent(entry: Entry): void {
    this.recent ??= [];
    this.recent.push(entry);
  }

  /** The entries of a checkpoint are in the database. */
  onStored(entry: Entry): void {
    if (!entry.isGone) this.storedEnd = Math.max(this.storedEnd, entry.endSeq);
    // They may be a view of what is to be freed now.
    this.rest();
    const { recent } = this;
    if (recent === null) return;
    const { generation } = entry;
    let count = 0;
    while (count < recent.length && recent[count]!.generation === generation) count++;
    this.dropRecent(count);
  }

  /** True for what is done, or gave way; of numbers below `endSeq`. */
  isGone(seq: number): boolean {
    return seq < this.firstSeq || this.isDone(seq) || this.gapEnd(seq) > 0;
  }

  /** Nobody is connected: what only speeds up acknowledgements is let go. */
  rest(): void {
    this.sizes = null;
    this.sizesEnd = 0;
  }

  private addLapsed(seq: number): void {
    this.lapsed ??= new Set();
    this.lapsed.add(seq);
    this.hasNewLists = true;
  }

  private dropLapsed(seq: number): void {
    this.lapsed!.delete(seq);
    this.hasNewLists = true;
  }

  private isDone(seq: number): boolean {
    return this.done?.has(seq) ?? false;
  }

  /** End of the gap that a number is in; 0: it is in none. */
  private gapEnd(seq: number): number {
    const { gaps } = this;
    if (gaps === null) return 0;
    for (let index = 0; index < gaps.length; index += 2) {
      if (seq < gaps[index]!) return 0;
      if (seq < gaps[index + 1]!) return gaps[index + 1]!;
    }
    return 0;
  }

  /** A message is not waiting any more. */
  private forget(seq: number): void {
    this.messages--;
    this.bytes -= this.payloadBytes(seq);
    if (this.released?.delete(seq)) this.hasNewLists = true;
  }

  /** Moves `firstSeq` behind all that is done, and forgets what is below. */
  private advance(): void {
    let seq = this.firstSeq;
    while (seq < this.endSeq) {
      const gapEnd = this.gapEnd(seq);
      if (gapEnd > 0) seq = gapEnd;
      else if (this.isDone(seq)) seq++;
      else break;
    }
    if (seq > this.firstSeq) {
      this.firstSeq = seq;
      this.passLists();
    }
    if (this.nextSeq < seq) this.nextSeq = seq;
    this.passRecent();
  }

  private passLists(): void {
    const { firstSeq, gaps } = this;
    if (this.done !== null) {
      for (const seq of this.done) if (seq < firstSeq) this.done.delete(seq);
      if (this.done.size === 0) this.done = null;
      this.hasNewLists = true;
    }
    if (gaps === null) return;
    let passed = 0;
    while (passed < gaps.length && gaps[passed + 1]! <= firstSeq) passed += 2;
    if (passed === 0) return;
    this.gaps = passed === gaps.length ? null : gaps.slice(passed);
    this.hasNewLists = true;
  }

  private passRecent(): void {
    const { recent, firstSeq } = this;
    if (recent === null) return;
    let count = 0;
    while (count < recent.length && recent[count]!.endSeq <= firstSeq) {
      const entry = recent[count]!;
      if (entry.generation.isOpen) entry.isGone = true;
      count++;
    }
    this.dropRecent(count);
  }

  private dropRecent(count: number): void {
    if (count === 0) return;
    const { recent } = this;
    if (count === recent!.length) this.recent = null;
    else recent!.splice(0, count);
  }

  /** False: there is room for all of them, whatever gives way. */
  private mayBeFull(messages: readonly Append[], { messagesMax, bytesMax }: QueueLimits): boolean {
    if (messagesMax > 0 && this.messages + messages.length > messagesMax) return true;
    if (bytesMax === 0) return false;
    let bytes = this.bytes;
    for (const { payloadBytes } of messages) bytes += payloadBytes;
    return bytes > bytesMax;
  }

  /** True when there is room, or the oldest that were never sent gave way. */
  private makeRoom(
    payloadBytes: number,
    limits: QueueLimits,
    dropped: number[],
    newSeq: number,
    accepted: readonly Append[],
  ): boolean {
    const { messagesMax, bytesMax, dropsOldest } = limits;
    // Nothing gives way for one that does not fit even into an empty queue.
    if (bytesMax > 0 && payloadBytes > bytesMax) return false;
    for (;;) {
      const isFull =
        (messagesMax > 0 && this.messages >= messagesMax) ||
        (bytesMax > 0 && this.bytes + payloadBytes > bytesMax);
      if (!isFull) return true;
      const seq = dropsOldest ? this.oldestUnsent() : this.endSeq;
      if (seq === this.endSeq) return false;
      this.messages--;
      this.bytes -= seq < newSeq ? this.payloadBytes(seq) : accepted[seq - newSeq]!.payloadBytes;
      this.released?.delete(seq);
      this.addGap(seq);
      dropped.push(seq);
    }
  }

  /** `endSeq` when there is none. */
  private oldestUnsent(): number {
    const { gaps } = this;
    // Between nextSeq and the last gap's end nothing is left: the oldest always went first.
    let seq = Math.max(this.nextSeq, gaps === null ? 0 : gaps[gaps.length - 1]!);
    while (seq < this.endSeq && this.isDone(seq)) seq++;
    return seq;
  }

  private addGap(seq: number): void {
    this.gaps ??= [];
    const { gaps } = this;
    if (gaps.length > 0 && gaps[gaps.length - 1] === seq) gaps[gaps.length - 1] = seq + 1;
    else gaps.push(seq, seq + 1);
    this.hasNewLists = true;
    this.hasNewGaps = true;
  }

  private payloadBytes(seq: number): number {
    if (seq < this.sizesFrom || seq >= this.sizesEnd) this.findSizes(seq);
    return payloadBytesOf(this.sizes!, this.sizesAt, seq - this.sizesFrom);
  }

  private findSizes(seq: number): void {
    const { recent } = this;
    if (recent !== null && seq >= recent[0]!.firstSeq) {
      const entry = recent[indexOf(recent, seq)]!;
      this.useSizes(entry.firstSeq, entry.buffer, entry.at);
      return;
    }
    const { firstSeq, sizes } = this.findStored(this.number, seq);
    this.useSizes(firstSeq, sizes, 0);
  }

  private useSizes(firstSeq: number, sizes: Buffer, at: number): void {
    this.sizes = sizes;
    this.sizesAt = at;
    this.sizesFrom = firstSeq;
    this.sizesEnd = firstSeq + countOf(sizes, at);
  }
}

/** Index of the entry that a number is in; the entries have no gaps between them. */
function indexOf(entries: readonly Entry[], seq: number): number {
  let low = 0;
  let high = entries.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (entries[middle]!.firstSeq <= seq) low = middle;
    else high = middle - 1;
  }
  return low;
}
