/**
 * What a value may look like. Each parser turns the text behind a key into a typed value, or
 * fails with what is wrong and what would be right.
 *
 * Mosquitto reads numbers, booleans and choices as one word and ignores what follows it; paths
 * and other free text are the rest of the line, spaces and `#` included.
 */
import type { LineContext } from './place.js';

export interface ValueParser<T> {
  readonly words: 'one' | 'rest';
  /** For documentation and errors: `true or false`, `a whole number from 0 to 65535`. */
  readonly expects: string;
  read(text: string, line: LineContext): T;
}

export const bool: ValueParser<boolean> = {
  words: 'one',
  expects: 'true or false',
  read: (text, line) => {
    if (text === 'true' || text === '1') return true;
    if (text === 'false' || text === '0') return false;
    return badValue(bool, text, line);
  },
};

export const text: ValueParser<string> = {
  words: 'rest',
  expects: 'text',
  read: (value, line) => {
    if (/^(".*"|'.*')$/.test(value)) {
      line.warn('the quotes are part of the value, as in Mosquitto; leave them out');
    }
    return value;
  },
};

export interface IntegerOptions {
  /** Smaller numbers mean this one, where Mosquitto reads them so. Absent: an error. */
  readonly below?: number;
  /** Larger numbers mean `max`, where a larger limit cannot have an effect. */
  readonly isCapped?: boolean;
}

export function integer(
  min: number,
  max: number,
  options: IntegerOptions = {},
): ValueParser<number> {
  const parser: ValueParser<number> = {
    words: 'one',
    expects: `a whole number from ${min} to ${max}`,
    read: (value, line) => {
      if (!/^[+-]?(0x[0-9a-f]{1,13}|0|[1-9][0-9]{0,15})$/i.test(value)) {
        return badValue(parser, value, line);
      }
      const sign = value.startsWith('-') ? -1 : 1;
      // `+ 0` turns -0 into 0.
      const number = sign * Number(value.replace(/^[+-]/, '')) + 0;
      if (number < min) return options.below ?? badValue(parser, value, line);
      if (number <= max) return number;
      return options.isCapped === true ? max : badValue(parser, value, line);
    },
  };
  return parser;
}

export function oneOf<const T extends string>(...choices: readonly T[]): ValueParser<T> {
  const parser: ValueParser<T> = {
    words: 'one',
    expects: `one of ${choices.join(', ')}`,
    read: (value, line) => {
      const found = choices.find((choice) => choice === value);
      return found ?? badValue(parser, value, line);
    },
  };
  return parser;
}

const DAY = 86_400;
const secondsPerUnit: Readonly<Record<string, number>> = {
  s: 1,
  h: 3600,
  d: DAY,
  w: 7 * DAY,
  m: 30 * DAY,
  y: 365 * DAY,
};

/** `14d`, `2m`, `1y`: seconds. */
export const duration: ValueParser<number> = {
  words: 'one',
  expects: 'a whole number followed by s, h, d, w, m (30 days) or y, such as 14d',
  read: (value, line) => {
    const match = /^([1-9][0-9]{0,8})([shdwmy])$/.exec(value);
    if (match === null) return badValue(duration, value, line);
    return Number(match[1]) * secondsPerUnit[match[2]];
  },
};

export function badValue(parser: ValueParser<unknown>, value: string, line: LineContext): never {
  return line.fail(`${line.key} "${shorten(value)}" is not valid: expected ${parser.expects}`);
}

/** Keeps an error in one readable line. */
export function shorten(value: string): string {
  return value.length <= 60 ? value : `${value.slice(0, 57)}...`;
}
