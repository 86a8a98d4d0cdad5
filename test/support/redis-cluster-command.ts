/**
 * `scripts/redis-cluster.sh start|stop|status FOLDER`: a local Redis Cluster of 3 primaries and 3
 * replicas for people, by the code that the tests use.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { RedisCluster, readPlan } from './redis-cluster.js';
import { until } from './until.js';

const usage = 'usage: redis-cluster.sh start|stop|status FOLDER';
// What Redis recommends for a network; the tests take less.
const nodeTimeoutMs = 5_000;

process.exitCode = await main(process.argv.slice(2));
// Servers that go on do not keep this process.
process.exit();

async function main([action = '', folderName]: readonly string[]): Promise<number> {
  if (folderName === undefined || !['start', 'stop', 'status'].includes(action)) {
    return fail(usage);
  }
  const folder = resolve(folderName);
  try {
    if (action === 'start') return await start(folder);
    return action === 'stop' ? await stop(folder) : status(folder);
  } catch (error) {
    return fail(`redis-cluster: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function start(folder: string): Promise<number> {
  if (runningIn(folder).length > 0)
    return fail(`redis-cluster: ${folder} has a running one; stop it`);
  mkdirSync(folder, { recursive: true });
  const cluster = await RedisCluster.start({ folder, nodeTimeoutMs, isDetached: true });
  print('6 nodes are running; for the configuration file:');
  print(`redis_nodes ${cluster.addresses.map(([host, port]) => `${host}:${port}`).join(',')}`);
  return 0;
}

async function stop(folder: string): Promise<number> {
  const running = runningIn(folder);
  for (const { pid } of running) process.kill(pid, 'SIGTERM');
  const isOver = () => runningIn(folder).length === 0;
  await until('the nodes to end', isOver, { deadlineMs: 10_000 });
  print(`${running.length} nodes stopped; the data stay in ${folder}`);
  return 0;
}

function status(folder: string): number {
  const planned = readPlan(folder);
  if (planned === null) return fail(`redis-cluster: there is no cluster in ${folder}`);
  const running = new Set(runningIn(folder).map(({ port }) => port));
  for (const { pid, port } of planned) {
    print(`127.0.0.1:${port} ${running.has(port) ? `running, process ${pid}` : 'stopped'}`);
  }
  return running.size === planned.length ? 0 : 3;
}

/** Only processes that are what was started: ids are given out again. */
function runningIn(folder: string): { pid: number; port: number }[] {
  return (readPlan(folder) ?? []).filter(({ pid, port }) => {
    const { stdout } = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
    return stdout.includes('redis-server') && stdout.includes(`:${port}`);
  });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function fail(line: string): number {
  process.stderr.write(`${line}\n`);
  return 1;
}
