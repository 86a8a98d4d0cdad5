/**
 * A store as a model: every message that ever was stays in a list with what became of it, and
 * everything else is worked out from that when it is asked for. Slow, and hard to get wrong.
 */
import type { Clock } from '../../../src/base/clock.js';
import { nothingRead, nothingStored, refused } from '../../../src/store/answers.js';
import type {
  Batch,
  Claim,
  ClaimRequest,
  QueuedRecord,
  QueueRead,
  SessionWrite,
  Store,
  StoredSubscription,
  StoreFigures,
  StoreLoader,
  WriteOutcome,
} from '../../../src/store/store.js';

interface PlainMessage {
  readonly seq: number;
  readonly record: Buffer;
  readonly payloadBytes: number;
  fate: 'waits' | 'is done' | 'gave way';
  isReleased: boolean;
  isLapsed: boolean;
}

interface PlainSession {
  epoch: number;
  request: ClaimRequest;
  /** Null: connected. */
  end: { expiresAtMs: number; will: Buffer | null; willAtMs: number } | null;
  will: Buffer | null;
  messages: PlainMessage[];
  nextSeq: number;
  subscriptions: StoredSubscription[];
  held: { packetId: number; number: number }[];
  nextNumber: number;
  /** Length of `messages` when its client was lost; null: its end was told. */
  lostAt: number | null;
}

export class PlainStore implements Store {
  readonly kind = 'memory';
  readonly isAtomic = true;
  readonly fabric = null;
  readonly history = null;
  private readonly sessions: Record<string, PlainSession> = {};
  private readonly retained: Record<string, Buffer> = {};
  private epochs = 0;
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  async open(loader: StoreLoader): Promise<void> {
    for (const [clientId, session] of Object.entries(this.sessions)) {
      const { expiryInterval, willDelay, info } = session.request;
      const isForever = expiryInterval >= 0xffff_ffff;
      const { will } = session;
      if (session.end === null) session.lostAt = session.messages.length;
      session.end ??= {
        expiresAtMs: isForever ? Infinity : this.wallMs() + expiryInterval * 1000,
        will,
        willAtMs: will === null ? Infinity : this.wallMs() + willDelay * 1000,
      };
      const { length: messages } = waiting(session);
      loader.onSession({ clientId, epoch: session.epoch, info, ...session.end, messages });
      for (const one of session.subscriptions) loader.onSubscription(clientId, one);
    }
    for (const [topic, record] of Object.entries(this.retained)) loader.onRetained(topic, record);
  }

  wallMs(): number {
    return this.clock.wallMs();
  }

  claim(request: ClaimRequest): Promise<Claim> {
    const { clientId } = request;
    if (request.cleanStart || !request.isDurable) delete this.sessions[clientId];
    const isPresent = clientId in this.sessions;
    if (!isPresent && !request.connects) return later(nothingStored);
    const epoch = request.isDurable ? ++this.epochs : 0;
    const session = this.sessions[clientId] ?? newSession(request);
    if (request.isDurable) this.sessions[clientId] = session;
    session.epoch = epoch;
    if (request.connects) {
      if (isPresent && session.end === null) session.lostAt = session.messages.length;
      Object.assign(session, { request, end: null, will: request.will });
    }
    const done = session.messages.filter(({ fate }) => fate === 'is done');
    const first = firstSeqOf(session);
    const claim: Claim = {
      epoch,
      isPresent,
      subscriptions: [...session.subscriptions],
      firstSeq: first,
      done: done.map(({ seq }) => seq).filter((seq) => seq >= first),
      released: waiting(session)
        .filter(({ isReleased }) => isReleased)
        .map(({ seq }) => seq),
      lapsed: lapsedOf(session),
      endSeq: session.messages.length + 1,
      nextSeq: nextSeqOf(session),
      unsentSeq: Math.max(nextSeqOf(session), 1 + (session.lostAt ?? 0)),
      held: [...session.held],
      isHeldRouted: true,
      nextNumber: session.nextNumber,
      lastWill: null,
    };
    return later(claim);
  }

  leave(): void {
    // Transient clients leave nothing here.
  }

  write({ sessions, retained }: Batch): void {
    for (const write of sessions) {
      const outcome = this.apply(write);
      setImmediate(() => write.onDone(outcome));
    }
    for (const { topic, record, onDone } of retained) {
      if (record === null) delete this.retained[topic];
      else this.retained[topic] = record;
      setImmediate(onDone);
    }
  }

  read(clientId: string, fromSeq: number, bytesMax: number): Promise<QueueRead> {
    return new Promise((resolve) => {
      setImmediate(() => {
        const session = this.sessions[clientId];
        if (session === undefined) resolve(nothingRead(fromSeq));
        else resolve(readOf(session, fromSeq, bytesMax));
      });
    });
  }

  figures(): StoreFigures {
    return {};
  }

