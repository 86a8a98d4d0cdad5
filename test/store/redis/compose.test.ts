// slow
/** compose.yaml's Redis is set up as that of scripts/redis-cluster.sh, and its broker finds it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseConfig } from '../../../src/config/mosquitto-conf.js';
import { freePort } from '../../support/port.js';
import { Child, run } from '../../support/process.js';
import { readPlan } from '../../support/redis-cluster.js';
import { projectRoot } from '../../support/root.js';
import { withTempFolder } from '../../support/temp.js';
import { until } from '../../support/until.js';

const test = suite('compose');
const folderOf = join(projectRoot, 'examples/compose');
const compose = readFileSync(join(projectRoot, 'compose.yaml'), 'utf8');

/** What each of both has a reason of its own for. */
const ownSettings = ['bind', 'cluster-port', 'dir', 'enable-debug-command', 'maxmemory', 'port'];

async function settingsAt(port: number): Promise<Map<string, string> | null> {
  const { code, stdout } = await run('redis-cli', ['-p', String(port), 'CONFIG', 'GET', '*']);
  const lines = stdout.split('\n');
  if (code !== 0 || lines.length < 100) return null;
  const pairs = lines.flatMap((name, at) =>
    at % 2 === 0 ? [[name, lines[at + 1] ?? ''] as const] : [],
  );
  return new Map(pairs);
}

test('its Redis and that of scripts/redis-cluster.sh differ in nothing that is not meant', () =>
  withTempFolder(async (folder) => {
    const script = fileURLToPath(
      new URL('../../support/redis-cluster-command.js', import.meta.url),
    );
    const cluster = folder.file('cluster');
    const started = await run(process.execPath, [script, 'start', cluster], { deadlineMs: 30_000 });
    assert.is(started.code, 0, started.output);
    const port = await freePort();
    const own = [
      '--port',
      `${port}`,
      '--dir',
      folder.path,
      '--cluster-port',
      `${await freePort()}`,
    ];
    const redis = await Child.start('redis-server', [join(folderOf, 'redis.conf'), ...own]);
    try {
      const ours = await until('the Redis of compose.yaml', () => settingsAt(port));
      const theirs = await until('the cluster', () => settingsAt(readPlan(cluster)![0]!.port));
      assert.equal([...ours.keys()].sort(), [...theirs.keys()].sort());
      const different = [...ours.keys()].filter((name) => ours.get(name) !== theirs.get(name));
      assert.equal(
        different
          .filter((name) => !ownSettings.includes(name))
          .map((name) => `${name}: ${ours.get(name)} and ${theirs.get(name)}`),
        [],
      );
      assert.ok(different.includes('maxmemory'), 'settings are compared at all');
    } finally {
      await redis.stop('SIGKILL');
      const stopped = await run(process.execPath, [script, 'stop', cluster], {
        deadlineMs: 15_000,
      });
      assert.is(stopped.code, 0, stopped.output);
    }
  }));

test('the configuration of its broker is good, and names nodes that it has', () => {
  const { config, warnings } = parseConfig({ file: join(folderOf, 'tidewire.conf') });
  assert.equal(warnings, []);
  const { store } = config;
  assert.is(store.kind, 'redis');
  if (store.kind !== 'redis') return;
  for (const { host, port } of store.nodes) {
    assert.is(port, 6379);
    assert.ok(compose.includes(`ipv4_address: ${host} }`), host);
  }
  assert.ok(compose.includes('./examples/compose/tidewire.conf:/etc/tidewire/tidewire.conf:ro'));
  assert.is(compose.match(/\.\/examples\/compose\/redis\.conf:/g)?.length, 6);
});

test('the image has what the Dockerfile copies, and its ignore file lets it through', () => {
  const dockerfile = readFileSync(join(projectRoot, 'Dockerfile'), 'utf8');
  const ignored = readFileSync(join(projectRoot, '.dockerignore'), 'utf8').split('\n');
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) =>
    match[1]!.split(' '),
  );
  assert.ok(copied.length > 4);
  for (const name of copied) assert.ok(ignored.includes(`!${name}`), name);
});

test.run();
