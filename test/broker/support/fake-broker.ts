/**
 * A whole broker without sockets, timers or sleeps: `FakeBroker` owns a core, a clock that stands
 * still and the ends of its turns; `FakeClient` speaks MQTT through a `FakeTransport`, encoding
 * and decoding with mqtt-packet. The same calls give the same run, every time.
 */
import * as mqttPacket from 'mqtt-packet';
import { FakeClock } from '../../../src/base/clock.js';
import { type Log, silentLog } from '../../../src/base/log.js';
import { XorShift32 } from '../../../src/base/prng.js';
import type { Access, AuthenticationResult, ClientIdentity } from '../../../src/broker/access.js';
import { BrokerCore } from '../../../src/broker/core.js';
import { type Observer, silentObserver } from '../../../src/broker/observer.js';
import type { DeliveryConfig, ListenerConfig } from '../../../src/config/config.js';
import { defaultDelivery, defaultListener } from '../../../src/config/defaults.js';
import { defaultLimits, type Limits } from '../../../src/config/limits.js';
import type { Store } from '../../../src/store/store.js';
import { FakeTransport } from '../../support/fake-transport.js';

/** A broker that is still busy after this many rounds will be so for ever. */
const ROUNDS_MAX = 200_000;

/** A packet as mqtt-packet reads it, with everything optional that some packet lacks. */
export interface Received {
  readonly cmd: string;
  readonly messageId?: number;
  readonly qos?: number;
  readonly dup?: boolean;
  readonly retain?: boolean;
  readonly topic?: string;
  readonly payload?: Buffer;
  readonly reasonCode?: number;
  readonly returnCode?: number;
  readonly sessionPresent?: boolean;
  readonly granted?: readonly number[];
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** Allows everything until a test says otherwise. */
export class FakeAccess implements Access {
  restrictsPublish = false;
  restrictsRead = false;
  restrictsSubscribe = false;
  publishAnswersLast = false;
  version = 0;
  authenticate: Access['authenticate'] = (client): AuthenticationResult => ({
    ok: true,
    username: client.username,
  });
  beginExchange: Access['beginExchange'] = () => null;
  mayStay: (client: ClientIdentity) => boolean = () => true;
  mayPublish: Access['mayPublish'] = () => true;
  mayRead: Access['mayRead'] = () => true;
  maySubscribe: Access['maySubscribe'] = () => true;
}

export interface ConnectOptions {
  readonly clientId?: string;
  readonly version?: 3 | 4 | 5;
  readonly clean?: boolean;
  readonly keepalive?: number;
  readonly username?: string;
  readonly will?: mqttPacket.IConnectPacket['will'];
  readonly properties?: mqttPacket.IConnectPacket['properties'];
  readonly listener?: ListenerConfig;
  readonly access?: Access;
  /** Bytes per read. */
  readonly slice?: (available: number) => number;
}

/** One network connection of a client, and what it got. */
export class FakeClient {
  readonly transport: FakeTransport;
  readonly version: 3 | 4 | 5;
  /** Answers QoS 1 and 2 deliveries as a client should. */
  isAcknowledging = false;
  private received: Received[] = [];
  private readonly broker: FakeBroker;
  private readonly parser: mqttPacket.Parser;

  constructor(broker: FakeBroker, version: 3 | 4 | 5) {
    this.broker = broker;
    this.version = version;
    this.parser = mqttPacket.parser({ protocolVersion: version });
    this.parser.on('packet', (packet) => this.onPacket(packet as unknown as Received));
    this.parser.on('error', (error: Error) => {
      throw error;
    });
    this.transport = new FakeTransport((bytes) => this.parser.parse(bytes));
  }

  get isOpen(): boolean {
    return this.transport.isOpen;
  }

  /** Sends a packet and lets the broker come to rest. */
  send(packet: mqttPacket.Packet): void {
    this.post(packet);
    this.broker.settle();
  }

  /** As `send`, but the broker has not seen it yet. */
  post(packet: mqttPacket.Packet): void {
    this.transport.fromPeer(mqttPacket.generate(packet, { protocolVersion: this.version }));
  }

  sendBytes(bytes: readonly number[] | Buffer): void {
    this.transport.fromPeer(Buffer.from(bytes));
    this.broker.settle();
  }

  publish(topic: string, payload: string, rest: Partial<mqttPacket.IPublishPacket> = {}): void {
    this.send({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false, ...rest });
  }

  subscribe(topic: string, rest: Partial<mqttPacket.ISubscription> = {}, id?: number): Received {
    const subscriptions = [{ topic, qos: 0 as const, ...rest }];
    const properties = id === undefined ? {} : { properties: { subscriptionIdentifier: id } };
    this.send({ cmd: 'subscribe', messageId: 1, subscriptions, ...properties });
    return this.takeFirst('suback');
  }

