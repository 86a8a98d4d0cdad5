/**
 * Puts the layers together: a configuration becomes a running broker. The executable and the
 * library API both start here.
 */
import { randomInt } from 'node:crypto';
import { getHeapStatistics } from 'node:v8';
import { FileAccess } from './access/file-access.js';
import { systemClock } from './base/clock.js';
import { BrokerError } from './base/errors.js';
import { type Log, silentLog } from './base/log.js';
import { XorShift32 } from './base/prng.js';
import { alwaysOurs, type BridgeLease } from './bridge/bridge-lease.js';
import { Bridges } from './bridge/bridges.js';
import type { Access } from './broker/access.js';
import { BrokerCore } from './broker/core.js';
import { type Observer, silentObserver } from './broker/observer.js';
import { reconfigure } from './broker/reconfigure.js';
import { type Entrance, Restore } from './broker/restore.js';
import { Cluster } from './cluster/cluster.js';
import { drain, drainMs } from './cluster/drain.js';
import type { AccessConfig, Config, ListenerConfig } from './config/config.js';
import { History } from './history/history.js';
import { Presence, withPresence } from './history/presence.js';
import { Admission, type RefusalReason } from './listen/admission.js';
import { createListener, type Listener } from './listen/listener.js';
import { collectGarbage } from './ops/collect-garbage.js';
import { DroppedLog } from './ops/dropped-log.js';
import { MemoryGuard } from './ops/memory-guard.js';
import { ReasonCode } from './protocol/reason-codes.js';
import type { Store, StoreObserver } from './store/store.js';

/** How often deadlines are looked at; bounds their precision. */
const TICK_MS = 50;
/** A round of the event loop that took longer may have left input unread. */
const SLOW_ROUND_MS = 20;
/** Rounds that the clockwork waits for at most. */
const SLOW_ROUNDS_MAX = 5;
/** Longest time that connections have to take their last packets at the end. */
const CLOSE_MS = 2_000;

export interface AssemblyOptions {
  readonly log?: Log;
  readonly observer?: Observer;
  /** Wraps the access made from files: an embedding program's hooks. */
  readonly wrapAccess?: (access: Access) => Access;
  /** Where durable sessions and retained messages live; absent: in memory. */
  readonly store?: Store | null;
  /** The store can keep its promises no longer: nothing more is acknowledged. Absent: throws. */
  readonly onStoreFailed?: (error: Error) => void;
  /** Which broker of a cluster runs a bridge; absent: this one runs all of its own. */
  readonly bridgeLease?: BridgeLease;
  /** False: plain TCP goes through `net.Socket` as well. */
  readonly fastEdge?: boolean;
}

/** What a reload came to. */
export interface Reloaded {
  /** As asked for, but with the old settings of whatever could not be read. */
  readonly config: Config;
  /** What was wrong with that. */
  readonly errors: readonly BrokerError[];
  /** What goes on as before because of it, by listener. */
  readonly kept: readonly string[];
}

export class Assembly {
  readonly core: BrokerCore;
  readonly listeners: Listener[] = [];
  config: Config;
  private readonly log: Log;
  private readonly options: AssemblyOptions;
  private readonly admission: Admission;
  private fileAccess = new Map<AccessConfig, FileAccess>();
  private access = new Map<AccessConfig, Access>();
  readonly guard: MemoryGuard;
  private readonly droppedLog: DroppedLog;
  private ticker: NodeJS.Timeout | null = null;
  private isStoreOpen = false;
  /** With brokers that share the store; null: it is this broker's alone. */
  cluster: Cluster | null = null;
  /** Null before the start. */
  bridges: Bridges | null = null;
  private readonly presence: Presence | null;
  /** Of messages, or presence events; null: none is kept. */
  history: History | null = null;

  constructor(config: Config, options: AssemblyOptions = {}) {
    this.config = config;
    this.options = options;
    this.log = options.log ?? silentLog;
    this.droppedLog = new DroppedLog(this.log, systemClock);
    this.presence = options.store?.fabric == null ? null : new Presence(options.store.fabric);
    const observer = withDrops(options.observer ?? silentObserver, this.droppedLog);
    this.core = new BrokerCore({
      delivery: config.delivery,
      limits: config.limits,
      logsConnections: config.log.connectionMessages,
      clock: systemClock,
      prng: new XorShift32(randomInt(1, 2 ** 31)),
      log: this.log,
      observer: withPresence(observer, config.history.hasPresence ? this.presence : null),
      store: options.store ?? null,
      schedule: setImmediate,
    });
    this.admission = new Admission(config.limits, systemClock);
    this.guard = new MemoryGuard(this.core, {
      clock: systemClock,
      log: this.log,
      memory: () => process.memoryUsage(),
      collect: collectGarbage,
      heapBytesMax: getHeapStatistics().heap_size_limit,
      setAccepting: (isAccepting) => {
        for (const listener of this.listeners) listener.setAccepting(isAccepting);
      },
    });
  }

