/** What a broker keeps its durable sessions in, fresh for each run, and gone after it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisCluster } from '../../test/support/redis-cluster.js';
import { RedisServer } from '../../test/support/redis-server.js';
import { exitOnSignals } from '../e2e/children.js';

export type StoreKind = 'disk' | 'redis' | 'cluster';

export interface RunningStore {
  /** Of Tidewire's configuration file. */
  readonly lines: readonly string[];
  /** Of all its processes; none on disk. */
  readonly pids: readonly number[];
  /** Of the only Redis server; 0 where there is none, or more than one. */
  readonly redisPort: number;
  /** Also removes what was stored. */
  stop(): Promise<void>;
}

/** Null: not installed. */
export function redisVersion(): string | null {
  const { stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  return /v=(\S+)/.exec(stdout ?? '')?.[1] ?? null;
}

/**
 * The Redis servers have the settings of a careful operator: see `usualSettings`. The cluster has
 * three primaries with a replica each.
 */
export async function startStore(kind: StoreKind): Promise<RunningStore> {
  exitOnSignals();
  const folder = mkdtempSync(join(tmpdir(), 'tidewire-bench-store-'));
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  try {
    const { stop, ...store } = await start(kind, folder);
    return { ...store, stop: () => stop().finally(remove) };
  } catch (error) {
    remove();
    throw error;
  }
}

async function start(kind: StoreKind, folder: string): Promise<RunningStore> {
  switch (kind) {
    case 'disk':
      return {
        lines: ['store disk', 'disk_sync always', `data_dir ${join(folder, 'data')}`],
        pids: [],
        redisPort: 0,
        stop: () => Promise.resolve(),
      };
    case 'redis': {
      const server = await RedisServer.start({ folder: join(folder, 'redis') });
      const lines = linesFor([server.port]);
      return {
        ...{ lines, pids: [server.pid], redisPort: server.port },
        stop: () => server.kill(),
      };
    }
    case 'cluster': {
      const path = join(folder, 'cluster');
      mkdirSync(path);
      const cluster = await RedisCluster.start({ folder: path });
      const servers = cluster.nodes.map(({ server }) => server);
      const lines = linesFor(servers.map(({ port }) => port));
      const pids = servers.map(({ pid }) => pid);
      return { lines, pids, redisPort: 0, stop: () => cluster.stop() };
    }
  }
}

function linesFor(ports: readonly number[]): string[] {
  const nodes = ports.map((port) => `127.0.0.1:${port}`).join(',');
  return ['store redis', `redis_nodes ${nodes}`, 'node_name bench'];
}
