import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerError, messageOf, systemCode } from '../../src/base/errors.js';

const test = suite('errors');

test('a BrokerError has a stable code, a message and its cause', () => {
  const cause = new Error('EADDRINUSE');
  const error = new BrokerError('LISTEN', 'port 1883 is in use', { cause });

  assert.instance(error, Error);
  assert.is(error.name, 'BrokerError');
  assert.is(error.code, 'LISTEN');
  assert.is(error.message, 'port 1883 is in use');
  assert.is(error.cause, cause);
});

test('a BrokerError without a cause has none', () => {
  assert.is(new BrokerError('LISTEN', 'no').cause, undefined);
});

test('the code of a system error is read from a real one', () => {
  let caught: unknown = null;
  try {
    readFileSync('/there/is/no/such/file');
  } catch (error) {
    caught = error;
  }
  assert.is(systemCode(caught), 'ENOENT');
});

test('what is no system error has no system code', () => {
  const numbered = Object.assign(new Error('x'), { code: 7 });
  for (const thrown of [new Error('x'), numbered, { code: 'ENOENT' }, 'ENOENT', null, undefined]) {
    assert.is(systemCode(thrown), null);
  }
});

test('anything thrown has a text', () => {
  assert.is(messageOf(new Error('broken')), 'broken');
  assert.is(messageOf('plain'), 'plain');
  assert.is(messageOf(undefined), 'undefined');
});

test.run();