  /** Reads the access files, loads the store and binds all listeners. @throws BrokerError */
  async start(): Promise<void> {
    for (const { access } of this.config.listeners) this.openAccess(access);
    const first = this.config.listeners[0]!;
    const lease: BridgeLease = this.options.bridgeLease ?? {
      acquire: (name, holder) => (this.cluster?.posts ?? alwaysOurs).acquire(name, holder),
    };
    const bridges = new Bridges(this.core, this.openAccess(first.access), lease);
    bridges.create(this.config.bridges);
    this.bridges = bridges;
    try {
      await this.openStore(first);
      await bridges.start();
      for (const listener of this.config.listeners) await this.listen(listener);
    } catch (error) {
      await bridges.stop();
      await this.closeListeners();
      await this.closeStore();
      throw error;
    }
    this.run();
  }

  /**
   * Loads the store, once; before that nothing may be published.
   *
   * @param fallback in place of listeners that sessions came through and that are not there
   * @throws BrokerError
   */
  async openStore(fallback: ListenerConfig): Promise<void> {
    const { store } = this.options;
    if (store == null || this.isStoreOpen) return;
    const entranceOf = (name: string): Entrance => {
      const ofBridge = this.bridges?.entranceOf(name) ?? null;
      if (ofBridge !== null) return ofBridge;
      const listener = this.config.listeners.find((one) => one.name === name) ?? fallback;
      return { listener, access: this.openAccess(listener.access) };
    };
    const restore = new Restore(this.core, entranceOf);
    const { fabric } = store;
    const cluster =
      fabric === null ? null : new Cluster(this.core, store, fabric, restore, fallback);
    try {
      await store.open(restore, this.storeObserver(), cluster?.observer);
    } catch (error) {
      restore.undo();
      throw error;
    }
    this.isStoreOpen = true;
    cluster?.begin();
    this.cluster = cluster;
    await this.openHistory(store);
    // Sessions and messages that expired meanwhile are gone before the first client comes.
    this.core.tick();
  }

  /** @throws BrokerError `HISTORY` */
  private async openHistory(store: Store): Promise<void> {
    const { history } = this.config;
    if (store.history === null || this.presence === null) return;
    if (history.filters.length === 0 && !history.hasPresence) return;
    this.history = new History(this.core, store, history, this.presence);
    await this.history.open();
  }

  private storeObserver(): StoreObserver {
    const { log } = this;
    const { onStoreFailed = rethrow } = this.options;
    return {
      onAway: (reason) => log.write('error', 'the store is away', { reason }),
      onBack: () => log.write('notice', 'the store is back'),
      onFatal: (error) => {
        log.write('error', 'the store has failed', { error: error.message });
        onStoreFailed(error);
      },
    };
  }

  private async closeStore(): Promise<void> {
    if (!this.isStoreOpen) return;
    this.isStoreOpen = false;
    this.core.journal?.close();
    this.history?.close();
    await this.options.store!.close();
  }

  /** Starts the clockwork: keep-alive, expiry, wills. */
  run(): void {
    this.ticker ??= setInterval(() => this.tickSoon(SLOW_ROUNDS_MAX), TICK_MS);
  }

  /**
   * Ticks behind the input that is there: when this process was kept from reading it, no client is
   * to be taken for silent or stuck because of that.
   */
  private tickSoon(rounds: number): void {
    const beforeMs = systemClock.nowMs();
    setImmediate(() => {
      const isSlow = systemClock.nowMs() - beforeMs > SLOW_ROUND_MS;
      if (isSlow && rounds > 1) this.tickSoon(rounds - 1);
      else this.tick();
    });
  }

  /** Binds one more listener. @throws BrokerError */
  async listen(config: ListenerConfig): Promise<Listener> {
    const access = this.openAccess(config.access);
    const { core, log } = this;
    const fileAccess = this.fileAccess.get(config.access)!;
    const listener = createListener(config, {
      accept: (transport, from, acceptedAtMs) =>
        core.accept(transport, this.currentOf(from), access, acceptedAtMs),
      admission: this.admission,
      onRefused: (reason) => this.onRefused(reason),
      clock: systemClock,
      log,
      limits: () => this.config.limits,
      noDelay: this.config.setTcpNodelay,
      pskKey: config.access.pskFile === null ? null : (identity) => fileAccess.pskOf(identity),
      fastEdge: this.options.fastEdge ?? true,
    });
    await listener.listen();
    this.listeners.push(listener);
    return listener;
  }

