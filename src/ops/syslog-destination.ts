/**
 * `log_dest syslog`. Node has no Unix datagram sockets, and so cannot write to /dev/log; the
 * system's `logger` can. One child reads our lines from its standard input; each begins with its
 * facility and severity. Should it be missing or end, the lines go to standard error instead.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import type { LogLevel } from '../base/log.js';
import { PENDING_CHARS_MAX } from './line-sink.js';
import type { Destination, OnTrouble } from './log-destination.js';
import type { LogEntry } from './log-entry.js';

const CLOSE_DEADLINE_MS = 1_000;
const FACILITY_SHIFT = 3;
const WARNING = 4;

/** Severities of syslog(3), as Mosquitto chooses them. */
const severities: Readonly<Record<LogLevel, number>> = {
  error: 3,
  warning: WARNING,
  notice: 5,
  subscribe: 5,
  unsubscribe: 5,
  information: 6,
  debug: 7,
  websockets: 7,
};

export interface SyslogOptions {
  /** `logger` of util-linux, or something with its options. */
  readonly command: string;
  readonly facility: number;
  readonly onTrouble: OnTrouble;
  /** Takes the lines when there is no syslog. */
  readonly fallback: (entry: LogEntry) => void;
}

export class SyslogDestination implements Destination {
  private readonly options: SyslogOptions;
  private readonly child: ChildProcess;
  private readonly input: Writable | null;
  private readonly ended: Promise<void>;
  private isRunning = true;
  private isClosing = false;
  private lost = 0;

  constructor(options: SyslogOptions) {
    this.options = options;
    // A group of its own: Ctrl-C in a terminal ends the broker, which then ends the child.
    this.child = spawn(
      options.command,
      ['--prio-prefix', '--tag', 'tidewire', `--id=${process.pid}`],
      { stdio: ['pipe', 'ignore', 'inherit'], detached: true },
    );
    this.input = this.child.stdin ?? null;
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => this.onEnd(error.message, resolve));
      this.child.once('exit', (code) => this.onEnd(`it ended with code ${code}`, resolve));
    });
    // Its end says why; that the pipe has broken is nothing new then.
    this.input?.on('error', () => undefined);
    this.child.unref();
    // It is a socket when piped, which Writable does not say.
    (this.input as (Writable & { unref?: () => void }) | null)?.unref?.();
  }

  accepts(): boolean {
    return true;
  }

  write(entry: LogEntry): void {
    const { input } = this;
    if (!this.isRunning || input === null) {
      this.options.fallback(entry);
      return;
    }
    if (input.writableLength > PENDING_CHARS_MAX) {
      this.lost++;
      return;
    }
    if (this.lost > 0) {
      input.write(this.line(WARNING, `log lines lost count=${this.lost}`));
      this.lost = 0;
    }
    input.write(this.line(severities[entry.level], entry.bare));
  }

  /** The child has what it could take. */
  flushSync(): void {
    this.isClosing = true;
    this.input?.end();
  }

  async close(): Promise<void> {
    this.isClosing = true;
    if (!this.isRunning) return;
    this.child.ref();
    this.input?.end();
    const timer = setTimeout(() => this.child.kill(), CLOSE_DEADLINE_MS);
    await this.ended;
    clearTimeout(timer);
  }

  private line(severity: number, text: string): string {
    return `<${(this.options.facility << FACILITY_SHIFT) | severity}>${text}\n`;
  }

  private onEnd(reason: string, resolve: () => void): void {
    const wasRunning = this.isRunning;
    this.isRunning = false;
    resolve();
    if (!wasRunning || this.isClosing) return;
    const { command, onTrouble } = this.options;
    onTrouble(`${command}: ${reason}; its lines go to standard error until SIGHUP`);
  }
}
