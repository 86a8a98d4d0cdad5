/**
 * One MQTT connection of a bridge, to the remote broker or to this one. MQTT.js opens it, keeps it
 * alive, subscribes and says goodbye; messages pass beside it, see `PacketTap`.
 */
import type { Duplex } from 'node:stream';
import type { IClientOptions, IConnackPacket, MqttClient } from 'mqtt';
import { BrokerError, messageOf } from '../base/errors.js';
import { type PacketSink, PacketTap } from './packet-tap.js';
import type { BridgeSubscription } from './topic-map.js';
import type { WayEnd } from './way.js';

/** MQTT.js, loaded once a bridge needs it. */
export type Mqtt = typeof import('mqtt');

const ID_MAX = 65_535;
const GRANT_FAILED = 0x80;
const VERSION_5 = 5;
/** CONNACK of MQTT 3.x. */
const UNACCEPTABLE_VERSION = 1;

export interface LinkOptions {
  readonly mqtt: Mqtt;
  readonly openStream: () => Duplex;
  readonly client: IClientOptions;
  /** Says that it is a bridge, as Mosquitto does in MQTT 3.x. */
  readonly isPrivate: boolean;
  /** Bytes of a packet from the other side. */
  readonly packetBytesMax: number;
  /** Gives it up, as long as there is no connection. */
  readonly signal?: AbortSignal;
}

/** There is no connection, and why. */
export class LinkError extends BrokerError {
  /**
   * It may be the protocol version: CONNACK said so, or the other side, which was there, closed
   * the connection without a word.
   */
  readonly isOfVersion: boolean;

  constructor(message: string, isOfVersion = false) {
    super('BRIDGE_LINK', message);
    this.isOfVersion = isOfVersion;
  }
}

/** What CONNACK says. */
export interface Welcome {
  readonly isSessionPresent: boolean;
  readonly receiveMaximum: number;
  readonly maximumQos: 0 | 1 | 2;
  readonly isRetainAvailable: boolean;
  /** Infinity: no limit. */
  readonly maximumPacketSize: number;
}

export class Link implements WayEnd {
  readonly isV5: boolean;
  readonly welcome: Welcome;
  /** Resolves with the reason, when the connection is gone. */
  readonly closed: Promise<string>;
  private readonly client: MqttClient;
  private readonly tap: PacketTap;
  private isHeld = true;

  private constructor(opening: Opening, connack: IConnackPacket) {
    this.client = opening.client;
    this.tap = opening.tap;
    this.closed = opening.closed;
    this.isV5 = opening.client.options.protocolVersion === VERSION_5;
    this.welcome = welcomeOf(connack);
  }

  /**
   * Resolves after CONNACK. Nothing that comes behind it is taken before `release`.
   *
   * @throws LinkError
   */
  static async connect(options: LinkOptions): Promise<Link> {
    const opening = new Opening(options);
    return new Link(opening, await opening.connack);
  }

  get backlog(): number {
    return this.tap.backlog;
  }

  /** Where messages and their acknowledgements go. */
  set sink(sink: PacketSink) {
    this.tap.sink = sink;
  }

  send(packet: Buffer): void {
    this.tap.write(packet);
  }

  hold(): void {
    this.isHeld = true;
    this.tap.hold();
  }

  release(): void {
    this.isHeld = false;
    this.tap.release();
  }

  onDrained(then: () => void): void {
    this.tap.once('drain', then);
  }

  /** Once a second: while we do not read, no answer to a ping is seen, nor is one missed. */
  tick(): void {
    if (!this.isHeld || !this.client.connected) return;
    this.client.sendPing();
    this.client.reschedulePing(true);
  }

  /**
   * @param retained whether retained messages are wanted, where the protocol lets one choose
   * @returns the filters that were refused
   * @throws LinkError when the connection ends before the answer
   */
  subscribe(
    subscriptions: readonly BridgeSubscription[],
    retained: (subscription: BridgeSubscription) => boolean,
  ): Promise<string[]> {
    if (subscriptions.length === 0) return Promise.resolve([]);
    const wanted = Object.fromEntries(
      subscriptions.map((one) => {
        const handling = retained(one) ? 0 : 2;
        return [one.filter, { qos: one.qos, nl: !one.isShared, rap: true, rh: handling }];
      }),
    );
    return new Promise((resolve, reject) => {
      this.client.subscribe(wanted, (error, _granted, suback) => {
        if (suback === undefined) {
          reject(new LinkError(`SUBSCRIBE: ${messageOf(error)}`));
          return;
        }
        const codes = suback.granted as number[];
        const refused = subscriptions.filter((_, index) => codes[index]! >= GRANT_FAILED);
        resolve(refused.map(({ filter }) => filter));
      });
    });
  }

