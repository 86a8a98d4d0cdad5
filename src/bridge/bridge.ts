/**
 * One bridge: when it connects and where, and what happens when that fails.
 *
 *     idle ──lease granted──▶ preparing ──▶ waiting ──▶ connecting ──▶ joined
 *      ▲                          ▲            ▲  └─ time, queue ─┘       │
 *      └──────── lease lost, stop ┘            └── lost, idle, failed ────┘
 *
 * `generation` goes up whenever what is under way no longer counts; after each await it is looked
 * at again.
 */

import type { Access } from '../broker/access.js';
import type { BrokerCore } from '../broker/core.js';
import type { BridgeAddress, BridgeConfig } from '../config/bridge-config.js';
import type { BridgeLease, LeaseHolder } from './bridge-lease.js';
import { Joint } from './joint.js';
import { Link, LinkError, type Mqtt } from './link.js';
import { LocalSide } from './local-side.js';
import { remoteOptions } from './remote-options.js';
import { RemoteStreams } from './remote-stream.js';
import { Backoff } from './restart-delay.js';

/** How often a bridge on another address looks whether the main one is back. */
const MAIN_PROBE_MS = 5_000;
/** Longest time for an orderly goodbye. */
const LEAVE_MS = 2_000;
/** What the protocol allows. */
const PACKET_BYTES_MAX = 268_435_460;

const Phase = {
  Idle: 'idle',
  Preparing: 'preparing',
  Waiting: 'waiting',
  Connecting: 'connecting',
  Joined: 'joined',
} as const;
export type BridgePhase = (typeof Phase)[keyof typeof Phase];

export interface BridgeContext {
  readonly core: BrokerCore;
  readonly lease: BridgeLease;
  /** The rules for the broker's own clients. */
  readonly rules: Access;
  readonly mqtt: () => Promise<Mqtt>;
}

export class Bridge implements LeaseHolder {
  phase: BridgePhase = Phase.Idle;
  localSide: LocalSide;
  private config: BridgeConfig;
  private streams: RemoteStreams;
  /** Waits for the next connection; null: nothing does. */
  private next: { readonly config: BridgeConfig; readonly streams: RemoteStreams } | null = null;
  private readonly context: BridgeContext;
  private readonly backoff: Backoff;
  private generation = 0;
  private joint: Joint | null = null;
  private timer: NodeJS.Timeout | null = null;
  /** Of the connection that is being opened. */
  private opening: AbortController | null = null;
  private releaseLease: (() => void) | null = null;
  private prepared: Promise<void> = Promise.resolve();
  /** Index of the address that is, or was last, connected to. */
  private addressAt = 0;
  private nextProbeMs = 0;
  private stopProbe: (() => void) | null = null;
  /** The remote broker closes on those who say that they are a bridge. */
  private isPrivateRefused = false;

  /** @throws BrokerError `BRIDGE_TLS` */
  constructor(config: BridgeConfig, context: BridgeContext) {
    this.config = config;
    this.context = context;
    this.streams = new RemoteStreams(config);
    this.localSide = this.newLocalSide(config);
    this.backoff = new Backoff(context.core.prng);
  }

  get name(): string {
    return this.config.name;
  }

  /** Resolves when messages for the remote broker are queued, if this broker runs the bridge. */
  async start(): Promise<void> {
    this.releaseLease = this.context.lease.acquire(this.name, this);
    await this.prepared;
  }

  onGranted(): void {
    this.prepared = this.prepare();
  }

  onLost(): void {
    this.becomeIdle();
  }

  /** Says goodbye to the remote broker. The session here stays, unless it is a clean one. */
  async stop(): Promise<void> {
    const { joint } = this;
    this.joint = null;
    this.becomeIdle();
    this.releaseLease?.();
    this.releaseLease = null;
    if (joint === null) return;
    await leave(joint);
    this.notify('0');
  }

  /** The bridge is no longer in the configuration. */
  async remove(): Promise<void> {
    await this.stop();
    await this.discard(this.localSide);
  }

  /** @throws BrokerError `BRIDGE_TLS`; all stays as it is then */
  reconfigure(config: BridgeConfig): void {
    this.next = { config, streams: new RemoteStreams(config) };
    if (this.phase === Phase.Idle) {
      this.takeNext();
      return;
    }
    // Without a connection there is none to wait for the end of.
    if (config.reloadType === 'lazy' && this.joint !== null) return;
    void this.restart();
  }

