/**
 * All sessions by client id: how they begin, pass from one connection to the next, and end.
 */
import type { Message } from '../protocol/message.js';
import type { Access, ClientIdentity } from './access.js';
import type { BrokerContext } from './context.js';
import { DropReason } from './metrics.js';
import type { Router } from './router.js';
import { EXPIRY_NEVER, Session } from './session.js';
import type { Subscriptions } from './subscriptions.js';
import type { PendingWill } from './will.js';

/** How wills get out; the core publishes them. */
export type PublishWill = (pending: PendingWill) => void;

export interface OpenedSession {
  readonly session: Session;
  readonly isPresent: boolean;
}

export class SessionRegistry {
  private readonly byClientId = new Map<string, Session>();
  private readonly context: BrokerContext;
  private readonly router: Router;
  private readonly subscriptions: Subscriptions;
  private readonly publishWill: PublishWill;

  constructor(
    context: BrokerContext,
    router: Router,
    subscriptions: Subscriptions,
    publishWill: PublishWill,
  ) {
    this.context = context;
    this.router = router;
    this.subscriptions = subscriptions;
    this.publishWill = publishWill;
  }

  get size(): number {
    return this.byClientId.size;
  }

  get(clientId: string): Session | null {
    return this.byClientId.get(clientId) ?? null;
  }

  values(): IterableIterator<Session> {
    return this.byClientId.values();
  }

  /**
   * The session for a client that was let in: its old one, or a new one. A connection that holds
   * it is closed first [MQTT-3.1.4-3].
   */
  open(
    identity: ClientIdentity,
    access: Access,
    cleanStart: boolean,
    expiryInterval: number,
  ): OpenedSession {
    let session = this.get(identity.clientId);
    if (session?.connection) {
      this.context.metrics.sessionsTakenOver++;
      session.connection.onTakenOver();
      session = this.get(identity.clientId);
    }
    if (session !== null && (cleanStart || !session.isDurable)) {
      this.end(session);
      session = null;
    }
    const isPresent = session !== null;
    if (session === null) {
      session = this.begin(identity, access);
    } else {
      this.dismissWill(session);
      this.handOver(session, identity, access);
    }
    session.isDurable = expiryInterval > 0;
    session.expiryInterval = expiryInterval;
    return { session, isPresent };
  }

  /** A session without a connection of its own: of a subscriber in this process. */
  begin(identity: ClientIdentity, access: Access): Session {
    const session = new Session(identity, access, this.context, (expired) => this.expire(expired));
    this.byClientId.set(session.clientId, session);
    const { metrics } = this.context;
    metrics.sessions = this.size;
    metrics.sessionsMax = Math.max(metrics.sessionsMax, this.size);
    return session;
  }

  /**
   * The session's connection is over.
   *
   * @param will what the client left, unless its DISCONNECT took it back
   */
  onConnectionClosed(session: Session, will: PendingWill | null): void {
    session.detach();
    if (!session.isDurable) {
      if (will !== null) this.publishWill(will);
      this.end(session);
      return;
    }
    const { nowMs } = this.context.turn;
    const { deadlines } = this.context;
    if (session.expiryInterval < EXPIRY_NEVER) {
      deadlines.schedule(session, nowMs + session.expiryInterval * 1000);
    }
    if (will === null) return;
    const { willDelayInterval } = will.will;
    if (willDelayInterval === 0) {
      this.publishWill(will);
      return;
    }
    session.will = will;
    deadlines.schedule(will, nowMs + willDelayInterval * 1000);
  }

  /** Ends a session: its subscriptions, its messages, its will [MQTT-4.1.0-2]. */
  end(session: Session): void {
    if (this.byClientId.get(session.clientId) !== session) return;
    this.byClientId.delete(session.clientId);
    const { context } = this;
    context.metrics.sessions = this.size;
    context.deadlines.cancel(session);
    this.subscriptions.removeAll(session);
    const will = session.will;
    if (will !== null) {
      this.dismissWill(session);
      this.publishWill(will);
    }
    const { outbox } = session;
    if (outbox === null) return;
    session.outbox = null;
    // Message → how many of its entries went to others.
    const passedOn = new Map<Message, number>();
    for (const { group, message } of outbox.undelivered()) {
      if (!this.router.redeliver(group, message)) continue;
      passedOn.set(message, (passedOn.get(message) ?? 0) + 1);
    }
    outbox.forEachMessage((message) => {
      const others = passedOn.get(message) ?? 0;
      if (others > 0) passedOn.set(message, others - 1);
      else context.drop(DropReason.SessionEnded, message, session);
    });
  }

  /** A will whose time has come. */
  onWillDue(pending: PendingWill): void {
    const session = this.get(pending.identity.clientId);
    if (session?.will === pending) session.will = null;
    this.publishWill(pending);
  }

  /**
   * A client resumes the session. When it may be somebody else, what the one before might read
   * says nothing: routes are looked up anew, and what waits is asked about again.
   */
  private handOver(session: Session, identity: ClientIdentity, access: Access): void {
    const before = session.identity;
    const isRestricted = access.restrictsRead || session.access.restrictsRead;
    const isSameReader = session.access === access && isSameUser(before, identity);
    session.identity = identity;
    session.access = access;
    if (!isRestricted || isSameReader) return;
    this.router.forgetRoutes();
    session.recheckQueue();
  }

  private expire(session: Session): void {
    if (session.connection !== null) return;
    this.context.metrics.sessionsExpired++;
    this.end(session);
  }

  /** The client is back before its will was due [MQTT-3.1.3-9]. */
  private dismissWill(session: Session): void {
    if (session.will === null) return;
    this.context.deadlines.cancel(session.will);
    session.will = null;
  }
}

/** True when nothing differs that access may go by, but for the network address. */
function isSameUser(one: ClientIdentity, other: ClientIdentity): boolean {
  return (
    one.username === other.username &&
    one.listener === other.listener &&
    one.peer.identity === other.peer.identity &&
    one.peer.subject === other.peer.subject
  );
}
