/**
 * The log of a running broker: filters by `log_type`, hands each event to every `log_dest`, and
 * changes both under way. Nothing here blocks, and no failing destination stops the broker.
 */
import { isatty } from 'node:tty';
import type { Clock } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import type { Log, LogFields, LogLevel } from '../base/log.js';
import type { LogConfig, LogDestination } from '../config/config.js';
import { unblockedDescriptor } from './line-sink.js';
import {
  type Destination,
  FileDestination,
  LineDestination,
  type LineDestinationOptions,
} from './log-destination.js';
import { LineFormat, LogEntry } from './log-entry.js';
import { SampledLog } from './sampled-log.js';
import { SyslogDestination } from './syslog-destination.js';
import { type PublishLine, TopicDestination } from './topic-destination.js';

export interface ClosableLog extends Log {
  /** To be called about once a second: tells how often warnings were repeated. */
  tick(): void;
  /**
   * After a reload: takes over destinations, types and formats, and opens a log file again.
   *
   * @throws BrokerError LOG_FILE; then nothing has changed
   */
  configure(config: LogConfig): void;
  /** Opens a log file again that was moved away, as `configure` with the same configuration. */
  reopen(): void;
  /** Before privileges are dropped: a log file must be there for the later user. */
  giveFilesTo(uid: number, gid: number): void;
  /** For a process that is about to end at once. */
  flushSync(): void;
  /** Writes what is left; bounded by a second per destination. */
  close(): Promise<void>;
}

export interface LogOptions {
  readonly clock: Clock;
  /** Publishes a line of `log_dest topic`, QoS 2 and not retained as Mosquitto does. */
  readonly publish: PublishLine;
  /** Default: `setImmediate`. */
  readonly defer?: (run: () => void) => void;
  /** Standard output and error. Default: 1 and 2, without ever waiting for their readers. */
  readonly descriptors?: { readonly stdout: number; readonly stderr: number };
  /** Default: as the system says. */
  readonly isTerminal?: (fd: number) => boolean;
  /** What hands lines to syslog. Default: `logger`. */
  readonly syslogCommand?: string;
}

/** @throws BrokerError LOG_FILE when the file cannot be opened */
export function createLog(config: LogConfig, options: LogOptions): ClosableLog {
  return new DestinationsLog(config, options);
}

type Kind = LogDestination['kind'];

const allLevels: readonly LogLevel[] = [
  'debug',
  'information',
  'notice',
  'warning',
  'error',
  'subscribe',
  'unsubscribe',
  'websockets',
];

class DestinationsLog implements ClosableLog {
  private readonly options: LogOptions;
  private readonly sampled: SampledLog;
  private config: LogConfig;
  private format: LineFormat;
  private readonly destinations = new Map<Kind, Destination>();
  /** Levels that go to at least one destination. */
  private levels: ReadonlySet<LogLevel> = new Set();
  /** Standard error for notices about the log itself; null until one is needed. */
  private lastResort: LineDestination | null = null;

  constructor(config: LogConfig, options: LogOptions) {
    this.options = options;
    this.config = config;
    this.format = new LineFormat(config);
    const direct: Log = {
      enabled: (level) => this.levels.has(level),
      write: (level, event, fields) => this.dispatch(level, event, fields ?? {}),
    };
    this.sampled = new SampledLog(direct, options.clock);
    this.configure(config);
  }

  enabled(level: LogLevel): boolean {
    return this.levels.has(level);
  }

  write(level: LogLevel, event: string, fields?: LogFields): void {
    this.sampled.write(level, event, fields);
  }

  tick(): void {
    this.sampled.tick();
  }

