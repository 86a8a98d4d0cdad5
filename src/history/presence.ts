/**
 * Who comes, goes, subscribes and unsubscribes here, as events in Redis for whoever reads them.
 * What a broker can no longer say, because it is dead, one of the others says of all its clients.
 */
import type { ClientIdentity } from '../broker/access.js';
import type { BrokerCore } from '../broker/core.js';
import type { Observer } from '../broker/observer.js';
import type { Flushable } from '../broker/turn.js';
import type { Fabric } from '../store/fabric.js';
import type { HistoryLog } from '../store/history.js';
import { EVENTS_PENDING_MAX } from './limits.js';

export class Presence implements Flushable {
  private readonly fabric: Fabric;
  private core: BrokerCore | null = null;
  private log: HistoryLog | null = null;
  /** As which this broker knew its peers last, and who they were. */
  private node = '';
  private peers: ReadonlySet<string> = new Set();
  private pending = 0;
  private written = 0;
  private dropped = 0;
  private isDirty = false;

  constructor(fabric: Fabric) {
    this.fabric = fabric;
  }

  /** From now on events are written. */
  open(core: BrokerCore, log: HistoryLog): void {
    this.core = core;
    this.log = log;
  }

  onConnected(client: ClientIdentity): void {
    this.add('connect', client, { address: addressOf(client) });
  }

  onDisconnected(client: ClientIdentity, reasonCode: number, detail: string): void {
    const code = String(reasonCode);
    this.add('disconnect', client, { address: addressOf(client), reason: detail, code });
  }

  onSubscribed(client: ClientIdentity, filter: string, qos: number): void {
    this.add('subscribe', client, { filter, qos: String(qos) });
  }

  onUnsubscribed(client: ClientIdentity, filter: string): void {
    this.add('unsubscribe', client, { filter });
  }

  /** Several times a second: the first one of those that are left says who has gone. */
  tick(): void {
    const { core, fabric } = this;
    // One that may be taken for dead itself knows nothing about the others.
    if (core === null || fabric.freshUntilMs < core.clock.nowMs()) return;
    const { node, peers } = fabric;
    const isSame = node === this.node;
    const gone = [...this.peers].filter((peer) => !peers.has(peer));
    this.node = node;
    if (gone.length > 0 || peers.size !== this.peers.size) this.peers = new Set(peers);
    if (!isSame || gone.length === 0 || [...peers].some((peer) => peer < node)) return;
    for (const one of gone) this.write({ type: 'broker_left', node: one });
  }

  /** The end of the turn. */
  flush(): void {
    this.isDirty = false;
    this.log?.flush();
  }

  figures(): Readonly<Record<string, number>> {
    return { 'presence/written': this.written, 'presence/dropped': this.dropped };
  }

  private add(type: string, client: ClientIdentity, more: Readonly<Record<string, string>>): void {
    if (this.log === null) return;
    const { clientId, username } = client;
    const user = username === null ? {} : { user: username };
    this.write({ type, client: clientId, node: this.fabric.node, ...user, ...more });
  }

  private write(fields: Readonly<Record<string, string>>): void {
    const { core, log } = this;
    if (core === null || log === null) return;
    if (this.pending >= EVENTS_PENDING_MAX) {
      this.dropped++;
      return;
    }
    this.pending++;
    const time = String(Math.round(core.journal!.store.wallMs()));
    log.addEvent({ ...fields, time }, () => {
      this.pending--;
      this.written++;
    });
    if (this.isDirty) return;
    this.isDirty = true;
    core.turn.markDirty(this);
  }
}

/** An observer, and presence events beside it. @param presence null: none are wanted */
export function withPresence(observer: Observer, presence: Presence | null): Observer {
  if (presence === null) return observer;
  return {
    clientConnected: (client, isPresent) => {
      presence.onConnected(client);
      observer.clientConnected(client, isPresent);
    },
    clientDisconnected: (client, code, detail) => {
      presence.onDisconnected(client, code, detail);
      observer.clientDisconnected(client, code, detail);
    },
    subscribed: (client, filter, qos) => {
      presence.onSubscribed(client, filter, qos);
      observer.subscribed(client, filter, qos);
    },
    unsubscribed: (client, filter) => {
      presence.onUnsubscribed(client, filter);
      observer.unsubscribed(client, filter);
    },
    get wantsPublish() {
      return observer.wantsPublish;
    },
    published: (client, message) => observer.published(client, message),
    dropped: (reason, clientId, topic, count) => observer.dropped(reason, clientId, topic, count),
  };
}

function addressOf({ peer }: ClientIdentity): string {
  const { remoteAddress, remotePort } = peer;
  return remotePort > 0 ? `${remoteAddress}:${remotePort}` : remoteAddress;
}
