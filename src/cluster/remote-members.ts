/**
 * Transient members of shared subscriptions that are connected to other brokers. For the group each
 * is a session like any other; what is delivered to it goes to its broker.
 */
import type { ClientIdentity } from '../broker/access.js';
import type { BrokerCore } from '../broker/core.js';
import { openAccess } from '../broker/open-access.js';
import { Session } from '../broker/session.js';
import type { Subscription } from '../broker/subscription.js';
import type { ListenerConfig } from '../config/config.js';
import type { Message } from '../protocol/message.js';
import type { StoredSubscription } from '../store/store.js';

/** Hands a message to a member at its broker. */
export type SendToMember = (node: string, subscription: Subscription, message: Message) => void;

export class RemoteMembers {
  /** Broker → client identifier → its session, as it is known here. */
  private readonly byNode = new Map<string, Map<string, Session>>();
  private readonly core: BrokerCore;
  private readonly listener: ListenerConfig;
  private readonly send: SendToMember;

  /** @param listener any: the member's own broker asks its rules */
  constructor(core: BrokerCore, listener: ListenerConfig, send: SendToMember) {
    this.core = core;
    this.listener = listener;
    this.send = send;
  }

  set(node: string, clientId: string, stored: StoredSubscription): void {
    const { index, subscriptions } = this.core;
    const session = this.sessionOf(node, clientId);
    const subscription = subscriptions.fromStored(session, stored);
    if (subscription.group === null) return;
    session.subscriptions ??= new Map();
    session.subscriptions.set(stored.filter, subscription);
    index.addShared(subscription.group, subscription);
  }

  remove(node: string, clientId: string, filter: string): void {
    const clients = this.byNode.get(node);
    const session = clients?.get(clientId);
    const subscription = session?.subscriptions?.get(filter);
    if (clients === undefined || session === undefined || subscription === undefined) return;
    session.subscriptions!.delete(filter);
    this.core.index.removeShared(subscription.group!, session);
    if (session.subscriptions!.size > 0) return;
    clients.delete(clientId);
    if (clients.size === 0) this.byNode.delete(node);
  }

  /** The broker is gone. */
  removeAll(node: string): void {
    for (const session of this.byNode.get(node)?.values() ?? []) {
      for (const filter of [...session.subscriptions!.keys()]) {
        this.remove(node, session.clientId, filter);
      }
    }
  }

  private sessionOf(node: string, clientId: string): Session {
    let clients = this.byNode.get(node);
    if (clients === undefined) {
      clients = new Map();
      this.byNode.set(node, clients);
    }
    let session = clients.get(clientId);
    if (session === undefined) {
      const identity = identityOf(clientId, this.listener);
      // Whether it may read what it gets, the broker asks that it is connected to.
      session = new Session(identity, openAccess, this.core, () => undefined);
      session.onlineAt = node;
      session.handler = (message, subscription) => this.send(node, subscription, message);
      clients.set(clientId, session);
    }
    return session;
  }
}

function identityOf(clientId: string, listener: ListenerConfig): ClientIdentity {
  const peer = { remoteAddress: '', remotePort: 0, identity: null, subject: null, isTls: false };
  return { clientId, username: null, peer, listener, protocolVersion: 5 };
}
