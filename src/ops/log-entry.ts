/**
 * One log event in the forms that destinations show: JSON by pino, a line for people, and the
 * same without time or level. Strings that clients chose cannot end a line, start another one,
 * or reach a terminal as control sequences: everything that is not visible is escaped.
 */
import { type Logger, pino } from 'pino';
import type { LogFields, LogLevel } from '../base/log.js';
import type { LogConfig } from '../config/config.js';
import { strftime } from './strftime.js';

/** Characters of one string value in the log; client ids and topics may have 65 535 bytes. */
const VALUE_CHARS_MAX = 512;
const LEVEL_COLUMNS = 11;

/** Controls, format characters (bidirectional overrides too) and other ends of line. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
/** Nearly all text has none of these, and is done with quickly. */
const UNUSUAL = /[^ -~]/;
/** A value that needs no quotes. */
const PLAIN = /^[^\s"'=\\\p{C}\p{Z}]+$/u;

/** In pino's order of weight; the numbers do not appear. */
const pinoLevels: Readonly<Record<LogLevel, number>> = {
  debug: 20,
  websockets: 21,
  subscribe: 22,
  unsubscribe: 23,
  information: 30,
  notice: 35,
  warning: 40,
  error: 50,
};

export type LineStyle = Pick<LogConfig, 'timestamp' | 'timestampFormat'>;

/** What all entries of one configuration share. */
export class LineFormat {
  private readonly style: LineStyle;
  private timeMs = 0;
  private line = '';
  private readonly logger: Logger<LogLevel>;

  constructor(style: LineStyle) {
    this.style = style;
    const write = (line: string): void => {
      this.line = line;
    };
    const timestamp = (): string => {
      const time = this.timeOf(this.timeMs);
      return time === null ? '' : `,"time":${JSON.stringify(time)}`;
    };
    this.logger = pino(
      {
        level: 'debug',
        customLevels: pinoLevels,
        useOnlyCustomLevels: true,
        base: null,
        messageKey: 'event',
        formatters: { level: (label: string) => ({ level: label }) },
        timestamp,
      },
      { write },
    );
  }

  /** Null: no time wanted. */
  timeOf(wallMs: number): string | null {
    const { timestamp, timestampFormat } = this.style;
    if (!timestamp) return null;
    if (timestampFormat === null) return new Date(wallMs).toISOString();
    return strftime(timestampFormat, wallMs);
  }

  /** One line of JSON with its end. */
  json(entry: LogEntry): string {
    this.timeMs = entry.wallMs;
    this.logger[entry.level](entry.fields, entry.event);
    return `${escaped(this.line.trimEnd())}\n`;
  }
}

export class LogEntry {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
  readonly wallMs: number;
  private readonly format: LineFormat;
  private bareText: string | null = null;
  private jsonText: string | null = null;

  constructor(
    format: LineFormat,
    wallMs: number,
    level: LogLevel,
    event: string,
    fields: LogFields,
  ) {
    this.format = format;
    this.wallMs = wallMs;
    this.level = level;
    this.event = event;
    this.fields = shortened(fields);
  }

  /** `{"level":"notice","time":"…","clientId":"dev1","event":"client connected"}` and line end. */
  get json(): string {
    this.jsonText ??= this.format.json(this);
    return this.jsonText;
  }

  /** `client connected clientId=dev1` */
  get bare(): string {
    this.bareText ??= bareLine(this);
    return this.bareText;
  }

  /** `2026-01-31T12:00:00.000Z: client connected clientId=dev1` */
  get timed(): string {
    const time = this.format.timeOf(this.wallMs);
    return time === null ? this.bare : `${escaped(time)}: ${this.bare}`;
  }

  /** `2026-01-31T12:00:00.000Z: notice      client connected clientId=dev1` and line end. */
  get human(): string {
    const time = this.format.timeOf(this.wallMs);
    const level = this.level.padEnd(LEVEL_COLUMNS);
    return `${time === null ? '' : `${escaped(time)}: `}${level} ${this.bare}\n`;
  }
}

function bareLine({ event, fields }: LogEntry): string {
  let line = escaped(event);
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue;
    const text = String(value);
    line += ` ${name}=${PLAIN.test(text) ? text : escaped(JSON.stringify(text))}`;
  }
  return line;
}

function shortened(fields: LogFields): LogFields {
  let result: Record<string, LogFields[string]> | null = null;
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== 'string' || value.length <= VALUE_CHARS_MAX) continue;
    result ??= { ...fields };
    result[name] = `${value.slice(0, VALUE_CHARS_MAX)}…`;
  }
  return result ?? fields;
}

function escaped(text: string): string {
  if (!UNUSUAL.test(text)) return text;
  return text.replace(INVISIBLE, (character) =>
    Array.from({ length: character.length }, (_, index) => {
      const hex = character.charCodeAt(index).toString(16).padStart(4, '0');
      return `\\u${hex}`;
    }).join(''),
  );
}
