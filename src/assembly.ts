/**
 * Puts the layers together: a configuration becomes a running broker. The executable and the
 * library API both start here.
 */
import { randomInt } from 'node:crypto';
import { FileAccess } from './access/file-access.js';
import { systemClock } from './base/clock.js';
import type { BrokerError } from './base/errors.js';
import { type Log, silentLog } from './base/log.js';
import { XorShift32 } from './base/prng.js';
import type { Access } from './broker/access.js';
import { BrokerCore } from './broker/core.js';
import { type Observer, silentObserver } from './broker/observer.js';
import type { AccessConfig, Config, ListenerConfig } from './config/config.js';
import { Admission } from './listen/admission.js';
import { createListener, type Listener } from './listen/listener.js';
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
  private ticker: NodeJS.Timeout | null = null;

  constructor(config: Config, options: AssemblyOptions = {}) {
    this.config = config;
    this.options = options;
    this.log = options.log ?? silentLog;
    this.core = new BrokerCore({
      delivery: config.delivery,
      limits: config.limits,
      logsConnections: config.log.connectionMessages,
      clock: systemClock,
      prng: new XorShift32(randomInt(1, 2 ** 31)),
      log: this.log,
      observer: options.observer ?? silentObserver,
      schedule: setImmediate,
    });
    this.admission = new Admission(config.limits, systemClock);
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
    this.ticker ??= setInterval(() => this.core.tick(), TICK_MS);
  }

  /** Binds one more listener. @throws BrokerError */
  async listen(config: ListenerConfig): Promise<Listener> {
    const access = this.openAccess(config.access);
    const { core, log } = this;
    const { limits } = this.config;
    const fileAccess = this.fileAccess.get(config.access)!;
    const listener = createListener(config, {
      accept: (transport, from, acceptedAtMs) => core.accept(transport, from, access, acceptedAtMs),
      admission: this.admission,
      onRefused: () => {
        core.metrics.connectionsRefused++;
      },
      clock: systemClock,
      log,
      connectTimeoutMs: limits.connectTimeoutMs,
      packetBytesMax: limits.packetBytesMax,
      noDelay: true,
      pskKey: config.access.pskFile === null ? null : (identity) => fileAccess.pskOf(identity),
      namedCertificates: [],
      fastEdge: this.options.fastEdge ?? true,
    });
    await listener.listen();
    this.listeners.push(listener);
    return listener;
  }

  /** Applies what can change without a restart: access files, certificates, `next`'s settings. */
  reload(next: Config): BrokerError[] {
    const errors: BrokerError[] = [];
    this.config = next;
    this.core.delivery = next.delivery;
    this.core.limits = next.limits;
    this.core.logsConnections = next.log.connectionMessages;
    this.admission.setLimits(next.limits);
    for (const access of this.fileAccess.values()) {
      try {
        access.reload();
      } catch (error) {
        errors.push(error as BrokerError);
      }
    }
    for (const listener of this.listeners) {
      const error = listener.reload();
      if (error !== null) errors.push(error);
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
