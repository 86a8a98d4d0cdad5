/**
 * The broker core: one event loop's worth of MQTT. It owns sessions, subscriptions and retained
 * messages; listeners hand it transports, everything else asks it. It does no I/O of its own and
 * reads time only through its clock.
 */
import { Block, Slab } from '../base/block.js';
import type { Clock } from '../base/clock.js';
import { DeadlineHeap } from '../base/deadline-heap.js';
import type { Log } from '../base/log.js';
import type { Prng } from '../base/prng.js';
import type { DeliveryConfig, ListenerConfig } from '../config/config.js';
import type { Limits } from '../config/limits.js';
import { Message } from '../protocol/message.js';
import { PINGRESP } from '../protocol/packet-types.js';
import { PublishReader } from '../protocol/publish-reader.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import type { Store } from '../store/store.js';
import type { Access } from './access.js';
import { closeConnection } from './closing.js';
import { Connection } from './connection.js';
import type { BrokerContext } from './context.js';
import { Handshakes } from './handshake.js';
import { Journal } from './journal.js';
import { Kin } from './kin.js';
import type { MessageLog } from './message-log.js';
import { DropReason, Metrics } from './metrics.js';
import type { Observer } from './observer.js';
import { ChunkPool, type Output } from './output.js';
import { type MessageOptions, messageOf, messageOfWill } from './own-messages.js';
import type { Peers } from './peers.js';
import { onceSafe } from './pending-acks.js';
import type { Replays } from './replays.js';
import { RetainedExpiry } from './retained-expiry.js';
import { RetainedStore } from './retained-store.js';
import { Router } from './router.js';
import type { Session } from './session.js';
import { SessionRegistry } from './session-registry.js';
import { Storage } from './storage.js';
import { SubscriptionIndex } from './subscription-index.js';
import { type RetainSource, Subscriptions } from './subscriptions.js';
import { TopicTable } from './topics.js';
import { readBuffer, type Transport, type TransportReceiver } from './transport.js';
import { Turn } from './turn.js';
import type { PendingWill } from './will.js';

// A message that waits for long pins its block: small enough that a thousand such cost little.
const FLIGHT_SLAB_BYTES = 16 * 1024;
const REST_SLAB_BYTES = 2 * 1024;
const PINGRESP_PACKET = Buffer.from([PINGRESP << 4, 0]);

/** What the core is made of. */
export interface CoreOptions {
  readonly delivery: DeliveryConfig;
  readonly limits: Limits;
  readonly logsConnections: boolean;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly log: Log;
  readonly observer: Observer;
  /** Where durable sessions and retained messages live; null: in memory. */
  readonly store: Store | null;
  /** Runs its argument once this round's input has been read: `setImmediate`. */
  readonly schedule: (end: () => void) => void;
}

export class BrokerCore implements BrokerContext {
  delivery: DeliveryConfig;
  limits: Limits;
  logsConnections: boolean;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly log: Log;
  readonly observer: Observer;
  readonly turn: Turn;
  readonly pool = new ChunkPool();
  readonly openRuns: Output[] = [];
  /** `observer.wantsPublish`, looked up once per parse: it is somebody else's getter. */
  wantsPublish = false;
  readonly metrics = new Metrics();
  parses = 0;
  readonly deadlines = new DeadlineHeap();
  readonly flightSlab = new Slab(FLIGHT_SLAB_BYTES);
  readonly restSlab = new Slab(REST_SLAB_BYTES);
  readonly index = new SubscriptionIndex();
  readonly retained = new RetainedStore();
  readonly retainedExpiry: RetainedExpiry;
  readonly connections = new Set<Connection>();
  readonly topics: TopicTable;
  readonly router: Router;
  readonly subscriptions: Subscriptions;
  readonly sessions: SessionRegistry;
  readonly handshakes: Handshakes;
  /** Reused for every packet. */
  readonly publishReader = new PublishReader();
  /** Reused view of the PUBLISH being handled. */
  readonly inbound: Message;
  /** Of a durable store; null: sessions and retained messages live in memory. */
  readonly journal: Journal | null;
  readonly storage: Storage | null;
  readonly kin = new Kin();
  /** Set before the store is loaded. */
  peers: Peers | null = null;
  /** Of a history; null: there is none. */
  messageLog: MessageLog | null = null;
  replays: Replays | null = null;
  isShuttingDown = false;
  /** New connections are refused: see `MemoryGuard`. */
  isMemoryTight = false;

