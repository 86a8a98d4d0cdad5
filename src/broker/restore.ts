/** What a durable store holds, brought back before the first client comes. */
import { messageOf } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { ListenerConfig } from '../config/config.js';
import type { StoredSession, StoredSubscription, StoreLoader } from '../store/store.js';
import type { Access, ClientIdentity } from './access.js';
import type { BrokerCore } from './core.js';
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
    const { core } = this;
    const { clientId, info, epoch } = stored;
    this.orSay('session', clientId, () => {
      const identity = decodeInfo(clientId, info, (name) => this.entranceOf(name).listener);
      const { access } = this.entranceOf(identity.listener.name);
      const session = core.sessions.restore(identity, access, epoch);
      session.stored!.restore(stored.messages);
      const offsetMs = core.journal!.wallOffsetMs;
      if (stored.expiresAtMs !== Number.POSITIVE_INFINITY) {
        core.deadlines.schedule(session, Math.max(0, stored.expiresAtMs - offsetMs));
      }
      if (stored.will === null) return;
      const will = this.willOf(stored.will, identity, access);
      session.will = will;
      core.deadlines.schedule(will, Math.max(0, stored.willAtMs - offsetMs));
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

  onRetained(topic: string, record: Buffer): void {
    if (this.isUndone) return;
    const { core } = this;
    this.orSay('retained message', topic, () => {
      const { message } = messageOfRecord(record, core.topics, core.journal!, core.restSlab);
      message.isLongLived = true;
      core.retained.set(message);
      core.retainedExpiry.onChange(topic, message);
    });
  }

  private willOf(bytes: Buffer, identity: ClientIdentity, access: Access): PendingWill {
    const { sessions } = this.core;
    const { will, stamp } = decodeWill(bytes);
    return new PendingWill(will, identity, access, (due) => sessions.onWillDue(due), stamp);
  }

  /** One damaged record does not keep a broker from starting; it is said which one. */
  private orSay(what: string, name: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.damaged++;
      this.log.write('error', `stored ${what} cannot be read`, { name, error: messageOf(error) });
    }
  }
}
