/**
 * The port behind which durable sessions and retained messages live. The broker core calls it once
 * per turn with everything that the turn changed; transient sessions never reach it.
 *
 * A store keeps four promises:
 *
 * - A write is *safe* when its `onDone` is called, never before. What safe means is the store's:
 *   fsynced on disk, on the primary or on a replica in Redis.
 * - `onDone` of every write is called exactly once, later, never from within `write`. While the
 *   store is away it is not called; writes are kept and repeated until their outcome is known.
 * - Writes to one session happen in the order in which they were given; so do those to one topic.
 * - All of one `SessionWrite` happens, or nothing of it.
 *
 * Sequence numbers (`seq`) count the outbound QoS 1 and 2 messages of a session from 1, dense; see
 * `Outbox`. Blobs (`info`, `will`, records) are the core's: a store keeps them as they are.
 */
import type { Fabric, FabricObserver } from './fabric.js';
import type { HistoryLog } from './history.js';

/** One subscription of a durable session. */
export interface StoredSubscription {
  /** As the client gave it, `$share/…` included, with the mount point before its filter. */
  readonly filter: string;
  /** Bits 0–1: granted QoS; 2: No Local; 3: Retain As Published. */
  readonly options: number;
  /** Subscription Identifier; 0: none. */
  readonly identifier: number;
}

/** An inbound QoS 2 message whose PUBREL has not come. */
export interface HeldId {
  readonly packetId: number;
  /** Number of the message among the publisher's QoS 2 messages, from 1. */
  readonly number: number;
}

/** Marks a QoS 2 message, so that a session takes it once even when its publisher repeats it. */
export interface Mark {
  /** Of a will: not that of its client, but one that no client can have. */
  readonly publisherId: string;
  readonly number: number;
}

/** A QoS 1 or 2 message, or one of QoS 0 with `queue_qos0_messages`, for a session's queue. */
export interface Append {
  /** A record of `record.ts`. */
  readonly record: Buffer;
  /** Payload bytes, for the queue's limit. */
  readonly payloadBytes: number;
  /** Null: not QoS 2, or its publisher has no durable session. */
  readonly mark: Mark | null;
  /**
   * The shared subscription that it came through; empty: none. What a publisher repeats through
   * another broker may go to another member then, who has had later messages: there a mark says
   * something of its own message only, not of all before it.
   */
  readonly sharedFilter: string;
}

/**
 * How much may wait in a queue, and what gives way. 0: no limit. Nothing gives way for a message
 * that is larger than `bytesMax` by itself: it is not taken.
 */
export interface QueueLimits {
  /** Messages that are not done, those in flight included. */
  readonly messagesMax: number;
  /** Payload bytes of them. */
  readonly bytesMax: number;
  /** True: the oldest that was never sent gives way; false: the new one is not taken. */
  readonly dropsOldest: boolean;
}

/** What the owner knows to be acknowledged. */
export interface Settled {
  /** All messages below are done: acknowledged, or dropped. Never goes back. */
  readonly firstSeq: number;
  /** Those from `firstSeq` on that are done as well; takes the place of what was there. */
  readonly done: readonly number[];
}

/**
 * The owner sends nothing that is so far beyond the last `nextSeq` which it knows to be safe. So it
 * is known of what gives way whether a client can have been sent it.
 */
export const SENT_AHEAD_MAX = 4_096;

/** The end of a connection, of which the session remains; without one, its end is another one. */
export interface Disconnect {
  /** `Store.wallMs` at which the session ends; Infinity: never. */
  readonly expiresAtMs: number;
  /** Published at `willAtMs` or at the end of the session; null: none. */
  readonly will: Buffer | null;
  readonly willAtMs: number;
  /** More may have been sent than `nextSeq` says, before this connection: `unsentSeq` stays. */
  readonly isUnsure: boolean;
  /**
   * QoS 2 messages that the client was sent, and that are not done: no others stay in
   * `Claim.lapsed`, unless `isUnsure`.
   */
  readonly inFlight: readonly number[];
}

/**
 * Everything that a turn changes in one session. It takes effect in this order: `settled`,
 * `nextSeq`, `released`, `held`, `append`, `forgotten`, subscriptions, `disconnect`, the will, the
 * end. So what is acknowledged makes room for what is appended.
 */
export interface SessionWrite {
  readonly clientId: string;
  /** From `Claim`; 0: of somebody who does not own the session, and may only append. */
  readonly epoch: number;
  readonly append: readonly Append[];
  /** For `append`; null without. */
  readonly limits: QueueLimits | null;
  /** Messages below were sent, and are not dropped for want of room; 0: as before. */
  readonly nextSeq: number;
  readonly settled: Settled | null;
  /** Outbound QoS 2 messages whose PUBREC came: safe before PUBREL goes out. */
  readonly released: readonly number[];
  /** Inbound QoS 2 messages: in the store before any `append` of the same batch. */
  readonly held: readonly HeldId[];
  /** Packet identifiers of PUBREL: safe before PUBCOMP goes out. */
  readonly forgotten: readonly number[];
  readonly subscribed: readonly StoredSubscription[];
  readonly unsubscribed: readonly string[];
  readonly disconnect: Disconnect | null;
  /** The will was published, or the client took it back. */
  readonly dismissesWill: boolean;
  /** Deletes the session and all that it has. */
  readonly ends: boolean;
  onDone(outcome: WriteOutcome): void;
}

