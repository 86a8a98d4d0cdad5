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
import type { Access } from './broker/access.js';
import { BrokerCore } from './broker/core.js';
import { type Observer, silentObserver } from './broker/observer.js';
import type { AccessConfig, Config, ListenerConfig } from './config/config.js';
import { Admission } from './listen/admission.js';
import { createListener, type Listener } from './listen/listener.js';
import { DroppedLog } from './ops/dropped-log.js';
import { MemoryGuard } from './ops/memory-guard.js';
import { ReasonCode } from './protocol/reason-codes.js';

/** How often deadlines are looked at; bounds their precision. */
const TICK_MS = 50;
/** Longest time that connections have to take their last packets at the end. */
const CLOSE_MS = 2_000;

export interface AssemblyOptions {
  readonly log?: Log;
  readonly observer?: Observer;
  /** Wraps the access made from files: an embedding program's hooks. */
  readonly wrapAccess?: (access: Access) => Access;
  /** False: plain TCP goes through `net.Socket` as well. */
  readonly fastEdge?: boolean;
}

export class Assembly {
  readonly core: BrokerCore;
  readonly listeners: Listener[] = [];
  config: Config;
  private readonly log: Log;
  private readonly options: AssemblyOptions;
  private readonly admission: Admission;
  private readonly fileAccess = new Map<AccessConfig, FileAccess>();
  private readonly access = new Map<AccessConfig, Access>();
  readonly guard: MemoryGuard;
  private readonly droppedLog: DroppedLog;
  private ticker: NodeJS.Timeout | null = null;

  constructor(config: Config, options: AssemblyOptions = {}) {
    this.config = config;
    this.options = options;
    this.log = options.log ?? silentLog;
    this.droppedLog = new DroppedLog(this.log, systemClock);
    this.core = new BrokerCore({
      delivery: config.delivery,
      limits: config.limits,
      logsConnections: config.log.connectionMessages,
      clock: systemClock,
      prng: new XorShift32(randomInt(1, 2 ** 31)),
      log: this.log,
      observer: withDrops(options.observer ?? silentObserver, this.droppedLog),
      schedule: setImmediate,
    });
    this.admission = new Admission(config.limits, systemClock);
    this.guard = new MemoryGuard(this.core, {
      clock: systemClock,
      log: this.log,
      memory: () => process.memoryUsage(),
      heapBytesMax: getHeapStatistics().heap_size_limit,
      setAccepting: (isAccepting) => {
        for (const listener of this.listeners) listener.setAccepting(isAccepting);
      },
    });
  }

  /** Reads the access files and binds all listeners. @throws BrokerError */
  async start(): Promise<void> {
    for (const { access } of this.config.listeners) this.openAccess(access);
    try {
      for (const listener of this.config.listeners) await this.listen(listener);
    } catch (error) {
      await this.closeListeners();
      throw error;
    }
    this.run();
  }

  /** Starts the clockwork: keep-alive, expiry, wills. */
  run(): void {
    this.ticker ??= setInterval(() => this.tick(), TICK_MS);
  }

  /** Binds one more listener. @throws BrokerError */
  async listen(config: ListenerConfig): Promise<Listener> {
    const access = this.openAccess(config.access);
    const { core, log } = this;
    const { limits } = this.config;
    const fileAccess = this.fileAccess.get(config.access)!;
    const listener = createListener(config, {
      accept: (transport, from, acceptedAtMs) =>
        core.accept(transport, this.currentOf(from), access, acceptedAtMs),
      admission: this.admission,
      onRefused: () => {
        core.metrics.connectionsRefused++;
      },
      clock: systemClock,
      log,
      connectTimeoutMs: limits.connectTimeoutMs,
      packetBytesMax: limits.packetBytesMax,
      noDelay: this.config.setTcpNodelay,
      pskKey: config.access.pskFile === null ? null : (identity) => fileAccess.pskOf(identity),
      namedCertificates: [],
      fastEdge: this.options.fastEdge ?? true,
    });
    await listener.listen();
    this.listeners.push(listener);
    return listener;
  }

  /**
   * Applies what can change without a restart: `next`'s settings, access files, certificates.
   *
   * @returns what could not be read; the old rules stay in force for it
   */
  reload(next: Config): BrokerError[] {
    const errors: BrokerError[] = [];
    this.reloadAccess(next, errors);
    this.config = next;
    this.core.delivery = next.delivery;
    this.core.limits = next.limits;
    this.core.logsConnections = next.log.connectionMessages;
    this.admission.setLimits(next.limits);
    for (const listener of this.listeners) {
      // It says itself what is wrong with its certificates.
      listener.reload();
    }
    this.core.recheckAccess();
    return errors;
  }

  /** Says goodbye to everybody and resolves when all sockets are closed. */
  async close(): Promise<void> {
    if (this.ticker !== null) clearInterval(this.ticker);
    this.ticker = null;
    this.core.isShuttingDown = true;
    const closing = this.closeListeners();
    this.core.shutdown(ReasonCode.ServerShuttingDown);
    await closing;
    await this.drained();
  }

  /** A listener's settings as the last reload left them. */
  private currentOf(listener: ListenerConfig): ListenerConfig {
    return this.config.listeners.find(({ name }) => name === listener.name) ?? listener;
  }

  private tick(): void {
    this.core.tick();
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

  /** The listeners of `next` stand in the same order; those that share their rules still do. */
  private reloadAccess(next: Config, errors: BrokerError[]): void {
    const done = new Set<FileAccess>();
    this.config.listeners.forEach((listener, index) => {
      const files = this.fileAccess.get(listener.access)!;
      const renewed = next.listeners[index]!.access;
      this.fileAccess.set(renewed, files);
      this.access.set(renewed, this.access.get(listener.access)!);
      if (done.has(files)) return;
      done.add(files);
      try {
        files.reload(renewed);
      } catch (error) {
        if (!(error instanceof BrokerError)) throw error;
        errors.push(error);
      }
    });
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
    dropped: (reason, clientId, topic) => {
      log.dropped(reason, clientId, topic);
      observer.dropped(reason, clientId, topic);
    },
  };
}
