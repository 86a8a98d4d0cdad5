/**
 * The broker as a library: a Node program embeds it, listens, publishes, subscribes, and decides
 * who may do what.
 */
import { EventEmitter } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type AccessHooks, HookAccess } from './access/hook-access.js';
import { Assembly } from './assembly.js';
import { systemClock } from './base/clock.js';
import { BrokerError } from './base/errors.js';
import { type Log, silentLog } from './base/log.js';
import type { Access, ClientIdentity } from './broker/access.js';
import { dropReasonNames, type Metrics } from './broker/metrics.js';
import type { Observer } from './broker/observer.js';
import type { Session } from './broker/session.js';
import type { AccessConfig, DeliveryConfig, ListenerConfig } from './config/config.js';
import {
  defaultAccess,
  defaultConfig,
  defaultDelivery,
  defaultListener,
} from './config/defaults.js';
import { defaultLimits, type Limits } from './config/limits.js';
import { type StoreOptions, storeConfigOf } from './config/store-options.js';
import { EventQueue } from './event-queue.js';
import { LazyStore } from './lazy-store.js';
import { checkProperties, checkTopicName } from './program-input.js';
import { encodeMessageProperties, type MessageProperties } from './protocol/message-properties.js';
import { ReasonCode } from './protocol/reason-codes.js';
import { type ReceivedMessage, receivedMessage } from './received-message.js';
import { type MessageHandler, Subscriber } from './subscriber.js';

export interface BrokerOptions {
  /** Differences from the defaults of docs/limits.md. */
  readonly limits?: Partial<Limits>;
  readonly delivery?: Partial<DeliveryConfig>;
  /**
   * Files that say who may connect and do what. Default: everybody, unless the `authenticate`
   * hook or a password file decides.
   */
  readonly access?: Partial<AccessConfig>;
  readonly hooks?: AccessHooks;
  /**
   * Where durable sessions and retained messages live. Default: in memory. With another one,
   * `open` or the first `listen` comes before `publish` and `subscribe`.
   */
  readonly store?: StoreOptions;
  /**
   * How long an answer of `authorizePublish` counts. False, the default: for one message. True:
   * for all messages of the client to the same topic, one after the other, whatever their QoS and
   * RETAIN, until it publishes to another topic or `accessChanged` is called.
   */
  readonly publishAnswersLast?: boolean;
  /** Default: silent. */
  readonly log?: Log;
}

/** What a program publishes. */
export interface PublishOptions {
  /** Default 0. */
  readonly qos?: 0 | 1 | 2;
  readonly retain?: boolean;
  readonly properties?: MessageProperties;
}

/**
 * Events of a `Broker`, by name. Handlers are called at the end of the event loop's turn, in order,
 * and may use the broker as they like.
 */
export interface BrokerEvents {
  clientConnected: [client: ClientIdentity, sessionPresent: boolean];
  /** `reasonCode` as in a v5 DISCONNECT; `detail` says it for people. */
  clientDisconnected: [client: ClientIdentity, reasonCode: number, detail: string];
  subscribed: [client: ClientIdentity, filter: string, qos: number];
  unsubscribed: [client: ClientIdentity, filter: string];
  /** Every message that a client or a will publishes; `client` is null for this program's. */
  published: [client: ClientIdentity | null, message: ReceivedMessage];
  /**
   * Messages were dropped, mostly one; `reason` is one of the names in docs/observability.md.
   * `topic` is empty where they were in a store and are not at hand.
   */
  dropped: [reason: string, clientId: string | null, topic: string, count: number];
  /**
   * The store can keep its promises no longer, and nothing more is acknowledged: close the broker.
   * As with every `EventEmitter`, without a handler the process ends.
   */
  error: [error: Error];
}

