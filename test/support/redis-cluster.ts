/**
 * A Redis Cluster of its own for a test, or for people (`scripts/redis-cluster.sh`): primaries and
 * their replicas on free ports of the loopback.
 *
 * Nobody is introduced to anybody: each node starts with a `nodes.conf` that has the whole cluster,
 * so it is ready as fast as the servers start.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './port.js';
import { RedisServer, type Settings } from './redis-server.js';
import { until } from './until.js';

const SLOTS = 16_384;

export interface ClusterOptions {
  readonly folder: string;
  readonly primaries?: number;
  readonly replicasEach?: number;
  /** Milliseconds after which a silent node is taken for dead. */
  readonly nodeTimeoutMs?: number;
  readonly settings?: Settings;
  readonly isDetached?: boolean;
}

export interface ClusterNode {
  readonly id: string;
  readonly server: RedisServer;
  /** At the start. */
  readonly isPrimary: boolean;
}

/** What `cluster.json` in the folder says of a node, so that it can be found and started again. */
export interface Planned {
  readonly id: string;
  readonly port: number;
  readonly busPort: number;
  readonly primaryId: string | null;
  readonly slots: string;
  readonly epoch: number;
}

export class RedisCluster {
  readonly nodes: readonly ClusterNode[];

  private constructor(nodes: readonly ClusterNode[]) {
    this.nodes = nodes;
  }

