/**
 * All sessions of the disk store, and what claims and writes do to them. Hot path.
 *
 * Everything is decided here, in memory and at once; what it comes to goes to the journal through
 * the turn's writer, and into the generation for the next checkpoint. When a write is safe is not
 * this file's business.
 *
 * A message and what is held of its publisher are in one turn, which happens as a whole or not at
 * all. So a repeat of a held message is never routed again (`isHeldRouted`) and marks have nothing
 * to add: they are ignored.
 */
import { BrokerError } from '../../base/errors.js';
import { isMoreThanAppend, messagesOnly, nothingStored, refused } from '../answers.js';
import {
  type Append,
  type Claim,
  type ClaimRequest,
  type RetainedWrite,
  type SessionWrite,
  type StoredSubscription,
  type WriteOutcome,
  WriteStatus,
} from '../store.js';
import type { Database } from './database.js';
import { DiskSession, type KeptFate, type KeptSubscription } from './disk-session.js';
import { Entry, Generation } from './generation.js';
import { RecordKind, recordKey, whichOfRecord } from './keys.js';
import { entryBytes, entryCount, sizesOf, writeEntry } from './queue-entry.js';
import type { FindStored, SessionQueue } from './session-queue.js';
import * as records from './session-records.js';
import type { TurnWriter } from './turn-writer.js';

export class SessionTable {
  /** What was written since the last checkpoint began. */
  generation = new Generation();
  readonly sessions = new Map<string, DiskSession>();
  private lastEpoch = 0;
  private lastNumber = 0;
  private readonly turn: TurnWriter;
  private readonly database: Database;
  private readonly findStored: FindStored = (number, seq) => {
    const entry = this.database.entryAt(number, seq);
    if (entry === null) {
      throw new BrokerError('STORE_DAMAGED', 'a queue on disk has lost messages; restore a copy');
    }
    return { firstSeq: entry.firstSeq, sizes: sizesOf(entry.bytes) };
  };

  constructor(turn: TurnWriter, database: Database) {
    this.turn = turn;
    this.database = database;
  }

  /** A session as the database has it. */
  add(identity: records.Identity, number: number, fate: KeptFate): DiskSession {
    const session = new DiskSession(identity.clientId, number, fate, this.findStored);
    this.sessions.set(identity.clientId, session);
    this.lastNumber = Math.max(this.lastNumber, number);
    return session;
  }

  /** Epochs go on behind those that were ever given out. */
  onLoaded(): void {
    this.lastEpoch = this.database.lastEpoch;
  }

  claim(request: ClaimRequest): Claim {
    const { clientId, cleanStart, connects, isDurable, info } = request;
    let session = this.sessions.get(clientId) ?? null;
    if (session !== null && (cleanStart || !isDurable)) {
      this.end(session);
      session = null;
    }
    if (!isDurable || (session === null && !connects)) return nothingStored;
    const isPresent = session !== null;
    const fate = connectedFate(request, session);
    session ??= this.add({ clientId, info }, this.lastNumber + 1, fate);
    this.lastEpoch++;
    session.epoch = this.lastEpoch;
    if (connects) {
      this.put(session, RecordKind.Identity, records.encodeIdentity({ clientId, info }));
      this.setFate(session, fate, request.will);
    }
    this.putState(session);
    return this.answer(session, isPresent);
  }

  private answer(session: DiskSession, isPresent: boolean): Claim {
    const { queue, lists } = session;
    const subscriptions = [...this.subscriptionsOf(session).values()];
    return {
      epoch: session.epoch,
      isPresent,
      subscriptions: subscriptions.map(({ subscription }) => subscription),
      firstSeq: queue.firstSeq,
      done: lists.done,
      released: lists.released,
      lapsed: lists.lapsed,
      endSeq: queue.endSeq,
      nextSeq: queue.nextSeq,
      unsentSeq: Math.max(queue.nextSeq, session.fate.lostAtSeq),
      held: session.heldIds,
      isHeldRouted: true,
      nextNumber: session.nextNumber,
      lastWill: null,
    };
  }