export class Broker extends EventEmitter<BrokerEvents> {
  private readonly assembly: Assembly;
  private readonly access: AccessConfig;
  private readonly hookAccess: HookAccess[] = [];
  private readonly subscribers = new Set<Subscriber>();
  private readonly events: EventQueue;
  private readonly hasStore: boolean;
  private opening: Promise<void> | null = null;
  private isOpen = false;
  private isClosed = false;

  /** @throws BrokerError `CONFIG` when an option of the store is wrong */
  constructor(options: BrokerOptions = {}) {
    super();
    const { access = {}, hooks = {} } = options;
    const isOpen = !access.passwordFile && hooks.authenticate === undefined;
    this.access = defaultAccess({ allowAnonymous: isOpen, ...access });
    const log = options.log ?? silentLog;
    const store = storeConfigOf(options.store ?? { kind: 'memory' }, (option, message) =>
      log.write('warning', message, { option }),
    );
    this.hasStore = store.kind !== 'memory';
    const config = {
      ...defaultConfig(),
      listeners: [],
      store,
      limits: defaultLimits(options.limits),
      delivery: defaultDelivery(options.delivery),
    };
    this.assembly = new Assembly(config, {
      log,
      store: this.hasStore ? new LazyStore(store, systemClock, log) : null,
      // On its own, so that a program without a handler ends with this error and no other.
      onStoreFailed: (error) => setImmediate(() => this.emit('error', error)),
      observer: this.observer(),
      wrapAccess: (base) => this.withHooks(base, options, log),
    });
    this.events = new EventQueue(this.assembly.core.turn);
    this.assembly.run();
  }

  /** Counters and gauges as they are now; live, do not change them. */
  get metrics(): Readonly<Metrics> {
    const { core } = this.assembly;
    core.refreshGauges();
    return core.metrics;
  }

  /**
   * Opens the store, if there is one: its sessions and retained messages are there afterwards.
   * `listen` does it too; on its own it is for a program that publishes before it listens.
   *
   * @throws BrokerError when the store cannot be opened: what, where, what to do; then it can be
   * tried again. `CLOSED` after `close`
   */
  open(): Promise<void> {
    return this.openFor(defaultListener({ access: this.access }));
  }

  /**
   * Binds one more listener: `{ port: 1883, host: '0.0.0.0' }`. Without a host: loopback only.
   *
   * @returns the bound address, with the port where 0 was asked for; the path of a Unix socket
   * @throws BrokerError `LISTEN` or `TLS`, in one line; `CLOSED` after `close`
   */
  async listen(listener: Partial<ListenerConfig> = {}): Promise<AddressInfo | string> {
    if (this.isClosed) throw new BrokerError('CLOSED', 'the broker is closed: create another one');
    const isLocal = listener.host === undefined && listener.socketPath === undefined;
    const config = defaultListener({
      ...(isLocal ? { host: '127.0.0.1' } : {}),
      access: this.access,
      ...listener,
    });
    await this.openFor(config);
    const bound = await this.assembly.listen(config);
    return bound.addresses()[0]!;
  }

  /**
   * Publishes a message to all matching subscribers.
   *
   * @throws MqttError 0x90 when `topic` is no topic name, 0x81 or 0x99 for properties that no
   * client could take
   * @throws BrokerError `STORE_NOT_OPEN` before `open`
   */
  publish(topic: string, payload: string | Uint8Array, options: PublishOptions = {}): void {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    checkTopicName(topic);
    this.checkOpen();
    if (options.properties !== undefined) checkProperties(options.properties, bytes);
    this.assembly.core.publish(topic, bytes, {
      qos: options.qos ?? 0,
      retain: options.retain ?? false,
      ...(options.properties && { properties: encodeMessageProperties(options.properties) }),
    });
  }

