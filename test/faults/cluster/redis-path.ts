/** The way of one broker to Redis, which can be cut; see redis-path-program.ts. */
import { fileURLToPath } from 'node:url';
import { Child } from '../../support/process.js';
import type { RedisCluster } from '../../support/redis-cluster.js';

export const barriers = ['stall', 'stall-up', 'stall-down', 'cut'] as const;
/** What does not pass; see redis-path-program.ts. */
export type Barrier = (typeof barriers)[number];

/** Of all nodes: with it a broker finds them at the host where it asked. */
export const redisSettings = { 'cluster-preferred-endpoint-type': 'unknown-endpoint' };

/** As much of a Redis Cluster as this needs. */
type Addressed = Pick<RedisCluster, 'addresses'>;

const program = fileURLToPath(new URL('./redis-path-program.js', import.meta.url));

export class RedisPath {
  /** As `redis_nodes`. */
  readonly addresses: string;
  private readonly child: Child;
  private changes = 0;

  private constructor(child: Child, addresses: string) {
    this.child = child;
    this.addresses = addresses;
  }

  /** @param index of the broker; each one has an address of its own */
  static async start(redis: Addressed, index: number): Promise<RedisPath> {
    const host = `127.0.0.${index + 2}`;
    const ports = redis.addresses.map(([, port]) => port);
    const child = await Child.start(process.execPath, [program, host, ports.join(',')]);
    await child.untilLine('listening');
    return new RedisPath(child, ports.map((port) => `${host}:${port}`).join(','));
  }

  /** Resolves when it is so. */
  block(barrier: Barrier): Promise<void> {
    return this.change(barrier);
  }

  open(): Promise<void> {
    return this.change('open');
  }

  async stop(): Promise<void> {
    this.child.signal('SIGKILL');
    await this.child.exited;
  }

  private async change(passes: string): Promise<void> {
    const number = ++this.changes;
    this.child.write(`${number} ${passes}\n`);
    await this.child.untilLine(new RegExp(`^done ${number}$`));
  }
}
