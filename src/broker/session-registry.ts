/**
 * All sessions by client id: how they begin, pass from one connection to the next, and end.
 */
import type { Claim, ClaimRequest } from '../store/store.js';
import type { Access, ClientIdentity } from './access.js';
import { Claims } from './claims.js';
import type { BrokerContext } from './context.js';
import { Custody } from './custody.js';
import { Endings } from './endings.js';
import { passOnMessages } from './left-messages.js';
import { Receiver } from './receiver.js';
import type { Router } from './router.js';
import { EXPIRY_NEVER, Session } from './session.js';
import { isMember } from './shared-group.js';
import { encodeWill } from './stored-client.js';
import type { StoredSession } from './stored-session.js';
import type { Subscriptions } from './subscriptions.js';
import type { TopicTable } from './topics.js';
import type { PendingWill } from './will.js';
import { WillsUnderway } from './wills-underway.js';

/**
 * How wills get out; the core publishes them.
 *
 * @param then called when a store may forget the will
 */
export type PublishWill = (pending: PendingWill, then: () => void) => void;

export interface OpenedSession {
  readonly session: Session;
  readonly isPresent: boolean;
}

export class SessionRegistry {
  private readonly byClientId = new Map<string, Session>();
  private readonly context: BrokerContext;
  private readonly router: Router;
  private readonly subscriptions: Subscriptions;
  readonly wills: WillsUnderway;
  /** Which sessions are this broker's to look after. */
  readonly custody: Custody;
  /** Of a durable store; null without. */
  readonly claims: Claims | null;
  readonly endings: Endings | null;
  /** Clients that are not in `size` yet: the store is asked about them. */
  arriving = 0;

  constructor(
    context: BrokerContext,
    router: Router,
    subscriptions: Subscriptions,
    topics: TopicTable,
    publishWill: PublishWill,
  ) {
    const { journal } = context;
    const claims = journal === null ? null : new Claims(journal);
    this.claims = claims;
    this.endings = journal === null ? null : new Endings(journal, claims!, context, router, topics);
    this.context = context;
    this.router = router;
    this.subscriptions = subscriptions;
    this.wills = new WillsUnderway(context.clock, context.deadlines, publishWill);
    this.custody = new Custody(context, this);
  }

  get size(): number {
    return this.byClientId.size;
  }

  /** Sessions that are this broker's to look after. */
  get ownSize(): number {
    return this.byClientId.size - this.custody.elsewhere;
  }

  get(clientId: string): Session | null {
    return this.byClientId.get(clientId) ?? null;
  }

  values(): IterableIterator<Session> {
    return this.byClientId.values();
  }

  /** Closes the connection that holds a client's session [MQTT-3.1.4-3]. */
  evict(clientId: string): void {
    const connection = this.get(clientId)?.connection;
    if (connection == null) return;
    this.context.metrics.sessionsTakenOver++;
    connection.onTakenOver();
  }

  /** @param then called when a store may forget the will */
  publishWill(pending: PendingWill, then: () => void): void {
    this.wills.publish(pending, then);
  }

  /**
   * Makes way for a claim. Null: at once; else the store is asked when what an earlier session
   * left is passed on, and wills are out.
   *
   * @throws BrokerError `STORE_AWAY`
   */
  prepareClaim(request: ClaimRequest): Promise<void> | null {
    const { clientId } = request;
    const way = this.makeWay(request);
    if (way === null) return this.wills.whenOut(clientId);
    return way.then(() => this.wills.whenOut(clientId) ?? undefined);
  }

  private makeWay(request: ClaimRequest): Promise<void> | null {
    const { clientId, cleanStart } = request;
    this.evict(clientId);
    const session = this.get(clientId);
    if (session !== null) {
      // A store would delete a session that is over, with what is to be passed on and counted.
      if (this.isOver(session)) return this.endFirst(session);
      // Of one elsewhere, the claim says to its broker that it is over.
      if (cleanStart && session.isElsewhere) return this.custody.endElsewhere(session, request);
      if (cleanStart && session.will !== null) return this.endFirst(session);
      // Before the claim, or what is published until it is answered would be in the new queue.
      if (cleanStart) this.end(session);
      // An answer about a QoS 2 message from the last connection comes too late: it is sent again.
      session.epoch++;
    }
    return this.endings!.finish(clientId);
  }