export const WriteStatus = {
  Done: 0,
  /**
   * Somebody else has claimed the session since: its connection here is to be closed. Messages are
   * taken all the same, in their place: they are for whoever has the session.
   */
  Stale: 1,
  /** There is no such session (any more). */
  Gone: 2,
} as const;
export type WriteStatus = (typeof WriteStatus)[keyof typeof WriteStatus];

/** What became of each message of `append`. */
export const Taken = {
  Yes: 0,
  /** The queue is full. */
  Full: 1,
  /** Its mark was seen before: the session has it already. */
  Repeated: 2,
} as const;
export type Taken = (typeof Taken)[keyof typeof Taken];

export interface WriteOutcome {
  readonly status: WriteStatus;
  /** Number of the first message taken; the others follow without a gap. */
  readonly firstSeq: number;
  /** One per message of `append`; null: all were taken. */
  readonly taken: readonly Taken[] | null;
  /** Numbers of the messages that gave way (`dropsOldest`), ascending; empty mostly. */
  readonly dropped: readonly number[];
  /**
   * Messages that were deleted with their session (`ends`), this write's own included. A store may
   * say 0 to a repeat of an end whose first answer it lost.
   */
  readonly lost: number;
}

/** `BrokerError.code` of a claim that was not answered in time, and is made all the same. */
export const CLAIM_LATE = 'CLAIM_LATE';
export const CLAIM_UNWANTED = 'CLAIM_UNWANTED';

/** A retained message to be stored, or deleted. */
export interface RetainedWrite {
  readonly topic: string;
  /** A record of `record.ts`; null: deletes. */
  readonly record: Buffer | null;
  /**
   * With null: the message that was stored has expired, and is deleted unless another broker has
   * stored one since that has not. A store of one broker need not look: nobody else has.
   */
  readonly onlyExpired: boolean;
  /** Who publishes it; absent: nobody, or it does not matter. */
  readonly publisherId?: string;
  /** `Claim.epoch` of the connection that it came by; absent or 0: it is not known. */
  readonly publisherEpoch?: number;
  readonly onDone: () => void;
}

/** What one turn changes. */
export interface Batch {
  readonly sessions: readonly SessionWrite[];
  readonly retained: readonly RetainedWrite[];
}

/** A client connects. */
export interface ClaimRequest {
  readonly clientId: string;
  /**
   * False: nobody connects; the caller looks after what an ended session left. Only the epoch
   * changes then: the end of the session, although it may be past, is left to the caller, and
   * where there is no session none is made (epoch 0).
   */
  readonly connects: boolean;
  /** Deletes what was there. */
  readonly cleanStart: boolean;
  /** True: what is there is claimed to be ended, as a clean start does: no will waits for that. */
  readonly endsSession?: boolean;
  /**
   * False: the session ends with the connection, and what was there is deleted. Where brokers
   * share the store, the connection and its will are on record until `Store.leave`.
   */
  readonly isDurable: boolean;
  /** Seconds; 0xffff_ffff and above: never. For when the broker dies. */
  readonly expiryInterval: number;
  /** What the core must know of the client although it is offline. */
  readonly info: Buffer;
  /** For when the broker dies, of a transient client too; null: none. */
  readonly will: Buffer | null;
  /** Seconds. */
  readonly willDelay: number;
}

/** What a connection left that is over. */
export interface LastWill {
  /** Of its client: see `ClaimRequest`. */
  readonly info: Buffer;
  readonly will: Buffer;
}

export interface Claim {
  /** 0: there is nothing stored, the session is transient. */
  readonly epoch: number;
  readonly isPresent: boolean;
  readonly subscriptions: readonly StoredSubscription[];
  /** See `Settled`; what gave way need not be in `done`, and `firstSeq` may have passed it. */
  readonly firstSeq: number;
  readonly done: readonly number[];
  /** Released outbound messages from `firstSeq` on, ascending. */
  readonly released: readonly number[];
  /**
   * Messages that gave way although the client may have been sent them, and that are not known to
   * be done; ascending, `firstSeq` may have passed them. The store learns late what is sent: what
   * gives way while a client is connected may be on its way to it. Of one of QoS 2 the client then
   * waits for PUBREL, and until it comes holds an identifier that a later message will get.
   */
  readonly lapsed: readonly number[];
  /** Number that the next message gets. */
  readonly endSeq: number;
  /** See `SessionWrite.nextSeq`: those below were sent. */
  readonly nextSeq: number;
  /**
   * Those from here on were not. It is `nextSeq` if the end of the last connection was written,
   * and sure of it; else where the queue ended when the store found that a connection was over:
   * what is sent after the last write before a crash is not known.
   */
  readonly unsentSeq: number;
  /** In the order in which they came. */
  readonly held: readonly HeldId[];
  /** False: a repeat of a held message is to be routed again, with its mark. */
  readonly isHeldRouted: boolean;
  /** Number for the next inbound QoS 2 message. */
  readonly nextNumber: number;
  /**
   * The will of the client's connection before, to be published now: its broker is dead, or its
   * session has ended with this claim and that broker does not know. Null: there is none, or
   * somebody else publishes it; where brokers do not share the store, the core knows by itself.
   */
  readonly lastWill: LastWill | null;
}

