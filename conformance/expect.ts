/** Expectations of tests: each failure says what was expected and what came, in one line. */
import { isDeepStrictEqual } from 'node:util';

export class ExpectationError extends Error {
  override readonly name = 'ExpectationError';

  constructor(expected: string, got: string) {
    super(`expected ${expected}, got ${got}`);
  }
}

export function ok(condition: boolean, expected: string, got: string): asserts condition {
  if (!condition) throw new ExpectationError(expected, got);
}

export function equal(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new ExpectationError(`${what} ${show(expected)}`, show(actual));
}

/** The value is one of a few. */
export function oneOf(actual: number, allowed: readonly number[], what: string): void {
  const shown = allowed.map((value) => `0x${value.toString(16)}`).join(' or ');
  ok(allowed.includes(actual), `${what} ${shown}`, `0x${actual.toString(16)}`);
}

function show(value: unknown): string {
  if (Buffer.isBuffer(value)) return `<${value.toString('hex')}>`;
  if (value === undefined) return 'nothing';
  return JSON.stringify(value);
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Thrown by a test that finds that this broker or machine cannot show its statement. */
export class SkipTest extends Error {
  override readonly name = 'SkipTest';
}
