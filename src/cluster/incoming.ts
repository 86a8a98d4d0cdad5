/** What other brokers tell this one, as the core hears it. */
import { BrokerError } from '../base/errors.js';
import { onAppendedElsewhere } from '../broker/appended-elsewhere.js';
import type { BrokerCore } from '../broker/core.js';
import { DropReason } from '../broker/metrics.js';
import { onceSafe } from '../broker/pending-acks.js';
import type { Restore } from '../broker/restore.js';
import { messageOfRecord, type QueuedMessage } from '../broker/stored-message.js';
import type { ListenerConfig } from '../config/config.js';
import { MqttError } from '../protocol/mqtt-error.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { parseSharedFilter } from '../protocol/topic.js';
import type { Fabric, FabricObserver, SharedMark } from '../store/fabric.js';
import type { StoredSession, StoredSubscription } from '../store/store.js';
import type { ClusterFigures } from './cluster-figures.js';
import type { Outgoing } from './outgoing.js';
import type { QueueSweep } from './queue-sweep.js';
import { RemoteMembers } from './remote-members.js';

/** What becomes of sessions that others tell of. */
export interface Arrivals {
  readonly restore: Restore;
  /** Any: where sessions that came in elsewhere are taken to have come in here. */
  readonly listener: ListenerConfig;
  readonly sweep: QueueSweep;
}

export class Incoming implements FabricObserver {
  private readonly core: BrokerCore;
  private readonly fabric: Fabric;
  private readonly outgoing: Outgoing;
  private readonly figures: ClusterFigures;
  private readonly restore: Restore;
  private readonly sweep: QueueSweep;
  readonly members: RemoteMembers;
  /** Broker → filters that it has subscribers to. */
  private readonly routes = new Map<string, Set<string>>();
  /** Clients of durable sessions with shared subscriptions → the other broker that has them. */
  private readonly online = new Map<string, string>();

  constructor(
    core: BrokerCore,
    fabric: Fabric,
    outgoing: Outgoing,
    figures: ClusterFigures,
    { restore, listener, sweep }: Arrivals,
  ) {
    this.core = core;
    this.fabric = fabric;
    this.outgoing = outgoing;
    this.figures = figures;
    this.restore = restore;
    this.sweep = sweep;
    this.members = new RemoteMembers(core, listener, (node, subscription, message) =>
      outgoing.sendToMember(node, subscription, message),
    );
  }

  onJoined(node: string): void {
    this.core.log.write('notice', 'broker joined the cluster', { node });
  }

  onLeft(node: string): void {
    const { core } = this;
    core.turn.begin();
    core.log.write('notice', 'broker left the cluster', { node });
    for (const filter of this.routes.get(node) ?? []) core.index.setNode(filter, node, 0);
    this.routes.delete(node);
    this.members.removeAll(node);
    for (const [clientId, onlineAt] of this.online) {
      if (onlineAt === node) this.setOnline(clientId, '');
    }
    this.sweep.begin();
  }

  onRemoved(): void {
    const { core, outgoing } = this;
    core.turn.begin();
    this.giveAllAway();
    outgoing.forgetDoubts();
    outgoing.announceAll();
  }

  /** Ends all connections without a word about their sessions: others see to these. */
  giveAllAway(): void {
    const { connections, sessions } = this.core;
    for (const connection of [...connections]) {
      const { will } = connection;
      connection.will = null;
      // Else another broker publishes it.
      if (will?.isUnknown) this.outgoing.keepWill(will);
      if (connection.session !== null) sessions.custody.mark(connection.session, true);
      connection.disconnect(ReasonCode.ServerBusy, 'this broker was cut off from the cluster');
    }
    for (const session of [...sessions.values()]) {
      if (session.stored !== null) sessions.custody.giveAway(session);
    }
  }

  onPublished(record: Buffer, mark: SharedMark | null): void {
    const { core } = this;
    core.turn.begin();
    if (mark !== null && this.outgoing.isSeen(mark)) return;
    const queued = this.decode(record);
    if (queued === null) return;
    const { message, topic } = queued;
    const { payloadStart, end, block } = message;
    if (topic.isReserved) {
      this.figures.onMessage(topic.name, block.bytes.subarray(payloadStart, end));
      return;
    }
    core.router.publishHere(topic, message);
  }

  onPublishedTo(
    clientId: string,
    record: Buffer,
    _mark: SharedMark | null,
    done: () => void,
  ): void {
    this.handTo(clientId, record, done);
  }

  onLeftBehind(record: Buffer, done: () => void): void {
    this.handTo(null, record, done);
  }

  /** @param clientId null: any member */
  private handTo(clientId: string | null, record: Buffer, done: () => void): void {
    this.core.turn.begin();
    const { journal } = this.core;
    const suspended = journal!.suspend();
    journal!.begin();
    const queued = this.decode(record);
    if (queued !== null) this.deliverTo(clientId, queued);
    onceSafe(journal!.end(), done);
    journal!.resume(suspended);
  }

