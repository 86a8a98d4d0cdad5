import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RedisStoreConfig } from '../../src/config/config.js';
import { configOf, errorOf, warningsOf } from './support.js';

const test = suite('store keys');

const redis = 'store redis\nredis_nodes a:6379\n';

function redisOf(text: string): RedisStoreConfig {
  const { store } = configOf(text);
  if (store.kind !== 'redis') throw new Error(`expected redis, got ${store.kind}`);
  return store;
}

test('the store is memory unless a line says otherwise', () => {
  assert.equal(configOf('').store, { kind: 'memory' });
  assert.equal(configOf('store memory').store, { kind: 'memory' });
});

test('store disk takes data_dir and disk_sync', () => {
  assert.equal(configOf('store disk\ndata_dir /var/lib/my broker\n').store, {
    kind: 'disk',
    folder: '/var/lib/my broker',
    sync: 'always',
  });
  for (const sync of ['always', 'everysec', 'no']) {
    const { store } = configOf(`disk_sync ${sync}\ndata_dir d\nstore disk\n`);
    assert.equal(store, { kind: 'disk', folder: 'd', sync });
  }
});

test('store redis needs no more than redis_nodes', () => {
  assert.equal(configOf(`listener 1883\n${redis}`).store, {
    kind: 'redis',
    nodes: [{ host: 'a', port: 6379 }],
    username: null,
    password: null,
    tls: null,
    prefix: 'tw:',
    ackLevel: null,
    nodeName: 'host:1883',
    leaseS: 15,
  });
});

test('each Redis key sets its field', () => {
  const store = redisOf(
    `${redis}redis_username broker one\nredis_password p # w\nredis_prefix mqtt:\n` +
      'ack_level aof\nnode_name b-1\nredis_tls true\nredis_tls_cafile /ca\n' +
      'redis_tls_capath /cas\nredis_tls_certfile /c\nredis_tls_keyfile /k\n' +
      'redis_tls_insecure true\n',
  );

  assert.equal(store, {
    kind: 'redis',
    nodes: [{ host: 'a', port: 6379 }],
    username: 'broker one',
    password: 'p # w',
    tls: { caFile: '/ca', caPath: '/cas', certFile: '/c', keyFile: '/k', insecure: true },
    prefix: 'mqtt:',
    ackLevel: 'aof',
    nodeName: 'b-1',
    leaseS: 15,
  });
  for (const level of ['primary', 'replica'] as const) {
    assert.is(redisOf(`${redis}ack_level ${level}`).ackLevel, level);
  }
});

test('the configuration is frozen, down to the nodes', () => {
  const store = redisOf(`${redis}redis_tls true`);
  for (const part of [store, store.nodes, store.nodes[0], store.tls]) {
    assert.ok(Object.isFrozen(part));
  }
});

test('redis_nodes are names and addresses with ports, those of IPv6 in brackets', () => {
  const nodesOf = (text: string) =>
    redisOf(`store redis\nredis_nodes ${text}`).nodes.map(({ host, port }) => [host, port]);

  assert.equal(nodesOf('r1.lan:7000, 10.0.0.2:7001,[fd00::2]:7002'), [
    ['r1.lan', 7000],
    ['10.0.0.2', 7001],
    ['fd00::2', 7002],
  ]);
  assert.equal(nodesOf('r1:65535'), [['r1', 65_535]]);
});

test('a bad node is an error that names it', () => {
  const bad = [
    'a',
    'a:',
    'a:0',
    'a:65536',
    'a:x',
    ':1',
    'fd00::2:1',
    '[a]:1',
    '[fd00::2]',
    'a b:1',
  ];
  for (const node of bad) {
    for (const text of [node, `ok:1,${node}`]) {
      assert.is(
        errorOf(`store redis\nredis_nodes ${text}\n`),
        `m.conf:2: redis_nodes "${node}" is not valid: expected host:port, several separated by ` +
          'commas, such as 10.0.0.1:6379,[fd00::2]:6379',
      );
    }
  }
  assert.match(errorOf('store redis\nredis_nodes a:1,,b:1'), 'm.conf:2: redis_nodes "" is not');
  assert.match(errorOf('redis_nodes'), 'm.conf:1: redis_nodes needs a value: host:port');
});

