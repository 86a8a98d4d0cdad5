/**
 * Who looks after a session: this broker or, in a cluster, another one. Every broker knows all
 * durable sessions that have subscriptions, so that it can fill their queues; but only one acts
 * when a deadline comes, and none acts for a client that has connected elsewhere.
 */
import type { Deadline } from '../base/deadline-heap.js';
import { BrokerError } from '../base/errors.js';
import type { ClaimRequest } from '../store/store.js';
import type { BrokerContext } from './context.js';
import type { Session } from './session.js';
import type { SessionRegistry } from './session-registry.js';
import { isMember } from './shared-group.js';
import type { StoredSession } from './stored-session.js';

/** How soon a deadline is tried again when the store could not be asked about it. */
const RETRY_MS = 1_000;

export class Custody {
  /** Sessions that other brokers look after. */
  elsewhere = 0;
  private readonly context: BrokerContext;
  private readonly sessions: SessionRegistry;

  constructor(context: BrokerContext, sessions: SessionRegistry) {
    this.context = context;
    this.sessions = sessions;
  }

  /** Says whether another broker looks after a session. */
  mark(session: Session, isElsewhere: boolean): void {
    if (session.isElsewhere === isElsewhere) return;
    session.isElsewhere = isElsewhere;
    this.elsewhere += isElsewhere ? 1 : -1;
  }

  /**
   * The client of a session is at another broker, or was: nothing here acts for it any more.
   *
   * @param epoch of its claim there; what is not older than that here stays
   */
  onClaimedElsewhere(clientId: string, epoch: number): void {
    const session = this.sessions.get(clientId);
    if (session === null || (session.stored !== null && session.stored.epoch >= epoch)) return;
    this.giveAway(session);
  }

  /** As `onClaimedElsewhere`, when the store has said it. */
  giveAway(session: Session): void {
    const { context, sessions } = this;
    if (session.stored !== null) this.mark(session, true);
    if (session.connection !== null) {
      context.metrics.sessionsTakenOver++;
      session.connection.onTakenOver();
    }
    if (session.stored === null) return;
    context.deadlines.cancel(session);
    sessions.dismissWill(session);
  }

  /**
   * Acts on a deadline of an offline session, if that is this broker's to do: another one may see
   * to it by now, or the client be back there.
   */
  whenOurs(session: Session, deadline: Deadline, act: () => void): void {
    const { context, sessions } = this;
    const { clientId, stored } = session;
    if (context.peers === null || stored === null) {
      act();
      return;
    }
    const { epoch } = stored;
    const isAsBefore = (): boolean =>
      sessions.get(clientId) === session && session.connection === null && stored.epoch === epoch;
    const task = async (): Promise<void> => {
      if (!isAsBefore() || session.isElsewhere) return;
      const isOurs = await this.adopt(session, stored);
      if (isOurs) act();
    };
    sessions.claims!.after(clientId, task).catch((error: unknown) => {
      if (!(error instanceof BrokerError)) throw error;
      if (isAsBefore()) context.deadlines.schedule(deadline, context.clock.nowMs() + RETRY_MS);
    });
  }

  /**
   * Asks whether a session without a connection, whose deadline has come, is this broker's to act
   * for; to be called while no other claim of the client goes on.
   *
   * @throws BrokerError `STORE_AWAY`
   */
  async adopt(session: Session, stored: StoredSession): Promise<boolean> {
    const { journal, peers, turn } = this.context;
    const { clientId, epoch } = stored;
    journal!.flush();
    const adopted = await peers!.adopt(clientId, epoch);
    turn.begin();
    const isKnown = this.sessions.get(clientId) === session;
    const isAsBefore = isKnown && session.connection === null && stored.epoch === epoch;
    if (isAsBefore && adopted === 0) this.giveAway(session);
    // Word of a claim elsewhere may be here already: what came due before it is ours all the same.
    else if (isAsBefore && !session.isElsewhere) stored.epoch = adopted;
    return adopted > 0;
  }

  /**
   * A client begins anew here and its session is elsewhere: what that has for its groups is passed
   * on, as if it had ended here.
   *
   * @throws BrokerError `STORE_AWAY`
   */
  async endElsewhere(session: Session, request: ClaimRequest): Promise<void> {
    const { journal, peers, turn } = this.context;
    const { clientId } = session;
    if (!isMember(session)) return;
    const taking = { cleanStart: false, isDurable: true, will: null, willDelay: 0 };
    journal!.flush();
    const claim = await journal!.store.claim({ ...request, ...taking, endsSession: true });
    turn.begin();
    if (claim.lastWill !== null) peers!.publishLastWill(clientId, claim.lastWill);
    if (this.sessions.get(clientId) !== session || session.stored === null) return;
    session.stored.epoch = claim.epoch;
    this.mark(session, false);
    this.sessions.end(session);
    await this.sessions.endings!.finish(clientId);
  }
}
