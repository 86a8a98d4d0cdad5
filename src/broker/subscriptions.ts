/**
 * Subscribing and unsubscribing: the session's own list, the index and the retained messages
 * that a new subscription gets.
 */
import type { SubscriptionRequest } from '../protocol/control-packets.js';
import type { Message } from '../protocol/message.js';
import { isShared, parseSharedFilter } from '../protocol/topic.js';
import type { StoredSubscription } from '../store/store.js';
import type { Access, ClientIdentity } from './access.js';
import type { BrokerContext } from './context.js';
import type { Replay } from './replays.js';
import { RetainedBacklog, type RetainedRequest, type RetainedSource } from './retained-backlog.js';
import type { RetainedStore } from './retained-store.js';
import type { Sender } from './sender.js';
import type { Session } from './session.js';
import { Subscription } from './subscription.js';
import type { SubscriptionIndex } from './subscription-index.js';

/** Retained messages wait in their backlog while the queue holds more than this. */
const BACKLOG_QUEUE_MAX = 100;

/** `StoredSubscription.options` */
const NO_LOCAL = 4;
const RETAIN_AS_PUBLISHED = 8;

/** Who published a retained message. */
export interface RetainSource {
  readonly identity: ClientIdentity;
  readonly access: Access;
}

export class Subscriptions implements RetainedSource {
  private readonly context: BrokerContext;
  private readonly index: SubscriptionIndex;
  private readonly retained: RetainedStore;
  private readonly sources = new WeakMap<Message, RetainSource>();

  constructor(context: BrokerContext, index: SubscriptionIndex, retained: RetainedStore) {
    this.context = context;
    this.index = index;
    this.retained = retained;
  }

  /**
   * Makes or replaces a subscription [MQTT-3.8.4-3]. `filter` has the mount point before it.
   *
   * @returns the request for retained messages, to be sent after SUBACK; null: none are due
   */
  add(
    session: Session,
    filter: string,
    request: SubscriptionRequest,
    grantedQos: number,
    identifier: number,
  ): RetainedRequest | null {
    session.subscriptions ??= new Map();
    const before = session.subscriptions.get(filter);
    const isNew = before === undefined;
    const { peers } = this.context;
    const shared = isShared(filter) ? parseSharedFilter(filter) : null;
    const group = shared === null ? null : this.index.group(shared.filter, shared.shareName);
    const subscription = new Subscription(
      session,
      filter,
      grantedQos,
      request.noLocal,
      request.retainAsPublished,
      identifier === 0 ? null : [identifier],
      group,
    );
    session.subscriptions.set(filter, subscription);
    session.stored?.changeSubscription(filter, storedForm(subscription));
    if (group === null) this.index.add(filter, subscription);
    else this.index.addShared(group, subscription);
    peers?.onSubscribed(subscription);
    if (before !== undefined) peers?.onReplaced(before);
    if (group !== null) return null;
    const wantsRetained = request.retainHandling === 0 || (request.retainHandling === 1 && isNew);
    return wantsRetained ? this.requestFor(subscription) : null;
  }

  /** Remembers who published a retained message, for `check_retain_source`. */
  rememberSource(message: Message, source: RetainSource): void {
    if (source.access.restrictsPublish) this.sources.set(message, source);
  }

  /** False when there was no such subscription [MQTT-3.10.4-5]. */
  remove(session: Session, filter: string): boolean {
    const subscription = session.subscriptions?.get(filter);
    if (subscription === undefined) return false;
    session.subscriptions!.delete(filter);
    session.backlog?.remove(filter);
    session.stored?.changeSubscription(filter, null);
    this.context.peers?.onUnsubscribed(subscription);
    this.unindex(subscription);
    return true;
  }

  /** As `remove`, of a session elsewhere: its own broker has told the store. */
  forget(session: Session, filter: string): void {
    const subscription = session.subscriptions?.get(filter);
    if (subscription === undefined) return;
    session.subscriptions!.delete(filter);
    this.unindex(subscription);
  }

  /** Makes the subscriptions of a session those that the store has. */
  reconcile(session: Session, stored: readonly StoredSubscription[]): void {
    const filters = new Set(stored.map(({ filter }) => filter));
    for (const filter of [...(session.subscriptions?.keys() ?? [])]) {
      if (!filters.has(filter)) this.forget(session, filter);
    }
    for (const subscription of stored) this.restore(session, subscription);
  }

