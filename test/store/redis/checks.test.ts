/** What is said about how a Redis server is set up. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inspect } from '../../../src/store/redis/checks.js';
import { InfoFields } from '../../../src/store/redis/info.js';
import type { AckLevel } from '../../../src/store/redis/options.js';

const test = suite('redis checks');

const goodInfo = { redis_version: '7.0.15', connected_slaves: '1', used_memory: '10' };
const goodConfig = {
  maxmemory: '0',
  'maxmemory-policy': 'noeviction',
  appendonly: 'yes',
  appendfsync: 'everysec',
  'repl-backlog-size': '67108864',
  'client-output-buffer-limit': 'normal 0 0 0 slave 536870912 134217728 60 pubsub 1 1 60',
  'stream-node-max-bytes': '4096',
};

function names(
  info: Record<string, string> = {},
  config: Record<string, string> | null = {},
  ackLevel: AckLevel | null = null,
): string[] {
  const fields = (more: object, base: object) =>
    new InfoFields(new Map(Object.entries({ ...base, ...more })));
  const findings = inspect({
    info: fields(info, goodInfo),
    config: config === null ? null : fields(config, goodConfig),
    ackLevel,
  });
  for (const { detail } of findings) assert.not.match(detail, /undefined|NaN|\n/);
  return findings.map(({ level, name }) => `${level} ${name}`);
}

test('nothing is said of a server that is set up well', () => {
  assert.equal(names(), []);
});

test('each setting that may lose messages is named', () => {
  assert.equal(names({ redis_version: '6.2.7' }), ['error version']);
  assert.equal(names({ connected_slaves: '0' }), ['warning replicas']);
  assert.equal(names({ connected_slaves: '0' }, {}, 'replica'), ['error replicas']);
  assert.equal(names({}, { 'maxmemory-policy': 'allkeys-lru' }), ['warning maxmemory-policy']);
  const evicting = { 'maxmemory-policy': 'allkeys-lru', maxmemory: '100' };
  assert.equal(names({}, evicting), ['error maxmemory-policy']);
  assert.equal(names({ used_memory: '90' }, { maxmemory: '100' }), ['warning maxmemory']);
  assert.equal(names({}, { appendonly: 'no' }), ['warning appendonly']);
  const alone = names({ connected_slaves: '0' }, { appendonly: 'no' });
  assert.equal(alone, ['warning replicas', 'error appendonly']);
  assert.equal(names({}, { appendfsync: 'no' }), ['warning appendfsync']);
});

test('what could be better is advice', () => {
  assert.equal(names({}, { 'repl-backlog-size': '1048576' }), ['advice repl-backlog-size']);
  const limit = { 'client-output-buffer-limit': 'replica 67108864 33554432 60' };
  assert.equal(names({}, limit), ['advice client-output-buffer-limit']);
  assert.equal(names({}, { 'stream-node-max-bytes': '65536' }), ['advice stream-node-max-bytes']);
  assert.equal(names({}, null), ['advice config']);
});

test.run();
