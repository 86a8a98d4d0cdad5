/**
 * A session: what a client has beyond one connection, and the place where deliveries for it are
 * decided. Hot path.
 *
 *     online (sender) ◀──attach / detach──▶ offline ──expiry──▶ ended
 *
 * A durable session outlives its connection; a transient one ends with it.
 */
import type { Deadline } from '../base/deadline-heap.js';
import type { Message } from '../protocol/message.js';
import { PUBREL_BYTE } from '../protocol/publish-writer.js';
import type { Access, ClientIdentity } from './access.js';
import type { BrokerContext } from './context.js';
import type { FrameCache } from './frames.js';
import { DropReason } from './metrics.js';
import type { Outbox } from './outbox.js';
import { packetIdOf } from './outbox-flags.js';
import { newOutbox } from './pledged-outbox.js';
import type { Pausable } from './pressure.js';
import { pumpOutbox } from './pump.js';
import { exceedsEmptyQueue, exceedsQueue, hasByteWindow, isFilling } from './queue-limits.js';
import { Receiver } from './receiver.js';
import type { RetainedBacklog } from './retained-backlog.js';
import type { Sender } from './sender.js';
import type { SessionConnection } from './session-connection.js';
import type { StoredSession } from './stored-session.js';
import { qosOf, type Subscription } from './subscription.js';
import type { Flushable } from './turn.js';
import type { PendingWill } from './will.js';

/** Seconds; this interval and above: the session never expires. */
export const EXPIRY_NEVER = 0xffff_ffff;

export class Session implements Deadline, Flushable {
  readonly clientId: string;
  /** As authenticated on the last connection. */
  identity: ClientIdentity;
  access: Access;
  sender: Sender | null = null;
  connection: SessionConnection | null = null;
  /** Goes up with every connection: what began under another one asks whether it still counts. */
  epoch = 0;
  isDurable = false;
  /** Seconds after the end of the connection; 0: ends with it. */
  expiryInterval = 0;
  /** Filter as the client gave it → subscription; null: none yet. */
  subscriptions: Map<string, Subscription> | null = null;
  outbox: Outbox | null = null;
  /** Of a durable session with a durable store: where its messages go first; null: none. */
  stored: StoredSession | null = null;
  receiver: Receiver | null = null;
  will: PendingWill | null = null;
  /** Retained messages that did not fit when it subscribed; null: none. */
  backlog: RetainedBacklog | null = null;
  /** Messages dropped for this session since it began. */
  dropped = 0;
  /** Of a durable session: another broker has its client, or looks after it. */
  isElsewhere = false;
  /** The other broker that its client is connected to, as far as it matters here; empty: none. */
  onlineAt = '';
  /** Of a subscriber inside this process: takes the place of a connection. */
  handler: ((message: Message, subscription: Subscription) => void) | null = null;
  deadlineMs = 0;
  heapIndex = -1;
  /** Messages with a lower number wait since before access changed: see `recheckQueue`. */
  recheckBefore = 0;
  private isPumpPending = false;
  private readonly context: BrokerContext;
  private readonly onExpired: (session: Session) => void;

  constructor(
    identity: ClientIdentity,
    access: Access,
    context: BrokerContext,
    onExpired: (session: Session) => void,
  ) {
    this.clientId = identity.clientId;
    this.identity = identity;
    this.access = access;
    this.context = context;
    this.onExpired = onExpired;
  }

  /** Somebody takes messages now: a connection, or a handler in this process. */
  get isOnline(): boolean {
    return this.sender !== null || this.handler !== null || this.onlineAt !== '';
  }

  /** As `isOnline`, at this broker. */
  get isHere(): boolean {
    return this.isOnline && this.onlineAt === '';
  }

  /** Messages that have not been sent. */
  get waiting(): number {
    const { outbox, stored } = this;
    if (stored !== null) return stored.waiting;
    return outbox === null ? 0 : outbox.queued;
  }

  mayRead(topic: string): boolean {
    return !this.access.restrictsRead || this.access.mayRead(this.identity, topic);
  }

  /**
   * Delivers one message for one subscription: sends it, queues it, or drops and counts it.
   *
   * @param frames the encoded forms shared with other recipients; null: there are few
   * @returns false when the message was dropped
   */
  deliver(
    message: Message,
    subscription: Subscription,
    frames: FrameCache | null,
    publisher: Pausable | null,
  ): boolean {
    const qos = qosOf(message, subscription, this.context.delivery.upgradeOutgoingQos);
    const retain = message.retain && subscription.retainAsPublished;
    const { sender, stored } = this;
    if (stored !== null && this.isForStore(stored, qos)) {
      return this.store(stored, message, qos, retain, subscription, publisher);
    }
    if (sender === null) return this.deliverOffline(message, subscription, qos, retain);
    if (qos === 0 && !this.isBehindQueue) {
      const reason = sender.sendQos0(message, retain, subscription.ids, frames, publisher);
      if (reason === null) return true;
      this.drop(reason, message);
      return false;
    }
    this.outbox ??= newOutbox(this.context);
    if (qos === 0) return this.enqueue(this.outbox, message, qos, retain, subscription, publisher);
    if (this.canSend(sender, this.outbox, message)) {
      return this.sendNow(this.outbox, sender, message, qos, retain, subscription, frames);
    }
    return this.enqueue(this.outbox, message, qos, retain, subscription, publisher);
  }

