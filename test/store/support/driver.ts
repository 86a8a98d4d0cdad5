/** Drives a store in tests: calls with defaults, and outcomes as promises. */
import { emptyWrite } from '../../../src/store/answers.js';
import { encodeRecord, type RecordParts, sourceOf } from '../../../src/store/record.js';
import type {
  Append,
  Batch,
  Claim,
  ClaimRequest,
  QueuedRecord,
  RetainedWrite,
  SessionWrite,
  Store,
  StoredSession,
  StoredSubscription,
  StoreLoader,
  StoreObserver,
  WriteOutcome,
} from '../../../src/store/store.js';
import { within } from '../../support/until.js';

/** What a loader was given. */
export class Loaded implements StoreLoader {
  readonly sessions = new Map<string, StoredSession>();
  readonly subscriptions = new Map<string, StoredSubscription[]>();
  readonly retained = new Map<string, string>();

  onSession(session: StoredSession): void {
    if (this.sessions.has(session.clientId)) throw new Error('a session is loaded twice');
    this.sessions.set(session.clientId, session);
  }

  onSubscription(clientId: string, subscription: StoredSubscription): void {
    if (!this.sessions.has(clientId)) throw new Error('a subscription came before its session');
    const before = this.subscriptions.get(clientId) ?? [];
    this.subscriptions.set(clientId, [...before, subscription]);
  }

  onRetained(topic: string, record: Buffer): void {
    this.retained.set(topic, record.toString('latin1'));
  }
}

/** What an observer heard. */
export class Heard implements StoreObserver {
  readonly fatal: Error[] = [];
  away = 0;
  back = 0;

  onAway(): void {
    this.away++;
  }

  onBack(): void {
    this.back++;
  }

  onFatal(error: Error): void {
    this.fatal.push(error);
  }
}

export type PartialWrite = Partial<Omit<SessionWrite, 'clientId' | 'onDone'>>;

export class StoreDriver {
  readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  claim(clientId: string, request: Partial<ClaimRequest> = {}): Promise<Claim> {
    return within('a claim', this.store.claim(claimOf(clientId, request)));
  }

  write(clientId: string, write: PartialWrite): Promise<WriteOutcome> {
    const { outcome, sessionWrite } = this.prepare(clientId, write);
    this.store.write({ sessions: [sessionWrite], retained: [] });
    return outcome;
  }

  /** A write that is not given to the store yet, for a batch of several. */
  prepare(
    clientId: string,
    write: PartialWrite,
  ): { sessionWrite: SessionWrite; outcome: Promise<WriteOutcome> } {
    let onDone: (outcome: WriteOutcome) => void = () => undefined;
    const outcome = new Promise<WriteOutcome>((resolve) => {
      onDone = resolve;
    });
    const sessionWrite = { ...emptyWrite(clientId), ...write, onDone };
    return { sessionWrite, outcome: within('an outcome', outcome) };
  }

  retain(topic: string, record: string | null): Promise<void> {
    const bytes = record === null ? null : Buffer.from(record, 'latin1');
    return this.writeRetained({ topic, record: bytes, onlyExpired: false });
  }

  /** What a topic has is deleted, if it has expired. */
  expire(topic: string): Promise<void> {
    return this.writeRetained({ topic, record: null, onlyExpired: true });
  }

  private writeRetained(write: Omit<RetainedWrite, 'onDone'>): Promise<void> {
    const done = new Promise<void>((onDone) => {
      this.store.write({ sessions: [], retained: [{ ...write, onDone }] });
    });
    return within('a retained message', done);
  }

  /** Appends texts, as somebody who does not own the session. */
  append(clientId: string, texts: readonly string[]): Promise<WriteOutcome> {
    return this.write(clientId, { append: texts.map(messageOf), limits: noLimits });
  }

  /** All that waits: `seq:text`. */
  async queue(clientId: string, fromSeq = 1, bytesMax = 1_000): Promise<string[]> {
    return (await this.records(clientId, fromSeq, bytesMax)).map(
      ({ seq, record }) => `${seq}:${record.toString('latin1')}`,
    );
  }

  /** All records that wait, read in pieces of `bytesMax`. */
  async records(clientId: string, fromSeq = 1, bytesMax = 1_000): Promise<QueuedRecord[]> {
    const found: QueuedRecord[] = [];
    for (let from = fromSeq; ; ) {
      const reading = this.store.read(clientId, from, bytesMax);
      const { records, nextSeq } = await within('a read', reading);
      found.push(...records);
      if (records.length === 0 || nextSeq <= from) return found;
      from = nextSeq;
    }
  }
}

/** A record as text, of a message without anything but its end. */
export function expiringAt(expiresAtMs: number, more: Partial<RecordParts> = {}): string {
  const empty = Buffer.alloc(0);
  const fields = { qos: 1, retain: true, isV5: false, ids: null, sharedFilter: '', expiryAt: -1 };
  const parts = { ...fields, topic: 't', publisherId: null, properties: empty, payload: empty };
  return encodeRecord(sourceOf({ ...parts, expiresAtMs, ...more })).toString('latin1');
}

export const noLimits = { messagesMax: 0, bytesMax: 0, dropsOldest: false };

/** The payload is the whole record: the store does not look into it. */
export function messageOf(text: string): Append {
  const record = Buffer.from(text, 'latin1');
  return { record, payloadBytes: record.length, mark: null, sharedFilter: '' };
}

export function claimOf(clientId: string, request: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    clientId,
    connects: true,
    cleanStart: false,
    isDurable: true,
    expiryInterval: 0xffff_ffff,
    info: Buffer.from('info'),
    will: null,
    willDelay: 0,
    ...request,
  };
}

export function batchOf(sessions: readonly SessionWrite[]): Batch {
  return { sessions, retained: [] };
}
