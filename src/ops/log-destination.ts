/** Where log entries go. Each destination picks the form that suits it, and none ever blocks. */
import { chownSync, openSync } from 'node:fs';
import { BrokerError, messageOf } from '../base/errors.js';
import type { LogLevel } from '../base/log.js';
import { LineSink } from './line-sink.js';
import type { LogEntry } from './log-entry.js';

/** What the log may tell other destinations about one that has failed. */
export type OnTrouble = (message: string) => void;

export interface Destination {
  /** False: entries of this level do not go here. */
  accepts(level: LogLevel): boolean;
  write(entry: LogEntry): void;
  /** As much as possible at once: the process is about to end. */
  flushSync(): void;
  close(): Promise<void>;
}

/** Log files may hold client ids and addresses: nobody else's business. */
const FILE_MODE = 0o600;

export interface LineDestinationOptions {
  readonly onTrouble: OnTrouble;
  /** The entry that tells of lost lines. */
  readonly lostEntry: (count: number) => LogEntry;
}

/** Standard output or error, or a file: JSON, except on a terminal. */
export class LineDestination implements Destination {
  protected readonly sink: LineSink;
  private readonly isTerminal: boolean;

  constructor(fd: number, isTerminal: boolean, options: LineDestinationOptions) {
    this.isTerminal = isTerminal;
    this.sink = new LineSink(fd, {
      onTrouble: options.onTrouble,
      lostLine: (count) => this.lineOf(options.lostEntry(count)),
    });
  }

  accepts(): boolean {
    return true;
  }

  write(entry: LogEntry): void {
    this.sink.write(this.lineOf(entry));
  }

  flushSync(): void {
    this.sink.flushSync();
  }

  close(): Promise<void> {
    return this.sink.close();
  }

  private lineOf(entry: LogEntry): string {
    return this.isTerminal ? entry.human : entry.json;
  }
}

/** `log_dest file`: appended to, and opened again by name when somebody has moved it away. */
export class FileDestination extends LineDestination {
  readonly path: string;

  /** @throws BrokerError LOG_FILE */
  constructor(path: string, options: LineDestinationOptions) {
    super(open(path), false, options);
    this.path = path;
  }

  /** @throws BrokerError LOG_FILE; then the old file is written on */
  reopen(): void {
    this.sink.replace(open(this.path));
  }

  /** Before privileges are dropped: lets the later user open the file again. */
  giveTo(uid: number, gid: number): void {
    try {
      chownSync(this.path, uid, gid);
    } catch (cause) {
      const text = `log_dest file: cannot give ${this.path} to the user: ${messageOf(cause)}`;
      throw new BrokerError('LOG_FILE', text, { cause });
    }
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'a', FILE_MODE);
  } catch (cause) {
    const text = `log_dest file: cannot open ${path}: ${messageOf(cause)}`;
    throw new BrokerError('LOG_FILE', text, { cause });
  }
}
