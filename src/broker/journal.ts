/**
 * What the turn changes in durable sessions and retained messages, on its way to the store: one
 * write per session and turn, handed over when the turn ends. Without a durable store there is no
 * journal, and nobody pays for it.
 *
 * What waits for the store is weighed. Above `max_store_pending_bytes` whoever adds to it is
 * paused; above `store_overload_bytes` nothing more is taken, since paused sources leave and others
 * come. So a store that is away costs bounded memory.
 */
import type { Slab } from '../base/block.js';
import type { Deadline } from '../base/deadline-heap.js';
import type { Limits } from '../config/limits.js';
import type { Message } from '../protocol/message.js';
import type { Mark, RetainedWrite, Store } from '../store/store.js';
import type { BrokerContext } from './context.js';
import type { Draft, PendingMessage } from './draft.js';
import { type LazySession, LazySettles } from './lazy-settles.js';
import { PendingAck } from './pending-acks.js';
import { type Pausable, Pressure } from './pressure.js';
import type { SharedGroup } from './shared-group.js';
import { recordOf } from './stored-message.js';
import type { StoredSession } from './stored-session.js';
import type { Flushable } from './turn.js';

/** What anything that waits costs beside its bytes. */
export const ITEM_BYTES = 128;
/** How soon what the store could not do is tried again. */
const RETRY_MS = 1_000;

/** Something that failed while the store was away. */
export interface Retry {
  retry(): void;
}

type RetainedBy = Required<Pick<RetainedWrite, 'publisherId' | 'publisherEpoch'>>;

/** What is being routed, while something else is. */
export interface Suspended {
  readonly isAcknowledged: boolean;
  readonly ack: PendingAck | null;
  readonly mark: Mark | null;
}

export class Journal implements Flushable, Deadline {
  readonly store: Store;
  /** Writes that are not safe yet. */
  pendingWrites = 0;
  /** What they weigh. */
  pendingBytes = 0;
  deadlineMs = 0;
  heapIndex = -1;
  private readonly context: BrokerContext;
  private readonly pressure: Pressure;
  private readonly lazy: LazySettles;
  private drafts: StoredSession[] = [];
  private retained: RetainedWrite[] = [];
  private retries = new Set<Retry>();
  private lastStamp = 0;
  private isDirty = false;
  private isClosed = false;
  /** Of the PUBLISH that is being routed. */
  private isAcknowledged = false;
  private ack: PendingAck | null = null;
  /** See `markWith`. */
  mark: Mark | null = null;
  /** The last record made, good for other sessions that get the same. */
  private lastMessage: Message | null = null;
  private lastKind = -1;
  private lastRecord: Buffer | null = null;

  constructor(context: BrokerContext, store: Store) {
    this.context = context;
    this.store = store;
    this.pressure = new Pressure(context.deadlines, Number.POSITIVE_INFINITY);
    this.lazy = new LazySettles(context.deadlines);
  }

  get limits(): Limits {
    return this.context.limits;
  }

  /** For messages that come back from the store and soon go out. */
  get flightSlab(): Slab {
    return this.context.flightSlab;
  }

  /** Of the turn, by the monotonic clock. */
  get nowMs(): number {
    return this.context.turn.nowMs;
  }

  /** The store's clock minus the monotonic one, milliseconds. */
  get wallOffsetMs(): number {
    return this.store.wallMs() - this.context.clock.nowMs();
  }

  /** All that a turn writes happens as a whole, or nothing of it. */
  get isAtomic(): boolean {
    return this.store.isAtomic;
  }

  /** A number that no will had before, neither here nor with an earlier broker. */
  nextStamp(): number {
    this.lastStamp = Math.max(this.store.wallMs(), this.lastStamp + 1);
    return this.lastStamp;
  }

  /** So much waits that nothing more is taken. */
  get isOverloaded(): boolean {
    return this.pendingBytes >= this.context.limits.storeOverloadBytes;
  }

  /** As `isOverloaded`, but what was begun is finished: it is acknowledged to its publisher. */
  get isRefusing(): boolean {
    return this.isOverloaded && !this.isAcknowledged;
  }

  /** A PUBLISH is about to be routed, and its acknowledgement waits for what it writes. */
  begin(): void {
    this.isAcknowledged = true;
    this.ack = null;
    this.mark = null;
  }

