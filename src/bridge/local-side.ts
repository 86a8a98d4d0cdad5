/**
 * What a bridge is to its own broker: a client like any other, inside the process. Its session
 * queues what is to go out while there is no connection to the remote broker.
 */
import type { Access } from '../broker/access.js';
import type { BrokerCore } from '../broker/core.js';
import type { Entrance } from '../broker/restore.js';
import type { Session } from '../broker/session.js';
import { type BridgeConfig, EXPIRY_NEVER } from '../config/bridge-config.js';
import { defaultListener } from '../config/defaults.js';
import { bridgeAccess } from './bridge-access.js';
import { Link, type Mqtt } from './link.js';
import { LocalPipe } from './local-pipe.js';
import { type BridgeSubscription, localSubscriptions } from './topic-map.js';

const PACKET_IDS = 65_536;
const KEEP_ALIVE_S = 60;
const CONNECT_MS = 30_000;
/** MQTT.js, told nothing else, takes packets of any size: ours are bounded where they came in. */
const PACKET_BYTES_MAX = 268_435_460;

export class LocalSide {
  readonly entrance: Entrance;
  /**
   * Packet identifiers used since the session began, where it began in this process: the remote
   * broker may know others by the same identifiers. Null: the session is older than the process.
   */
  used: Uint8Array | null = null;
  /** The session is new, so retained messages have not gone out yet. */
  isNew = true;
  private readonly core: BrokerCore;
  private readonly config: BridgeConfig;
  private readonly mqtt: () => Promise<Mqtt>;

  /** @param rules of the broker's own clients */
  constructor(core: BrokerCore, config: BridgeConfig, rules: Access, mqtt: () => Promise<Mqtt>) {
    this.core = core;
    this.config = config;
    this.mqtt = mqtt;
    const { name, localUsername, localPassword } = config;
    this.entrance = {
      listener: defaultListener({ name: listenerName(name), maxTopicAlias: 0 }),
      access: bridgeAccess(localUsername, localPassword !== null, rules),
    };
  }

  /** Null: there is none. */
  get session(): Session | null {
    return this.core.sessions.get(this.config.localClientId);
  }

  /** Messages that wait for the remote broker. */
  get queued(): number {
    const { session } = this;
    if (session === null) return 0;
    if (session.stored !== null) return session.stored.messages;
    return (session.outbox?.queued ?? 0) + (session.outbox?.inflight ?? 0);
  }

  /** Packet identifiers of QoS 2 messages that came in and were not released. */
  *held(): Generator<number> {
    const receiver = this.session?.receiver ?? null;
    if (receiver === null || receiver.isEmpty) return;
    for (let id = 1; id < PACKET_IDS; id++) if (receiver.isTaken(id)) yield id;
  }

  /**
   * Sees to it that the session is there, with the subscriptions of the configuration, and leaves.
   *
   * @throws LinkError
   */
  async prepare(): Promise<void> {
    const link = await this.connect(PACKET_IDS - 1);
    link.release();
    try {
      await this.subscribe(link, 2, () => false);
    } finally {
      await link.end();
    }
  }

  /**
   * Connects to the session; what waits in it comes after `release`.
   *
   * @param receiveMaximum of the remote broker
   * @throws LinkError
   */
  async connect(receiveMaximum: number): Promise<Link> {
    const { localCleanSession } = this.config;
    const link = await this.open(localCleanSession, receiveMaximum);
    if (!link.welcome.isSessionPresent) {
      this.isNew = true;
      this.used = new Uint8Array(PACKET_IDS);
    }
    return link;
  }

  /**
   * @param maximumQos of the remote broker
   * @returns filters that were refused
   * @throws LinkError
   */
  async subscribe(
    link: Link,
    maximumQos: 0 | 1 | 2,
    retained: (subscription: BridgeSubscription) => boolean,
  ): Promise<string[]> {
    const wanted = localSubscriptions(this.config.topics).map((one) => ({
      ...one,
      qos: one.qos > maximumQos ? maximumQos : one.qos,
    }));
    const filters = new Set(wanted.map(({ filter }) => filter));
    const known = [...(this.session?.subscriptions?.keys() ?? [])];
    await link.unsubscribe(known.filter((filter) => !filters.has(filter)));
    return link.subscribe(wanted, retained);
  }

  /** Ends the session, with what waits in it. @throws LinkError */
  async discard(): Promise<void> {
    const link = await this.open(true, 1);
    await link.end();
  }

  private async open(clean: boolean, receiveMaximum: number): Promise<Link> {
    const { localClientId, localUsername, localPassword } = this.config;
    return Link.connect({
      mqtt: await this.mqtt(),
      openStream: () => {
        const pipe = new LocalPipe();
        const { listener, access } = this.entrance;
        const nowMs = this.core.clock.nowMs();
        pipe.attach(this.core.accept(pipe.transport, listener, access, nowMs));
        return pipe;
      },
      client: {
        protocolVersion: 5,
        clientId: localClientId,
        clean,
        keepalive: KEEP_ALIVE_S,
        connectTimeout: CONNECT_MS,
        ...(localUsername === null ? {} : { username: localUsername }),
        ...(localPassword === null ? {} : { password: localPassword }),
        properties: { sessionExpiryInterval: clean ? 0 : EXPIRY_NEVER, receiveMaximum },
      },
      isPrivate: false,
      packetBytesMax: PACKET_BYTES_MAX,
    });
  }
}

/** What stored sessions say that they came through. */
export function listenerName(bridge: string): string {
  return `bridge ${bridge}`;
}
