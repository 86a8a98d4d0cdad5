/** The stores that a broker under test may have, and the faults that only they know. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { type ClusterNode, RedisCluster } from '../support/redis-cluster.js';
import type { Settings } from '../support/redis-server.js';
import type { TempFolder } from '../support/temp.js';
import { until } from '../support/until.js';
import { moveRange } from './cluster/reshard.js';
import type { Fault, StoreKind } from './schedule.js';

export interface StoreUnderTest {
  readonly kind: StoreKind;
  /** Of the broker's configuration file. */
  readonly lines: readonly string[];
  /** Errors in the broker's log are what the store's faults lead to. */
  readonly isExpectedTrouble: (line: string) => boolean;
  /** A fault of the store's own. Resolves when it is done; the store may still recover from it. */
  inject(fault: Fault): Promise<void>;
  /** The store is whole again: the next fault may come. */
  untilWhole(): Promise<void>;
  stop(): Promise<void>;
}

export const hasRedis: boolean = spawnSync('redis-server', ['--version']).error === undefined;

/** Redis for several brokers, which are told its addresses otherwise. */
export function startRedis(folder: TempFolder, settings: Settings): Promise<RedisUnderTest> {
  return RedisUnderTest.start(folder, settings);
}

export function startStore(kind: StoreKind, folder: TempFolder): Promise<StoreUnderTest> {
  return kind === 'disk' ? Promise.resolve(diskStore(folder)) : RedisUnderTest.start(folder);
}

function diskStore(folder: TempFolder): StoreUnderTest {
  return {
    kind: 'disk',
    lines: ['store disk', `data_dir ${folder.file('data')}`],
    isExpectedTrouble: () => false,
    inject: ({ kind }) => Promise.reject(new Error(`the disk knows no '${kind}'`)),
    untilWhole: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };
}

/** What a broker rightly says while a primary, or its replica, is not there. */
const expectedTroubles = [
  'the store is away',
  'redis should be set up otherwise',
  'redis did not take all writes before the end',
];

export class RedisUnderTest implements StoreUnderTest {
  readonly kind = 'redis';
  readonly lines: readonly string[];
  readonly cluster: RedisCluster;
  private healing: Promise<void> = Promise.resolve();

  private constructor(cluster: RedisCluster) {
    this.cluster = cluster;
    const nodes = cluster.addresses.map(([host, port]) => `${host}:${port}`);
    this.lines = [
      'store redis',
      `redis_nodes ${nodes.join(',')}`,
      'ack_level replica',
      'node_name faults',
    ];
  }

  static async start(folder: TempFolder, settings: Settings = {}): Promise<RedisUnderTest> {
    const path = folder.file('redis');
    mkdirSync(path);
    return new RedisUnderTest(await RedisCluster.start({ folder: path, settings }));
  }

  isExpectedTrouble(line: string): boolean {
    return expectedTroubles.some((event) => line.includes(event));
  }

  async inject(fault: Pick<Fault, 'forMs' | 'pick'> & { readonly kind: string }): Promise<void> {
    await this.untilWhole();
    const primaries = await this.primaries();
    const primary = primaries[fault.pick % primaries.length];
    if (fault.kind === 'kill primary') await this.kill(primary);
    else await this.pause(primary, fault.forMs);
  }

  /** Moves a range of slots from one primary to another one, while they are used. */
  async reshard(pick: number): Promise<void> {
    await this.untilWhole();
    const primaries = await this.primaries();
    this.heal(moveRange(this.cluster, primaries, pick));
  }

  async untilWhole(): Promise<void> {
    await this.healing;
    await this.cluster.untilReady();
  }

  async stop(): Promise<void> {
    await this.healing.catch(() => undefined);
    await this.cluster.stop();
  }

  /** Kills a primary; it comes back as a replica of the replica that took its place. */
  private async kill(primary: ClusterNode): Promise<void> {
    await primary.server.kill();
    this.heal(this.replace(primary));
  }

  private heal(healing: Promise<void>): void {
    this.healing = healing;
    // Whoever waits for it hears of it; until then it is nobody's.
    this.healing.catch(() => undefined);
  }

  private async replace(primary: ClusterNode): Promise<void> {
    const others = this.cluster.nodes.filter((node) => node !== primary);
    const isReplaced = async (): Promise<boolean> => {
      const states = others.map(({ server }) => server.command('CLUSTER', 'INFO').then(String));
      const all = await Promise.all(states);
      return all.every((state) => state.includes('cluster_slots_ok:16384'));
    };
    // A failed primary is seen by all before its slots are served again.
    const isMissed = async (): Promise<boolean> => {
      const nodes = String(await others[0].server.command('CLUSTER', 'NODES'));
      return new RegExp(`^${primary.id} \\S+ \\S*fail(,| )`, 'm').test(nodes);
    };
    await until('the failure of the primary to be seen', isMissed, { deadlineMs: 30_000 });
    await until('a replica in its place', isReplaced, { deadlineMs: 30_000 });
    await primary.server.start();
    await this.cluster.untilReady();
  }

  private async pause(primary: ClusterNode, forMs: number): Promise<void> {
    primary.server.signal('SIGSTOP');
    const untilMs = performance.now() + forMs;
    await until('the end of the pause', () => performance.now() >= untilMs, {
      deadlineMs: forMs + 5_000,
    });
    primary.server.signal('SIGCONT');
    this.heal(this.cluster.untilReady());
  }

  private async primaries(): Promise<ClusterNode[]> {
    const roles = await Promise.all(
      this.cluster.nodes.map(async (node) => ({ node, role: await node.server.info('role') })),
    );
    return roles.filter(({ role }) => role === 'master').map(({ node }) => node);
  }
}