  /** A cluster that the folder has already is started again, with its data. */
  static async start(options: ClusterOptions): Promise<RedisCluster> {
    const before = readPlan(options.folder);
    const planned = before ?? (await plan(options.primaries ?? 3, options.replicasEach ?? 1));
    const nodes = planned.map((one) => {
      const folder = join(options.folder, `node-${one.port}`);
      mkdirSync(folder, { recursive: true });
      if (before === null) writeFileSync(join(folder, 'nodes.conf'), nodesConf(planned, one));
      const settings = {
        'cluster-enabled': 'yes',
        'cluster-config-file': 'nodes.conf',
        'cluster-port': one.busPort,
        'cluster-node-timeout': options.nodeTimeoutMs ?? 2_000,
        'cluster-require-full-coverage': 'no',
        ...options.settings,
      };
      const server = new RedisServer(
        { folder, settings, isDetached: options.isDetached ?? false },
        one.port,
      );
      return { id: one.id, server, isPrimary: one.primaryId === null };
    });
    const cluster = new RedisCluster(nodes);
    try {
      await Promise.all(nodes.map(({ server }) => server.start()));
      await cluster.untilReady();
      writePlan(options.folder, planned, nodes);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** As `redis_nodes`. */
  get addresses(): [string, number][] {
    return this.nodes.map(({ server }) => ['127.0.0.1', server.port]);
  }

  get primaries(): ClusterNode[] {
    return this.nodes.filter(({ isPrimary }) => isPrimary);
  }

  /** All slots are served, and every replica follows. */
  async untilReady(): Promise<void> {
    await until('the Redis Cluster', () => this.isReady(), { deadlineMs: 20_000 });
  }

  /** The node that serves a slot now, as `asked` sees it. */
  async primaryOf(slot: number, asked: ClusterNode): Promise<ClusterNode> {
    for (const line of String(await asked.server.command('CLUSTER', 'NODES')).split('\n')) {
      const [id, , flags, , , , , ...ranges] = line.split(' ');
      const serves = ranges.some((range) => {
        const [from, to] = range.split('-').map(Number);
        return slot >= from! && slot <= (to ?? from!);
      });
      if (serves && !flags!.includes('fail')) return this.byId(id!);
    }
    throw new Error(`nobody serves slot ${slot}`);
  }

  /**
   * Moves one slot with its keys to another primary, as a resharding does.
   *
   * The new owner must know everybody's epoch before: Redis has it choose the next one by itself,
   * and when that is not above that of the old owner, an old word of that takes the slot back, and
   * with it all keys that were moved.
   */
  async moveSlot(slot: number, from: ClusterNode, to: ClusterNode): Promise<void> {
    await to.server.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
    await from.server.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
    for (;;) {
      const keys = await from.server.command('CLUSTER', 'GETKEYSINSLOT', slot, 20);
      if (!Array.isArray(keys) || keys.length === 0) break;
      const target = ['127.0.0.1', to.server.port, '', 0, 5_000, 'KEYS'];
      await from.server.command('MIGRATE', ...target, ...(keys as string[]));
    }
    await until('the new owner to know all epochs', () => this.knowsEpochs(to), {
      deadlineMs: 20_000,
    });
    await to.server.command('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
    await from.server.command('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
  }

  byId(id: string): ClusterNode {
    const node = this.nodes.find((one) => one.id === id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(({ server }) => server.kill()));
  }

  private async knowsEpochs({ server }: ClusterNode): Promise<boolean> {
    const known = await epochOf(server, 'current');
    const alive = this.nodes.filter((node) => node.server.isRunning);
    const epochs = await Promise.all(alive.map((node) => epochOf(node.server, 'my')));
    return epochs.every((epoch) => epoch <= known);
  }

  private async isReady(): Promise<boolean> {
    try {
      const answers = await Promise.all(this.nodes.map(isNodeReady));
      return answers.every(Boolean);
    } catch (error) {
      // A replica that has got all from its primary, and reads it, answers nothing else.
      if (error instanceof Error && error.message.startsWith('LOADING')) return false;
      throw error;
    }
  }
}

async function epochOf(server: RedisServer, which: 'current' | 'my'): Promise<number> {
  const info = String(await server.command('CLUSTER', 'INFO'));
  return Number(new RegExp(`cluster_${which}_epoch:(\\d+)`).exec(info)?.[1]);
}

async function isNodeReady({ server }: ClusterNode): Promise<boolean> {
  const state = String(await server.command('CLUSTER', 'INFO'));
  const isUp = state.includes('cluster_state:ok') && state.includes('slots_ok:16384');
  const isPrimary = (await server.info('role')) === 'master';
  return isUp && (isPrimary || (await server.info('master_link_status')) === 'up');
}

async function plan(primaries: number, replicasEach: number): Promise<Planned[]> {
  const planned: Planned[] = [];
  const add = async (primaryId: string | null, slots: string, epoch: number) => {
    const id = randomBytes(20).toString('hex');
    planned.push({
      id,
      port: await freePort(),
      busPort: await freePort(),
      primaryId,
      slots,
      epoch,
    });
    return id;
  };
  for (let index = 0; index < primaries; index++) {
    const first = Math.floor((SLOTS * index) / primaries);
    const last = Math.floor((SLOTS * (index + 1)) / primaries) - 1;
    const id = await add(null, `${first}-${last}`, index + 1);
    for (let replica = 0; replica < replicasEach; replica++) await add(id, '', index + 1);
  }
  return planned;
}

/** What runs in a folder, or did; null: nothing ever did. */
export function readPlan(folder: string): (Planned & { readonly pid: number })[] | null {
  const file = join(folder, 'cluster.json');
  if (!existsSync(file)) return null;
  return JSON.parse(readFileSync(file, 'utf8')) as (Planned & { readonly pid: number })[];
}

function writePlan(
  folder: string,
  planned: readonly Planned[],
  nodes: readonly ClusterNode[],
): void {
  const all = planned.map((one, index) => ({ ...one, pid: nodes[index]!.server.pid }));
  writeFileSync(join(folder, 'cluster.json'), `${JSON.stringify(all, null, 2)}\n`);
}

function nodesConf(planned: readonly Planned[], own: Planned): string {
  const lines = planned.map(({ busPort, epoch, id, port, primaryId, slots }) => {
    const role = primaryId === null ? 'master' : 'slave';
    const flags = id === own.id ? `myself,${role}` : role;
    const of = primaryId ?? '-';
    const place = `127.0.0.1:${port}@${busPort}`;
    return `${id} ${place} ${flags} ${of} 0 0 ${epoch} connected ${slots}`.trim();
  });
  return `${lines.join('\n')}\nvars currentEpoch ${planned.length} lastVoteEpoch 0\n`;
}
