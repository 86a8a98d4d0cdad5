/** What a durable session does with what its store tells it. */

import { PUBREL_BYTE } from '../protocol/publish-writer.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { isShared, parseSharedFilter } from '../protocol/topic.js';
import type { QueueLimits } from '../store/store.js';
import { WriteStatus } from '../store/store.js';
import type { BrokerContext } from './context.js';
import type { Journal } from './journal.js';
import { DropReason } from './metrics.js';
import type { Session } from './session.js';
import type { SharedGroup } from './shared-group.js';
import { StoredSession } from './stored-session.js';
import type { StoredSessionEvents } from './stored-session-events.js';
import type { SubscriptionIndex } from './subscription-index.js';
import type { TopicTable } from './topics.js';

/** Of the broker core, for all sessions. */
export class Storage {
  readonly journal: Journal;
  private readonly context: BrokerContext;
  private readonly index: SubscriptionIndex;
  private readonly topics: TopicTable;

  constructor(
    journal: Journal,
    context: BrokerContext,
    index: SubscriptionIndex,
    topics: TopicTable,
  ) {
    this.journal = journal;
    this.context = context;
    this.index = index;
    this.topics = topics;
  }

  /**
   * The session's part of the store, made when it first has one.
   *
   * @param epoch of the last claim, as far as it is known
   */
  of(session: Session, epoch: number): StoredSession {
    if (session.stored !== null) return session.stored;
    const { context, index, journal, topics } = this;
    const events = new SessionEvents(session, context, index);
    session.stored = new StoredSession(session.clientId, epoch, journal, topics, events);
    return session.stored;
  }

  /** What is stored of a message is damaged: it is counted, and said. */
  onUnreadable(session: Session, seq: number, error: Error): void {
    const { clientId } = session;
    const fields = { clientId, seq, error: error.message };
    this.context.log.write('error', 'a stored message cannot be read', fields);
    this.context.dropFor(DropReason.Unreadable, null, session);
  }
}

class SessionEvents implements StoredSessionEvents {
  private readonly session: Session;
  private readonly context: BrokerContext;
  private readonly index: SubscriptionIndex;

  constructor(session: Session, context: BrokerContext, index: SubscriptionIndex) {
    this.session = session;
    this.context = context;
    this.index = index;
  }

  get isRefusing(): boolean {
    return this.context.delivery.queueFullPolicy === 'refuse';
  }

  onQueued(): void {
    this.session.onDrain();
  }

  onDropped(message: Parameters<StoredSessionEvents['onDropped']>[0]): void {
    this.context.dropFor(DropReason.QueueFull, message, this.session);
  }

  onReleased(packetId: number): void {
    this.session.sender?.acknowledge(PUBREL_BYTE, packetId);
  }

  onUnreadable(seq: number, error: Error): void {
    this.context.storage!.onUnreadable(this.session, seq, error);
  }

  onGone(message: Parameters<StoredSessionEvents['onGone']>[0]): void {
    this.context.drop(DropReason.SessionEnded, message, this.session);
  }

  onEnded(messages: number): void {
    this.context.dropMany(DropReason.SessionEnded, messages, this.session);
  }

  onUnsure(message: Parameters<StoredSessionEvents['onUnsure']>[0]): void {
    this.context.drop(DropReason.OfflineQos0, message, this.session);
  }

  onLost(status: WriteStatus): void {
    const { connection } = this.session;
    if (status === WriteStatus.Stale && this.context.peers !== null) {
      this.context.giveAway(this.session);
      return;
    }
    if (connection === null) return;
    if (status === WriteStatus.Stale) {
      connection.disconnect(ReasonCode.SessionTakenOver, 'session taken over');
    } else {
      connection.disconnect(ReasonCode.ImplementationSpecificError, 'the stored session is gone');
    }
  }

  queueLimits(): QueueLimits {
    const { limits, delivery } = this.context;
    const { queuedMessagesMax, queuedBytesMax, inflightMessagesMax } = limits;
    const inflight = this.session.sender?.inflightMax ?? inflightMessagesMax;
    return {
      messagesMax: queuedMessagesMax === 0 ? 0 : queuedMessagesMax + inflight,
      bytesMax: queuedBytesMax,
      dropsOldest: delivery.queueFullPolicy === 'drop_oldest',
    };
  }

  group(sharedFilter: string): SharedGroup | null {
    const shared = isShared(sharedFilter) ? parseSharedFilter(sharedFilter) : null;
    return shared === null ? null : this.index.findGroup(shared.filter, shared.shareName);
  }
}