  /**
   * Calls `handler` for every message that matches `filter`, retained ones first. With
   * `$share/NAME/FILTER` the program is one member of that shared subscription, online until it
   * ends the subscription; what the handler has not been given by then goes to the other members.
   *
   * @returns a function that ends the subscription
   * @throws MqttError 0x8F when `filter` is no topic filter
   * @throws BrokerError `STORE_NOT_OPEN` before `open`
   */
  subscribe(filter: string, handler: MessageHandler): () => void {
    this.checkOpen();
    const subscriber = new Subscriber(this.assembly.core, this.access, filter, handler);
    this.subscribers.add(subscriber);
    return () => {
      this.subscribers.delete(subscriber);
      subscriber.close();
    };
  }

  /**
   * The hooks answer otherwise than before, as when a right was granted or withdrawn: forgets what
   * they answered about publishing and reading, also for messages that wait for a client, and
   * disconnects every client of which `mayStay` says so.
   */
  accessChanged(): void {
    for (const access of this.hookAccess) access.invalidate();
    this.assembly.core.recheckAccess();
  }

  /**
   * Ends a client's connection; its session stays as long as its expiry interval says.
   *
   * @returns false when no such client is connected
   */
  disconnect(clientId: string, detail = 'disconnected by the program'): boolean {
    const session: Session | null = this.assembly.core.sessions.get(clientId);
    if (!session?.connection) return false;
    session.connection.disconnect(ReasonCode.AdministrativeAction, detail);
    return true;
  }

  /** Says goodbye to all clients and resolves when every socket is closed. */
  async close(): Promise<void> {
    this.isClosed = true;
    for (const subscriber of this.subscribers) subscriber.close();
    this.subscribers.clear();
    await this.opening?.catch(() => undefined);
    await this.assembly.close();
  }

  /** @param listener in place of those that stored sessions came through and that are not there */
  private async openFor(listener: ListenerConfig): Promise<void> {
    if (this.isClosed) throw new BrokerError('CLOSED', 'the broker is closed: create another one');
    if (this.isOpen) return;
    this.opening ??= this.assembly.openStore(listener);
    try {
      await this.opening;
      this.isOpen = true;
    } finally {
      this.opening = null;
    }
    if (this.isClosed) throw new BrokerError('CLOSED', 'the broker was closed meanwhile');
  }

  private checkOpen(): void {
    if (!this.hasStore || this.isOpen) return;
    const advice = 'await broker.open() or broker.listen() first';
    throw new BrokerError('STORE_NOT_OPEN', `the store is not open yet: ${advice}`);
  }

  private withHooks(base: Access, options: BrokerOptions, log: Log): Access {
    if (options.hooks === undefined) return base;
    const { clock, deadlines } = this.assembly.core;
    const { publishAnswersLast = false } = options;
    const access = new HookAccess(base, options.hooks, {
      ...{ log, clock, deadlines, publishAnswersLast },
    });
    this.hookAccess.push(access);
    return access;
  }

  private observer(): Observer {
    const broker = this;
    return {
      clientConnected: (client, isPresent) =>
        broker.tell(() => broker.emit('clientConnected', client, isPresent)),
      clientDisconnected: (client, reasonCode, detail) =>
        broker.tell(() => broker.emit('clientDisconnected', client, reasonCode, detail)),
      subscribed: (client, filter, qos) =>
        broker.tell(() => broker.emit('subscribed', client, filter, qos)),
      unsubscribed: (client, filter) =>
        broker.tell(() => broker.emit('unsubscribed', client, filter)),
      get wantsPublish() {
        return broker.listenerCount('published') > 0;
      },
      published: (client, view) => {
        const message = receivedMessage(view);
        broker.tell(() => broker.emit('published', client, message));
      },
      dropped: (reason, clientId, topic, count) => {
        if (broker.listenerCount('dropped') === 0) return;
        const name = dropReasonNames[reason]!;
        broker.tell(() => broker.emit('dropped', name, clientId, topic, count));
      },
    };
  }

  private tell(event: () => void): void {
    this.events.push(event);
  }
}

/** A broker that listens nowhere yet. */
export function createBroker(options: BrokerOptions = {}): Broker {
  return new Broker(options);
}