  /** Once a second. */
  tick(): void {
    const { core } = this.context;
    const { startType, threshold, idleTimeoutS } = this.config;
    const isLazy = startType === 'lazy';
    if (isLazy && this.phase === Phase.Waiting && this.timer === null) {
      if (this.localSide.queued >= threshold) void this.connect();
    }
    const { joint } = this;
    if (joint === null) return;
    joint.tick();
    const idleMs = core.clock.nowMs() - joint.lastMessageMs;
    if (isLazy && idleMs >= idleTimeoutS * 1000) void this.rest(joint);
    else this.probeMain();
  }

  private async prepare(): Promise<void> {
    const generation = this.become(Phase.Preparing);
    this.takeNext();
    this.notify('0');
    if (!this.config.localCleanSession) {
      try {
        await this.localSide.prepare();
      } catch (error) {
        if (!(error instanceof LinkError)) throw error;
        if (generation !== this.generation) return;
        this.log('error', 'bridge has no session here', { error: error.message });
        this.later(() => this.prepare());
        return;
      }
      if (generation !== this.generation) return;
    }
    this.become(Phase.Waiting);
    if (this.config.startType !== 'lazy') void this.connect();
  }

  /** Tries each address once. */
  private async connect(): Promise<void> {
    const generation = this.become(Phase.Connecting);
    const { addresses } = this.config;
    const first = this.addressAt;
    for (let index = 0; index < addresses.length; index++) {
      const at = (first + index) % addresses.length;
      const address = addresses[at]!;
      try {
        const joint = await this.open(address, generation);
        if (generation !== this.generation) {
          joint.destroy();
          return;
        }
        this.addressAt = at;
        this.becomeJoined(joint, address);
        return;
      } catch (error) {
        if (!(error instanceof LinkError)) throw error;
        if (generation !== this.generation) return;
        const reason = error.message;
        this.log('warning', 'bridge cannot connect', { address: textOf(address), reason });
      }
    }
    this.addressAt = 0;
    this.giveUp();
  }

  private async open(address: BridgeAddress, generation: number): Promise<Joint> {
    const { core } = this.context;
    const { config, localSide } = this;
    const remote = await this.openRemote(address);
    if (generation !== this.generation) {
      // The session here may be another broker's already: it is not touched.
      remote.destroy();
      throw new LinkError('given up');
    }
    return Joint.open({ core, config, localSide, remote });
  }

  /** Says that it is a bridge, where that may be said; if that is refused, it does not say so. */
  private async openRemote(address: BridgeAddress): Promise<Link> {
    const { tryPrivate, protocolVersion } = this.config;
    if (!tryPrivate || protocolVersion === 5 || this.isPrivateRefused) {
      return this.openLink(address, false);
    }
    try {
      return await this.openLink(address, true);
    } catch (error) {
      if (!(error instanceof LinkError) || !error.isOfVersion) throw error;
      const link = await this.openLink(address, false);
      this.isPrivateRefused = true;
      const advice = 'the remote broker does not know bridges; "try_private false" says so';
      this.log('notice', 'bridge is taken for a client', { address: textOf(address), advice });
      return link;
    }
  }

  private async openLink(address: BridgeAddress, isPrivate: boolean): Promise<Link> {
    const { config, streams } = this;
    const { core, mqtt } = this.context;
    const { packetBytesMax } = core.limits;
    this.opening = new AbortController();
    return Link.connect({
      mqtt: await mqtt(),
      openStream: () => streams.open(address),
      client: remoteOptions(config, core.limits),
      isPrivate,
      packetBytesMax: packetBytesMax || PACKET_BYTES_MAX,
      signal: this.opening.signal,
    });
  }

  private becomeJoined(joint: Joint, address: BridgeAddress): void {
    this.become(Phase.Joined);
    this.joint = joint;
    this.backoff.reset();
    this.nextProbeMs = this.context.core.clock.nowMs() + MAIN_PROBE_MS;
    this.notify('1');
    this.log('notice', 'bridge connected', { address: textOf(address) });
    void joint.closed.then((reason) => {
      if (this.joint !== joint) return;
      this.log('warning', 'bridge lost its connection', { address: textOf(address), reason });
      this.onDisconnected();
    });
  }

  private onDisconnected(): void {
    this.joint = null;
    this.notify('0');
    const { roundRobin, addresses } = this.config;
    this.addressAt = roundRobin ? (this.addressAt + 1) % addresses.length : 0;
    this.giveUp();
  }