  write(write: SessionWrite): WriteOutcome {
    const session = this.sessions.get(write.clientId);
    if (session === undefined) return refused(WriteStatus.Gone);
    const needsOwner = write.epoch !== 0 || isMoreThanAppend(write);
    if (needsOwner && write.epoch !== session.epoch) {
      const { Stale } = WriteStatus;
      if (write.append.length === 0) return refused(Stale);
      return { ...this.write(messagesOnly(write)), status: Stale };
    }
    const { queue } = session;
    session.settle(write.settled, write.nextSeq, write.released);
    if (write.held.length > 0) this.hold(session, write);
    const mayBeSentTo = lostAtSeqOf(session);
    const outcome = queue.append(write.append, write.limits, mayBeSentTo, (firstSeq, taken) =>
      this.enqueue(session, firstSeq, taken),
    );
    if (write.forgotten.length > 0) this.forget(session, write.forgotten);
    for (const one of write.subscribed) this.subscribe(session, one);
    for (const filter of write.unsubscribed) this.unsubscribe(session, filter);
    if (write.disconnect !== null) {
      const { expiresAtMs, will, willAtMs, isUnsure, inFlight } = write.disconnect;
      if (!isUnsure) queue.keepLapsed(inFlight);
      const isExact = session.fate.isConnected && !isUnsure;
      const lostAtSeq = isExact ? 0 : session.fate.lostAtSeq;
      const fate = { ...session.fate, isConnected: false, expiresAtMs, willAtMs, lostAtSeq };
      this.setFate(session, fate, write.dismissesWill ? null : will);
      session.rest();
    } else if (write.dismissesWill) {
      this.setFate(session, session.fate, null);
    }
    if (!write.ends) {
      this.putQueue(session);
      return outcome;
    }
    this.end(session);
    return { ...outcome, lost: queue.messages };
  }

  writeRetained({ topic, record }: RetainedWrite): void {
    const name = Buffer.from(topic);
    if (record === null) this.turn.unretain(name);
    const kept = record === null ? null : this.turn.retain(name, record);
    this.generation.retained.set(topic, kept);
  }

  /** What a session's end was to be, with nobody connected; see `orphaned`. */
  setFate(session: DiskSession, fate: KeptFate, will: Buffer | null): void {
    session.fate = fate;
    this.put(session, RecordKind.Fate, records.encodeFate({ ...fate, will }));
  }

  /** All that was written up to now is in a turn; what follows is of the next generation. */
  closeGeneration(): Generation {
    const closed = this.generation;
    closed.isOpen = false;
    closed.lastEpoch = this.lastEpoch;
    this.generation = new Generation();
    return closed;
  }

  /** A closed generation is in the database. */
  onCheckpoint(closed: Generation): void {
    closed.isStored = true;
    for (const entry of closed.entries) {
      if (entry.queue === null) continue;
      entry.queue.onStored(entry);
      this.noteTrim(entry.number, entry.queue);
    }
  }

  private end(session: DiskSession): void {
    this.sessions.delete(session.clientId);
    this.generation.ended.add(session.number);
    this.turn.end(session.number);
  }

  private hold(session: DiskSession, { held }: SessionWrite): void {
    for (const { packetId, number } of held) session.hold(packetId, number);
    this.putHeld(session);
  }

  private forget(session: DiskSession, packetIds: readonly number[]): void {
    let isChanged = false;
    for (const packetId of packetIds) isChanged = session.unhold(packetId) || isChanged;
    if (isChanged) this.putHeld(session);
  }

  private subscribe(session: DiskSession, subscription: StoredSubscription): void {
    const subscriptions = this.subscriptionsOf(session);
    const { filter } = subscription;
    const key =
      subscriptions.get(filter)?.key ??
      recordKey(session.number, RecordKind.Subscription, session.nextSubscription++);
    subscriptions.set(filter, { key, subscription });
    session.subscribedIn = this.generation;
    const value = this.turn.put(key, records.encodeSubscription(subscription));
    this.generation.records.set(key, value);
  }

