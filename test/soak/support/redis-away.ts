/** Redis servers that go away, all at once, and come back with what they had. */
import { mkdirSync } from 'node:fs';
import { RedisCluster } from '../../support/redis-cluster.js';
import { RedisServer } from '../../support/redis-server.js';
import type { TempFolder } from '../../support/temp.js';

export interface AwayRedis {
  /** Of the broker's configuration file. */
  readonly lines: readonly string[];
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

/** What was answered is in the file, also when the server is killed right then. */
const settings = { appendfsync: 'always' };

/** One server that is stopped by SIGSTOP: it keeps its connections and says nothing. */
export async function silentRedis(folder: TempFolder): Promise<AwayRedis> {
  const server = await RedisServer.start({ folder: folder.file('redis'), settings });
  return {
    lines: linesFor([server]),
    goAway: async () => server.signal('SIGSTOP'),
    comeBack: async () => server.signal('SIGCONT'),
    stop: () => server.kill(),
  };
}

/** One server that is killed, and started again with its append-only file. */
export async function killedRedis(folder: TempFolder): Promise<AwayRedis> {
  const server = await RedisServer.start({ folder: folder.file('redis'), settings });
  return {
    lines: linesFor([server]),
    goAway: () => server.kill(),
    comeBack: () => server.start(),
    stop: () => server.kill(),
  };
}

/** A cluster of which all six servers are killed, and started again. */
export async function killedCluster(folder: TempFolder): Promise<AwayRedis> {
  const path = folder.file('cluster');
  mkdirSync(path);
  const cluster = await RedisCluster.start({ folder: path, settings });
  const servers = cluster.nodes.map(({ server }) => server);
  return {
    lines: [...linesFor(servers), 'ack_level replica'],
    goAway: async () => {
      await Promise.all(servers.map((server) => server.kill()));
    },
    comeBack: async () => {
      await Promise.all(servers.map((server) => server.start()));
      await cluster.untilReady();
    },
    stop: () => cluster.stop(),
  };
}

function linesFor(servers: readonly RedisServer[]): string[] {
  const nodes = servers.map(({ port }) => `127.0.0.1:${port}`);
  return ['store redis', `redis_nodes ${nodes.join(',')}`, 'node_name soak'];
}
