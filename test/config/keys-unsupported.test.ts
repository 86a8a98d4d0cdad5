import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { keyNames } from '../../src/config/schema.js';
import { configOf, errorOf, parse, warningsOf } from './support.js';

const test = suite('keys that are known but not supported');

const later = 'http_listener';

test('each of Mosquitto’s is a warning with file and line, and changes nothing', () => {
  const plain = configOf('');
  for (const name of keyNames('unsupported')) {
    if (name === later) continue;
    const { config, warnings } = parse(`\n${name} some value\n`);
    assert.equal(
      warnings.map(({ file, line, key }) => [file, line, key]),
      [['m.conf', 2, name]],
    );
    assert.ok(warnings[0].message.length > 20, name);
    assert.equal(config, plain, name);
  }
});

test('plugin options of any name are known', () => {
  assert.match(warningsOf('plugin_opt_config_file /a')[0], 'plugins cannot be loaded');
  assert.match(warningsOf('auth_opt_db_host x')[0], '1 auth_opt_db_host: ');
  assert.match(errorOf('plugin_opt_ x'), 'unknown key');
});

test('values that ask for nothing are not worth a warning', () => {
  const lines = [
    'enable_control_api false',
    'disable_client_cert_date_checks 0',
    'tls_keyform pem',
    'websockets_log_level 0',
  ];
  assert.equal(warningsOf(lines.join('\n')), []);
});

test('our own key of a later version is an error', () => {
  assert.is(errorOf(`${later} x`), 'm.conf:1: not available in this version: remove this line');
});

test.run();