  /**
   * The message being routed is of QoS 2, and its publisher's session durable.
   *
   * @param mark null: the next one has none
   */
  markWith(mark: Mark | null): void {
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

  /**
   * Another message is routed in between: a hook that was asked about the first one published it,
   * or ended a connection with a will. It has neither its mark nor its acknowledgement.
   */
  suspend(): Suspended | null {
    if (!this.isAcknowledged) return null;
    const { isAcknowledged, ack, mark } = this;
    this.end();
    return { isAcknowledged, ack, mark };
  }

  /** Goes on with what `suspend` interrupted. */
  resume(suspended: Suspended | null): void {
    if (suspended === null) return;
    this.isAcknowledged = suspended.isAcknowledged;
    this.ack = suspended.ack;
    this.mark = suspended.mark;
  }

  /** Lets the acknowledgement of the PUBLISH being routed wait for one write more. */
  await(): PendingAck | null {
    if (!this.isAcknowledged) return null;
    this.ack ??= new PendingAck();
    this.ack.pending++;
    return this.ack;
  }

  /**
   * The record of a message as it was published, a view or not.
   *
   * @param group of the member that it is for; null: for all who subscribe
   */
  recordFor(message: Message, group: SharedGroup | null, qos = message.qos): Buffer {
    return recordOf(message, qos, message.retain, null, sharedFilterOf(group), this);
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
    const payloadBytes = message.payloadLength;
    const { mark } = this;
    const sharedFilter = sharedFilterOf(group);
    const ack = this.await();
    this.add(draft, {
      record,
      payloadBytes,
      mark,
      sharedFilter,
      message,
      qos,
      retain,
      ids,
      group,
      ack,
    });
  }

  /**
   * A message of so many bytes goes to another broker; it counts as long as it is not safe there.
   *
   * @returns to be called when it is
   */
  beginFrame(bytes: number): () => void {
    const weight = bytes + ITEM_BYTES;
    const ack = this.beginWrite(weight);
    return () => {
      this.onSafe(weight);
      ack?.onSafe();
    };
  }

  /** As `beginFrame`, of so many bytes in all. `onSafe` of both follows, the answer's last. */
  beginWrite(weight: number): PendingAck | null {
    this.pendingWrites++;
    this.pendingBytes += weight;
    return this.await();
  }

  /**
   * Stores or deletes (null) a retained message.
   *
   * @param by who publishes it; null: nobody
   */
  retain(topic: string, message: Message | null, by: RetainedBy | null): void {
    const record = message === null ? null : recordOf(message, message.qos, true, null, '', this);
    this.retainRecord(topic, record, false, by);
  }

  /** Deletes a retained message that has expired, unless there is another one in the store. */
  retainExpired(topic: string): void {
    this.retainRecord(topic, null, true, null);
  }

  /** The session's draft was begun; it goes out with this turn. */
  enlist(session: StoredSession): void {
    this.drafts.push(session);
    this.markDirty();
  }

  /** The session has acknowledgements to write, with its next write or in a while. */
  settleSoon(session: LazySession): void {
    this.lazy.add(session, this.context.turn.nowMs);
  }

  /** Counts what was added to a draft beside its messages. */
  weigh(draft: Draft, bytes: number): void {
    draft.bytes += bytes;
    this.pendingBytes += bytes;
  }

  /** Too much waits for the store: a source is paused until it has caught up. */
  press(publisher: Pausable | null): void {
    if (this.pendingBytes < this.context.limits.storePendingBytesMax) return;
    this.pressure.onFull(publisher, this.context.turn.nowMs);
  }

  /** A source is gone. */
  forget(publisher: Pausable): void {
    this.pressure.forget(publisher);
  }

  /** The store could not do something: it is tried again in a while. */
  retryLater(what: Retry): void {
    if (this.isClosed) return;
    const { deadlines, clock } = this.context;
    if (this.retries.size === 0) deadlines.schedule(this, clock.nowMs() + RETRY_MS);
    this.retries.add(what);
  }

  onDeadline(): void {
    const { retries } = this;
    this.retries = new Set();
    for (const what of retries) what.retry();
  }

  /** What comes from the store is input as well. */
  beginTurn(): void {
    this.context.turn.begin();
  }

  /** Hands over what was written since the last time. */
  flush(): void {
    this.isDirty = false;
    if (this.isClosed || (this.drafts.length === 0 && this.retained.length === 0)) return;
    this.lastMessage = null;
    this.lastRecord = null;
    const { drafts, retained } = this;
    this.drafts = [];
    this.retained = [];
    const sessions = drafts.map((session) => session.takeDraft());
    this.pendingWrites += sessions.length + retained.length;
    this.store.write({ sessions, retained });
  }

  /** The store is about to be closed: hands over the rest, and nothing after that. */
  close(): void {
    this.flush();
    this.isClosed = true;
    this.context.deadlines.cancel(this);
    this.retries.clear();
    this.lazy.close();
  }

  /** A write is safe, or its session is not ours any more. */
  onSafe(bytes: number): void {
    this.beginTurn();
    this.pendingWrites--;
    this.pendingBytes -= bytes;
    const { storePendingBytesMax } = this.context.limits;
    if (this.pendingBytes < storePendingBytesMax / 2) this.pressure.onDrained();
  }

  private retainRecord(
    topic: string,
    record: Buffer | null,
    onlyExpired: boolean,
    by: RetainedBy | null,
  ): void {
    const ack = this.await();
    const bytes = ITEM_BYTES + (record === null ? 0 : record.length);
    this.pendingBytes += bytes;
    const onDone = (): void => {
      this.onSafe(bytes);
      ack?.onSafe();
    };
    this.retained.push({ topic, record, onlyExpired, onDone, ...by });
    this.markDirty();
  }

  private add(draft: Draft, pending: PendingMessage): void {
    draft.append.push(pending);
    this.weigh(draft, pending.record.length + ITEM_BYTES);
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
    const record = recordOf(message, qos, retain, ids, sharedFilterOf(group), this);
    if (isPlain) {
      this.lastMessage = message;
      this.lastKind = kind;
      this.lastRecord = record;
    }
    return record;
  }
}

function sharedFilterOf(group: SharedGroup | null): string {
  return group === null ? '' : `$share/${group.shareName}/${group.filter}`;
}
