/**
 * What the turn changes in durable sessions and retained messages, on its way to the store: one
 * write per session and turn, handed over when the turn ends. Without a durable store there is no
 * journal, and nobody pays for it.
 */
import type { Message } from '../protocol/message.js';
import type {
  Append,
  Disconnect,
  HeldId,
  Mark,
  QueueLimits,
  RetainedWrite,
  SessionWrite,
  Settled,
  Store,
  StoredSubscription,
  WriteOutcome,
} from '../store/store.js';
import type { BrokerContext } from './context.js';
import { PendingAck } from './pending-acks.js';
import { type Pausable, Pressure } from './pressure.js';
import type { SharedGroup } from './shared-group.js';
import { recordOf } from './stored-message.js';
import type { StoredSession } from './stored-session.js';
import type { Flushable } from './turn.js';

/** Bytes that may wait for the store before sources are paused. */
const PENDING_BYTES_MAX = 8 * 1024 * 1024;

/** A message that is on its way to a session's queue. */
export interface PendingMessage {
  readonly message: Message;
  readonly qos: number;
  readonly retain: boolean;
  readonly ids: readonly number[] | null;
  readonly group: SharedGroup | null;
  readonly ack: PendingAck | null;
}

/** The write of one session, while the turn adds to it. */
export class Draft implements SessionWrite {
  readonly clientId: string;
  epoch = 0;
  readonly append: Append[] = [];
  /** As `append`. */
  readonly messages: PendingMessage[] = [];
  limits: QueueLimits | null = null;
  nextSeq = 0;
  settled: Settled | null = null;
  readonly released: number[] = [];
  readonly held: HeldId[] = [];
  readonly forgotten: number[] = [];
  readonly subscribed: StoredSubscription[] = [];
  readonly unsubscribed: string[] = [];
  disconnect: Disconnect | null = null;
  dismissesWill = false;
  ends = false;
  /** Bytes of records, counted until the write is safe. */
  bytes = 0;
  /** Called in order when all of it is safe. */
  readonly whenSafe: (() => void)[] = [];
  readonly onDone: (outcome: WriteOutcome) => void;

  constructor(clientId: string, onDone: (draft: Draft, outcome: WriteOutcome) => void) {
    this.clientId = clientId;
    this.onDone = (outcome) => onDone(this, outcome);
  }
}

export class Journal implements Flushable {
  readonly store: Store;
  /** Writes that are not safe yet. */
  pendingWrites = 0;
  /** Bytes of the messages in them. */
  pendingBytes = 0;
  private readonly context: BrokerContext;
  private readonly pressure: Pressure;
  private drafts: StoredSession[] = [];
  private retained: RetainedWrite[] = [];
  private isDirty = false;
  /** Of the PUBLISH that is being routed. */
  private isAcknowledged = false;
  private ack: PendingAck | null = null;
  private mark: Mark | null = null;
  /** The last record made, good for other sessions that get the same. */
  private lastMessage: Message | null = null;
  private lastKind = -1;
  private lastRecord: Buffer | null = null;

  constructor(context: BrokerContext, store: Store) {
    this.context = context;
    this.store = store;
    this.pressure = new Pressure(context.deadlines, Number.POSITIVE_INFINITY);
  }

  /** The store's clock minus the monotonic one, milliseconds. */
  get wallOffsetMs(): number {
    return this.store.wallMs() - this.context.clock.nowMs();
  }

  /**
   * A PUBLISH is about to be routed, and its acknowledgement waits for what it writes.
   *
   * @param mark of a QoS 2 message of a durable session
   */
  begin(mark: Mark | null): void {
    this.isAcknowledged = true;
    this.mark = mark;
  }

  /** The acknowledgement that waits for the writes since `begin`; null: there were none. */
  end(): PendingAck | null {
    const { ack } = this;
    this.isAcknowledged = false;
    this.ack = null;
    this.mark = null;
    return ack;
  }

  /** Lets the acknowledgement of the PUBLISH being routed wait for one write more. */
  await(): PendingAck | null {
    if (!this.isAcknowledged) return null;
    this.ack ??= new PendingAck();
    this.ack.pending++;
    return this.ack;
  }

  /** Adds a kept message to a session's queue. */
  append(
    draft: Draft,
    message: Message,
    qos: number,
    retain: boolean,
    ids: readonly number[] | null,
    group: SharedGroup | null,
  ): void {
    const record = this.record(message, qos, retain, ids, group);
    const mark = qos === 2 ? this.mark : null;
    draft.append.push({ record, payloadBytes: message.payloadLength, mark });
    draft.messages.push({ message, qos, retain, ids, group, ack: this.await() });
    draft.bytes += record.length;
    this.pendingBytes += record.length;
  }

  /** Stores or deletes (null) a retained message. */
  retain(topic: string, message: Message | null): void {
    const ack = this.await();
    const record =
      message === null ? null : recordOf(message, message.qos, true, null, '', this.wallOffsetMs);
    const bytes = record === null ? 0 : record.length;
    this.pendingBytes += bytes;
    const onDone = (): void => {
      this.onSafe(bytes);
      ack?.onSafe();
    };
    this.retained.push({ topic, record, onDone });
    this.markDirty();
  }

  /** The session's draft was begun; it goes out with this turn. */
  enlist(session: StoredSession): void {
    this.drafts.push(session);
    this.markDirty();
  }

  /** Too much waits for the store: a source is paused until it has caught up. */
  press(publisher: Pausable | null): void {
    if (this.pendingBytes < PENDING_BYTES_MAX) return;
    this.pressure.onFull(publisher, this.context.turn.nowMs);
  }

  /** Hands the turn's writes over. */
  flush(): void {
    this.isDirty = false;
    this.lastMessage = null;
    this.lastRecord = null;
    const { drafts, retained } = this;
    this.drafts = [];
    this.retained = [];
    const sessions = drafts.map((session) => session.takeDraft());
    this.pendingWrites += sessions.length + retained.length;
    this.store.write({ sessions, retained });
  }

  /** A write is safe, or its session is not ours any more. */
  onSafe(bytes: number): void {
    this.context.turn.begin();
    this.pendingWrites--;
    this.pendingBytes -= bytes;
    if (this.pendingBytes < PENDING_BYTES_MAX / 2) {
      this.pressure.onDrained();
    }
  }

  private markDirty(): void {
    if (this.isDirty) return;
    this.isDirty = true;
    this.context.turn.markDirty(this);
  }

  private record(
    message: Message,
    qos: number,
    retain: boolean,
    ids: readonly number[] | null,
    group: SharedGroup | null,
  ): Buffer {
    const isPlain = ids === null && group === null;
    const kind = qos * 2 + (retain ? 1 : 0);
    if (isPlain && this.lastMessage === message && this.lastKind === kind) return this.lastRecord!;
    const sharedFilter = group === null ? '' : `$share/${group.shareName}/${group.filter}`;
    const record = recordOf(message, qos, retain, ids, sharedFilter, this.wallOffsetMs);
    if (isPlain) {
      this.lastMessage = message;
      this.lastKind = kind;
      this.lastRecord = record;
    }
    return record;
  }
}
