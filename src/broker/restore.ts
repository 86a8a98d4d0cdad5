/** What a durable store holds, brought back before the first client comes. */
import { messageOf } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { ListenerConfig } from '../config/config.js';
import type { StoredSession, StoredSubscription, StoreLoader } from '../store/store.js';
import type { Access, ClientIdentity } from './access.js';
import type { BrokerCore } from './core.js';
import type { Session } from './session.js';
import { decodeInfo, decodeWill } from './stored-client.js';
import { messageOfRecord } from './stored-message.js';
import { PendingWill } from './will.js';

/** Where a client came in, and the rules there. */
export interface Entrance {
  readonly listener: ListenerConfig;
  readonly access: Access;
}

export class Restore implements StoreLoader {
  /** What could not be read; each was logged. */
  damaged = 0;
  private readonly core: BrokerCore;
  private readonly entranceOf: (listenerName: string) => Entrance;
  private readonly log: Log;
  private isUndone = false;

  /** @param entranceOf the listener of that name, or the one to take in its place */
  constructor(core: BrokerCore, entranceOf: (listenerName: string) => Entrance) {
    this.core = core;
    this.entranceOf = entranceOf;
    this.log = core.log;
  }

  /**
   * The store could not be loaded to its end: sessions are as before, or loading it again would
   * give them what they get twice. What still comes from it is ignored.
   */
  undo(): void {
    this.isUndone = true;
    const { sessions, deadlines } = this.core;
    for (const session of [...sessions.values()]) {
      if (session.stored === null) continue;
      if (session.will !== null) deadlines.cancel(session.will);
      session.will = null;
      session.stored = null;
      sessions.end(session);
    }
  }

  onSession(stored: StoredSession): void {
    if (this.isUndone) return;
    this.orSay('session', stored.clientId, () => this.awaitEnd(this.begin(stored), stored));
  }

  /** A session that another broker looks after. */
  onSessionElsewhere(stored: StoredSession): void {
    this.orSay('session', stored.clientId, () => {
      this.core.sessions.custody.mark(this.begin(stored), true);
    });
  }

  /**
   * A session without a connection is this broker's to look after from now on. Its will is due, and
   * was given to this broker with it: a client that claims the session now leaves it to us.
   *
   * @param isTransient all that is left of it is its will
   */
  onAdopted(stored: StoredSession, isTransient: boolean): void {
    const { core } = this;
    const { clientId, epoch } = stored;
    this.orSay('session', clientId, () => {
      if (isTransient) {
        const leave = (): void => core.peers?.leave(clientId);
        if (stored.will === null) leave();
        else this.publishLastWill(clientId, stored.info, stored.will, leave);
        return;
      }
      const known = core.sessions.get(clientId);
      const session = known?.stored == null ? this.begin(stored) : known;
      if (session.connection !== null) return;
      core.sessions.custody.mark(session, false);
      session.stored!.epoch = epoch;
      this.awaitEnd(session, { ...stored, will: null });
      if (stored.will === null) return;
      const will = this.willOf(stored.will, session.identity, session.access);
      core.sessions.publishStored(session, will);
    });
  }

  onSubscription(clientId: string, subscription: StoredSubscription): void {
    const session = this.core.sessions.get(clientId);
    // Of a session that could not be read.
    if (session === null || this.isUndone) return;
    this.orSay('subscription', `${clientId} ${subscription.filter}`, () =>
      this.core.subscriptions.restore(session, subscription),
    );
  }

  /** As it was loaded, or as another broker stored it. */
  onRetained(topic: string, record: Buffer): void {
    if (this.isUndone) return;
    const { core } = this;
    this.orSay('retained message', topic, () => {
      const { message } = messageOfRecord(record, core.topics, core.journal!, core.restSlab);
      message.isLongLived = true;
      core.onRetained(topic, message);
    });
  }

  private begin({ clientId, info, epoch, messages }: StoredSession): Session {
    const { identity, access } = this.ownerOf(clientId, info);
    const session = this.core.sessions.restore(identity, access, epoch);
    session.stored!.onMore(messages);
    return session;
  }

  /** Sets the deadlines of a session without a connection. */
  private awaitEnd(session: Session, { expiresAtMs, will, willAtMs }: StoredSession): void {
    const { deadlines, journal } = this.core;
    const offsetMs = journal!.wallOffsetMs;
    deadlines.cancel(session);
    if (session.will !== null) deadlines.cancel(session.will);
    session.will = null;
    if (expiresAtMs !== Number.POSITIVE_INFINITY) {
      deadlines.schedule(session, Math.max(0, expiresAtMs - offsetMs));
    }
    if (will === null) return;
    session.will = this.willOf(will, session.identity, session.access);
    deadlines.schedule(session.will, Math.max(0, willAtMs - offsetMs));
  }

  /** The will of a connection whose broker died. @param then called when it is safe */
  publishLastWill(clientId: string, info: Buffer, will: Buffer, then: () => void): void {
    const isReadable = this.orSay('will', clientId, () => {
      const { identity, access } = this.ownerOf(clientId, info);
      this.core.sessions.publishWill(this.willOf(will, identity, access), then);
    });
    if (!isReadable) then();
  }

  private ownerOf(clientId: string, info: Buffer): { identity: ClientIdentity; access: Access } {
    const identity = decodeInfo(clientId, info, (name) => this.entranceOf(name).listener);
    return { identity, access: this.entranceOf(identity.listener.name).access };
  }

  private willOf(bytes: Buffer, identity: ClientIdentity, access: Access): PendingWill {
    const { sessions } = this.core;
    const { will, stamp } = decodeWill(bytes);
    return new PendingWill(will, identity, access, (due) => sessions.onWillDue(due), stamp);
  }

  /**
   * One damaged record does not keep a broker from starting; it is said which one.
   *
   * @returns false: it is damaged
   */
  private orSay(what: string, name: string, act: () => void): boolean {
    try {
      act();
      return true;
    } catch (error) {
      this.damaged++;
      this.log.write('error', `stored ${what} cannot be read`, { name, error: messageOf(error) });
      return false;
    }
  }
}
