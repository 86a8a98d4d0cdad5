/**
 * The ends of stored sessions with shared subscriptions: what came through these goes to other
 * members first, and while the store is away that is tried again and again.
 */
import { messageOf } from '../base/errors.js';
import { parseSharedFilter } from '../protocol/topic.js';
import type { Claims } from './claims.js';
import type { BrokerContext } from './context.js';
import type { Journal, Retry } from './journal.js';
import { type PassOn, passOnQueue } from './pass-on.js';
import type { Router } from './router.js';
import type { Session } from './session.js';
import { encodeWill } from './stored-client.js';
import type { StoredSession } from './stored-session.js';
import type { TopicTable } from './topics.js';
import type { PendingWill } from './will.js';

export class Endings implements Retry {
  /** Client identifier → a session that is over, and still stored. */
  private readonly leaving = new Map<string, Session>();
  private readonly journal: Journal;
  private readonly claims: Claims;
  private readonly context: BrokerContext;
  private readonly passOn: PassOn;

  constructor(
    journal: Journal,
    claims: Claims,
    context: BrokerContext,
    router: Router,
    topics: TopicTable,
  ) {
    this.journal = journal;
    this.claims = claims;
    this.context = context;
    const redeliver: PassOn['redeliver'] = ({ message, sharedFilter }, key) => {
      const shared = parseSharedFilter(sharedFilter);
      return shared !== null && router.redeliverTo(shared.filter, shared.shareName, message, key);
    };
    this.passOn = { journal, context, topics, redeliver };
  }

  /** Sessions that are over, and still stored. */
  get size(): number {
    return this.leaving.size;
  }

  /**
   * Deletes what is stored of a member of shared subscriptions, once it is passed on.
   *
   * @param will about to be published; null: none
   */
  pass(session: Session, stored: StoredSession, will: PendingWill | null): void {
    // What was sent and what was acknowledged decides who gets it. It has ended: a broker that is
    // started before all is passed on does so at once.
    const wallMs = this.journal.store.wallMs();
    stored.expire(wallMs, will === null ? null : encodeWill(will.will, will.stamp));
    this.leaving.set(session.clientId, session);
    this.finishLater(session.clientId);
  }

  /** The client resumed its session, of which the store had not heard yet that it was over. */
  forgive(clientId: string): void {
    this.leaving.delete(clientId);
  }

  /**
   * Passes on and deletes what the client's last session left; to be called while no other claim
   * of the client goes on. Null: there is nothing.
   *
   * @throws BrokerError `STORE_AWAY`
   */
  finish(clientId: string): Promise<void> | null {
    const session = this.leaving.get(clientId);
    if (session === undefined) return null;
    return passOnQueue(session, session.stored!, this.passOn).then(() => {
      if (this.leaving.get(clientId) === session) this.leaving.delete(clientId);
    });
  }

  retry(): void {
    for (const clientId of this.leaving.keys()) this.finishLater(clientId);
  }

  private finishLater(clientId: string): void {
    this.claims
      .after(clientId, () => this.finish(clientId) ?? Promise.resolve())
      .catch((error: unknown) => {
        this.context.log.write('debug', 'messages of an ended session are not passed on yet', {
          clientId,
          error: messageOf(error),
        });
        this.journal.retryLater(this);
      });
  }
}
