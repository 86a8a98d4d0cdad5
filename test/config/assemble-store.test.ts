import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { configOf, errorOf, warningsOf } from './support.js';

const test = suite('assembling the store');

const redis = 'store redis\nredis_nodes a:1\n';
const folderOf = (text: string) => {
  const { store } = configOf(text);
  return store.kind === 'disk' ? store.folder : store.kind;
};

test('persistence true is store disk, in a folder beside Mosquitto’s own file', () => {
  for (const key of ['persistence', 'retained_persistence']) {
    assert.equal(configOf(`${key} true\npersistence_location /var/lib/mosquitto/\n`).store, {
      kind: 'disk',
      folder: '/var/lib/mosquitto/tidewire',
      sync: 'always',
    });
    assert.equal(configOf(`${key} false`).store, { kind: 'memory' });
  }
  const text = 'persistence true\ndisk_sync everysec\npersistence_location /d';
  assert.equal(configOf(text).store, { kind: 'disk', folder: '/d/tidewire', sync: 'everysec' });
  assert.equal(warningsOf(text), []);
});

test('without persistence_location it is the folder that the broker was started in', () => {
  assert.is(folderOf('persistence true'), 'tidewire');
});

test('another persistence_file is another folder, so that two brokers can share a location', () => {
  const text = (file: string) =>
    folderOf(`persistence true\npersistence_location /d\npersistence_file ${file}`);

  assert.is(text('mosquitto.db'), '/d/tidewire');
  assert.is(text('second.db'), '/d/tidewire-second.db');
  assert.is(text('sub/second.db'), '/d/sub/tidewire-second.db');
  assert.is(text('sub/mosquitto.db'), '/d/sub/tidewire');
});

test('store and data_dir win over persistence', () => {
  assert.is(folderOf('persistence true\ndata_dir /d'), '/d');
  assert.is(folderOf('store disk\npersistence_location /l'), '/l/tidewire');
  assert.is(configOf(`persistence true\n${redis}`).store.kind, 'redis');
  assert.equal(warningsOf(`persistence true\n${redis}`), []);
  assert.equal(
    warningsOf(
      'store disk\npersistence true\ndata_dir /d\npersistence_location /l\npersistence_file f\n',
    ),
    [
      '4 persistence_location: no effect: data_dir is there and counts',
      '5 persistence_file: no effect: data_dir is there and counts',
    ],
  );
  assert.equal(warningsOf(`${redis}persistence true\npersistence_location /l\n`), [
    '4 persistence_location: no effect: the store is redis, not disk',
  ]);
});

test('without persistence true, Mosquitto’s keys mean nothing, there as here', () => {
  const lines =
    'persistence_location /d\npersistence_file f\nautosave_interval 9\nautosave_on_changes true\n';

  for (const before of ['', 'persistence false\n', 'store memory\n', 'retained_persistence 0\n']) {
    assert.equal(configOf(before + lines).store, { kind: 'memory' });
    assert.equal(warningsOf(before + lines), []);
  }
});

test('store memory and persistence true contradict each other, line by line', () => {
  const text = 'store memory\npersistence true\npersistence_location /d\nautosave_interval 9\n';
  const message = 'no effect: "store memory" keeps nothing over a restart';

  assert.equal(configOf(text).store, { kind: 'memory' });
  assert.equal(warningsOf(text), [
    `2 persistence: ${message}`,
    `3 persistence_location: ${message}`,
    `4 autosave_interval: ${message}`,
  ]);
});

test('persistence false does not weaken a store that was named', () => {
  assert.equal(warningsOf('store disk\ndata_dir /d\npersistence false'), [
    '3 persistence: no effect: "store disk" keeps everything over a restart',
  ]);
  assert.equal(warningsOf(`${redis}retained_persistence false`), [
    '3 retained_persistence: no effect: "store redis" keeps everything over a restart',
  ]);
  assert.is(folderOf('store disk\ndata_dir /d\npersistence false'), '/d');
});

test('autosave keys are not needed', () => {
  for (const store of ['persistence true\n\n', 'store disk\ndata_dir /d\n', redis]) {
    assert.equal(warningsOf(`${store}autosave_interval 60\nautosave_on_changes true\n`), [
      '3 autosave_interval: not needed: whatever is acknowledged is stored already',
      '4 autosave_on_changes: not needed: whatever is acknowledged is stored already',
    ]);
  }
});

test('a store without the line that it cannot do without is an error', () => {
  assert.is(
    errorOf('listener 1\nstore disk\n'),
    'm.conf:2: store disk needs data_dir: the folder that it keeps its data in',
  );
  assert.is(
    errorOf('listener 1\nstore redis\n'),
    'm.conf:2: store redis needs redis_nodes, such as "redis_nodes 127.0.0.1:6379"',
  );
  assert.is(
    errorOf('', { environment: { TIDEWIRE_STORE: 'disk' } }),
    'TIDEWIRE_STORE: store disk needs data_dir: the folder that it keeps its data in',
  );
});

test('a key of a store that nobody named is an error, for it means more than memory', () => {
  const redisLines = [
    ...['redis_nodes a:1', 'redis_username u', 'redis_password p', 'redis_tls false'],
    ...['redis_tls_cafile /c', 'redis_tls_capath /c', 'redis_tls_certfile /c'],
    ...['redis_tls_keyfile /k', 'redis_tls_insecure false', 'redis_prefix x:', 'ack_level aof'],
  ];
  for (const [store, lines] of [
    ['redis', redisLines],
    ['disk', ['data_dir /d', 'disk_sync no']],
  ] as const) {
    for (const line of lines) {
      const key = line.split(' ')[0];
      const advice = `add "store ${store}", or remove ${key}`;
      for (const first of ['', 'persistence false']) {
        assert.is(
          errorOf(`${first}\n${line}\n`),
          `m.conf:2: ${key} has no effect without "store ${store}": ${advice}`,
        );
      }
    }
  }
  assert.match(errorOf('persistence true\nredis_nodes a:1'), 'm.conf:2: redis_nodes has no effect');
  assert.is(
    errorOf('', { environment: { TIDEWIRE_DATA_DIR: '/d' } }),
    'TIDEWIRE_DATA_DIR: data_dir has no effect without "store disk": set TIDEWIRE_STORE=disk, ' +
      'or remove data_dir',
  );
});