  /**
   * The session for a client that was let in: its old one, or a new one. A connection that holds
   * it is closed first.
   *
   * @param claim what the store has of it; null: there is no store, or it need not be asked
   */
  open(
    identity: ClientIdentity,
    access: Access,
    cleanStart: boolean,
    expiryInterval: number,
    claim: Claim | null,
  ): OpenedSession {
    this.evict(identity.clientId);
    let session = this.get(identity.clientId);
    const isKept = claim === null ? !cleanStart && session?.isDurable === true : claim.isPresent;
    if (session !== null && !isKept) {
      // The claim has deleted what was stored, and says what is to be published.
      if (claim !== null) session.stored = null;
      if (claim !== null && claim.lastWill !== null) this.dismissWill(session);
      this.end(session);
      session = null;
    }
    const isPresent = isKept;
    const isKnown = session !== null;
    if (session === null) {
      session = this.begin(identity, access);
    } else {
      this.dismissWill(session);
      this.handOver(session, identity, access);
    }
    session.isDurable = expiryInterval > 0;
    session.expiryInterval = expiryInterval;
    this.custody.mark(session, false);
    session.onlineAt = '';
    if (isKept) this.endings?.forgive(identity.clientId);
    if (claim !== null && claim.epoch > 0) this.attachStored(session, claim, isKnown);
    const { peers } = this.context;
    if (claim != null && claim.lastWill !== null) {
      peers?.publishLastWill(identity.clientId, claim.lastWill);
    }
    peers?.onAttached(session);
    return { session, isPresent };
  }

  /** A session elsewhere is over: what is known of it here is forgotten. */
  forget(session: Session): void {
    if (this.byClientId.get(session.clientId) !== session) return;
    this.custody.mark(session, false);
    this.byClientId.delete(session.clientId);
    this.context.metrics.sessions = this.size;
    this.context.deadlines.cancel(session);
    this.dismissWill(session);
    this.subscriptions.removeAll(session);
  }

