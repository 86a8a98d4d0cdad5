/**
 * All primaries: which one serves which slot, and a link to each. A single server is a cluster of
 * one. Decides where a call goes, follows redirections, and says when the store is away.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { BrokerError, messageOf } from '../../base/errors.js';
import type { StoreObserver } from '../store.js';
import type { Call } from './call.js';
import { type Address, addressText, type Connection, type Login } from './connection.js';
import { type InfoFields, onlineReplicas, parseInfo, versionNumber } from './info.js';
import type { Keys } from './keys.js';
import { Link } from './link.js';
import type { LinkCounters, LinkHome } from './link-home.js';
import type { RedisStoreOptions } from './options.js';
import { isAboutCall, isAboutTopology, Refusal, refusalOf } from './reply-error.js';
import { RunMarkers } from './run-markers.js';
import { Script } from './scripts/script.js';
import { askTopology, type Topology } from './topology.js';
import {
  ASK_MS,
  OPEN_MS,
  RECONNECT_MS_MIN,
  TICK_MS,
  TOPOLOGY_MS,
  TROUBLE_LOG_MS,
} from './tuning.js';

/** Errors that waiting does not mend. */
const hopeless = new Set(['REDIS_VERSION', 'REDIS_AOF', 'REDIS_NOPERM']);
const VERSION_MIN = versionNumber('7.0.0');
const VERSION_AOF = versionNumber('7.2.0');

export class Cluster implements LinkHome {
  readonly options: RedisStoreOptions;
  readonly login: Login;
  readonly replication = { isSeen: false };
  readonly counters: LinkCounters = {
    calls: 0,
    batches: 0,
    repeats: 0,
    refused: 0,
    unknown: 0,
    shortfalls: 0,
    connects: 0,
    redirections: 0,
    losses: 0,
  };
  isClosed = false;
  isCluster = false;
  /** Called when a primary came back without its data. */
  onLoss: (address: string) => void = () => undefined;
  private observer: StoreObserver | null = null;
  private readonly markers: RunMarkers;
  private readonly links = new Map<string, Link>();
  private slots: (Link | null)[] = [];
  private nodes: readonly Address[];
  private turn = 0;
  private refreshing: Promise<void> | null = null;
  private isRefreshWanted = false;
  private parked: Call[] = [];
  private readonly dirty: Link[] = [];
  private isFlushAhead = false;
  private ticker: NodeJS.Timeout | null = null;
  private ticks = 0;
  private readonly timers = new Set<NodeJS.Timeout>();
  /** Since when, by link. */
  private readonly troubles = new Map<string, number>();
  private isAway = false;
  private loggedMs = Number.NEGATIVE_INFINITY;
  private readonly reloading = new WeakSet<Connection>();

  constructor(options: RedisStoreOptions, keys: Keys) {
    this.options = options;
    const name = `tidewire:${options.nodeName.replace(/[^\x21-\x7e]/g, '_')}`;
    const { username, password, tls } = options;
    this.login = { username, password, tls, name };
    this.nodes = options.nodes.map(([host, port]) => ({ host, port }));
    this.markers = new RunMarkers(keys, randomBytes(8).toString('hex'));
    // A shuffled start: not every broker asks the same node first.
    this.turn = randomBytes(1)[0]!;
  }

  /** True when a slot could not be asked for so long that waiting would only pile things up. */
  isAwayAt(slot: number): boolean {
    const link = this.slots[slot] ?? null;
    if (link === null) return true;
    const sinceMs = this.troubles.get(link.name);
    return sinceMs !== undefined && this.options.clock.nowMs() - sinceMs > ASK_MS;
  }

  /** Loads who serves what. @throws BrokerError */
  async open(observer: StoreObserver): Promise<void> {
    this.apply(await askTopology(this.nodes, this.turn++, this.login, this.options.clock));
    this.observer = observer;
    this.ticker = setInterval(() => this.tick(), TICK_MS);
  }