  /** Until the next try, if there is to be one. */
  private giveUp(): void {
    this.become(Phase.Waiting);
    const { startType, restart } = this.config;
    if (startType === 'once' && this.next === null) {
      this.log('notice', 'bridge stays disconnected', { startType });
      return;
    }
    // A lazy one tries again for what is queued then, not before its time.
    const then = (): Promise<void> => {
      if (this.next !== null) return this.prepare();
      return startType === 'lazy' ? Promise.resolve() : this.connect();
    };
    this.later(then, this.backoff.next(restart));
  }

  /** A lazy bridge has had nothing to do. */
  private async rest(joint: Joint): Promise<void> {
    this.joint = null;
    const generation = this.become(Phase.Waiting);
    this.log('notice', 'bridge is idle', {});
    await leave(joint);
    if (generation !== this.generation) return;
    this.notify('0');
    if (this.next !== null) await this.prepare();
  }

  /** Connects anew, by the configuration that waits. */
  private async restart(): Promise<void> {
    const { joint } = this;
    this.joint = null;
    const generation = this.become(Phase.Preparing);
    if (joint !== null) await leave(joint);
    if (generation !== this.generation) return;
    this.addressAt = 0;
    await this.prepare();
  }

  /** While another address serves, the main one is gone back to as soon as it answers. */
  private probeMain(): void {
    const { core } = this.context;
    const { roundRobin, addresses } = this.config;
    if (roundRobin || this.addressAt === 0 || this.stopProbe !== null) return;
    if (core.clock.nowMs() < this.nextProbeMs) return;
    this.stopProbe = this.streams.probe(addresses[0]!, (isThere) => {
      this.stopProbe = null;
      this.nextProbeMs = core.clock.nowMs() + MAIN_PROBE_MS;
      if (!isThere || this.phase !== Phase.Joined) return;
      this.log('notice', 'bridge goes back to its main address', {});
      void this.restart();
    });
  }

  private takeNext(): void {
    const { next } = this;
    if (next === null) return;
    this.next = null;
    const before = this.localSide;
    const { localClientId } = this.config;
    this.config = next.config;
    this.streams = next.streams;
    this.isPrivateRefused = false;
    this.localSide = this.newLocalSide(next.config);
    if (localClientId !== next.config.localClientId) void this.discard(before);
    else {
      this.localSide.used = before.used;
      this.localSide.isNew = before.isNew;
    }
  }

  private newLocalSide(config: BridgeConfig): LocalSide {
    const { core, rules, mqtt } = this.context;
    return new LocalSide(core, config, rules, mqtt);
  }

  private async discard(localSide: LocalSide): Promise<void> {
    await localSide.discard().catch((error: unknown) => {
      if (!(error instanceof LinkError)) throw error;
      this.log('error', 'bridge leaves its session behind', { error: error.message });
    });
  }

  private becomeIdle(): void {
    const { joint } = this;
    this.joint = null;
    this.become(Phase.Idle);
    joint?.destroy();
    this.context.core.kin.set(this.name, []);
  }

  /** What was under way counts no longer. */
  private become(phase: BridgePhase): number {
    this.phase = phase;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.stopProbe?.();
    this.stopProbe = null;
    this.opening?.abort();
    this.opening = null;
    return ++this.generation;
  }

  private later(
    then: () => Promise<void>,
    delayMs: number = this.backoff.next(this.config.restart),
  ): void {
    this.timer = setTimeout(() => {
      this.timer = null;
      void then();
    }, delayMs);
  }

  private notify(state: '0' | '1'): void {
    const { notifications, notificationTopic } = this.config;
    if (notifications === 'none') return;
    this.context.core.publish(notificationTopic, Buffer.from(state), { qos: 1, retain: true });
  }

  private log(
    level: 'notice' | 'warning' | 'error',
    event: string,
    fields: Readonly<Record<string, string>>,
  ): void {
    this.context.core.log.write(level, event, { bridge: this.name, ...fields });
  }
}

/** In an orderly way, if that does not take too long. */
async function leave(joint: Joint): Promise<void> {
  const timer = setTimeout(() => joint.destroy(), LEAVE_MS);
  await Promise.race([joint.leave(), joint.closed]);
  clearTimeout(timer);
}

function textOf({ host, port }: BridgeAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
