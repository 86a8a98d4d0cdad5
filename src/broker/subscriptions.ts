/**
 * Subscribing and unsubscribing: the session's own list, the index and the retained messages
 * that a new subscription gets.
 */
import type { SubscriptionRequest } from '../protocol/control-packets.js';
import type { Message } from '../protocol/message.js';
import { isShared, parseSharedFilter } from '../protocol/topic.js';
import type { Access, ClientIdentity } from './access.js';
import type { BrokerContext } from './context.js';
import { RetainedBacklog, type RetainedDelivery } from './retained-backlog.js';
import type { RetainedStore } from './retained-store.js';
import type { Sender } from './sender.js';
import type { Session } from './session.js';
import { Subscription } from './subscription.js';
import type { SubscriptionIndex } from './subscription-index.js';

/** Retained messages wait in their backlog while the queue holds more than this. */
const BACKLOG_QUEUE_MAX = 100;

/** Who published a retained message. */
export interface RetainSource {
  readonly identity: ClientIdentity;
  readonly access: Access;
}

export class Subscriptions {
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
   * @returns the retained messages that the client is to get, to be sent after SUBACK
   */
  add(
    session: Session,
    filter: string,
    request: SubscriptionRequest,
    grantedQos: number,
    identifier: number,
  ): readonly RetainedDelivery[] {
    session.subscriptions ??= new Map();
    const isNew = !session.subscriptions.has(filter);
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
    if (group !== null) {
      this.index.addShared(group, subscription);
      return [];
    }
    this.index.add(filter, subscription);
    const wantsRetained = request.retainHandling === 0 || (request.retainHandling === 1 && isNew);
    return wantsRetained ? this.retainedFor(subscription) : [];
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
    this.unindex(subscription);
    return true;
  }

  removeAll(session: Session): void {
    if (session.subscriptions === null) return;
    for (const subscription of session.subscriptions.values()) this.unindex(subscription);
    session.subscriptions = null;
  }

  /** Sends retained messages, as far as the client takes them now; the rest follows. */
  sendRetained(session: Session, deliveries: readonly RetainedDelivery[]): void {
    if (deliveries.length === 0) return;
    session.backlog ??= new RetainedBacklog((delivery, sender) => this.trySend(delivery, sender));
    session.backlog.add(deliveries);
    session.pump();
  }

  private unindex(subscription: Subscription): void {
    const { session, filter, group } = subscription;
    if (group === null) this.index.remove(filter, session);
    else this.index.removeShared(group, session);
  }

  private retainedFor(subscription: Subscription): RetainedDelivery[] {
    const { session, filter, qos, ids, noLocal } = subscription;
    const asRetained = new Subscription(session, filter, qos, noLocal, true, ids, null);
    const deliveries: RetainedDelivery[] = [];
    for (const message of this.retained.match(filter)) {
      if (noLocal && message.publisherId === session.clientId) continue;
      if (!session.mayRead(message.topic.name) || !this.maySourcePublish(message)) continue;
      deliveries.push({ message, subscription: asRetained });
    }
    return deliveries;
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

  /** True when the message is done with: sent, or no longer to be sent. */
  private trySend({ message, subscription }: RetainedDelivery, sender: Sender): boolean {
    const topic = message.topic.name;
    if (this.retained.get(topic) !== message) return true;
    const { session } = subscription;
    // Its end is due; RetainedExpiry deletes and counts it.
    if (message.expiresAtMs <= this.context.turn.nowMs) return true;
    if (!sender.isReady) return false;
    if (session.outbox !== null && session.outbox.queued > BACKLOG_QUEUE_MAX) return false;
    session.deliver(message, subscription, null, null);
    return true;
  }
}
