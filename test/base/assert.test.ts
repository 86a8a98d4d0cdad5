import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AssertionError, assert as check, unreachable } from '../../src/base/assert.js';

const test = suite('assert');

test('a true condition passes', () => {
  assert.not.throws(() => check(true, 'never seen'));
});

test('a false condition throws an AssertionError with its message', () => {
  assert.throws(
    () => check(false, 'the ring is full'),
    (error: unknown) =>
      error instanceof AssertionError &&
      error.name === 'AssertionError' &&
      error.message === 'the ring is full',
  );
});

test('a value that no case handles is named', () => {
  assert.throws(
    () => unreachable('draining' as never),
    (error: unknown) => error instanceof AssertionError && error.message.includes('draining'),
  );
});

test.run();