  constructor(options: CoreOptions) {
    this.delivery = options.delivery;
    this.limits = options.limits;
    this.logsConnections = options.logsConnections;
    this.clock = options.clock;
    this.prng = options.prng;
    this.log = options.log;
    this.observer = options.observer;
    const onLong = (beganMs: number, endedMs: number): void => this.onLongTurn(beganMs, endedMs);
    this.turn = new Turn(options.clock, options.schedule, onLong);
    this.topics = new TopicTable(this);
    this.retainedExpiry = new RetainedExpiry(this, this.retained);
    this.router = new Router(this, this.index);
    this.subscriptions = new Subscriptions(this, this.index, this.retained);
    const { store } = options;
    this.journal = store === null ? null : new Journal(this, store);
    this.storage =
      this.journal === null ? null : new Storage(this.journal, this, this.index, this.topics);
    this.sessions = new SessionRegistry(
      this,
      this.router,
      this.subscriptions,
      this.topics,
      (will, then) => this.publishWill(will, then),
    );
    this.handshakes = new Handshakes(this);
    this.inbound = new Message(this.topics.fromName('-'), new Block(readBuffer));
  }

  /**
   * Takes a new connection; the result gets its bytes.
   *
   * @param acceptedAtMs monotonic milliseconds, from which the connect timeout counts
   */
  accept(
    transport: Transport,
    listener: ListenerConfig,
    access: Access,
    acceptedAtMs: number,
  ): TransportReceiver {
    this.turn.begin();
    const connection = new Connection(this, transport, listener, access, acceptedAtMs);
    this.connections.add(connection);
    this.metrics.connectionsAccepted++;
    this.metrics.connectionsOpen = this.connections.size;
    return connection;
  }

  /** Before packets are taken from what was read. */
  beginParse(): void {
    this.parses++;
    this.wantsPublish = this.observer.wantsPublish;
  }

  /** Fires what is due. To be called several times a second. */
  tick(): void {
    this.turn.begin();
    this.deadlines.advance(this.turn.nowMs);
    this.peers?.tick();
  }

  /** Input that came late in a long turn is not as old as its beginning: nobody was silent. */
  private onLongTurn(beganMs: number, endedMs: number): void {
    for (const connection of this.connections) {
      if (connection.lastInMs === beganMs) connection.lastInMs = endedMs;
    }
    this.peers?.onLongTurn(beganMs, endedMs);
  }

  /**
   * Brings the gauges up to date that are too costly to keep on the hot path. Where a store does
   * not know how many messages it has, the sessions do; their bytes only of clients that are here.
   */
  refreshGauges(): void {
    const figures = this.journal?.store.figures() ?? {};
    let messages = figures.messages ?? 0;
    let bytes = figures.bytes ?? 0;
    for (const { outbox, stored } of this.sessions.values()) {
      if (stored !== null && figures.messages === undefined) messages += stored.messages;
      if (outbox === null) continue;
      if (stored === null) messages += outbox.queued + outbox.inflight;
      if (stored !== null && figures.bytes !== undefined) continue;
      bytes += outbox.queuedBytes + outbox.inflightBytes;
    }
    this.metrics.messagesQueued = messages;
    this.metrics.bytesQueued = bytes;
  }

  /**
   * Publishes a message of the broker or the embedding program itself.
   *
   * @throws MqttError 0x90 when `topicName` is none
   */
  publish(topicName: string, payload: Uint8Array, options: MessageOptions): void {
    this.turn.begin();
    const topic = this.topics.fromName(topicName);
    const message = messageOf(topic, payload, options, this.turn.nowMs);
    this.distribute(null, message);
  }

  giveAway(session: Session): void {
    this.sessions.custody.giveAway(session);
  }

  drop(reason: DropReason, message: Message, session?: Session): void {
    this.metrics.dropped[reason]!++;
    if (session !== undefined) session.dropped++;
    this.observer.dropped(reason, session?.clientId ?? null, message.topic.name, 1);
  }

  dropFor(reason: DropReason, message: Message | null, session: Session): void {
    this.metrics.dropped[reason]!++;
    session.dropped++;
    this.observer.dropped(reason, session.clientId, message === null ? '' : message.topic.name, 1);
  }

  dropMany(reason: DropReason, count: number, session: Session): void {
    this.metrics.dropped[reason]! += count;
    session.dropped += count;
    this.observer.dropped(reason, session.clientId, '', count);
  }

  /**
   * Stores, replaces or deletes the retained message of a topic [MQTT-3.3.1-5] [MQTT-3.3.1-6].
   *
   * @param source who published it, for `check_retain_source`, and by which connection; absent: the
   *   broker
   * @returns false when a limit forbids it
   */
  retain(message: Message, source?: RetainSource & { readonly claimEpoch: number }): boolean {
    const { name } = message.topic;
    const epoch = source?.claimEpoch ?? 0;
    const isOwn = this.topics.fromName(name).isReserved;
    if (!isOwn && this.journal?.isRefusing) {
      this.drop(DropReason.RetainedFull, message);
      return false;
    }
    this.retainedExpiry.onChange(name, null);
    if (message.payloadLength === 0) {
      // Another broker may have stored one that is not known here yet.
      const isThere = this.retained.delete(name) || (this.peers !== null && !isOwn);
      if (isThere) this.storeRetained(name, null, message.publisherId, epoch);
      return true;
    }
    const { retainedMessagesMax, retainedBytesMax } = this.limits;
    const before = this.retained.get(name);
    const bytes = this.retained.clientBytes - (before?.payloadLength ?? 0) + message.payloadLength;
    const isFull = before === null && this.retained.clientSize >= retainedMessagesMax;
    const isTooMuch = retainedBytesMax > 0 && bytes > retainedBytesMax;
    if (!isOwn && ((retainedMessagesMax > 0 && isFull) || isTooMuch)) {
      if (this.retained.delete(name)) this.storeRetained(name, null, message.publisherId, epoch);
      this.drop(DropReason.RetainedFull, message);
      return false;
    }
    const kept = message.keepLong(this.restSlab);
    this.retained.set(kept);
    if (!isOwn) this.storeRetained(name, kept, message.publisherId, epoch);
    this.retainedExpiry.onChange(name, kept);
    if (source !== undefined) this.subscriptions.rememberSource(kept, source);
    return true;
  }

