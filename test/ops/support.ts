/** What the tests of ops share: a log that remembers and files to read back. */
import { readFileSync } from 'node:fs';
import type { Log, LogFields, LogLevel } from '../../src/base/log.js';
import type { LogConfig } from '../../src/config/config.js';
import { defaultLogTypes } from '../../src/config/defaults.js';
import { LineFormat, LogEntry } from '../../src/ops/log-entry.js';

export interface RecordedEvent {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
}

/** Remembers all events; levels can be switched off. */
export class RecordingLog implements Log {
  readonly events: RecordedEvent[] = [];
  readonly off = new Set<LogLevel>();

  enabled(level: LogLevel): boolean {
    return !this.off.has(level);
  }

  write(level: LogLevel, event: string, fields: LogFields = {}): void {
    this.events.push({ level, event, fields });
  }

  /** Returns what there is and forgets it. */
  take(): RecordedEvent[] {
    return this.events.splice(0);
  }
}

export function logConfig(overrides: Partial<LogConfig> = {}): LogConfig {
  return {
    destinations: [],
    types: defaultLogTypes,
    timestamp: true,
    timestampFormat: null,
    facility: 3,
    connectionMessages: true,
    ...overrides,
  };
}

/** An entry without a time. */
export function entry(level: LogLevel, event: string, fields: LogFields = {}): LogEntry {
  return new LogEntry(
    new LineFormat({ timestamp: false, timestampFormat: null }),
    0,
    level,
    event,
    fields,
  );
}

/** The complete lines of a file. */
export function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}