  /**
   * The rules, or the user, have changed: whether what waits, or was sent and not acknowledged,
   * may be read is asked again before it goes out.
   */
  recheckQueue(): void {
    const { outbox, stored } = this;
    if (stored !== null) this.recheckBefore = stored.endSeqExpected;
    else if (outbox !== null) this.recheckBefore = outbox.endSeq;
  }

  /** Sends what waits, as far as window and socket allow; called whenever one of them opened. */
  pump(): void {
    const { sender, outbox } = this;
    if (sender === null) return;
    if (outbox !== null && outbox.queued > 0) pumpOutbox(this, sender, outbox, this.context);
    this.stored?.refill();
    if (this.backlog !== null && sender.isReady) this.pumpBacklog(this.backlog, sender);
  }

  /** The turn after a long pump: goes on with it. */
  flush(): void {
    this.isPumpPending = false;
    this.pump();
  }

  /** The socket took everything that was written, or more of a stored queue is at hand. */
  onDrain(): void {
    this.pump();
    this.relieve();
  }

  /**
   * A connection takes up the session; CONNACK is written already [MQTT-3.2.0-1].
   *
   * @param sender null: the client is gone already, and only what it sent is still heard
   */
  attach(sender: Sender | null, connection: SessionConnection): void {
    this.sender = sender;
    this.connection = connection;
    this.epoch++;
    this.context.deadlines.cancel(this);
    this.receiver?.onConnected();
    if (sender === null) return;
    const release = (packetId: number): void => sender.acknowledge(PUBREL_BYTE, packetId);
    if (this.stored !== null) this.stored.forEachReleased(release);
    else this.outbox?.resume(release);
    this.pump();
  }

  /** The connection is over, the session goes on. */
  detach(): void {
    this.onClientGone();
    this.connection = null;
  }

  /** Nothing can be sent any more, although the connection may still listen to what came before. */
  onClientGone(): void {
    this.sender?.onDrained();
    this.sender = null;
    // What a store has is read again.
    if (this.stored !== null) return;
    const { restSlab } = this.context;
    this.outbox?.forEachMessage((message) => message.settle(restSlab));
  }

  onDeadline(): void {
    this.onExpired(this);
  }

  /** PUBACK of a delivery; false: unknown identifier. */
  onPuback(packetId: number): boolean {
    if (this.outbox === null || !this.outbox.onPuback(packetId)) return false;
    this.onSettled(this.outbox, 1);
    return true;
  }

  onPubrec(packetId: number, isRefused: boolean): boolean {
    const { outbox } = this;
    if (outbox === null) return false;
    if (!isRefused) return outbox.onPubrec(packetId);
    if (!outbox.onPubrecRefused(packetId)) return false;
    this.onSettled(outbox, 1);
    return true;
  }

  onPubcomp(packetId: number): boolean {
    const { outbox } = this;
    if (outbox === null) return false;
    if (!outbox.onPubcomp(packetId)) return this.stored?.onEarlyPubcomp(packetId) ?? false;
    this.onSettled(outbox, 1);
    return true;
  }

  /** Inbound QoS 2 state, made when first needed. */
  receiving(): Receiver {
    this.receiver ??= new Receiver();
    return this.receiver;
  }

  /** True when a QoS > 0 message would be dropped for want of room: `queue_full_policy refuse`. */
  isQueueFull(message: Message): boolean {
    const { outbox, stored, context } = this;
    // Offline, the store alone knows how full the queue is.
    if (stored !== null) return stored.isFull(message);
    if (outbox !== null && outbox.queued > 0) return exceedsQueue(context.limits, outbox, message);
    if (!exceedsEmptyQueue(context.limits, message)) return false;
    return this.isKeptInQueue && !this.canSendNow(message);
  }

  /** Drops and counts a message for this session. */
  drop(reason: DropReason, message: Message): void {
    this.context.drop(reason, message, this);
  }

  /** So many in flight are done. */
  onSettled(outbox: Outbox, count: number): void {
    this.stored?.onSettled(count);
    if (outbox.queued > 0 || this.backlog !== null) this.pump();
    this.relieve();
  }

  /** Lets publishers go on that wait for this client, once its socket and its queue are short. */
  private relieve(): void {
    const { sender, outbox } = this;
    if (sender === null || sender.output.isBlocked) return;
    if (outbox === null || !this.isFilling(outbox)) sender.onDrained();
  }

