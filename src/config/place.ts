/** Where a setting stands, and the one way to complain about it. */
import { BrokerError } from '../base/errors.js';

/** A line of a file; or, with line 0, an environment variable or a flag named by `file`. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

export function where(place: Place): string {
  return place.line === 0 ? place.file : `${place.file}:${place.line}`;
}

/** Throws the error that ends a start: `FILE:LINE: what is wrong, and what to do`. */
export function failAt(place: Place, message: string, cause?: unknown): never {
  const options = cause === undefined ? {} : { cause };
  // A path may hold a line break; the error may not.
  const line = `${where(place)}: ${message}`.replace(/[\r\n]+/g, ' ');
  throw new BrokerError('CONFIG', line, options);
}

/** What a key's value parser may use: its own name and place, and both ways to report. */
export interface LineContext {
  readonly key: string;
  readonly place: Place;
  warn(message: string): void;
  fail(message: string): never;
}
