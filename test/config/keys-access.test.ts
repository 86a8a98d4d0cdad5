import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AccessConfig } from '../../src/config/config.js';
import { errorOf, listenerOf } from './support.js';

const test = suite('access keys');

test('each key sets its field', () => {
  const cases: readonly (readonly [string, keyof AccessConfig, unknown])[] = [
    ['allow_anonymous 1', 'allowAnonymous', true],
    ['allow_anonymous 0', 'allowAnonymous', false],
    ['password_file pw file', 'passwordFile', 'pw file'],
    ['acl_file ./acl', 'aclFile', './acl'],
    ['psk_file psk', 'pskFile', 'psk'],
    ['allow_zero_length_clientid false', 'allowZeroLengthClientId', false],
    ['auto_id_prefix dev-', 'autoIdPrefix', 'dev-'],
    ['clientid_prefixes secure-', 'clientIdPrefixes', 'secure-'],
  ];
  for (const [line, field, expected] of cases) {
    assert.is(listenerOf(`listener 1\n${line}\n`).access[field], expected, line);
    assert.is(listenerOf(`${line}\nlistener 1\n`).access[field], expected, line);
  }
});

test('booleans are true, false, 1 or 0 and nothing else', () => {
  for (const value of ['yes', 'no', 'True', 'on', '2', 'true;']) {
    assert.is(
      errorOf(`allow_anonymous ${value}`),
      `m.conf:1: allow_anonymous "${value}" is not valid: expected true or false`,
    );
  }
});

test('a prefix of generated client ids has at most 50 bytes', () => {
  const prefix = 'é'.repeat(25);

  assert.is(listenerOf(`listener 1\nauto_id_prefix ${prefix}`).access.autoIdPrefix, prefix);
  assert.match(errorOf(`auto_id_prefix ${prefix}x`), 'expected a text of at most 50 bytes');
  assert.match(errorOf(`listener 1\nlistener_auto_id_prefix ${prefix}x`), 'm.conf:2: ');
});

test.run();