  /** @throws LinkError when the connection ends before the answer */
  async unsubscribe(filters: readonly string[]): Promise<void> {
    if (filters.length === 0) return;
    await this.client.unsubscribeAsync([...filters]).catch((error: unknown) => {
      throw new LinkError(`UNSUBSCRIBE: ${messageOf(error)}`);
    });
  }

  /**
   * A retained message of the bridge itself; at QoS 1 it resolves with its acknowledgement.
   *
   * @returns why the other side did not take it; null: it did
   */
  announce(topic: string, payload: string, qos: 0 | 1): Promise<string | null> {
    return new Promise((resolve) => {
      this.client.publish(topic, payload, { qos, retain: true }, (error) =>
        resolve(error == null ? null : messageOf(error)),
      );
    });
  }

  /** DISCONNECT, after what was sent before; resolves when the connection is gone. */
  async end(): Promise<void> {
    this.client.end();
    await this.closed;
  }

  /** At once, as when the network fails. */
  destroy(): void {
    this.tap.destroy();
    this.client.end(true);
  }
}

/** A connection until it is one, and its end. */
class Opening {
  readonly client: MqttClient;
  readonly tap: PacketTap;
  readonly connack: Promise<IConnackPacket>;
  readonly closed: Promise<string>;

  constructor({ mqtt, openStream, client, isPrivate, packetBytesMax, signal }: LinkOptions) {
    const ids = new OwnIdentifiers();
    let tap: PacketTap | null = null;
    this.client = new mqtt.MqttClient(
      () => {
        tap = new PacketTap(openStream(), ids, packetBytesMax);
        return tap as unknown as MqttClient['stream'];
      },
      {
        ...client,
        manualConnect: true,
        reconnectPeriod: 0,
        resubscribe: false,
        queueQoSZero: false,
        messageIdProvider: ids,
        timerVariant: 'native',
      },
    );
    let reason = 'the connection was closed';
    let isOfVersion = true;
    this.client.on('error', (error) => {
      reason = messageOf(error);
      isOfVersion = 'code' in error && error.code === UNACCEPTABLE_VERSION;
    });
    this.client.on('disconnect', (packet) => {
      reason = `DISCONNECT ${packet.properties?.reasonString ?? `code ${packet.reasonCode ?? 0}`}`;
    });
    this.client.on('packetsend', (packet) => {
      if (packet.cmd === 'connect' && isPrivate) Object.assign(packet, { bridgeMode: true });
    });
    this.connack = new Promise((resolve, reject) => {
      this.client.once('connect', resolve);
      this.client.once('close', () => {
        // An error may follow its own consequence.
        setImmediate(() => reject(new LinkError(reason, isOfVersion)));
      });
    });
    this.closed = new Promise((resolve) => {
      this.client.once('close', () => setImmediate(() => resolve(reason)));
    });
    this.client.connect();
    this.tap = tap!;
    const giveUp = (): void => void this.tap.destroy();
    if (signal?.aborted) giveUp();
    signal?.addEventListener('abort', giveUp, { once: true });
    this.client.once('connect', () => signal?.removeEventListener('abort', giveUp));
  }
}

/**
 * Identifiers of MQTT.js's own requests, from the top down: the messages that pass beside it have
 * theirs from the broker that they come from.
 */
class OwnIdentifiers {
  private readonly taken = new Set<number>();
  private last = 0;

  allocate(): number {
    do {
      this.last = this.last <= 1 ? ID_MAX : this.last - 1;
    } while (this.taken.has(this.last));
    this.taken.add(this.last);
    return this.last;
  }

  has(packetId: number): boolean {
    return this.taken.has(packetId);
  }

  getLastAllocated(): number {
    return this.last;
  }

  register(packetId: number): boolean {
    this.taken.add(packetId);
    return true;
  }

  deallocate(packetId: number): void {
    this.taken.delete(packetId);
  }

  clear(): void {
    this.taken.clear();
  }
}

function welcomeOf({ sessionPresent, properties }: IConnackPacket): Welcome {
  const { maximumQoS, receiveMaximum, retainAvailable, maximumPacketSize } = properties ?? {};
  return {
    isSessionPresent: sessionPresent,
    receiveMaximum: receiveMaximum ?? ID_MAX,
    maximumQos: maximumQoS === 0 ? 0 : maximumQoS === 1 ? 1 : 2,
    isRetainAvailable: retainAvailable ?? true,
    maximumPacketSize: maximumPacketSize ?? Number.POSITIVE_INFINITY,
  };
}
