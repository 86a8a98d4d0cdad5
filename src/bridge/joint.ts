/** A bridge that is connected: the remote broker and this one, with a way in either direction. */
import { messageOf } from '../base/errors.js';
import type { BrokerCore } from '../broker/core.js';
import { DropReason } from '../broker/metrics.js';
import type { BridgeConfig } from '../config/bridge-config.js';
import { MqttError } from '../protocol/mqtt-error.js';
import { PUBLISH, PUBREL } from '../protocol/packet-types.js';
import { CounterBridges, mayLoop, stateSubscription } from './counter-bridges.js';
import { type Link, LinkError } from './link.js';
import type { LocalSide } from './local-side.js';
import type { PacketSink } from './packet-tap.js';
import {
  type BridgeSubscription,
  remoteSubscriptions,
  remoteUnsubscriptions,
  TopicMap,
} from './topic-map.js';
import { type Dropped, Way, type WayOptions } from './way.js';

/** Longest time until everything is subscribed; a broker that answers pings alone is no use. */
const OPEN_MS = 30_000;
const VERSION_31 = 3;

const reasons: Readonly<Record<Dropped, DropReason>> = {
  'too large': DropReason.TooLargeForReceiver,
  slow: DropReason.SlowSubscriber,
  invalid: DropReason.Unreadable,
  refused: DropReason.Refused,
};

export interface JointOptions {
  readonly core: BrokerCore;
  readonly config: BridgeConfig;
  readonly localSide: LocalSide;
  /** Connected, and nothing taken from it yet. */
  readonly remote: Link;
}

export class Joint {
  /** Resolves with the reason, when either connection is gone; the other one is then closed. */
  readonly closed: Promise<string>;
  /** Monotonic milliseconds of the last message in either direction. */
  lastMessageMs: number;
  private readonly core: BrokerCore;
  private readonly config: BridgeConfig;
  private readonly localSide: LocalSide;
  private readonly remote: Link;
  private readonly local: Link;
  private readonly outWay: Way;
  private readonly inWay: Way;
  /** Null: no message could come back by them. */
  private readonly counterBridges: CounterBridges | null;