  /**
   * Waits until all primaries are connected.
   *
   * @throws BrokerError when one cannot be used, or does not answer for `OPEN_MS`
   */
  async untilReady(): Promise<void> {
    const endMs = this.options.clock.nowMs() + OPEN_MS;
    for (;;) {
      const waiting = [...this.links.values()].filter((link) => !link.isReady);
      if (waiting.length === 0) return;
      for (const { problem } of waiting) {
        if (problem !== null && hopeless.has(problem.code)) throw problem;
      }
      if (this.options.clock.nowMs() >= endMs) {
        const { name, problem } = waiting[0]!;
        const why = problem === null ? 'no answer' : problem.message;
        throw new BrokerError('REDIS_CONNECT', `Redis at ${name} cannot be used: ${why}`);
      }
      await pause(RECONNECT_MS_MIN);
    }
  }

  addresses(): Address[] {
    return [...this.links.values()].map((link) => link.address);
  }

  /** Where a slot is served, as far as is known; null: nowhere. */
  addressOf(slot: number): Address | null {
    return this.slots[slot]?.address ?? null;
  }

  route(call: Call): void {
    const link = this.slots[call.slot] ?? null;
    if (link === null) {
      this.parked.push(call);
      this.refresh();
      return;
    }
    link.push(call);
  }

  /** Sends what was routed since, at once. */
  flush(): void {
    this.isFlushAhead = false;
    const links = this.dirty.splice(0);
    for (const link of links) link.flush();
  }

  later(link: Link): void {
    this.dirty.push(link);
    if (this.isFlushAhead) return;
    this.isFlushAhead = true;
    queueMicrotask(() => this.flush());
  }