test('a key of another store than the one named is a warning', () => {
  const both = 'data_dir /d\ndisk_sync no\nredis_nodes a:1\nredis_tls true\nnode_name n\n';

  assert.equal(warningsOf(`${both}store memory\n`), [
    '1 data_dir: no effect: the store is memory, not disk',
    '2 disk_sync: no effect: the store is memory, not disk',
    '3 redis_nodes: no effect: the store is memory, not redis',
    '4 redis_tls: no effect: the store is memory, not redis',
    '5 node_name: no effect: the store is memory, not redis',
  ]);
  assert.equal(warningsOf(`${both}store redis\n`), [
    '1 data_dir: no effect: the store is redis, not disk',
    '2 disk_sync: no effect: the store is redis, not disk',
  ]);
  assert.equal(warningsOf(`${both}store disk\n`), [
    '3 redis_nodes: no effect: the store is disk, not redis',
    '4 redis_tls: no effect: the store is disk, not redis',
    '5 node_name: no effect: the store is disk, not redis',
  ]);
  assert.equal(warningsOf('node_name n'), [
    '1 node_name: no effect: the store is memory, not redis',
  ]);
});

test('plugin_opt_redis_nodes is redis_nodes once there is store redis', () => {
  const line = 'plugin_opt_redis_nodes a:1,[::1]:2\n';
  const { store } = configOf(`${line}store redis`);

  assert.equal(store.kind === 'redis' && store.nodes, [
    { host: 'a', port: 1 },
    { host: '::1', port: 2 },
  ]);
  assert.equal(warningsOf(`${line}store redis`), []);
  assert.equal(warningsOf(`${line}${redis}`), [
    '1 plugin_opt_redis_nodes: no effect: redis_nodes is there and counts',
  ]);
  assert.match(
    errorOf('plugin_opt_redis_nodes a\nstore redis'),
    'm.conf:1: plugin_opt_redis_nodes "a" is not valid: expected host:port',
  );
});

test('without store redis, plugin_opt_redis_nodes says what to add, whatever its value', () => {
  const advice = 'no effect yet: add "store redis" to keep sessions and messages there';

  for (const value of ['a:1', 'anything else']) {
    assert.equal(warningsOf(`plugin_opt_redis_nodes ${value}`), [
      `1 plugin_opt_redis_nodes: ${advice}`,
    ]);
  }
  assert.equal(warningsOf('persistence true\nplugin_opt_redis_nodes a:1'), [
    `2 plugin_opt_redis_nodes: ${advice}`,
  ]);
  assert.equal(warningsOf('store memory\nplugin_opt_redis_nodes a:1'), [
    '2 plugin_opt_redis_nodes: no effect: the store is memory, not redis',
  ]);
});

test('Redis that was meant to be encrypted is never spoken to in plain text', () => {
  const lines = [
    ...['redis_tls_cafile /c', 'redis_tls_capath /c', 'redis_tls_certfile /c'],
    ...['redis_tls_keyfile /k', 'redis_tls_insecure true'],
  ];
  for (const line of lines) {
    const key = line.split(' ')[0];
    assert.is(errorOf(`${redis}${line}`), `m.conf:3: ${key} needs "redis_tls true"`);
    assert.equal(warningsOf(`${redis}${line}\nredis_tls false`), [
      `3 ${key}: no effect: redis_tls is false`,
    ]);
  }
  const { store } = configOf(`${redis}redis_tls false`);
  assert.is(store.kind === 'redis' && store.tls, null);
});

test('a certificate for Redis needs its key, and a user name its password', () => {
  const tls = `${redis}redis_tls true\n`;

  assert.is(errorOf(`${tls}redis_tls_certfile /c`), 'm.conf:4: redis_tls_keyfile is missing');
  assert.is(errorOf(`${tls}redis_tls_keyfile /k`), 'm.conf:4: redis_tls_certfile is missing');
  assert.is(errorOf(`${redis}redis_username u`), 'm.conf:3: redis_username needs redis_password');
  assert.equal(warningsOf(`${redis}redis_password p`), []);
});

test('redis_tls_insecure is warned of', () => {
  const [warning, ...more] = warningsOf(`${redis}redis_tls true\nredis_tls_insecure true\n`);

  assert.match(warning, '4 redis_tls_insecure: Redis’ certificate is not checked');
  assert.equal(more, []);
  assert.equal(warningsOf(`${redis}redis_tls true\nredis_tls_insecure false\n`), []);
});

test('node_name is the host and the first listener unless it is given', () => {
  const nameOf = (text: string, ports: number[] = []) => {
    const { store } = configOf(redis + text, { ports });
    return store.kind === 'redis' && store.nodeName;
  };

  assert.is(nameOf('listener 1883\nlistener 1884'), 'host:1883');
  assert.is(nameOf(''), 'host/127.0.0.1:1883');
  assert.is(nameOf('', [1885]), 'host/127.0.0.1:1885');
  assert.is(nameOf('', [0]), 'host/127.0.0.1:0/7');
  assert.is(nameOf('listener 1883\nnode_name mine'), 'mine');
});

test.run();
