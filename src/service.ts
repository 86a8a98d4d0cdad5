/**
 * The broker as a service of its own: what the executable adds to `Assembly`. Logs, `$SYS`, pid
 * file, privileges, reload and state dump.
 */
import { Assembly } from './assembly.js';
import { systemClock } from './base/clock.js';
import { BrokerError, messageOf } from './base/errors.js';
import type { Config, ConfigWarning } from './config/config.js';
import { planReload } from './config/reload.js';
import { giveStoreTo, type MakeStore, storeMaker } from './make-store.js';
import { type ClosableLog, createLog } from './ops/log.js';
import { LoopDelay } from './ops/loop-delay.js';
import { PidFile } from './ops/pid-file.js';
import { dropPrivileges } from './ops/privileges.js';
import { dumpState } from './ops/state-dump.js';
import { SysTopics } from './ops/sys-topics.js';

const TICK_MS = 1_000;
/** Exit code after an internal error. */
const CRASHED = 70;

export interface ReadConfig {
  readonly config: Config;
  readonly warnings: readonly ConfigWarning[];
}

export class Service {
  private readonly version: string;
  private readonly reread: () => ReadConfig;
  private readonly log: ClosableLog;
  private readonly assembly: Assembly;
  private readonly loopDelay = new LoopDelay(systemClock, TICK_MS);
  private config: Config;
  private sys: SysTopics | null = null;
  private pidFile: PidFile | null = null;
  private ticker: NodeJS.Timeout | null = null;

  /** @param reread reads flags, files and environment again, for SIGHUP */
  static async create(
    read: ReadConfig,
    version: string,
    reread: () => ReadConfig,
  ): Promise<Service> {
    return new Service(read, version, reread, await storeMaker(read.config.store));
  }

  /** @param makeStore null: sessions and retained messages live in memory */
  constructor(
    read: ReadConfig,
    version: string,
    reread: () => ReadConfig,
    makeStore: MakeStore | null = null,
  ) {
    this.config = read.config;
    this.version = version;
    this.reread = reread;
    this.log = createLog(read.config.log, {
      clock: systemClock,
      publish: (topic, line) =>
        this.assembly.core.publish(topic, Buffer.from(line), { qos: 2, retain: false }),
    });
    const store = makeStore === null ? null : makeStore(systemClock, this.log);
    this.assembly = new Assembly(read.config, {
      log: this.log,
      store,
      onStoreFailed: () => this.end(),
    });
    this.warn(read.warnings);
  }

  /** @throws BrokerError in one line; then nothing is left running */
  async start(): Promise<void> {
    const { assembly, config, log } = this;
    try {
      await assembly.start();
      if (config.pidFile !== null) this.pidFile = new PidFile(config.pidFile, process.pid);
      dropPrivileges(config.user, log, ({ uid, gid }) => {
        log.giveFilesTo(uid, gid);
        giveStoreTo(config.store, uid, gid);
      });
    } catch (error) {
      await this.shutDown();
      throw error;
    }
    const { core, guard } = assembly;
    this.sys = new SysTopics(core, {
      clock: systemClock,
      intervalS: config.sysInterval,
      version: this.version,
      sharedSubscriptions: () => core.index.sharedSize,
      clientsAccepted: () => core.metrics.clientsAccepted,
      memory: () => process.memoryUsage(),
      extras: () => ({ ...guard.figures(), ...assembly.history?.figures() }),
    });
    assembly.cluster?.figures.setInterval(config.sysInterval);
    this.ticker = setInterval(() => this.tick(), TICK_MS);
    for (const listener of assembly.listeners) {
      log.write('notice', 'listening', {
        listener: listener.config.name,
        protocol: listener.config.protocol,
        isTls: listener.config.tls !== null,
      });
    }
    log.write('notice', 'tidewire is ready', { version: this.version, store: config.store.kind });
  }

  /** SIGHUP: reads everything again and applies what can be applied; never stops the broker. */
  reload(): void {
    const { log } = this;
    try {
      const read = this.reread();
      this.warn(read.warnings);
      const plan = planReload(this.config, read.config);
      log.configure(plan.config.log);
      const { config, errors, kept } = this.assembly.reload(plan.config);
      const { applied } = planReload(this.config, config);
      this.config = config;
      this.sys?.setInterval(config.sysInterval);
      this.assembly.cluster?.figures.setInterval(config.sysInterval);
      for (const { message } of errors) log.write('error', 'refused at reload', { error: message });
      if (plan.restart.length > 0) {
        log.write('warning', 'these changes need a restart', { keys: listed(plan.restart) });
      }
      if (kept.length === 0) {
        log.write('notice', 'configuration reloaded', { applied: listed(applied) });
      } else {
        const fields = { applied: listed(applied), kept: listed(kept) };
        log.write('warning', 'configuration reloaded in part', fields);
      }
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      log.write('error', 'configuration not reloaded, the old one stays in force', {
        error: messageOf(error),
      });
    }
  }

  /** Our own fault: the process ends, its clients connect anew. */
  crash(error: Error): never {
    this.log.write('error', 'internal error', { error: error.stack ?? error.message });
    this.end();
  }

  /** At once, with what was logged. */
  private end(): never {
    this.log.flushSync();
    process.exit(CRASHED);
  }

  /** SIGUSR1: the state in one event. */
  dump(): void {
    const { core } = this.assembly;
    core.refreshGauges();
    const memory = (): NodeJS.MemoryUsage => process.memoryUsage();
    dumpState(core, { memory, loopDelay: this.loopDelay }, this.log);
  }

  /** Milliseconds that `stop` takes to send clients to other brokers, beside all else. */
  get drainMs(): number {
    return this.assembly.drainMs;
  }

  /** Says goodbye to all clients; resolves when everything is closed and written. */
  async stop(): Promise<void> {
    this.log.write('notice', 'tidewire is stopping');
    await this.shutDown();
  }

  private async shutDown(): Promise<void> {
    if (this.ticker !== null) clearInterval(this.ticker);
    await this.assembly.close();
    const error = this.pidFile?.remove() ?? null;
    if (error !== null) this.log.write('warning', error.message);
    await this.log.close();
  }

  private tick(): void {
    this.loopDelay.tick();
    this.log.tick();
    this.sys?.tick();
  }

  private warn(warnings: readonly ConfigWarning[]): void {
    for (const { file, line, key, message } of warnings) {
      this.log.write('warning', message, { file, line, key });
    }
  }
}

function listed(items: readonly string[]): string {
  return items.length === 0 ? 'nothing' : items.join(', ');
}