export interface QueuedRecord {
  readonly seq: number;
  readonly record: Buffer;
}

export interface QueueRead {
  /** Ascending; numbers may be missing: those are done or gave way. */
  readonly records: readonly QueuedRecord[];
  /** Where the next read begins; `endSeq` of the queue when there is no more. */
  readonly nextSeq: number;
  /** As `Claim.lapsed`: those among the numbers that the read passed. */
  readonly lapsed: readonly number[];
}

/** A durable session without a connection, as it is loaded at the start. */
export interface StoredSession {
  readonly clientId: string;
  /** For `SessionWrite`, as long as nobody claims the session. */
  readonly epoch: number;
  readonly info: Buffer;
  readonly expiresAtMs: number;
  readonly will: Buffer | null;
  readonly willAtMs: number;
  /** In its queue, not done. */
  readonly messages: number;
}

/** Takes what must be known before the first client comes. */
export interface StoreLoader {
  /** Before the subscriptions of the same session. */
  onSession(session: StoredSession): void;
  onSubscription(clientId: string, subscription: StoredSubscription): void;
  /** @param record valid during the call: whoever needs it longer copies it */
  onRetained(topic: string, record: Buffer): void;
}

/** Hears how a store is. */
export interface StoreObserver {
  /** Writes wait. Said once until `onBack`. */
  onAway(reason: string): void;
  onBack(): void;
  /** It can no longer keep its promises: the process must end. */
  onFatal(error: Error): void;
}

/**
 * The counters and gauges of a store by name, for `$SYS` and the metrics. `messages` and `bytes`,
 * where a store knows them: what is not done in all queues, and its payload.
 */
export type StoreFigures = Readonly<Record<string, number>>;

export interface Store {
  readonly kind: 'memory' | 'disk' | 'redis';
  /** All of a batch happens, or nothing of it. False: that is so for each of its writes. */
  readonly isAtomic: boolean;
  /** What ties brokers together that share the store; null: it is of one broker. */
  readonly fabric: Fabric | null;
  /** What was published, and by whom; null: the store keeps none. */
  readonly history: HistoryLog | null;
  /**
   * Opens the store and loads it. Sessions whose connections died with an earlier broker are loaded
   * as disconnected just now.
   *
   * @param fabricObserver without it, what other brokers do is ignored
   * @throws BrokerError when it cannot: what, where, what to do
   */
  open(
    loader: StoreLoader,
    observer: StoreObserver,
    fabricObserver?: FabricObserver,
  ): Promise<void>;
  /** Milliseconds since the Unix epoch by the clock that stored deadlines refer to. */
  wallMs(): number;
  /**
   * Makes the caller the owner of a client's session, after all writes given so far. The outcome
   * of a write to the session that is given later comes after what waits for the promise.
   *
   * @throws BrokerError `STORE_AWAY` when the store cannot be asked now; `CLAIM_LATE` when it does
   *   not answer in time, and a transient client will be claimed all the same: it may be let in;
   *   `CLAIM_UNWANTED`: see `isWanted`
   * @param isWanted false: the client has gone, and a store that has to wait before it claims need
   *   not do so any more. Another connection of the client, wherever it is, keeps its session.
   */
  claim(request: ClaimRequest, isWanted?: () => boolean): Promise<Claim>;
  /**
   * A transient client is gone, and its will, if it had one to publish, is safe; or the will of one
   * that was adopted (`FabricObserver.onAdopted`) is. Until then the will that was claimed with
   * stands for the death of the broker. Once for each session that began with a claim; at once,
   * before the client's next claim, if there is no will to wait for.
   */
  leave(clientId: string): void;
  write(batch: Batch): void;
  /**
   * Reads a session's queue, as far as it is safe: a number that a client has seen must not come
   * to mean another message after a crash.
   *
   * @param fromSeq where to begin
   * @param bytesMax enough: what is read may be one record more
   * @throws BrokerError `STORE_AWAY`
   */
  read(clientId: string, fromSeq: number, bytesMax: number): Promise<QueueRead>;
  figures(): StoreFigures;
  /** After all writes given so far. */
  close(): Promise<void>;
}
