/**
 * The store of a broker that keeps nothing beyond its process. Everything is safe at once; it is
 * said later, as `Store` promises, by the scheduler, in the order of the calls.
 *
 * A message and what is held of its publisher are changed in one call, so a repeat of a held
 * message is never routed again (`isHeldRouted`) and marks have nothing to add: they are ignored.
 */
import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { isMoreThanAppend, messagesOnly, nothingRead, nothingStored, refused } from '../answers.js';
import {
  type Batch,
  type Claim,
  type ClaimRequest,
  type QueueRead,
  type RetainedWrite,
  type SessionWrite,
  type Store,
  type StoreFigures,
  type StoreLoader,
  type WriteOutcome,
  WriteStatus,
} from '../store.js';
import { MemorySession } from './memory-session.js';

/** Runs a task later: `queueMicrotask`, `setImmediate`, or a test's own. In order. */
export type Scheduler = (task: () => void) => void;

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** Default: `queueMicrotask`. */
  readonly schedule?: Scheduler;
}

export class MemoryStore implements Store {
  readonly kind = 'memory';
  readonly isAtomic = true;
  readonly fabric = null;
  readonly history = null;
  private readonly sessions = new Map<string, MemorySession>();
  private readonly retained = new Map<string, Buffer>();
  /** What is to be said, in order. */
  private readonly tasks: (() => void)[] = [];
  private lastEpoch = 0;
  private readonly clock: Clock;
  private readonly schedule: Scheduler;

  constructor(options: MemoryStoreOptions) {
    this.clock = options.clock;
    this.schedule = options.schedule ?? queueMicrotask;
  }

  /** Also after `close`: what was stored is there, as it would be after a restart. */
  async open(loader: StoreLoader): Promise<void> {
    const nowMs = this.wallMs();
    for (const session of this.sessions.values()) {
      session.becomeOrphan(nowMs);
      loader.onSession(session.stored());
      for (const one of session.storedSubscriptions()) {
        loader.onSubscription(session.clientId, one);
      }
    }
    for (const [topic, record] of this.retained) loader.onRetained(topic, record);
  }

  wallMs(): number {
    return this.clock.wallMs();
  }

  claim(request: ClaimRequest): Promise<Claim> {
    const claim = this.claimNow(request);
    return new Promise((resolve) => this.later(() => resolve(claim)));
  }

  leave(): void {
    // Transient clients leave nothing here.
  }

  write(batch: Batch): void {
    for (const write of batch.sessions) {
      const outcome = this.writeSession(write);
      this.later(() => write.onDone(outcome));
    }
    for (const write of batch.retained) {
      this.writeRetained(write);
      this.later(write.onDone);
    }
  }

  read(clientId: string, fromSeq: number, bytesMax: number): Promise<QueueRead> {
    return new Promise((resolve) =>
      this.later(() => {
        const session = this.sessions.get(clientId);
        resolve(session?.read(fromSeq, bytesMax) ?? nothingRead(fromSeq));
      }),
    );
  }

  figures(): StoreFigures {
    let messages = 0;
    let bytes = 0;
    for (const session of this.sessions.values()) {
      messages += session.messages;
      bytes += session.bytes;
    }
    return {
      sessions: this.sessions.size,
      retained: this.retained.size,
      messages,
      bytes,
    };
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.later(resolve));
  }

  /** One task at a time: who waits for a claim goes on before what comes after it is said. */
  private later(task: () => void): void {
    this.tasks.push(task);
    if (this.tasks.length === 1) this.schedule(() => this.runNext());
  }

  private runNext(): void {
    const task = this.tasks[0];
    assert(task !== undefined, 'a run is scheduled for each task');
    task();
    this.tasks.shift();
    if (this.tasks.length > 0) this.schedule(() => this.runNext());
  }

  private claimNow(request: ClaimRequest): Claim {
    const { clientId, cleanStart, connects, isDurable } = request;
    if (cleanStart || !isDurable) this.sessions.delete(clientId);
    const present = this.sessions.get(clientId);
    if (!isDurable || (present === undefined && !connects)) return nothingStored;
    const session = present ?? new MemorySession(clientId);
    this.sessions.set(clientId, session);
    this.lastEpoch++;
    return session.claim(request, this.lastEpoch, present !== undefined);
  }

  private writeSession(write: SessionWrite): WriteOutcome {
    const session = this.sessions.get(write.clientId);
    if (session === undefined) return refused(WriteStatus.Gone);
    const needsOwner = write.epoch !== 0 || isMoreThanAppend(write);
    if (needsOwner && write.epoch !== session.epoch) {
      const { Stale } = WriteStatus;
      if (write.append.length === 0) return refused(Stale);
      return { ...session.apply(messagesOnly(write)), status: Stale };
    }
    const outcome = session.apply(write);
    if (write.ends) this.sessions.delete(write.clientId);
    return outcome;
  }

  private writeRetained({ topic, record }: RetainedWrite): void {
    if (record === null) this.retained.delete(topic);
    else this.retained.set(topic, record);
  }
}
