/**
 * The broker as a library: a Node program embeds it, listens, publishes, subscribes, and decides
 * who may do what.
 */
import { EventEmitter } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type AccessHooks, HookAccess } from './access/hook-access.js';
import { Assembly } from './assembly.js';
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
import { EventQueue } from './event-queue.js';
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
  /** A message was dropped; `reason` is one of the names in docs/observability.md. */
  dropped: [reason: string, clientId: string | null, topic: string];
}

export class Broker extends EventEmitter<BrokerEvents> {
  private readonly assembly: Assembly;
  private readonly access: AccessConfig;
  private readonly hookAccess: HookAccess[] = [];
  private readonly subscribers = new Set<Subscriber>();
  private readonly events: EventQueue;
  private isClosed = false;

  constructor(options: BrokerOptions = {}) {
    super();
    const { access = {}, hooks = {} } = options;
    const isOpen = !access.passwordFile && hooks.authenticate === undefined;
    this.access = defaultAccess({ allowAnonymous: isOpen, ...access });
    const config = {
      ...defaultConfig(),
      listeners: [],
      limits: defaultLimits(options.limits),
      delivery: defaultDelivery(options.delivery),
    };
    const log = options.log ?? silentLog;
    this.assembly = new Assembly(config, {
      log,
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
    const bound = await this.assembly.listen(config);
    return bound.addresses()[0]!;
  }

  /**
   * Publishes a message to all matching subscribers.
   *
   * @throws MqttError 0x90 when `topic` is no topic name, 0x81 or 0x99 for properties that no
   * client could take
   */
  publish(topic: string, payload: string | Uint8Array, options: PublishOptions = {}): void {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    checkTopicName(topic);
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
   */
  subscribe(filter: string, handler: MessageHandler): () => void {
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
    await this.assembly.close();
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
      dropped: (reason, clientId, topic) => {
        if (broker.listenerCount('dropped') === 0) return;
        const name = dropReasonNames[reason]!;
        broker.tell(() => broker.emit('dropped', name, clientId, topic));
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
