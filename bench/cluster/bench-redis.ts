/**
 * A Redis Cluster for brokers under test: three primaries with a replica each, with the settings of
 * the durable part. All of it is gone after the run.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisCluster } from '../../test/support/redis-cluster.js';
import { exitOnSignals } from '../e2e/children.js';
import { cpuSecondsOf } from '../load/process-usage.js';

/** A machine that is busy with all this takes no Redis server for dead. */
const NODE_TIMEOUT_MS = 15_000;

export class BenchRedis {
  private readonly cluster: RedisCluster;
  private readonly folder: string;

  static async start(): Promise<BenchRedis> {
    exitOnSignals();
    const folder = mkdtempSync(join(tmpdir(), 'tidewire-bench-redis-'));
    const path = join(folder, 'cluster');
    mkdirSync(path);
    try {
      const cluster = await RedisCluster.start({ folder: path, nodeTimeoutMs: NODE_TIMEOUT_MS });
      return new BenchRedis(cluster, folder);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  private constructor(cluster: RedisCluster, folder: string) {
    this.cluster = cluster;
    this.folder = folder;
  }

  /** For `redis_nodes`. */
  get addresses(): string {
    return this.cluster.addresses.map(([host, port]) => `${host}:${port}`).join(',');
  }

  /** Of the primaries. */
  get ports(): number[] {
    return this.cluster.primaries.map(({ server }) => server.port);
  }

  get pids(): number[] {
    return this.cluster.nodes.map(({ server }) => server.pid);
  }

  /** CPU seconds so far. */
  cpu(): { readonly primaries: number; readonly replicas: number } {
    const of = (wantsPrimaries: boolean): number => {
      const some = this.cluster.nodes.filter(({ isPrimary }) => isPrimary === wantsPrimaries);
      return cpuSecondsOf(some.map(({ server }) => server.pid));
    };
    return { primaries: of(true), replicas: of(false) };
  }

  /** Bytes of data in all primaries; their replicas have as much again. */
  async bytes(): Promise<number> {
    const used = await Promise.all(
      this.cluster.primaries.map(({ server }) => server.info('used_memory_dataset')),
    );
    return used.reduce((sum, bytes) => sum + Number(bytes), 0);
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
