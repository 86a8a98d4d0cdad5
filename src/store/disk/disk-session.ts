/**
 * A durable session as the disk store has it in memory: everything but its queue's messages, its
 * will and, while nobody is connected, its subscriptions.
 */
import type { HeldId, Settled, StoredSubscription } from '../store.js';
import type { Generation } from './generation.js';
import { RecordKind, recordKey } from './keys.js';
import { type FindStored, SessionQueue } from './session-queue.js';
import type { Fate, SessionLists, SessionState } from './session-records.js';

/** A subscription and the key that it is stored with. */
export interface KeptSubscription {
  readonly key: string;
  readonly subscription: StoredSubscription;
}

/** All but the will, which only the database keeps. */
export type KeptFate = Omit<Fate, 'will'>;

export class DiskSession {
  readonly clientId: string;
  /** Of its keys; never of another session. */
  readonly number: number;
  epoch = 0;
  fate: KeptFate;
  readonly queue: SessionQueue;
  /** Inbound QoS 2 messages: packet identifier → number, in the order in which they came. */
  held: Map<number, number> | null = null;
  nextNumber = 1;
  /** By filter; null: in the database only. */
  subscriptions: Map<string, KeptSubscription> | null = null;
  /** Number in the key of the next subscription, while they are in memory. */
  nextSubscription = 0;
  /** The last generation with a change of them. */
  subscribedIn: Generation | null = null;
  private cachedStateKey: string | null = null;

  constructor(clientId: string, number: number, fate: KeptFate, findStored: FindStored) {
    this.clientId = clientId;
    this.number = number;
    this.fate = fate;
    this.queue = new SessionQueue(number, findStored);
  }

  get stateKey(): string {
    this.cachedStateKey ??= recordKey(this.number, RecordKind.State);
    return this.cachedStateKey;
  }

  /** What the records of the database say. */
  restore(state: SessionState, lists: SessionLists | null, held: readonly HeldId[]): void {
    const { queue } = this;
    this.epoch = state.epoch;
    this.nextNumber = state.nextNumber;
    queue.firstSeq = state.firstSeq;
    queue.nextSeq = state.nextSeq;
    queue.endSeq = state.endSeq;
    queue.safeEndSeq = state.endSeq;
    queue.messages = state.messages;
    queue.bytes = state.bytes;
    queue.storedEnd = state.messages > 0 ? state.endSeq : 0;
    for (const { packetId, number } of held) this.hold(packetId, number);
    if (lists === null) return;
    if (lists.done.length > 0) queue.done = new Set(lists.done);
    if (lists.released.length > 0) queue.released = new Set(lists.released);
    if (lists.gaps.length > 0) queue.gaps = [...lists.gaps];
    if (lists.lapsed.length > 0) queue.lapsed = new Set(lists.lapsed);
  }

  hold(packetId: number, number: number): void {
    this.held ??= new Map();
    this.held.set(packetId, number);
    this.nextNumber = Math.max(this.nextNumber, number + 1);
  }

  /** False: it was not held. */
  unhold(packetId: number): boolean {
    if (this.held === null || !this.held.delete(packetId)) return false;
    if (this.held.size === 0) this.held = null;
    return true;
  }

  settle(settled: Settled | null, nextSeq: number, released: readonly number[]): void {
    if (settled !== null) this.queue.settle(settled);
    if (nextSeq > 0) this.queue.sendTo(nextSeq);
    if (released.length > 0) this.queue.release(released);
  }

  /** Nobody is connected: what can be read again is let go. */
  rest(): void {
    this.queue.rest();
    if (this.subscribedIn === null || this.subscribedIn.isStored) this.subscriptions = null;
  }

  get lists(): SessionLists {
    const { done, released, gaps, lapsed } = this.queue;
    return {
      done: ascending(done),
      released: ascending(released),
      gaps: gaps ?? [],
      lapsed: ascending(lapsed),
    };
  }

  get heldIds(): HeldId[] {
    return [...(this.held ?? [])].map(([packetId, number]) => ({ packetId, number }));
  }
}

function ascending(numbers: ReadonlySet<number> | null): number[] {
  return numbers === null ? [] : [...numbers].sort((a, b) => a - b);
}
