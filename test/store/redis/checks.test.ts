/** What is said about how a Redis server is set up, and how it is. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inspect } from '../../../src/store/redis/checks.js';
import type { ServerFacts } from '../../../src/store/redis/facts.js';
import { serverText } from '../../../src/store/redis/facts.js';
import { detailOf } from '../../../src/store/redis/finding.js';
import { InfoFields } from '../../../src/store/redis/info.js';
import { inspectLatency } from '../../../src/store/redis/latency.js';

const test = suite('redis checks');

const goodInfo = {
  redis_version: '7.0.15',
  gcc_version: '12.2.0',
  role: 'master',
  cluster_enabled: '1',
  connected_slaves: '1',
  slave0: 'ip=10.0.0.2,port=6379,state=online,offset=1000,lag=0',
  master_repl_offset: '1000',
  used_memory: '10',
  used_memory_rss: '10',
  total_system_memory: '8000000000',
  aof_enabled: '1',
  aof_last_write_status: 'ok',
  aof_last_bgrewrite_status: 'ok',
  rdb_last_bgsave_status: 'ok',
  aof_delayed_fsync: '0',
  uptime_in_seconds: '7200',
  latest_fork_usec: '900',
  loading: '0',
  evicted_keys: '0',
  maxclients: '10000',
  connected_clients: '12',
};
const goodConfig = {
  maxmemory: '4000000000',
  'maxmemory-policy': 'noeviction',
  appendonly: 'yes',
  appendfsync: 'everysec',
  'no-appendfsync-on-rewrite': 'no',
  save: '',
  'stop-writes-on-bgsave-error': 'yes',
  'repl-backlog-size': '67108864',
  'client-output-buffer-limit': 'normal 0 0 0 slave 536870912 134217728 60 pubsub 1 1 60',
  'stream-node-max-bytes': '4096',
  'min-replicas-to-write': '0',
  'cluster-require-full-coverage': 'no',
  'cluster-node-timeout': '5000',
  'cluster-replica-no-failover': 'no',
};
const noReplica = { connected_slaves: '0', slave0: '' };
const replicaInfo = { ...noReplica, role: 'slave', master_link_status: 'up' };

type Some = Readonly<Record<string, string>>;
type Told = Partial<Pick<ServerFacts, 'ackLevel' | 'hasWaitAof'>>;

const fieldsOf = (base: Some, more: Some) =>
  new InfoFields(new Map(Object.entries({ ...base, ...more })));

function names(info: Some = {}, config: Some | null = {}, told: Told = {}): string[] {
  const findings = inspect({
    info: fieldsOf(goodInfo, info),
    config: config === null ? null : fieldsOf(goodConfig, config),
    ackLevel: null,
    hasWaitAof: false,
    ...told,
  });
  for (const finding of findings) assert.not.match(detailOf(finding), /undefined|NaN|null|\n/);
  return findings.map(({ level, name }) => `${level} ${name}`);
}

test('nothing is said of a primary or a replica that is set up well', () => {
  assert.equal(names(), []);
  assert.equal(names(replicaInfo), []);
});

test('versions and relatives of Redis are told apart', () => {
  assert.equal(names({ redis_version: '6.2.7' }), ['error version']);
  const valkey = { redis_version: '7.2.4', server_name: 'valkey', valkey_version: '8.1.0' };
  assert.equal(names(valkey), []);
  assert.is(serverText(fieldsOf(goodInfo, valkey)), 'valkey 8.1.0');
  assert.equal(names({ redis_version: '7.4.0', other_version: 'o-1.2' }), ['warning fork']);
  assert.is(serverText(fieldsOf(goodInfo, { other_version: 'o-1.2' })), 'other o-1.2');
  assert.is(serverText(fieldsOf(goodInfo, {})), 'Redis 7.0.15');
});

test('each setting that may lose messages is named', () => {
  assert.equal(names({}, { 'maxmemory-policy': 'allkeys-lru' }), ['error maxmemory-policy']);
  const unlimited = { 'maxmemory-policy': 'allkeys-lru', maxmemory: '0' };
  assert.equal(names({}, unlimited), ['warning maxmemory-policy', 'advice maxmemory']);
  assert.equal(names({ used_memory: '90' }, { maxmemory: '100' }), ['warning maxmemory']);
  assert.equal(names({ total_system_memory: '3000000000' }), ['warning maxmemory']);
  assert.equal(names({ used_memory_rss: '5000000000' }, { maxmemory: '0' }), ['warning maxmemory']);
  assert.equal(names({}, { appendonly: 'no' }), ['warning appendonly']);
  assert.equal(names(noReplica, { appendonly: 'no' }), ['warning replicas', 'error appendonly']);
  assert.equal(names({}, { appendfsync: 'no' }), ['warning appendfsync']);
  assert.equal(names({}, { 'cluster-node-timeout': '500' }), ['warning cluster-node-timeout']);
});

test('what could be better is advice', () => {
  for (const [name, value] of [
    ['maxmemory', '0'],
    ['repl-backlog-size', '1048576'],
    ['client-output-buffer-limit', 'replica 67108864 33554432 60'],
    ['client-output-buffer-limit', 'normal 1048576 0 0 slave 0 0 0'],
    ['stream-node-max-bytes', '65536'],
    ['no-appendfsync-on-rewrite', 'yes'],
    ['cluster-require-full-coverage', 'yes'],
    ['cluster-node-timeout', '60000'],
  ] as const) {
    assert.equal(names({}, { [name]: value }), [`advice ${name}`], `${name} ${value}`);
  }
  assert.equal(names({}, null), ['advice config']);
});

test('settings of replication and of a cluster do not matter without them', () => {
  const alone = names(noReplica, { 'repl-backlog-size': '1048576' });
  assert.equal(alone, ['warning replicas']);
  const settings = { 'cluster-require-full-coverage': 'yes', 'cluster-node-timeout': '1' };
  assert.equal(names({ cluster_enabled: '0' }, settings), []);
  const never = { 'cluster-replica-no-failover': 'yes' };
  assert.equal(names({}, never), []);
  assert.equal(names(replicaInfo, never), ['warning cluster-replica-no-failover']);
});

test('replicas are counted once they follow, and weighed by ack_level', () => {
  assert.equal(names(noReplica), ['warning replicas']);
  assert.equal(names(noReplica, {}, { ackLevel: 'replica' }), ['error replicas']);
  const copying = { slave0: 'ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0,lag=0' };
  assert.equal(names(copying, {}, { ackLevel: 'replica' }), ['error replicas']);
  const late = { slave0: 'ip=10.0.0.2,port=6379,state=online,offset=1000,lag=9' };
  assert.equal(names(late), ['warning replication-lag']);
  assert.equal(names({ master_repl_offset: '50000000' }), ['warning replication-lag']);
});

test('a replica that does not follow is an error, one that is copied to a warning', () => {
  const down = { ...replicaInfo, master_link_status: 'down', master_sync_in_progress: '0' };
  assert.equal(names(down), ['error master-link']);
  assert.equal(names({ ...down, master_link_down_since_seconds: '7' }), ['error master-link']);
  assert.equal(names({ ...down, master_sync_in_progress: '1' }), ['warning master-link']);
});

test('min-replicas-to-write is held against the replicas and ack_level', () => {
  const min = (count: string) => ({ 'min-replicas-to-write': count });
  assert.equal(names({}, min('1')), []);
  assert.equal(names({}, min('2')), ['error min-replicas-to-write']);
  assert.equal(names({}, min('1'), { ackLevel: 'primary' }), ['advice min-replicas-to-write']);
  const slave1 = 'ip=10.0.0.3,port=6379,state=online,offset=1000,lag=0';
  const two = { connected_slaves: '2', slave1 };
  assert.equal(names(two, min('2')), ['advice min-replicas-to-write']);
  assert.equal(names(two, min('1')), []);
});

test('ack_level aof needs WAITAOF, a file, and says what it costs', () => {
  const always = { appendfsync: 'always' };
  const aof = { ackLevel: 'aof', hasWaitAof: true } as const;
  assert.equal(names({}, always, aof), []);
  assert.equal(names({}, always, { ackLevel: 'aof' }), ['error waitaof']);
  assert.equal(names({}, always, { ackLevel: 'aof', hasWaitAof: null }), ['error waitaof']);
  const newer = { redis_version: '7.2.0' };
  assert.equal(names(newer, always, { ackLevel: 'aof', hasWaitAof: null }), []);
  const off = names({ aof_enabled: '0' }, { appendonly: 'no' }, aof);
  assert.equal(off, ['error waitaof', 'warning appendonly']);
  assert.equal(names({}, {}, aof), ['advice appendfsync']);
  assert.equal(names({}, { appendfsync: 'no' }, aof), ['warning appendfsync']);
});

test('what fails, is full, or was slow is named', () => {
  assert.equal(names({ loading: '1', loading_eta_seconds: '4' }), ['error loading']);
  assert.equal(names({ aof_last_write_status: 'err' }), ['error aof-write']);
  assert.equal(names({ aof_last_bgrewrite_status: 'err' }), ['warning aof-rewrite']);
  const unsaved = { rdb_last_bgsave_status: 'err' };
  assert.equal(names(unsaved), ['warning rdb-save']);
  assert.equal(names(unsaved, { save: '3600 1' }), ['error rdb-save']);
  assert.equal(names({ evicted_keys: '3' }), ['error evicted-keys']);
  assert.equal(names({ connected_clients: '9000' }), ['warning maxclients']);
  assert.equal(names({ aof_delayed_fsync: '50' }), ['advice aof-delayed-fsync']);
  assert.equal(names({ latest_fork_usec: '300000' }), ['advice fork-time']);
  assert.equal(names({ latest_fork_usec: '3000000' }), ['warning fork-time']);
});

test('slow round trips, slow commands and slow events are named', () => {
  const latency = (more: object) =>
    inspectLatency({ medianMs: 0.2, worstMs: 3, slow: null, events: [], ...more }).map(
      ({ level, name, what }) => `${level} ${name}: ${what}`,
    );
  const hours = 3_600 * 5;
  assert.equal(latency({}), []);
  assert.equal(latency({ worstMs: 400.4 }), ['warning latency: a round trip took 400 ms']);
  assert.equal(latency({ medianMs: 30 }), ['advice latency: a usual round trip takes 30 ms']);
  const slow = { name: 'KEYS', ms: 250, secondsAgo: hours };
  assert.equal(latency({ slow }), ['advice slowlog: KEYS took 250 ms, 5 hours ago']);
  const events = [{ name: 'the event fork', ms: 900, secondsAgo: 60 }];
  assert.equal(latency({ events }), ['advice latency-event: the event fork took 900 ms, 60 s ago']);
});

test.run();
