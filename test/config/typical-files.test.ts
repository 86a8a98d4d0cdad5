/** Files as Mosquitto's users have them: they must start unchanged, with no surprises. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryFiles, parse } from './support.js';

const test = suite('typical mosquitto.conf files');

test('the file that Debian installs', () => {
  const files = memoryFiles({
    'm.conf': `# Place your local configuration in /etc/mosquitto/conf.d/
#
# A full description of the configuration file is at
# /usr/share/doc/mosquitto/examples/mosquitto.conf

pid_file /run/mosquitto/mosquitto.pid

persistence true
persistence_location /var/lib/mosquitto/

log_dest file /var/log/mosquitto/mosquitto.log

include_dir /etc/mosquitto/conf.d
`,
    '/etc/mosquitto/conf.d/README': 'Files in this directory ending in .conf are loaded.',
  });
  const { config, warnings } = parse('', { files });

  assert.is(config.pidFile, '/run/mosquitto/mosquitto.pid');
  assert.equal(config.log.destinations, [
    { kind: 'file', path: '/var/log/mosquitto/mosquitto.log' },
  ]);
  assert.equal(
    config.listeners.map((one) => one.name),
    ['127.0.0.1:1883', '[::1]:1883'],
  );
  assert.equal(warnings, []);
  assert.equal(config.store, {
    kind: 'disk',
    folder: '/var/lib/mosquitto/tidewire',
    sync: 'always',
  });
});

test('plain, TLS and secure WebSocket listeners with passwords and ACLs', () => {
  const { config, warnings } = parse(`
per_listener_settings false
allow_anonymous false
password_file /etc/mosquitto/passwd
acl_file /etc/mosquitto/acl

listener 1883 127.0.0.1

listener 8883
cafile /etc/mosquitto/ca_certificates/ca.crt
certfile /etc/mosquitto/certs/server.crt
keyfile /etc/mosquitto/certs/server.key
require_certificate true
use_identity_as_username true
tls_version tlsv1.2

listener 9001
protocol websockets
certfile /etc/letsencrypt/live/example.org/fullchain.pem
keyfile /etc/letsencrypt/live/example.org/privkey.pem

max_inflight_messages 100
max_queued_messages 10000
persistent_client_expiration 14d
connection_messages true
log_type error
log_type warning
log_timestamp_format %Y-%m-%dT%H:%M:%S
`);

  assert.equal(warnings, []);
  assert.equal(
    config.listeners.map(({ name, protocol, tls }) => [name, protocol, tls?.certFile ?? null]),
    [
      ['127.0.0.1:1883', 'mqtt', null],
      ['*:8883', 'mqtt', '/etc/mosquitto/certs/server.crt'],
      ['*:9001', 'websockets', '/etc/letsencrypt/live/example.org/fullchain.pem'],
    ],
  );
  assert.is(config.listeners[1].tls?.requireCertificate, true);
  for (const { access } of config.listeners) {
    assert.is(access.allowAnonymous, false);
    assert.is(access.passwordFile, '/etc/mosquitto/passwd');
    assert.is(access.aclFile, '/etc/mosquitto/acl');
  }
  assert.is(config.limits.inflightMessagesMax, 100);
  assert.is(config.delivery.persistentClientExpirationS, 1_209_600);
});

test('the file of many container guides', () => {
  const { config, warnings } = parse(
    'persistence false\nlog_dest stdout\nlistener 1883\nallow_anonymous true\n' +
      'listener 9001\nprotocol websockets\nsocket_domain ipv4\n',
  );

  assert.equal(warnings, []);
  assert.equal(
    config.listeners.map(({ name, access }) => [name, access.allowAnonymous]),
    [
      ['*:1883', true],
      ['0.0.0.0:9001', true],
    ],
  );
});

test('a file of version 1 with port and bind_address', () => {
  const { config, warnings } = parse(
    'bind_address 0.0.0.0\nport 1883\nmax_connections 500\nallow_anonymous true\nuser mosquitto\n' +
      'retry_interval 20\nlistener 9001\nprotocol websockets\n',
  );

  assert.equal(
    warnings.map((one) => one.key),
    ['retry_interval'],
  );
  assert.equal(
    config.listeners.map(({ name, maxConnections }) => [name, maxConnections]),
    [
      ['0.0.0.0:1883', 500],
      ['*:9001', -1],
    ],
  );
});

test('an internal and an external listener with settings of their own', () => {
  const { config, warnings } = parse(`per_listener_settings true

listener 1883 localhost
allow_anonymous true

listener 8883
certfile /c
keyfile /k
password_file /etc/mosquitto/passwd
mount_point outside/
`);

  assert.equal(warnings, []);
  assert.equal(
    config.listeners.map(({ access, mountPoint }) => [
      ...[access.allowAnonymous, access.passwordFile, mountPoint],
    ]),
    [
      [true, null, ''],
      [false, '/etc/mosquitto/passwd', 'outside/'],
    ],
  );
});

test('the file of the container image, with the old keys of persistence', () => {
  const { config, warnings } = parse(`persistence true
persistence_location /mosquitto/data/
persistence_file mosquitto.db
autosave_interval 1800
autosave_on_changes false
log_dest stdout
listener 1883
allow_anonymous true
`);

  assert.equal(
    warnings.map(({ line, message }) => [line, message]),
    [4, 5].map((line) => [line, 'not needed: whatever is acknowledged is stored already']),
  );
  assert.is(config.store.kind === 'disk' && config.store.folder, '/mosquitto/data/tidewire');
});

test('a file with a Redis plugin starts, and says how to use its nodes', () => {
  const text =
    'listener 1883\nplugin /usr/lib/redis.so\nplugin_opt_redis_nodes 10.0.0.1:7000,10.0.0.2:7000\n';
  const { config, warnings } = parse(text);

  assert.is(config.store.kind, 'memory');
  assert.equal(
    warnings.map(({ line, key }) => [line, key]),
    [
      [2, 'plugin'],
      [3, 'plugin_opt_redis_nodes'],
    ],
  );
  assert.match(warnings[1].message, 'add "store redis"');
  const { store } = parse(`${text}store redis\n`).config;
  assert.equal(store.kind === 'redis' && store.nodes, [
    { host: '10.0.0.1', port: 7000 },
    { host: '10.0.0.2', port: 7000 },
  ]);
});

test('a dynamic security file of 2.0 starts and says what is missing', () => {
  const { config, warnings } = parse(
    'listener 1883\nplugin /usr/lib/mosquitto_dynamic_security.so\n' +
      'plugin_opt_config_file /var/lib/mosquitto/dynamic-security.json\n',
  );

  assert.is(config.listeners[0].access.allowAnonymous, false);
  assert.equal(
    warnings.map(({ line, key }) => [line, key]),
    [
      [2, 'plugin'],
      [3, 'plugin_opt_config_file'],
    ],
  );
});

test.run();