  /** A subscription as the store has it. */
  restore(session: Session, stored: StoredSubscription): void {
    session.subscriptions ??= new Map();
    const { filter } = stored;
    const subscription = this.fromStored(session, stored);
    const { group } = subscription;
    session.subscriptions.set(filter, subscription);
    if (group === null) this.index.add(filter, subscription);
    else this.index.addShared(group, subscription);
  }

  /** A subscription of a session, not yet in effect. */
  fromStored(session: Session, { filter, options, identifier }: StoredSubscription): Subscription {
    const shared = isShared(filter) ? parseSharedFilter(filter) : null;
    const group = shared === null ? null : this.index.group(shared.filter, shared.shareName);
    return new Subscription(
      session,
      filter,
      options & 3,
      (options & NO_LOCAL) !== 0,
      (options & RETAIN_AS_PUBLISHED) !== 0,
      identifier === 0 ? null : [identifier],
      group,
    );
  }

  removeAll(session: Session): void {
    if (session.subscriptions === null) return;
    const { peers } = this.context;
    for (const subscription of session.subscriptions.values()) {
      if (!session.isElsewhere) peers?.onUnsubscribed(subscription);
      this.unindex(subscription);
    }
    session.subscriptions = null;
  }

  /** Sends retained messages, as far as the client takes them now; the rest follows. */
  sendRetained(session: Session, request: RetainedRequest): void {
    session.backlog ??= new RetainedBacklog(this);
    session.backlog.add(request);
    session.pump();
  }

  /** Sends what a replay brings, behind retained messages. */
  sendReplay(session: Session, filter: string, replay: Replay): void {
    session.backlog ??= new RetainedBacklog(this);
    session.backlog.addReplay(filter, replay);
    session.pump();
  }

  /** Whether the session may read each of them is asked when it is sent. */
  messagesFor({ subscription, stamp }: RetainedRequest): readonly Message[] {
    const { session, filter, noLocal } = subscription;
    return this.retained.match(filter, stamp).filter((message) => {
      if (noLocal && this.context.kin.isOwn(session.clientId, message.publisherId)) return false;
      return this.maySourcePublish(message);
    });
  }

  /** True when the message is done with: sent, or no longer to be sent. */
  trySend(message: Message, subscription: Subscription, sender: Sender): boolean {
    if (this.retained.get(message.topic.name) !== message) return true;
    return this.trySendEarlier(message, subscription, sender);
  }

  /** As `trySend`, of any message from before the subscription. */
  trySendEarlier(message: Message, subscription: Subscription, sender: Sender): boolean {
    // Its end is due; RetainedExpiry deletes and counts it.
    if (message.expiresAtMs <= this.context.turn.nowMs) return true;
    if (!sender.isReady) return false;
    const { session } = subscription;
    if (session.isQueueFull(message)) return false;
    if (session.waiting > BACKLOG_QUEUE_MAX) return false;
    if (!session.mayRead(message.topic.name)) return true;
    // A hook may have disconnected the client that it was asked about.
    if (session.sender !== sender) return false;
    session.deliver(message, subscription, null, null);
    return true;
  }

  private unindex(subscription: Subscription): void {
    const { session, filter, group } = subscription;
    if (group === null) this.index.remove(filter, session);
    else this.index.removeShared(group, session);
  }

  private requestFor(subscription: Subscription): RetainedRequest {
    const { session, filter, qos, ids, noLocal } = subscription;
    const asRetained = new Subscription(session, filter, qos, noLocal, true, ids, null);
    return { subscription: asRetained, stamp: this.retained.stamp };
  }

  /** `check_retain_source`: a publisher that lost its right takes its messages along. */
  private maySourcePublish(message: Message): boolean {
    if (!this.context.delivery.checkRetainSource) return true;
    const source = this.sources.get(message);
    if (source === undefined) return true;
    const { identity, access } = source;
    // A hook that needs time cannot be asked here; its answer at the time of publishing stands.
    return access.mayPublish(identity, message.topic.name, message.qos, true) !== false;
  }
}

/** As a store has it. */
export function storedForm(subscription: Subscription): StoredSubscription {
  const { filter, ids } = subscription;
  return { filter, options: optionsOf(subscription), identifier: ids === null ? 0 : ids[0]! };
}

function optionsOf({ qos, noLocal, retainAsPublished }: Subscription): number {
  return qos | (noLocal ? NO_LOCAL : 0) | (retainAsPublished ? RETAIN_AS_PUBLISHED : 0);
}
