import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseConfig } from '../../src/config/mosquitto-conf.js';
import { configOf, errorOf, warningsOf } from './support.js';

const test = suite('configuration from the environment');

const from = (environment: Record<string, string>) =>
  parseConfig({ file: null, environment, hasIpv6Loopback: false }).config;

test('a variable sets a global key, with or without a file', () => {
  const environment = { TIDEWIRE_MAX_KEEPALIVE: ' 300 ', PATH: '/bin', TIDEWIR_X: '1' };

  assert.is(from(environment).delivery.maxKeepAlive, 300);
  assert.is(configOf('sys_interval 5', { environment }).delivery.maxKeepAlive, 300);
});

test('a variable overrides the file, without a word about repetition', () => {
  const environment = { TIDEWIRE_SYS_INTERVAL: '7', TIDEWIRE_PID_FILE: '/env' };
  const text = 'sys_interval 5\npid_file /file\n';

  assert.is(configOf(text, { environment }).sysInterval, 7);
  assert.is(configOf(text, { environment }).pidFile, '/env');
  assert.equal(warningsOf(text, { environment }), []);
});

test('a line that a variable overrides is checked all the same', () => {
  const environment = { TIDEWIRE_SYS_INTERVAL: '7' };
  assert.match(errorOf('sys_interval x', { environment }), 'm.conf:1: sys_interval "x"');
});

test('log_type and log_dest take several values and replace those of the file', () => {
  const environment = {
    TIDEWIRE_LOG_TYPE: 'error, debug',
    TIDEWIRE_LOG_DEST: 'stdout,file /tmp/l',
  };
  const { log } = configOf('log_type all\nlog_dest syslog', { environment });

  assert.equal(log.types, ['error', 'debug']);
  assert.equal(log.destinations, [{ kind: 'stdout' }, { kind: 'file', path: '/tmp/l' }]);
});

test('access keys apply to every listener of the file', () => {
  const environment = { TIDEWIRE_ALLOW_ANONYMOUS: 'true', TIDEWIRE_ACL_FILE: '/env' };
  const { listeners } = configOf('listener 1\nacl_file /f\nlistener 2\n', { environment });

  for (const { access } of listeners) {
    assert.is(access.allowAnonymous, true);
    assert.is(access.aclFile, '/env');
  }
});

test('access keys and per_listener_settings true do not go together', () => {
  const environment = { TIDEWIRE_ALLOW_ANONYMOUS: 'true' };
  assert.match(
    errorOf('per_listener_settings true\nlistener 1\n', { environment }),
    'TIDEWIRE_ALLOW_ANONYMOUS: the file has "per_listener_settings true"',
  );
});

test('TIDEWIRE_PORT and TIDEWIRE_BIND_ADDRESS open the default listener', () => {
  const { listeners } = from({ TIDEWIRE_PORT: '1884', TIDEWIRE_BIND_ADDRESS: '0.0.0.0' });

  assert.equal(
    listeners.map(({ name, access }) => [name, access.allowAnonymous]),
    [['0.0.0.0:1884', false]],
  );
});

test('an unknown variable is an error with the nearest one', () => {
  assert.is(
    errorOf('', { environment: { TIDEWIRE_MAX_KEEPALIV: '1' } }),
    'TIDEWIRE_MAX_KEEPALIV: unknown variable (did you mean "TIDEWIRE_MAX_KEEPALIVE"?)',
  );
  assert.match(errorOf('', { environment: { TIDEWIRE_max_qos: '1' } }), 'unknown variable');
});

test('a bad value is an error that names the variable', () => {
  assert.match(
    errorOf('', { environment: { TIDEWIRE_SYS_INTERVAL: 'often' } }),
    'TIDEWIRE_SYS_INTERVAL: sys_interval "often" is not valid',
  );
});

test('keys of listeners, and those that change the meaning of a file, belong in the file', () => {
  for (const name of ['MAX_QOS', 'LISTENER', 'CERTFILE', 'MOUNT_POINT']) {
    const environment = { [`TIDEWIRE_${name}`]: '1' };
    assert.match(errorOf('', { environment }), `TIDEWIRE_${name}: only global keys`);
  }
  for (const name of ['PER_LISTENER_SETTINGS', 'INCLUDE_DIR']) {
    const environment = { [`TIDEWIRE_${name}`]: 'true' };
    assert.match(errorOf('', { environment }), `TIDEWIRE_${name}: this key changes what`);
  }
});

test('an empty variable counts as not set', () => {
  assert.is(from({ TIDEWIRE_USER: '', TIDEWIRE_NO_SUCH_KEY: '' }).user, null);
});

test('unsupported keys are reported under the name of the variable', () => {
  const environment = { TIDEWIRE_PLUGIN: '/x.so' };
  const { warnings } = parseConfig({ file: null, environment });
  assert.equal(
    warnings.map(({ file, line, key }) => [file, line, key]),
    [['TIDEWIRE_PLUGIN', 0, 'plugin']],
  );
});

test('the variables that Kubernetes sets for a service called tidewire are left alone', () => {
  const environment = {
    TIDEWIRE_SERVICE_HOST: '10.0.0.1',
    TIDEWIRE_SERVICE_PORT: '1883',
    TIDEWIRE_SERVICE_PORT_MQTT: '1883',
    TIDEWIRE_PORT: 'tcp://10.0.0.1:1883',
    TIDEWIRE_PORT_1883_TCP: 'tcp://10.0.0.1:1883',
    TIDEWIRE_PORT_1883_TCP_PROTO: 'tcp',
    TIDEWIRE_PORT_1883_TCP_PORT: '1883',
    TIDEWIRE_PORT_1883_TCP_ADDR: '10.0.0.1',
    TIDEWIRE_WEB_SERVICE_HOST: '10.0.0.2',
    TIDEWIRE_WEB_PORT: 'tcp://10.0.0.2:80',
  };
  assert.equal(
    from(environment).listeners.map((one) => one.name),
    ['127.0.0.1:1883'],
  );
});

test.run();