  /** @throws LinkError when it does not come to a connection; the remote one is then closed */
  static async open(options: JointOptions): Promise<Joint> {
    const { localSide, remote } = options;
    const local = await Promise.race([
      localSide.connect(remote.welcome.receiveMaximum),
      failedBy(remote),
    ]).catch((error: unknown) => {
      remote.destroy();
      throw error;
    });
    const joint = new Joint(options, local);
    const timer = setTimeout(() => remote.destroy(), OPEN_MS);
    try {
      await Promise.race([joint.join(), failedBy(remote), failedBy(local)]);
      return joint;
    } catch (error) {
      joint.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private constructor({ core, config, localSide, remote }: JointOptions, local: Link) {
    this.core = core;
    this.config = config;
    this.localSide = localSide;
    this.remote = remote;
    this.local = local;
    this.lastMessageMs = core.clock.nowMs();
    this.counterBridges = mayLoop(config) ? new CounterBridges(core.kin, config) : null;
    this.outWay = new Way(this.outOptions());
    this.inWay = new Way(this.inOptions());
    remote.sink = this.sinkOf(remote, this.inWay, this.outWay);
    local.sink = this.sinkOf(local, this.outWay, this.inWay);
    this.closed = Promise.race([
      remote.closed,
      local.closed.then((reason) => `at this broker: ${reason}`),
    ]).then((reason) => {
      this.destroy();
      return reason;
    });
  }

  tick(): void {
    this.remote.tick();
    this.local.tick();
  }

  /** Says goodbye to both; what is under way is sent again next time. */
  async leave(): Promise<void> {
    const { notifications, notificationTopic } = this.config;
    if (notifications === 'both') await this.remote.announce(notificationTopic, '0', 0);
    await Promise.all([this.remote.end(), this.local.end()]);
  }

  /** At once, as when the network fails. */
  destroy(): void {
    this.remote.destroy();
    this.local.destroy();
  }

  /** In this order: what comes in finds its way, and no request has a message's identifier. */
  private async join(): Promise<void> {
    const { config, remote, local, localSide } = this;
    const { topics, notifications, notificationTopic, attemptUnsubscribe } = config;
    const { isSessionPresent, maximumQos } = remote.welcome;
    if (this.isRemoteNew) for (const id of localSide.held()) this.inWay.release(id);
    remote.release();
    if (notifications === 'both') {
      const error = await remote.announce(notificationTopic, '1', 1);
      if (error !== null) {
        const fields = { bridge: config.name, topic: notificationTopic, error };
        this.core.log.write('warning', 'bridge notification refused', fields);
      }
    }
    if (this.counterBridges !== null) await remote.subscribe([stateSubscription], () => true);
    if (attemptUnsubscribe) await remote.unsubscribe(remoteUnsubscriptions(topics));
    const isStale = (isNew: boolean) => (one: BridgeSubscription) => isNew || one.qos === 0;
    this.report(
      'remote',
      await remote.subscribe(remoteSubscriptions(topics), isStale(!isSessionPresent)),
    );
    // Its retained messages have come, in front of that answer.
    this.counterBridges?.tell();
    local.release();
    const isNew = localSide.isNew || !isSessionPresent;
    this.report('local', await localSide.subscribe(local, maximumQos, isStale(isNew)));
    localSide.isNew = false;
  }

  /** MQTT 3.1 does not say whether there was a session; it is taken at its word. */
  private get isRemoteNew(): boolean {
    const { cleanSession, protocolVersion } = this.config;
    if (protocolVersion === VERSION_31) return cleanSession;
    return !this.remote.welcome.isSessionPresent;
  }

  private report(side: 'remote' | 'local', refused: readonly string[]): void {
    for (const filter of refused) {
      const fields = { bridge: this.config.name, side, filter };
      this.core.log.write('warning', 'bridge subscription refused', fields);
    }
  }

  private outOptions(): WayOptions {
    const { core, config, remote, local, localSide } = this;
    const map = new TopicMap(config.topics, 'out');
    const { maximumQos, maximumPacketSize, isRetainAvailable } = remote.welcome;
    const ownMaximum = config.maxPacketSize || Number.POSITIVE_INFINITY;
    return {
      source: local,
      destination: remote,
      map: (topic) => map.map(topic),
      objection: () => null,
      maximumQos,
      maximumPacketSize: Math.min(maximumPacketSize, ownMaximum),
      keepsRetain: config.outgoingRetain && isRetainAvailable,
      inflight2Max: remote.welcome.receiveMaximum,
      backlogMax: core.limits.outputBytesMax,
      whenFull: 'drop',
      used: this.isRemoteNew ? null : localSide.used,
      onMessage: () => this.onMessage(),
      onDropped: (why, topic) => this.onDropped('out', why, topic),
    };
  }

  private inOptions(): WayOptions {
    const { core, config, remote, local } = this;
    const map = new TopicMap(config.topics, 'in');
    const { limits, delivery } = core;
    return {
      source: remote,
      destination: local,
      map: (topic) => map.map(topic),
      objection: (topic, reader, bytes) => {
        if (!reader.hasValidPayload(bytes)) return 'payload is not UTF-8';
        return objectionTo(core, topic);
      },
      maximumQos: 2,
      maximumPacketSize: limits.packetBytesMax || Number.POSITIVE_INFINITY,
      keepsRetain: delivery.retainAvailable,
      inflight2Max: local.welcome.receiveMaximum,
      backlogMax: limits.outputBytesMax,
      whenFull: 'hold',
      used: null,
      onMessage: (topic, payload) => {
        this.onMessage();
        this.counterBridges?.onMessage(topic, payload);
      },
      onDropped: (why, topic) => this.onDropped('in', why, topic),
    };
  }

  private onMessage(): void {
    this.lastMessageMs = this.core.clock.nowMs();
  }

  /** Counted for the bridge's own session, as what other clients do not get is for theirs. */
  private onDropped(direction: 'out' | 'in', why: Dropped, topic: string): void {
    const { core, localSide } = this;
    const { session } = localSide;
    const reason = reasons[why];
    if (session === null) core.metrics.dropped[reason]!++;
    else core.dropFor(reason, null, session);
    if (!core.log.enabled('debug')) return;
    core.log.write('debug', 'bridge drops a message', {
      ...{ bridge: this.config.name, direction, reason: why, topic },
    });
  }

  /** @param from messages from this side @param to messages to it */
  private sinkOf(link: Link, from: Way, to: Way): PacketSink {
    return {
      onPacket: (firstByte, bytes, start, end) => {
        try {
          const type = firstByte >>> 4;
          if (type === PUBLISH) from.onPublish(firstByte, bytes, start, end);
          else if (type === PUBREL) from.onPubrel(bytes, start, end);
          else to.onAcknowledged(firstByte, bytes, start, end);
        } catch (error) {
          if (!(error instanceof MqttError)) throw error;
          const fields = { bridge: this.config.name, error: messageOf(error) };
          this.core.log.write('error', 'bridge got a bad packet', fields);
          link.destroy();
        }
      },
    };
  }
}

/** Why a topic name cannot be published here; null: it can. */
function objectionTo(core: BrokerCore, topic: string): string | null {
  try {
    core.topics.check(topic);
    return null;
  } catch (error) {
    if (error instanceof MqttError) return error.message;
    throw error;
  }
}

async function failedBy(link: Link): Promise<never> {
  throw new LinkError(await link.closed);
}