  /** A session as the store has it, without a connection. */
  restore(identity: ClientIdentity, access: Access, epoch: number): Session {
    const session = this.begin(identity, access);
    session.isDurable = true;
    session.expiryInterval = EXPIRY_NEVER;
    this.context.storage!.of(session, epoch);
    return session;
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
      // The store has both until the will is safe.
      session.will = will;
      this.end(session);
      return;
    }
    const { deadlines, peers } = this.context;
    const { nowMs } = this.context.turn;
    peers?.onDetached(session);
    if (session.isElsewhere) {
      session.stored?.abandon();
      session.outbox = null;
      // Its delay would end with the client's return, and the client is back.
      if (will !== null && will.will.willDelayInterval === 0) this.publishWill(will, nothing);
      return;
    }
    if (session.stored !== null) this.detachStored(session, will);
    if (session.expiryInterval < EXPIRY_NEVER) {
      deadlines.schedule(session, nowMs + session.expiryInterval * 1000);
    }
    if (will === null) return;
    const { willDelayInterval } = will.will;
    if (willDelayInterval === 0) {
      this.publishStored(session, will);
      return;
    }
    session.will = will;
    deadlines.schedule(will, nowMs + willDelayInterval * 1000);
  }

  /** Ends a session: its subscriptions, its messages, its will [MQTT-4.1.0-2]. */
  end(session: Session): void {
    if (this.byClientId.get(session.clientId) !== session) return;
    this.byClientId.delete(session.clientId);
    this.custody.mark(session, false);
    const { context } = this;
    context.metrics.sessions = this.size;
    context.deadlines.cancel(session);
    const { stored } = session;
    const isInGroup = isMember(session);
    this.subscriptions.removeAll(session);
    const { will } = session;
    this.dismissWill(session);
    if (stored !== null) session.outbox = null;
    // What is passed on takes longer than any will.
    if (stored !== null && isInGroup) this.endings!.pass(session, stored, will);
    const then = this.whenWillIsOut(session, stored, isInGroup);
    if (will === null) then();
    else this.publishWill(will, then);
    const { outbox } = session;
    if (outbox === null) return;
    session.outbox = null;
    passOnMessages(session, outbox, this.router, context);
  }

  /** A will whose time has come. */
  onWillDue(pending: PendingWill): void {
    const session = this.get(pending.identity.clientId);
    if (session?.will !== pending) {
      this.publishWill(pending, nothing);
      return;
    }
    this.custody.whenOurs(session, pending, () => {
      if (session.will === pending) session.will = null;
      this.publishStored(session, pending);
    });
  }

  /** What is left to do for a session that has ended once its will, if any, is published. */
  private whenWillIsOut(
    session: Session,
    stored: StoredSession | null,
    isInGroup: boolean,
  ): () => void {
    const { peers } = this.context;
    if (stored !== null) return isInGroup ? nothing : () => stored.end();
    if (peers === null || session.handler !== null) return nothing;
    return () => peers.leave(session.clientId);
  }

  /** While a claim of the client waits: the end of its session comes first. */
  private async endFirst(session: Session): Promise<void> {
    const { stored } = session;
    const isOver = this.isOver(session);
    const isOurs =
      stored === null || this.context.peers === null || (await this.custody.adopt(session, stored));
    if (isOurs && isOver) this.context.metrics.sessionsExpired++;
    if (isOurs) this.end(session);
    await this.endings!.finish(session.clientId);
  }

  /** Publishes a will that the store has as well, if it has the session. */
  publishStored({ stored }: Session, will: PendingWill): void {
    const epoch = stored?.epoch;
    this.publishWill(will, () => {
      // A client that is back has another one.
      if (stored !== null && stored.epoch === epoch) stored.dismissWill();
    });
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

  private attachStored(session: Session, claim: Claim, isKnown: boolean): void {
    session.outbox = this.context.storage!.of(session, claim.epoch).attach(claim);
    // Another broker may know better what a session has that was elsewhere.
    if (!isKnown || this.context.peers !== null) {
      this.subscriptions.reconcile(session, claim.subscriptions);
    }
    const before = session.receiver;
    session.receiver = claim.held.length === 0 ? null : new Receiver();
    session.receiver?.restore(claim.held, claim.isHeldRouted, before);
    // The rules may be others than those that the queue was filled by.
    if (session.access.restrictsRead) session.recheckQueue();
  }

  private detachStored(session: Session, will: PendingWill | null): void {
    const { context } = this;
    const wallMs = context.journal!.store.wallMs();
    const { expiryInterval } = session;
    const isForEver = expiryInterval >= EXPIRY_NEVER;
    const isKept = will !== null && (will.will.willDelayInterval > 0 || !context.journal!.isAtomic);
    session.outbox = null;
    if (session.receiver?.isEmpty) session.receiver = null;
    session.stored!.detach(
      isForEver ? Number.POSITIVE_INFINITY : wallMs + expiryInterval * 1000,
      isKept ? encodeWill(will.will, will.stamp) : null,
      isKept ? wallMs + will.will.willDelayInterval * 1000 : 0,
    );
  }

  /** Its time has come, and the next tick would end it. */
  private isOver({ deadlineMs, heapIndex }: Session): boolean {
    return heapIndex >= 0 && deadlineMs <= this.context.turn.nowMs;
  }

  private expire(session: Session): void {
    if (session.connection !== null) return;
    this.custody.whenOurs(session, session, () => {
      if (session.connection === null && !session.isElsewhere) this.endExpired(session);
    });
  }

  private endExpired(session: Session): void {
    this.context.metrics.sessionsExpired++;
    this.end(session);
  }

  /** The client is back before its will was due [MQTT-3.1.3-9]. */
  dismissWill(session: Session): void {
    if (session.will === null) return;
    this.context.deadlines.cancel(session.will);
    session.will = null;
  }
}

function nothing(): void {
  // Nobody waits for it.
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
