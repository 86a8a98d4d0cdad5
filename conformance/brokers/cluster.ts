/**
 * Three brokers on one Redis Cluster, which a test sees as one broker: its clients are spread over
 * them. Each group of profiles is a cluster of its own, by its prefix, on the same Redis.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisCluster } from '../../test/support/redis-cluster.js';
import type { Endpoint } from '../raw/wire.js';
import { type Broker, LocalBroker } from './broker.js';
import { type Group, type ProfileName, user } from './profiles.js';

const NODES = 3;

export class LocalCluster implements Broker {
  readonly name = 'tidewire';
  readonly nodes = Array.from({ length: NODES }, (_, node) => node);
  readonly credentials = user;
  private readonly redisFolder = mkdtempSync(join(tmpdir(), 'conformance-redis-'));
  private readonly members: LocalBroker[] = [];
  private redis: RedisCluster | null = null;

  constructor(command: readonly string[]) {
    const first = new LocalBroker('tidewire', command, this.optionsOf(0));
    this.members.push(first);
    for (let node = 1; node < NODES; node++) {
      this.members.push(new LocalBroker('tidewire', command, { ...this.optionsOf(node), first }));
    }
  }

  missing(profile: ProfileName): string | null {
    return this.first.missing(profile);
  }

  /** One after the other: each one finds those before it. */
  async start(profiles: Iterable<ProfileName>): Promise<void> {
    const wanted = [...profiles];
    this.redis = await RedisCluster.start({ folder: this.redisFolder });
    for (const member of this.members) await member.start(wanted);
  }

  endpoint(profile: ProfileName, node = 0): Endpoint {
    const member = this.members[node];
    if (member === undefined) throw new Error(`no broker ${node} in a cluster of ${NODES}`);
    return member.endpoint(profile);
  }

  folder(profile: ProfileName): string {
    return this.first.folder(profile);
  }

  faults(): string[] {
    return this.members.flatMap((member) => member.faults());
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
    await this.redis?.stop();
    rmSync(this.redisFolder, { recursive: true, force: true });
  }

  private get first(): LocalBroker {
    return this.members[0];
  }

  private optionsOf(node: number) {
    const linesOf = (group: Group): string[] => {
      const addresses = this.redis?.addresses ?? [];
      return [
        'store redis',
        `redis_nodes ${addresses.map(([host, port]) => `${host}:${port}`).join(',')}`,
        `redis_prefix conformance-${group.name}:`,
        `node_name node-${node}`,
      ];
    };
    return { name: `tidewire ${node}`, linesOf };
  }
}