  /** To a member of a shared subscription, or to another one. */
  private deliverTo(clientId: string | null, { message, sharedFilter }: QueuedMessage): void {
    const { core } = this;
    const session = clientId === null ? null : core.sessions.get(clientId);
    const subscription = session?.subscriptions?.get(sharedFilter);
    if (message.expiresAtMs <= core.turn.nowMs) {
      core.drop(DropReason.Expired, message, session ?? undefined);
      return;
    }
    if (session != null && subscription !== undefined && session.isOnline) {
      if (session.mayRead(message.topic.name)) session.deliver(message, subscription, null, null);
      else core.drop(DropReason.NotAuthorized, message, session);
      return;
    }
    const shared = parseSharedFilter(sharedFilter);
    const isTaken =
      shared !== null && core.router.redeliverTo(shared.filter, shared.shareName, message, null);
    if (!isTaken) core.drop(DropReason.SessionEnded, message);
  }

  onAppended(
    clientId: string,
    endSeq: number,
    records: readonly Buffer[],
    dropped: readonly number[],
  ): void {
    this.core.turn.begin();
    const stored = this.core.sessions.get(clientId)?.stored;
    if (stored == null) return;
    for (const seq of dropped) stored.onGivenUpElsewhere(seq);
    if (endSeq === 0) stored.retry();
    else onAppendedElsewhere(stored, endSeq, records);
  }

  onClaimed(clientId: string, epoch: number): void {
    this.core.turn.begin();
    this.core.sessions.custody.onClaimedElsewhere(clientId, epoch);
  }

  onLastWill(clientId: string, info: Buffer, will: Buffer, done: (() => void) | null): void {
    this.core.turn.begin();
    this.restore.publishLastWill(clientId, info, will, () => done?.());
  }

  onOwnLastWill(clientId: string, done: () => void): void {
    // Word of the claim came before, and closed the connection.
    this.core.sessions.wills.onceOut(clientId, done);
  }

  onAdopted(stored: StoredSession, isTransient: boolean): void {
    this.core.turn.begin();
    this.restore.onAdopted(stored, isTransient);
  }

  onSession(stored: StoredSession): void {
    this.core.turn.begin();
    const known = this.core.sessions.get(stored.clientId);
    if (known !== null && known.stored === null) this.core.sessions.custody.giveAway(known);
    if (known?.stored == null) this.restore.onSessionElsewhere(stored);
    const session = this.core.sessions.get(stored.clientId);
    if (session !== null) session.onlineAt = this.online.get(stored.clientId) ?? '';
  }

  onSubscribed(clientId: string, epoch: number, subscription: StoredSubscription): void {
    const { core } = this;
    core.turn.begin();
    const session = this.elsewhere(clientId, epoch);
    if (session !== null) core.subscriptions.restore(session, subscription);
  }

  onUnsubscribed(clientId: string, epoch: number, filter: string): void {
    const { core } = this;
    core.turn.begin();
    const session = this.elsewhere(clientId, epoch);
    if (session === null) return;
    core.subscriptions.forget(session, filter);
    if (session.isElsewhere && session.subscriptions!.size === 0) core.sessions.forget(session);
  }

  onOnline(clientId: string, epoch: number, node: string): void {
    const stored = this.core.sessions.get(clientId)?.stored;
    // Of a connection before the one that is here.
    if (stored != null && epoch < stored.epoch) return;
    this.setOnline(clientId, node);
  }

  private setOnline(clientId: string, node: string): void {
    const onlineAt = node === this.fabric.node ? '' : node;
    if (onlineAt === '') this.online.delete(clientId);
    else this.online.set(clientId, onlineAt);
    const session = this.core.sessions.get(clientId);
    if (session !== null) session.onlineAt = onlineAt;
  }

  onRoute(node: string, filter: string, kinds: number): void {
    const { core } = this;
    core.turn.begin();
    core.index.setNode(filter, node, kinds);
    const filters = this.routes.get(node) ?? new Set();
    if (kinds === 0) filters.delete(filter);
    else filters.add(filter);
    if (filters.size === 0) this.routes.delete(node);
    else this.routes.set(node, filters);
  }

  onMember(node: string, clientId: string, subscription: StoredSubscription): void {
    this.core.turn.begin();
    this.members.set(node, clientId, subscription);
  }

  onMemberGone(node: string, clientId: string, filter: string): void {
    this.core.turn.begin();
    this.members.remove(node, clientId, filter);
  }

  onRetained(topic: string, record: Buffer | null): void {
    this.core.turn.begin();
    if (record === null) this.core.onRetained(topic, null);
    else this.restore.onRetained(topic, record);
  }

  /** The session of a change that its broker made; null: it is this broker's, or unknown. */
  private elsewhere(clientId: string, epoch: number): ReturnType<BrokerCore['sessions']['get']> {
    const { sessions } = this.core;
    const session = sessions.get(clientId);
    if (session === null || session.stored === null) return null;
    const { stored } = session;
    if (epoch < stored.epoch || (epoch === stored.epoch && session.connection !== null))
      return null;
    if (epoch > stored.epoch && !session.isElsewhere) sessions.custody.giveAway(session);
    stored.epoch = epoch;
    return session;
  }

  /** Null: it cannot be read, which is counted and said. */
  private decode(record: Buffer): QueuedMessage | null {
    const { core } = this;
    try {
      return messageOfRecord(record, core.topics, core.journal!, core.flightSlab);
    } catch (error) {
      if (!(error instanceof BrokerError || error instanceof MqttError)) throw error;
      core.metrics.dropped[DropReason.Unreadable]!++;
      core.log.write('error', 'a message from another broker cannot be read', {
        error: error.message,
      });
      return null;
    }
  }
}