  unsubscribe(filter: string): Received {
    this.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [filter] });
    return this.takeFirst('unsuback');
  }

  acknowledge(cmd: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp', messageId: number, code = 0): void {
    this.send({ cmd, messageId, ...(code === 0 ? {} : { reasonCode: code }) } as mqttPacket.Packet);
  }

  disconnect(reasonCode = 0, properties?: { sessionExpiryInterval: number }): void {
    const rest = properties === undefined ? {} : { properties };
    this.send({ cmd: 'disconnect', reasonCode, ...rest } as mqttPacket.Packet);
  }

  /** The connection breaks. */
  drop(): void {
    this.transport.reset();
    this.broker.settle();
  }

  /** What came since the last `take`, of one kind or of all; the rest stays. */
  take(cmd?: string): Received[] {
    const wanted: Received[] = [];
    const others: Received[] = [];
    for (const packet of this.received) {
      (cmd === undefined || packet.cmd === cmd ? wanted : others).push(packet);
    }
    this.received = others;
    return wanted;
  }

  takeFirst(cmd: string): Received {
    const found = this.received.find((packet) => packet.cmd === cmd);
    check(found !== undefined, `no ${cmd} came`);
    this.received.splice(this.received.indexOf(found), 1);
    return found;
  }

  /** Payloads of the PUBLISH packets since the last `take`. */
  takePayloads(): string[] {
    return this.take('publish').map(({ payload }) => payload!.toString());
  }

  private onPacket(packet: Received): void {
    this.received.push(packet);
    if (!this.isAcknowledging) return;
    const { cmd, qos, messageId } = packet;
    const answer = { publish: ['', 'puback', 'pubrec'][qos ?? 0]!, pubrel: 'pubcomp' }[cmd];
    if (answer) this.post({ cmd: answer, messageId } as mqttPacket.Packet);
  }
}

export interface FakeBrokerOptions {
  readonly delivery?: Partial<DeliveryConfig>;
  readonly limits?: Partial<Limits>;
  readonly observer?: Partial<Observer>;
  readonly seed?: number;
  readonly clock?: FakeClock;
  readonly access?: FakeAccess;
  readonly log?: Log;
  readonly store?: Store;
}

export class FakeBroker {
  readonly clock: FakeClock;
  readonly core: BrokerCore;
  readonly access: FakeAccess;
  readonly listener = defaultListener();
  private clients: FakeClient[] = [];
  private opened = 0;
  private turnEnds: (() => void)[] = [];

  constructor(options: FakeBrokerOptions = {}) {
    this.clock = options.clock ?? new FakeClock();
    this.access = options.access ?? new FakeAccess();
    this.core = new BrokerCore({
      delivery: defaultDelivery(options.delivery),
      limits: defaultLimits(options.limits),
      logsConnections: false,
      clock: this.clock,
      prng: new XorShift32(options.seed ?? 1),
      log: options.log ?? silentLog,
      observer: { ...silentObserver, ...options.observer },
      store: options.store ?? null,
      schedule: (end) => this.turnEnds.push(end),
    });
  }

  /** A connection that has sent nothing yet. */
  open(options: ConnectOptions = {}): FakeClient {
    const client = new FakeClient(this, options.version ?? 5);
    const { transport } = client;
    if (options.slice !== undefined) transport.slice = options.slice;
    const { listener = this.listener, access = this.access } = options;
    const nowMs = this.clock.nowMs();
    transport.receiver = this.core.accept(transport, listener, access, nowMs);
    this.clients = this.clients.filter(({ transport: other }) => !other.isGone);
    this.clients.push(client);
    this.opened++;
    return client;
  }

  /** A connection with its CONNECT sent; CONNACK, if any, is to be taken. */
  request(options: ConnectOptions = {}): FakeClient {
    const client = this.open(options);
    const { version } = client;
    const { will, username, properties } = options;
    client.send({
      cmd: 'connect',
      protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
      protocolVersion: version,
      clientId: options.clientId ?? `client-${this.opened}`,
      clean: options.clean ?? true,
      keepalive: options.keepalive ?? 0,
      ...(will === undefined ? {} : { will }),
      ...(username === undefined ? {} : { username }),
      ...(properties === undefined ? {} : { properties }),
    });
    return client;
  }

  /** A connected client that takes its CONNACK. */
  connect(options: ConnectOptions = {}): FakeClient {
    const client = this.request(options);
    const { reasonCode, returnCode } = client.takeFirst('connack');
    check((reasonCode ?? returnCode) === 0, 'CONNECT was refused');
    return client;
  }

  /** Ends the turn that is open, if one is. */
  endTurn(): boolean {
    const ends = this.turnEnds;
    this.turnEnds = [];
    for (const end of ends) end();
    return ends.length > 0;
  }

  /** Runs turn after turn until nothing happens any more. */
  settle(): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      let isBusy = false;
      for (const { transport } of this.clients) if (transport.step()) isBusy = true;
      if (this.endTurn()) isBusy = true;
      if (!isBusy) return;
    }
    throw new Error('the broker does not come to rest');
  }

  /** As `settle`, for answers that come by promise. */
  async settleLater(): Promise<void> {
    for (let round = 0; round < 10; round++) {
      await Promise.resolve();
      this.settle();
    }
  }

  /** Time passes at once, and whatever was due happens. */
  advance(ms: number): void {
    this.clock.advance(ms);
    this.core.tick();
    this.settle();
  }
}

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}