test('a bad choice, boolean or name is an error with file and line', () => {
  const long = 'x'.repeat(201);
  for (const [line, expected] of [
    ['store redi', 'one of memory, disk, redis'],
    ['disk_sync sometimes', 'one of always, everysec, no'],
    ['ack_level all', 'one of primary, replica, aof'],
    ['redis_tls yes', 'true or false'],
    ['redis_tls_insecure yes', 'true or false'],
    ['persistence on', 'true or false'],
    ['retained_persistence on', 'true or false'],
    ['autosave_interval often', 'a whole number'],
    ['autosave_on_changes often', 'true or false'],
    ['persistence_file ..', 'the name of a file'],
    ['persistence_file a/', 'the name of a file'],
    ['redis_prefix {tw}', 'without spaces and braces'],
    ['redis_prefix a b', 'without spaces and braces'],
    [`redis_prefix ${long}`, 'at most 200 bytes'],
    ['node_name a{b', 'without spaces and braces'],
    [`node_name ${long}`, 'at most 200 bytes'],
  ] as const) {
    const key = line.split(' ')[0];
    const error = errorOf(`\n${line}\n`);
    assert.ok(error.startsWith(`m.conf:2: ${key} "`), error);
    assert.ok(error.includes(expected), error);
  }
});

test('a text comes once', () => {
  for (const key of [
    ...['data_dir', 'persistence_location', 'persistence_file', 'redis_username'],
    ...['redis_password', 'redis_tls_cafile', 'redis_tls_capath', 'redis_tls_certfile'],
    ...['redis_tls_keyfile', 'redis_prefix', 'node_name', 'plugin_opt_redis_nodes'],
  ]) {
    assert.is(errorOf(`${key} a\n${key} b`), `m.conf:2: ${key} was given before, at m.conf:1`);
  }
  assert.match(errorOf('redis_nodes a:1\nredis_nodes b:1'), 'm.conf:2: redis_nodes was given');
});

test('variables set them, and win over the file', () => {
  const environment = {
    TIDEWIRE_STORE: 'redis',
    TIDEWIRE_REDIS_NODES: 'a:1,b:2',
    TIDEWIRE_REDIS_PASSWORD: 'env',
    TIDEWIRE_REDIS_TLS: 'true',
    TIDEWIRE_NODE_NAME: 'n',
  };
  const { store } = configOf('redis_password file\n', { environment });

  assert.equal(store, {
    kind: 'redis',
    nodes: [
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
    ],
    username: null,
    password: 'env',
    tls: { caFile: null, caPath: null, certFile: null, keyFile: null, insecure: false },
    prefix: 'tw:',
    ackLevel: null,
    nodeName: 'n',
    leaseS: 15,
  });
  const disk = { TIDEWIRE_STORE: 'disk', TIDEWIRE_DATA_DIR: '/d', TIDEWIRE_DISK_SYNC: 'no' };
  assert.equal(configOf('', { environment: disk }).store, {
    kind: 'disk',
    folder: '/d',
    sync: 'no',
  });
});

test('no error and no warning holds a password', () => {
  const secret = 's3cret';
  const errors = [
    `redis_password ${secret}`,
    `redis_password ${secret}\nredis_password other`,
    `redis_password=${secret}`,
    `redis_password:${secret}`,
    `redis_pasword=${secret}`,
    `redis_pasword ${secret}`,
    `redis_password ${secret}\u0001`,
    `store redis\nredis_nodes redis://u:${secret}@a:1`,
    `store redis\nredis_nodes a:1,u:${secret}@b:2`,
    `store redis\nplugin_opt_redis_nodes :${secret}@a:1`,
    `store redis\nredis_password ${secret}`,
  ];
  for (const text of errors) assert.not.ok(errorOf(text).includes(secret), text);
  const warned = [
    ...warningsOf(`store memory\nredis_password ${secret}`),
    ...warningsOf(`${redis}redis_password "${secret}"`),
    ...warningsOf(`plugin_opt_redis_nodes u:${secret}@a:1\nplugin_opt_redis_password ${secret}`),
  ];
  assert.is(warned.length, 4);
  assert.not.ok(warned.join('\n').includes(secret));
  assert.match(
    errorOf('store redis\nredis_nodes redis://u:p@a:1'),
    /^m.conf:2: redis_nodes takes host:port alone: .*redis_username and redis_password/,
  );
});

test.run();