  private sendNow(
    outbox: Outbox,
    sender: Sender,
    message: Message,
    qos: number,
    retain: boolean,
    subscription: Subscription,
    frames: FrameCache | null,
  ): boolean {
    if (!sender.fits(message, qos, subscription.ids)) {
      this.drop(DropReason.TooLargeForReceiver, message);
      return false;
    }
    const { group } = subscription;
    // A transient session never sends it again: nothing has to be kept.
    const isKept = this.isDurable || group !== null || this.context.limits.inflightBytesMax > 0;
    const kept = isKept ? message.keep(this.context.flightSlab) : null;
    const seq = outbox.addSent(kept, qos, retain, message.payloadLength);
    if (group !== null) outbox.setGroupOf(seq, group);
    if (subscription.ids !== null && isKept) outbox.setIdsOf(seq, subscription.ids);
    sender.send(message, qos, retain, false, packetIdOf(seq), subscription.ids, frames);
    return true;
  }

  private enqueue(
    outbox: Outbox,
    message: Message,
    qos: number,
    retain: boolean,
    subscription: Subscription,
    publisher: Pausable | null,
  ): boolean {
    const { context } = this;
    if (exceedsEmptyQueue(context.limits, message)) {
      this.drop(DropReason.QueueFull, message);
      return false;
    }
    while (exceedsQueue(context.limits, outbox, message)) {
      const oldest =
        context.delivery.queueFullPolicy === 'drop_oldest' ? outbox.dropOldest() : null;
      this.drop(DropReason.QueueFull, oldest ?? message);
      if (oldest === null) return false;
    }
    const kept = message.keepLong(context.restSlab);
    outbox.add(kept, qos, retain, subscription.ids, subscription.group);
    if (this.sender !== null && this.isFilling(outbox)) this.sender.onQueueFilling(publisher);
    return true;
  }

  private pumpBacklog(backlog: RetainedBacklog, sender: Sender): void {
    const hasMore = backlog.pump(sender);
    if (backlog.size === 0) this.backlog = null;
    if (!hasMore || this.isPumpPending) return;
    this.isPumpPending = true;
    this.context.turn.markDirty(this);
  }

  /** QoS 0 only with `queue_qos0_messages`, and only while something keeps it from its client. */
  private isForStore(stored: StoredSession, qos: number): boolean {
    if (qos > 0) return true;
    if (!this.context.delivery.queueQos0Messages) return false;
    return this.sender === null || stored.waiting > 0;
  }

  /** @returns false when so much waits for the store that the message is dropped */
  private store(
    stored: StoredSession,
    message: Message,
    qos: number,
    retain: boolean,
    subscription: Subscription,
    publisher: Pausable | null,
  ): boolean {
    if (this.context.journal!.isRefusing) {
      // Publishers are refused before it comes to that: it is nobody's who would be told.
      this.drop(DropReason.QueueFull, message);
      return false;
    }
    const kept = message.keep(this.context.flightSlab);
    stored.append(kept, qos, retain, subscription.ids, subscription.group);
    stored.press(publisher);
    const { sender, outbox } = this;
    if (outbox !== null && this.isFilling(outbox)) sender?.onQueueFilling(publisher);
    return true;
  }

  /** With `queue_qos0_messages`, QoS 0 must not overtake what waits [MQTT-4.6.0-6]. */
  private get isBehindQueue(): boolean {
    if (!this.context.delivery.queueQos0Messages) return false;
    return this.outbox !== null && this.outbox.queued > 0;
  }

  private deliverOffline(
    message: Message,
    subscription: Subscription,
    qos: number,
    retain: boolean,
  ): boolean {
    if (this.handler !== null) {
      this.handler(message, subscription);
      return true;
    }
    if (!this.isDurable || (qos === 0 && !this.context.delivery.queueQos0Messages)) {
      // Its own broker knows whether it is offline.
      if (this.isElsewhere) {
        this.context.peers?.publishTo(subscription, message);
        return true;
      }
      this.drop(DropReason.OfflineQos0, message);
      return false;
    }
    this.outbox ??= newOutbox(this.context);
    return this.enqueue(this.outbox, message, qos, retain, subscription, null);
  }

  private canSend(sender: Sender, outbox: Outbox, message: Message): boolean {
    if (!sender.isReady || !outbox.canSendNow(sender.inflightMax)) return false;
    return hasByteWindow(this.context.limits, outbox, message);
  }

  private canSendNow(message: Message): boolean {
    const { sender, outbox } = this;
    if (sender === null) return false;
    return outbox === null ? sender.isReady : this.canSend(sender, outbox, message);
  }

  /** What cannot be sent now waits; a transient session without a connection keeps nothing. */
  private get isKeptInQueue(): boolean {
    return this.handler === null && (this.sender !== null || this.isDurable);
  }

  private isFilling(outbox: Outbox): boolean {
    return isFilling(this.context.limits, outbox, this.waiting);
  }
}