  private unsubscribe(session: DiskSession, filter: string): void {
    const subscriptions = this.subscriptionsOf(session);
    const kept = subscriptions.get(filter);
    if (kept === undefined) return;
    subscriptions.delete(filter);
    session.subscribedIn = this.generation;
    this.turn.remove(kept.key);
    this.generation.records.set(kept.key, null);
  }

  private subscriptionsOf(session: DiskSession): Map<string, KeptSubscription> {
    if (session.subscriptions !== null) return session.subscriptions;
    const subscriptions = new Map<string, KeptSubscription>();
    session.subscriptions = subscriptions;
    session.nextSubscription = 0;
    this.database.forEachSubscription(session.number, (key, value) => {
      const subscription = records.decodeSubscription(value);
      subscriptions.set(subscription.filter, { key: key.toString('latin1'), subscription });
      session.nextSubscription = whichOfRecord(key) + 1;
    });
    return subscriptions;
  }

  /** Packs messages into entries of the session's queue. */
  private enqueue(session: DiskSession, firstSeq: number, messages: readonly Append[]): void {
    const { turn, generation } = this;
    const { number, queue } = session;
    for (let from = 0; from < messages.length; ) {
      const count = entryCount(messages, from);
      const bytes = entryBytes(messages, from, count);
      turn.beginEntry(number, firstSeq + from, bytes);
      const { buffer, valueAt } = turn;
      writeEntry(buffer, valueAt, messages, from, count);
      const seq = firstSeq + from;
      const entry = new Entry(number, seq, count, buffer, valueAt, bytes, generation, queue);
      generation.entries.push(entry);
      queue.addRecent(entry);
      from += count;
    }
  }

  /** The queue's numbers and, when they have changed, its lists. */
  private putQueue(session: DiskSession): void {
    const { queue } = session;
    this.putState(session);
    if (queue.hasNewLists) {
      queue.hasNewLists = false;
      this.put(session, RecordKind.Lists, records.encodeLists(session.lists));
    }
    this.noteTrim(session.number, queue);
  }

  private putState(session: DiskSession): void {
    const { turn } = this;
    const { queue, stateKey } = session;
    turn.beginPut(stateKey, records.STATE_BYTES);
    const { buffer, valueAt } = turn;
    records.writeState(buffer, valueAt, session.epoch, session.nextNumber, queue);
    const value = buffer.subarray(valueAt, valueAt + records.STATE_BYTES);
    this.generation.records.set(stateKey, value);
  }

  private putHeld(session: DiskSession): void {
    this.put(session, RecordKind.Held, records.encodeHeld(session.held ?? noHeld));
  }

  private put(session: DiskSession, kind: RecordKind, value: Buffer): void {
    const key = recordKey(session.number, kind);
    this.generation.records.set(key, this.turn.put(key, value));
  }

  /** Remembers that entries in the database are done. */
  private noteTrim(number: number, queue: SessionQueue): void {
    if (queue.storedEnd <= queue.trimmedTo) return;
    if (queue.firstSeq <= queue.trimmedTo && !queue.hasNewGaps) return;
    queue.trimmedTo = queue.firstSeq;
    queue.hasNewGaps = false;
    this.generation.trimmed.add(number);
  }
}

const noHeld: ReadonlyMap<number, number> = new Map();

/** @param before the session that was there */
function connectedFate(request: ClaimRequest, before: DiskSession | null): KeptFate {
  const { expiryInterval, willDelay } = request;
  return {
    isConnected: true,
    expiryInterval,
    willDelay,
    expiresAtMs: Number.POSITIVE_INFINITY,
    willAtMs: Number.POSITIVE_INFINITY,
    lostAtSeq: before === null ? 0 : lostAtSeqOf(before),
  };
}

function lostAtSeqOf({ fate, queue }: DiskSession): number {
  return fate.isConnected ? queue.endSeq : fate.lostAtSeq;
}