  configure(config: LogConfig): void {
    const file = this.fileFor(config);
    this.config = config;
    this.format = new LineFormat(config);
    const before = new Map(this.destinations);
    this.destinations.clear();
    for (const { kind } of config.destinations) {
      // A `logger` that ended gets another chance, and a new facility is for a new one.
      const kept = kind === 'syslog' || kind === 'file' ? undefined : before.get(kind);
      this.destinations.set(kind, kept ?? file.get(kind) ?? this.make(kind, config));
    }
    for (const [kind, destination] of before) {
      if (this.destinations.get(kind) === destination) continue;
      destination.close().catch((error: unknown) => this.onTrouble(kind, messageOf(error)));
    }
    const targets = [...this.destinations.values()];
    const isUsed = (level: LogLevel): boolean =>
      config.types.includes(level) && targets.some((target) => target.accepts(level));
    this.levels = new Set(allLevels.filter(isUsed));
  }

  reopen(): void {
    this.configure(this.config);
  }

  giveFilesTo(uid: number, gid: number): void {
    const file = this.destinations.get('file');
    if (file instanceof FileDestination) file.giveTo(uid, gid);
  }

  flushSync(): void {
    this.sampled.flush();
    for (const destination of this.destinations.values()) destination.flushSync();
    this.lastResort?.flushSync();
  }

  async close(): Promise<void> {
    this.sampled.flush();
    this.levels = new Set();
    await Promise.all([...this.destinations.values()].map((destination) => destination.close()));
    this.destinations.clear();
    await this.lastResort?.close();
    this.lastResort = null;
  }

  private dispatch(level: LogLevel, event: string, fields: LogFields): void {
    const entry = this.entry(level, event, fields);
    for (const destination of this.destinations.values()) {
      if (destination.accepts(level)) destination.write(entry);
    }
  }

  private entry(level: LogLevel, event: string, fields: LogFields): LogEntry {
    return new LogEntry(this.format, this.options.clock.wallMs(), level, event, fields);
  }

  /** The file of `config`, open and ready; the only destination that can fail at once. */
  private fileFor(config: LogConfig): ReadonlyMap<Kind, FileDestination> {
    const wanted = config.destinations.find((destination) => destination.kind === 'file');
    if (wanted === undefined) return new Map();
    const before = this.destinations.get('file');
    if (before instanceof FileDestination && before.path === wanted.path) {
      before.reopen();
      return new Map([['file', before]]);
    }
    return new Map([['file', new FileDestination(wanted.path, this.sinkOptions('file'))]]);
  }

  private make(kind: Kind, config: LogConfig): Destination {
    const { publish, defer = setImmediate, syslogCommand = 'logger' } = this.options;
    const onTrouble = (message: string): void => this.onTrouble(kind, message);
    if (kind === 'topic') return new TopicDestination({ publish, defer, onTrouble });
    if (kind === 'syslog') {
      const fallback = (entry: LogEntry): void => {
        if (!this.destinations.has('stderr')) this.standardError().write(entry);
      };
      const { facility } = config;
      return new SyslogDestination({ command: syslogCommand, facility, onTrouble, fallback });
    }
    return this.standard(kind === 'stdout' ? 'stdout' : 'stderr');
  }

  private standard(kind: 'stdout' | 'stderr'): LineDestination {
    const { descriptors, isTerminal = isatty } = this.options;
    const fd = kind === 'stdout' ? 1 : 2;
    const own = descriptors?.[kind] ?? unblockedDescriptor(fd);
    return new LineDestination(own, isTerminal(own), this.sinkOptions(kind));
  }

  private standardError(): Destination {
    const configured = this.destinations.get('stderr');
    if (configured !== undefined) return configured;
    this.lastResort ??= this.standard('stderr');
    return this.lastResort;
  }

  private sinkOptions(kind: Kind): LineDestinationOptions {
    return {
      onTrouble: (message) => this.onTrouble(kind, message),
      lostEntry: (count) => this.entry('warning', 'log lines lost', { count }),
    };
  }

  /** Tells standard error about a destination that has failed. */
  private onTrouble(kind: Kind, reason: string): void {
    if (kind === 'stderr') return;
    const fields = { destination: kind, reason };
    this.standardError().write(this.entry('error', 'log destination failed', fields));
  }
}