  close(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  private apply(write: SessionWrite): WriteOutcome {
    const session = this.sessions[write.clientId];
    if (session === undefined) return refused(2);
    const isOwner = write.epoch === session.epoch;
    const { append: _, limits: __, onDone: ___, clientId: ____, epoch: _____, ...more } = write;
    const isOnlyAppend = Object.values(more).every(
      (value) => !value || (Array.isArray(value) && value.length === 0),
    );
    const isAllowed = isOwner || (write.epoch === 0 && isOnlyAppend);
    if (!isAllowed) {
      if (write.append.length === 0) return refused(1);
      return { ...append(session, write), status: 1 };
    }
    settle(session, write);
    hold(session, write);
    const outcome = append(session, write);
    session.held = session.held.filter(({ packetId }) => !write.forgotten.includes(packetId));
    subscribe(session, write);
    if (write.disconnect !== null) {
      const { inFlight, isUnsure, ...end } = write.disconnect;
      for (const one of session.messages) one.isLapsed &&= isUnsure || inFlight.includes(one.seq);
      if (session.end === null && !isUnsure) session.lostAt = null;
      session.end = end;
    }
    if (write.dismissesWill) {
      session.will = null;
      if (session.end !== null) session.end.will = null;
    }
    if (!write.ends) return outcome;
    delete this.sessions[write.clientId];
    return { ...outcome, lost: waiting(session).length };
  }
}

function later<T>(value: T): Promise<T> {
  return new Promise((resolve) => setImmediate(() => resolve(value)));
}

function newSession(request: ClaimRequest): PlainSession {
  return {
    epoch: 0,
    request,
    end: null,
    will: null,
    messages: [],
    nextSeq: 1,
    subscriptions: [],
    held: [],
    nextNumber: 1,
    lostAt: null,
  };
}

function waiting({ messages }: PlainSession): PlainMessage[] {
  return messages.filter(({ fate }) => fate === 'waits');
}

function firstSeqOf(session: PlainSession): number {
  return waiting(session)[0]?.seq ?? session.messages.length + 1;
}

function lapsedOf({ messages }: PlainSession): number[] {
  return messages.filter(({ isLapsed }) => isLapsed).map(({ seq }) => seq);
}

function nextSeqOf(session: PlainSession): number {
  return Math.max(session.nextSeq, firstSeqOf(session));
}

function settle(session: PlainSession, { settled, nextSeq, released }: SessionWrite): void {
  for (const message of session.messages) {
    const isDone = settled?.done.includes(message.seq) || message.seq < (settled?.firstSeq ?? 0);
    if (isDone && message.fate === 'waits') message.fate = 'is done';
    if (isDone) message.isLapsed = false;
  }
  session.nextSeq = Math.max(session.nextSeq, Math.min(nextSeq, session.messages.length + 1));
  for (const message of waiting(session)) message.isReleased ||= released.includes(message.seq);
}

function hold(session: PlainSession, { held }: SessionWrite): void {
  for (const one of held) {
    const at = session.held.findIndex(({ packetId }) => packetId === one.packetId);
    if (at < 0) session.held.push(one);
    else session.held[at] = one;
    session.nextNumber = Math.max(session.nextNumber, one.number + 1);
  }
}

function append(session: PlainSession, write: SessionWrite): WriteOutcome {
  const firstSeq = session.messages.length + 1;
  const dropped: number[] = [];
  const taken = write.append.map(({ record, payloadBytes }) => {
    const { messagesMax, bytesMax, dropsOldest } = write.limits!;
    if (bytesMax > 0 && payloadBytes > bytesMax) return 1;
    for (;;) {
      const bytes = waiting(session).reduce((sum, one) => sum + one.payloadBytes, payloadBytes);
      const isFull = messagesMax > 0 && waiting(session).length + 1 > messagesMax;
      if (!isFull && (bytesMax === 0 || bytes <= bytesMax)) break;
      const oldest = waiting(session).find(({ seq }) => seq >= nextSeqOf(session));
      if (!dropsOldest || oldest === undefined) return 1;
      oldest.fate = 'gave way';
      const { end, lostAt } = session;
      oldest.isLapsed = oldest.seq < firstSeq && (end === null || oldest.seq <= (lostAt ?? 0));
      dropped.push(oldest.seq);
    }
    const seq = session.messages.length + 1;
    const fate = 'waits';
    session.messages.push({ seq, record, payloadBytes, fate, isReleased: false, isLapsed: false });
    return 0;
  });
  const areAllTaken = taken.every((one) => one === 0);
  return { status: 0, firstSeq, taken: areAllTaken ? null : taken, dropped, lost: 0 };
}

function subscribe(session: PlainSession, { subscribed, unsubscribed }: SessionWrite): void {
  for (const one of subscribed) {
    const at = session.subscriptions.findIndex(({ filter }) => filter === one.filter);
    if (at < 0) session.subscriptions.push(one);
    else session.subscriptions[at] = one;
  }
  session.subscriptions = session.subscriptions.filter((one) => !unsubscribed.includes(one.filter));
}

function readOf(session: PlainSession, fromSeq: number, bytesMax: number): QueueRead {
  const records: QueuedRecord[] = [];
  let bytes = 0;
  const lapsed = lapsedOf(session).filter((seq) => seq >= fromSeq);
  for (const { seq, record } of waiting(session).filter((one) => one.seq >= fromSeq)) {
    if (records.length > 0 && bytes >= bytesMax) {
      return { records, nextSeq: seq, lapsed: lapsed.filter((one) => one < seq) };
    }
    records.push({ seq, record });
    bytes += record.length;
  }
  return { records, nextSeq: Math.max(fromSeq, session.messages.length + 1), lapsed };
}