  /**
   * Applies what can change without a restart: `next`'s settings, access files, certificates. The
   * listeners of `next` are those that run, in the same order.
   */
  reload(next: Config): Reloaded {
    const errors: BrokerError[] = [];
    const kept: string[] = [];
    const access = this.reloadAccess(next, errors, kept);
    const listeners = next.listeners.map((listener, index) => {
      const error = this.listeners[index]!.reload(listener);
      if (error === null) return Object.freeze({ ...listener, access: access[index]! });
      errors.push(error);
      kept.push(`certificates of listener ${listener.name}`);
      const { tls } = this.config.listeners[index]!;
      return Object.freeze({ ...listener, access: access[index]!, tls });
    });
    this.config = Object.freeze({ ...next, listeners: Object.freeze(listeners) });
    for (const error of this.bridges?.reload(next.bridges) ?? []) {
      errors.push(error);
      kept.push('bridges whose files cannot be used');
    }
    const { delivery, limits, log } = next;
    this.admission.setLimits(limits);
    reconfigure(this.core, { delivery, limits, logsConnections: log.connectionMessages });
    return { config: this.config, errors, kept };
  }

  /** Milliseconds that `close` takes to send clients to other brokers, beside all else. */
  get drainMs(): number {
    if (!this.cluster?.hasPeers) return 0;
    return drainMs(this.core.connections.size, this.config.drainRate);
  }

  /** Says goodbye to everybody and resolves when all sockets are closed. */
  async close(): Promise<void> {
    if (this.ticker !== null) clearInterval(this.ticker);
    this.ticker = null;
    await this.bridges?.stop();
    this.core.isShuttingDown = true;
    const closing = this.closeListeners();
    if (this.cluster?.hasPeers) {
      const { drainRate, serverReference } = this.config;
      await drain(this.core, { rate: drainRate, serverReference });
    }
    this.core.shutdown(ReasonCode.ServerShuttingDown);
    await closing;
    await this.drained();
    await this.closeStore();
  }

  /** A listener's settings as the last reload left them. */
  private currentOf(listener: ListenerConfig): ListenerConfig {
    return this.config.listeners.find(({ name }) => name === listener.name) ?? listener;
  }

  private onRefused(reason: RefusalReason): void {
    const { metrics } = this.core;
    metrics.connectionsRefused++;
    if (reason === 'timeout') metrics.connectTimeouts++;
  }

  private tick(): void {
    if (this.ticker === null) return;
    this.core.tick();
    this.cluster?.tick();
    this.history?.tick();
    this.guard.tick();
    this.droppedLog.tick();
  }

  private async closeListeners(): Promise<void> {
    await Promise.all(this.listeners.map((listener) => listener.close()));
  }

  /** Until the last connection has gone, or its time is over. */
  private async drained(): Promise<void> {
    const end = systemClock.nowMs() + CLOSE_MS;
    while (this.admission.connections > 0 && systemClock.nowMs() < end) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** The rules in force afterwards, by listener; those that share theirs still do. */
  private reloadAccess(next: Config, errors: BrokerError[], kept: string[]): AccessConfig[] {
    const outcomes = new Map<FileAccess, BrokerError | null>();
    // Anew, or each reload would leave its predecessor's rules behind.
    const fileAccess = new Map<AccessConfig, FileAccess>();
    const access = new Map<AccessConfig, Access>();
    const inForce = this.config.listeners.map((before, index) => {
      const files = this.fileAccess.get(before.access)!;
      const after = next.listeners[index]!.access;
      if (!outcomes.has(files)) outcomes.set(files, reloadFiles(files, after));
      const error = outcomes.get(files)!;
      const rules = error === null ? after : before.access;
      fileAccess.set(rules, files);
      access.set(rules, this.access.get(before.access)!);
      if (error === null) return rules;
      // Listeners mostly have their rules from the same files.
      if (!errors.some(({ message }) => message === error.message)) errors.push(error);
      kept.push(`access rules of listener ${before.name}`);
      return rules;
    });
    this.fileAccess = fileAccess;
    this.access = access;
    return inForce;
  }

  private openAccess(config: AccessConfig): Access {
    const known = this.access.get(config);
    if (known !== undefined) return known;
    const files = new FileAccess(config, { log: this.log });
    const access = this.options.wrapAccess?.(files) ?? files;
    this.fileAccess.set(config, files);
    this.access.set(config, access);
    return access;
  }
}

function rethrow(error: Error): never {
  throw error;
}

/** Null: the new rules are in force. */
function reloadFiles(files: FileAccess, config: AccessConfig): BrokerError | null {
  try {
    files.reload(config);
    return null;
  } catch (error) {
    if (error instanceof BrokerError) return error;
    throw error;
  }
}

/** An observer that also writes drops to the log. */
function withDrops(observer: Observer, log: DroppedLog): Observer {
  return {
    clientConnected: (client, isPresent) => observer.clientConnected(client, isPresent),
    clientDisconnected: (client, code, detail) => observer.clientDisconnected(client, code, detail),
    subscribed: (client, filter, qos) => observer.subscribed(client, filter, qos),
    unsubscribed: (client, filter) => observer.unsubscribed(client, filter),
    get wantsPublish() {
      return observer.wantsPublish;
    },
    published: (client, message) => observer.published(client, message),
    dropped: (reason, clientId, topic, count) => {
      log.dropped(reason, clientId, topic, count);
      observer.dropped(reason, clientId, topic, count);
    },
  };
}