  after(ms: number, task: () => void): void {
    if (this.isClosed) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      task();
    }, ms);
    this.timers.add(timer);
  }

  refresh(): void {
    if (this.isClosed || this.observer === null) return;
    if (this.refreshing !== null) {
      this.isRefreshWanted = true;
      return;
    }
    this.refreshing = askTopology(this.nodes, this.turn++, this.login, this.options.clock)
      .then(
        (topology) => {
          if (!this.isClosed) this.apply(topology);
        },
        (error: unknown) => this.logTrouble(messageOf(error)),
      )
      .finally(() => {
        this.refreshing = null;
        if (!this.isRefreshWanted) return;
        this.isRefreshWanted = false;
        this.after(TICK_MS, () => this.refresh());
      });
  }

  onRedirected(call: Call, to: Address, isAsking: boolean): void {
    this.counters.redirections++;
    const link = this.linkTo(to);
    call.isAsking = isAsking;
    if (!isAsking) {
      this.slots[call.slot] = link;
      this.refresh();
    }
    link.push(call);
  }

  /** A redirection that a reader met. */
  onMoved(slot: number, to: Address): void {
    this.counters.redirections++;
    this.slots[slot] = this.linkTo(to);
    this.refresh();
  }

  onRefused(link: Link, _call: Call, error: Error): void {
    if (isAboutTopology(error)) this.refresh();
    if (refusalOf(error) !== Refusal.Later) return;
    if (isAboutCall(error)) {
      this.logTrouble(`Redis at ${link.name} refuses a call: ${error.message}`, 'error');
      return;
    }
    this.onTrouble(link, `Redis at ${link.name}: ${error.message}`);
  }

  onTrouble(link: Link, reason: string | null): void {
    if (reason !== null) {
      if (this.isClosed) return;
      if (!this.troubles.has(link.name)) this.troubles.set(link.name, this.options.clock.nowMs());
      this.logTrouble(reason);
      if (this.isAway) return;
      this.isAway = true;
      this.observer?.onAway(reason);
      return;
    }
    if (!this.troubles.delete(link.name) || this.troubles.size > 0 || !this.isAway) return;
    this.isAway = false;
    if (this.isClosed) return;
    this.options.log.write('notice', 'redis is back');
    this.observer?.onBack();
  }

  async prepare(link: Link, connection: Connection): Promise<void> {
    this.counters.connects++;
    const info = parseInfo(await connection.command('INFO'));
    checkServer(link.name, info, this.options);
    await Promise.all(Script.all.map(({ source }) => connection.command('SCRIPT', 'LOAD', source)));
    const isLost = await this.markers.check(connection, (slot) => this.slots[slot] === link);
    link.safety.onConnected(onlineReplicas(info));
    if (!isLost) return;
    this.counters.losses++;
    this.options.log.write('error', 'redis came back without its data: its sessions are gone', {
      redis: link.name,
    });
    this.onLoss(link.name);
  }

  reload(connection: Connection): void {
    if (this.reloading.has(connection)) return;
    this.reloading.add(connection);
    const loads = Script.all.map(({ source }) => connection.command('SCRIPT', 'LOAD', source));
    Promise.all(loads).then(
      () => this.reloading.delete(connection),
      (error: unknown) => {
        this.reloading.delete(connection);
        this.logTrouble(messageOf(error));
      },
    );
  }

  close(): void {
    this.isClosed = true;
    if (this.ticker !== null) clearInterval(this.ticker);
    for (const timer of this.timers) clearTimeout(timer);
    for (const link of this.links.values()) link.retire();
    this.links.clear();
    this.slots = [];
  }

  private tick(): void {
    for (const link of this.links.values()) link.tick();
    if (++this.ticks % Math.round(TOPOLOGY_MS / TICK_MS) === 0) this.refresh();
  }

  private linkTo(address: Address): Link {
    const name = addressText(address);
    let link = this.links.get(name);
    if (link === undefined) {
      link = new Link(address, this);
      this.links.set(name, link);
    }
    return link;
  }

  private apply(topology: Topology): void {
    this.isCluster = topology.isCluster;
    // Also what a primary says that does not know yet that it is none any more.
    if (topology.nodes.length > topology.primaries.length) this.replication.isSeen = true;
    if (topology.isCluster) this.nodes = [...topology.nodes, ...this.seedsBesides(topology)];
    const links = topology.primaries.map((address) => this.linkTo(address));
    const before = this.slots;
    this.slots = Array.from(topology.slots, (place) => (place < 0 ? null : links[place]!));
    const serving = new Set(links);
    for (const [name, link] of this.links) {
      if (serving.has(link)) {
        link.start();
        continue;
      }
      // It may still be the target of a slot that is on its way.
      if (link.isServing && link.pending > 0) continue;
      this.links.delete(name);
      const calls = link.takeQueue();
      link.retire();
      for (const call of calls) this.route(call);
    }
    if (before.length > 0) this.reroute();
    const calls = this.parked;
    this.parked = [];
    for (const call of calls) this.route(call);
  }

  /** Calls that wait at a link that does not serve their slot any more. */
  private reroute(): void {
    for (const link of this.links.values()) {
      for (const call of link.takeQueue()) {
        if (call.isAsking) link.push(call);
        else this.route(call);
      }
    }
  }

  /** The configured nodes stay in the list: the cluster may have moved as a whole. */
  private seedsBesides(topology: Topology): Address[] {
    const known = new Set(topology.nodes.map(addressText));
    return this.options.nodes
      .map(([host, port]) => ({ host, port }))
      .filter((address) => !known.has(addressText(address)));
  }

  private logTrouble(reason: string, level: 'warning' | 'error' = 'warning'): void {
    const nowMs = this.options.clock.nowMs();
    if (nowMs - this.loggedMs < TROUBLE_LOG_MS) return;
    this.loggedMs = nowMs;
    const event = level === 'error' ? 'a write to redis fails' : 'redis is away: writes wait';
    this.options.log.write(level, event, { reason });
  }
}

/** @throws BrokerError when a server cannot be used, or not now */
function checkServer(name: string, info: InfoFields, options: RedisStoreOptions): void {
  const version = info.text('redis_version');
  if (versionNumber(version) < VERSION_MIN) {
    const detail = `Redis at ${name} is ${version}; at least 7.0 is needed`;
    throw new BrokerError('REDIS_VERSION', detail);
  }
  if (options.ackLevel === 'aof') {
    if (versionNumber(version) < VERSION_AOF) {
      const detail = `ack_level aof needs Redis 7.2 (WAITAOF), and ${name} is ${version}`;
      throw new BrokerError('REDIS_VERSION', `${detail}; take ack_level replica`);
    }
    if (info.text('aof_enabled') !== '1') {
      const detail = `ack_level aof, but Redis at ${name} has no append-only file`;
      throw new BrokerError('REDIS_AOF', `${detail}: set appendonly yes there`);
    }
  }
  if (info.text('loading') === '1') throw new BrokerError('REDIS_LOADING', 'LOADING its data');
  if (info.text('role') !== 'master') {
    throw new BrokerError('REDIS_READONLY', 'READONLY: it is a replica now');
  }
}