  /** The store has a retained message (kept for long), or has none any more (null). */
  onRetained(topic: string, message: Message | null): void {
    this.retainedExpiry.onChange(topic, null);
    if (message === null) {
      this.retained.delete(topic);
      return;
    }
    this.retained.set(message, true);
    this.retainedExpiry.onChange(topic, message);
  }

  /** Writes a retained message, or that there is none (null), to a durable store. */
  private storeRetained(
    topic: string,
    message: Message | null,
    publisherId: string | null,
    publisherEpoch: number,
  ): void {
    const by = publisherId === null ? null : { publisherId, publisherEpoch };
    this.journal?.retain(topic, message, by);
  }

  /** The bytes of a parse are about to be given up. */
  endRuns(): void {
    const runs = this.openRuns;
    for (let index = runs.length; index > 0; index--) runs.pop()!.endRun();
  }

  pong(connection: Connection): void {
    connection.sendControl(PINGRESP_PACKET);
  }

  /**
   * To be called whenever access answers otherwise than before (a reload, a program's word):
   * nothing that was remembered counts any more, and everybody who is connected is looked at again.
   */
  recheckAccess(): void {
    this.turn.begin();
    this.router.forgetRoutes();
    for (const session of this.sessions.values()) session.recheckQueue();
    for (const connection of [...this.connections]) {
      const { identity } = connection;
      if (identity === null || !connection.isConnected) continue;
      if (connection.access.mayStay(identity)) continue;
      connection.disconnect(ReasonCode.NotAuthorized, 'no longer allowed');
    }
  }

  /** Ends all connections, those with a will first, so that the others still get the wills. */
  shutdown(reasonCode: number): void {
    this.turn.begin();
    this.isShuttingDown = true;
    const all = [...this.connections];
    const withWill = all.filter((connection) => connection.will !== null);
    for (const connection of [...withWill, ...all]) {
      closeConnection(connection, reasonCode, 'the broker is shutting down', {});
    }
    this.turn.end();
  }

  /** @param then called when what was published is in the store's hands, see `routeWill` */
  private publishWill(pending: PendingWill, then: () => void): void {
    const { will, identity, access } = pending;
    const topic = this.topics.fromName(identity.listener.mountPoint + will.topic);
    const send = (isAllowed: boolean): void => {
      this.turn.begin();
      const message = messageOfWill(topic, pending, this.turn.nowMs);
      if (isAllowed) {
        this.routeWill(pending, message, then);
        return;
      }
      this.drop(DropReason.NotAuthorized, message);
      then();
    };
    if (topic.isReserved || !access.restrictsPublish) {
      send(!topic.isReserved);
      return;
    }
    const answer = access.mayPublish(identity, topic.name, will.qos, will.retain);
    if (typeof answer === 'boolean') send(answer);
    else answer.then(send, () => send(false));
  }

  /**
   * A will is published before the store forgets it: in the same turn where that happens as a
   * whole, else when it is safe. One of QoS 2 has a mark then, as a crash may come in between.
   */
  private routeWill(pending: PendingWill, message: Message, then: () => void): void {
    const { journal } = this;
    if (journal === null || journal.isAtomic || pending.stamp === 0 || journal.isOverloaded) {
      this.distribute(pending, message);
      then();
      return;
    }
    const suspended = journal.suspend();
    journal.begin();
    if (message.qos === 2) {
      const publisherId = `\0will ${pending.stamp} of ${pending.identity.clientId}`;
      journal.markWith({ publisherId, number: 1 });
    }
    this.route(pending, message);
    onceSafe(journal.end(), then);
    journal.resume(suspended);
  }

  private distribute(pending: PendingWill | null, message: Message): void {
    const suspended = this.journal?.suspend() ?? null;
    this.route(pending, message);
    this.journal?.resume(suspended);
  }

  private route(pending: PendingWill | null, message: Message): void {
    const topic = this.topics.fromName(message.topic.name);
    if (this.observer.wantsPublish) this.observer.published(pending?.identity ?? null, message);
    if (message.retain) this.retain(message, pending ?? undefined);
    this.router.publish(topic, message, null, false);
    this.messageLog?.onPublished(message);
  }
}
