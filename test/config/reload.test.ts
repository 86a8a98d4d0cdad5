import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { planReload } from '../../src/config/reload.js';
import { configOf } from './support.js';

const test = suite('reload');

const plan = (before: string, after: string) => planReload(configOf(before), configOf(after));

const tls = 'listener 8883\ncertfile /c\nkeyfile /k\ncafile /ca\n';

test('the same file changes nothing', () => {
  const text = `${tls}websockets_headers_size 9\npersistent_client_expiration 1d\nlog_dest topic\n`;
  const { config, applied, restart } = plan(text, text);

  assert.equal([applied, restart], [[], []]);
  assert.equal(config, configOf(text));
});

test('delivery, limits, log and $SYS change at once', () => {
  const { config, applied, restart } = plan(
    'listener 1',
    'listener 1\nmax_keepalive 60\npersistent_client_expiration 1d\nmax_queued_messages 5\n' +
      'log_type debug\nlog_dest file /l\nlog_timestamp_format %s\nsys_interval 1\n',
  );

  assert.equal([...applied].sort(), [
    'log_dest',
    'log_timestamp_format',
    'log_type',
    'max_keepalive',
    'max_queued_messages',
    'persistent_client_expiration',
    'sys_interval',
  ]);
  assert.equal(restart, []);
  assert.is(config.limits.queuedMessagesMax, 5);
  assert.is(config.delivery.maxKeepAlive, 60);
});

test('access changes at once, on the listeners that stay', () => {
  const { config, applied, restart } = plan(
    'listener 1\nlistener 2\npassword_file /p\n',
    'listener 1\nlistener 2\npassword_file /q\nacl_file /a\nallow_anonymous true\n',
  );

  assert.equal(applied, ['allow_anonymous', 'password_file', 'acl_file']);
  assert.equal(restart, []);
  for (const { access } of config.listeners) assert.is(access.passwordFile, '/q');
});

test('an added and a removed listener need a restart; the running ones go on', () => {
  const { config, applied, restart } = plan('listener 1\nlistener 2\n', 'listener 2\nlistener 3\n');

  assert.equal(applied, []);
  assert.equal(restart, ['listener *:1', 'listener *:3']);
  assert.equal(
    config.listeners.map((one) => one.name),
    ['*:1', '*:2'],
  );
});

test('what a socket was opened with needs a restart and keeps its old value', () => {
  const { config, applied, restart } = plan(
    'listener 1',
    'listener 1\nprotocol websockets\nmount_point a/\nmax_connections 5\nmax_qos 1\n' +
      'accept_protocol_versions 5\nuse_username_as_clientid true\nset_tcp_nodelay false\n' +
      'user u\npid_file /p\n',
  );

  assert.equal(applied, []);
  assert.equal([...restart].sort(), [
    'accept_protocol_versions',
    'max_connections',
    'max_qos',
    'mount_point',
    'pid_file',
    'protocol',
    'set_tcp_nodelay',
    'use_username_as_clientid',
    'user',
  ]);
  assert.equal(config, { ...configOf('listener 1') });
});

test('certificates change at once', () => {
  const { config, applied, restart } = plan(
    tls,
    `${tls}crlfile /crl\nciphers A\ncertfile /new\nsni_certificate a.example /c /k\n`,
  );

  assert.equal([...applied].sort(), ['certfile', 'ciphers', 'crlfile', 'sni_certificate']);
  assert.equal(restart, []);
  assert.is(config.listeners[0].tls?.certFile, '/new');
});

test('require_certificate needs a restart, and holds back every TLS key with it', () => {
  const required = `${tls}require_certificate true\n`;
  const { config, applied, restart } = plan(required, 'listener 8883\ncertfile /c\nkeyfile /k2\n');

  assert.equal(applied, []);
  assert.equal([...restart].sort(), ['cafile', 'keyfile', 'require_certificate']);
  assert.equal(config.listeners[0].tls, configOf(required).listeners[0].tls);
});

test('TLS does not come or go without a restart', () => {
  assert.equal(plan('listener 8883', tls).restart, ['cafile', 'certfile', 'keyfile']);
  assert.is(plan('listener 8883', tls).config.listeners[0].tls, null);
  const without = plan(tls, 'listener 8883');
  assert.equal(without.restart, ['cafile', 'certfile', 'keyfile']);
  assert.is(without.config.listeners[0].tls?.certFile, '/c');
});

test('per_listener_settings may change, with the access that follows from it', () => {
  const { config, applied } = plan(
    'listener 1\nallow_anonymous true',
    'per_listener_settings true\nlistener 1\n',
  );

  assert.equal([...applied].sort(), ['allow_anonymous', 'per_listener_settings']);
  assert.is(config.listeners[0].access.allowAnonymous, false);
});

test('another store needs a restart, and no more is said about it', () => {
  const redis = 'store redis\nredis_nodes a:1\nack_level replica\n';
  for (const [before, after] of [
    ['', 'store disk\ndata_dir /d\n'],
    ['persistence true\npersistence_location /l\n', ''],
    ['store disk\ndata_dir /d\n', redis],
    [redis, ''],
  ] as const) {
    const { config, applied, restart } = plan(before, after);
    assert.equal([applied, restart], [[], ['store']]);
    assert.equal(config.store, configOf(before).store);
  }
});

test('each key of a store needs a restart, by its name', () => {
  const disk = 'store disk\ndata_dir /d\n';
  const redis = 'store redis\nredis_nodes a:1\n';
  const tlsLine = `${redis}redis_tls true\n`;
  const cases: readonly (readonly [before: string, after: string, ...keys: string[]])[] = [
    [disk, 'store disk\ndata_dir /e\n', 'data_dir'],
    [disk, `${disk}disk_sync no`, 'disk_sync'],
    ['persistence true', 'persistence true\npersistence_location /l', 'data_dir'],
    [redis, 'store redis\nredis_nodes a:2\n', 'redis_nodes'],
    [redis, `${redis}redis_password p`, 'redis_password'],
    [`${redis}redis_password p`, `${redis}redis_password p\nredis_username u`, 'redis_username'],
    [`${redis}redis_password p`, `${redis}redis_password q`, 'redis_password'],
    [redis, `${redis}redis_prefix x:`, 'redis_prefix'],
    [redis, `${redis}ack_level aof`, 'ack_level'],
    [redis, `${redis}node_name n`, 'node_name'],
    [redis, tlsLine, 'redis_tls'],
    [tlsLine, redis, 'redis_tls'],
    [tlsLine, `${tlsLine}redis_tls_cafile /c`, 'redis_tls_cafile'],
    [tlsLine, `${tlsLine}redis_tls_capath /c`, 'redis_tls_capath'],
    [
      tlsLine,
      `${tlsLine}redis_tls_certfile /c\nredis_tls_keyfile /k`,
      'redis_tls_certfile',
      'redis_tls_keyfile',
    ],
    [tlsLine, `${tlsLine}redis_tls_insecure true`, 'redis_tls_insecure'],
  ];
  for (const [before, after, ...keys] of cases) {
    const { config, applied, restart } = plan(before, after);
    assert.equal([applied, restart], [[], keys]);
    assert.equal(config.store, configOf(before).store);
    assert.equal(plan(before, before).restart, []);
  }
});

test('the plan is frozen', () => {
  const result = plan('listener 1', 'listener 1\nsys_interval 1');
  for (const part of [result, result.config, result.config.listeners, result.applied]) {
    assert.ok(Object.isFrozen(part));
  }
});

test.run();
