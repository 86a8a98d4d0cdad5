/**
 * A Redis Cluster, or a single server, on virtual time: which server serves which slots, failovers,
 * and faults. It loses, delays and cuts as a real one may, and nothing beyond that: what a replica
 * has confirmed survives its primary.
 *
 * `config` is what the majority has agreed on; each server knows it a little later.
 */
import { SLOTS } from '../../../src/store/redis/slot.js';
import type { Draw, Loop, Process } from '../loop.js';
import { FakeClient } from './client.js';
import type { Context } from './commands.js';
import type { Network } from './network.js';
import { ErrorReply, type Reply } from './reply.js';
import { FakeServer, type Surroundings } from './server.js';
import { slotOfKey } from './slots.js';
import type { Config } from './view.js';

const FIRST_PORT = 7_000;
/** Milliseconds since 1970 when virtual time is 0. */
export const EPOCH_MS = 1_700_000_000_000;
/** Milliseconds until a server hears what became of the cluster. */
const GOSSIP_MS = 100;

export interface RedisShape {
  /** 0: a single server, no cluster. */
  readonly primaries: number;
  /** Of each primary. */
  readonly replicas: number;
  /** By how much clocks of servers differ, milliseconds. */
  readonly skewMs: number;
  /** `cluster-require-full-coverage`: nobody serves anything while a shard has no primary. */
  readonly isWhole: boolean;
}

export interface Shard {
  readonly index: number;
  primary: FakeServer;
  readonly servers: readonly FakeServer[];
}

export class FakeRedis {
  readonly network: Network;
  readonly shards: Shard[] = [];
  config: Config;
  /** Milliseconds that changes take to a replica; a fault raises it. */
  replicationMs: readonly [number, number] = [0.1, 2];
  /** Milliseconds since the beginning of virtual time. */
  timeMs: () => number;
  private readonly shape: RedisShape;
  private readonly loop: Loop;
  private readonly draw: Draw;

  constructor(shape: RedisShape, loop: Loop, draw: Draw, network: Network) {
    this.shape = shape;
    this.loop = loop;
    this.timeMs = () => loop.nowMs;
    this.draw = draw;
    this.network = network;
    const count = Math.max(1, shape.primaries);
    for (let index = 0; index < count; index++) {
      const servers: FakeServer[] = [];
      for (let n = 0; n <= shape.replicas; n++) servers.push(this.makeServer(index + n * count, n));
      const primary = servers[0]!;
      for (const replica of servers.slice(1)) primary.replication.attach(replica);
      this.shards.push({ index, primary, servers });
    }
    const owners = Uint8Array.from({ length: SLOTS }, (_, slot) =>
      Math.floor((slot * count) / SLOTS),
    );
    const primaries = this.shards.map(({ primary }) => primary);
    this.config = { owners, primaries, failed: new Set() };
    for (const server of network.servers.values()) server.view.config = this.config;
  }

  /** What a store is told. */
  get nodes(): readonly (readonly [string, number])[] {
    return [...this.network.servers.keys()].map((port) => ['127.0.0.1', port] as const);
  }

  get isCluster(): boolean {
    return this.shape.primaries > 0;
  }

  client(process: Process, options: ConstructorParameters<typeof FakeClient>[2]): FakeClient {
    return new FakeClient(this.network, process, options);
  }

  /** The data of the key's primary, for checks. */
  dataOf(key: string): FakeServer['db'] {
    return this.shards[this.config.owners[slotOfKey(key)]!]!.primary.db;
  }

  /** A primary ends without any farewell; its data are still there when it comes back. */
  kill(shard: Shard, isSilent: boolean): void {
    shard.primary.replication.breakOff((underway) => this.draw.below(underway + 1));
    shard.primary.kill(isSilent);
  }

  /** The others have noticed that nobody serves a shard. */
  markFailed({ index }: Shard): void {
    const { config } = this;
    this.agree({ ...config, failed: new Set([...config.failed, index]) });
  }

  /** They hear of its primary again. */
  markServed(shard: Shard): void {
    if (this.config.failed.has(shard.index)) this.setPrimary(shard, shard.primary);
  }

  /**
   * What a cluster does when a primary was away for long enough.
   *
   * @param isCutOff the old primary lives and is not heard: nothing of it arrives any more
   * @returns false: nobody can replace it
   */
  failOver(shard: Shard, isCutOff = false): boolean {
    const old = shard.primary;
    const candidates = shard.servers.filter((one) => one !== old && one.process.isRunning);
    const next = candidates.find(({ isUp, view }) => isUp && !view.isApart);
    if (next === undefined) return false;
    // One that is only paused, or cut off, goes on as if it were the primary, for a while.
    if (isCutOff) old.replication.silence();
    else old.replication.breakOff((underway) => this.draw.below(underway + 1));
    next.isPrimary = true;
    this.setPrimary(shard, next);
    next.view.config = this.config;
    for (const other of candidates)
      if (other !== next && other.isUp) next.replication.attach(other);
    return true;
  }

  /** A server that was dead comes back, as primary if nobody took its place. */
  restart(shard: Shard, server: FakeServer): void {
    server.restart();
    server.loadingUntilMs = this.loop.nowMs + this.draw.between(0, 200);
    this.rejoin(shard, server);
  }

  /** A server hears who is primary now. */
  rejoin(shard: Shard, server: FakeServer): void {
    if (shard.primary === server) {
      this.setPrimary(shard, server);
      server.view.config = this.config;
      for (const other of shard.servers) {
        if (other !== server && other.isUp) server.replication.attach(other);
      }
      return;
    }
    server.view.config = this.config;
    if (server.isPrimary) server.becomeReplica();
    shard.primary.replication.attach(server);
  }

  /** Replicas that gave their primary up, or were given up by it, follow it again. */
  reattach({ primary, servers }: Shard): void {
    for (const server of servers) {
      if (server === primary || !server.isUp || server.isPrimary) continue;
      if (!primary.replication.attached.includes(server.port)) primary.replication.attach(server);
    }
  }

  /** A shard has a slot from now on; who is told of it now, `spread` does not say. */
  giveSlot(slot: number, to: Shard): void {
    const owners = Uint8Array.from(this.config.owners);
    owners[slot] = to.index;
    this.config = { ...this.config, owners };
  }

  /** Everybody who is with the majority hears what it agreed on. */
  spread(): void {
    for (const server of this.network.servers.values()) {
      if (server.view.isApart) continue;
      this.loop.schedule(server.process, this.draw.between(0, GOSSIP_MS), () => {
        if (!server.view.isApart) server.view.config = this.config;
      });
    }
  }

  private setPrimary(shard: Shard, primary: FakeServer): void {
    shard.primary = primary;
    const failed = new Set(this.config.failed);
    failed.delete(shard.index);
    const primaries = this.shards.map((one) => one.primary);
    this.agree({ ...this.config, primaries, failed });
  }

  private agree(config: Config): void {
    this.config = config;
    this.spread();
  }

  private makeServer(index: number, n: number): FakeServer {
    const skewMs = this.draw.between(-this.shape.skewMs, this.shape.skewMs);
    const context: Context = {
      nowUs: () => Math.floor((EPOCH_MS + this.timeMs() + skewMs) * 1000),
      below: (bound) => this.draw.below(bound),
    };
    const around: Surroundings = {
      loop: this.loop,
      context,
      delayMs: (from, to) => this.delayMs(from, to),
      slots: (from) => (this.isCluster ? slotsOf(from, this.shards) : null),
      refusal: (server, keys, isAsking) =>
        this.isCluster ? this.refusal(server, keys, isAsking) : null,
    };
    const server = new FakeServer(FIRST_PORT + index, n === 0, around);
    this.network.servers.set(server.port, server);
    return server;
  }

  /** Of what one server tells another. */
  private delayMs(from: FakeServer, to: FakeServer): number {
    const untilMs = this.network.splitUntilMs(from.name, to.name);
    const heldMs = Math.max(0, untilMs - this.loop.nowMs);
    return heldMs + this.draw.between(...this.replicationMs);
  }

  /** As `getNodeByQuery` of Redis 7 has it. */
  private refusal(
    { db, view }: FakeServer,
    keys: readonly string[],
    isAsking: boolean,
  ): ErrorReply | null {
    const { failed, owners, primaries } = view.config!;
    if (view.isOutvoted || (this.shape.isWhole && failed.size > 0)) {
      return new ErrorReply('CLUSTERDOWN The cluster is down');
    }
    const slot = slotOfKey(keys[0]!);
    if (keys.some((key) => slotOfKey(key) !== slot)) {
      return new ErrorReply("CROSSSLOT Keys in request don't hash to the same slot");
    }
    const owner = primaries[owners[slot]!]!;
    const target = view.migrating.get(slot);
    const isOwn = owner.view === view;
    const isImported = isAsking && view.importing.has(slot);
    if (target === undefined && !isImported) return isOwn ? null : moved(slot, owner);
    const missing = keys.filter((key) => !db.keys.has(key)).length;
    const tryAgain = 'TRYAGAIN Multiple keys request during rehashing of slot';
    if (isOwn && target !== undefined && missing > 0) {
      if (missing < keys.length) return new ErrorReply(tryAgain);
      return new ErrorReply(`ASK ${slot} 127.0.0.1:${target.port}`);
    }
    if (isOwn) return null;
    if (!isImported) return moved(slot, owner);
    return new Set(keys).size > 1 && missing > 0 ? new ErrorReply(tryAgain) : null;
  }
}

function moved(slot: number, { port }: FakeServer): ErrorReply {
  return new ErrorReply(`MOVED ${slot} 127.0.0.1:${port}`);
}

/** CLUSTER SLOTS, as a server has it. */
function slotsOf({ view }: FakeServer, shards: readonly Shard[]): Reply {
  const node = ({ name, port }: FakeServer): Reply => ['127.0.0.1', port, name];
  return view.ranges().map(([from, to, index]) => {
    const primary = view.config!.primaries[index]!;
    const replicas = shards[index]!.servers.filter((one) => one !== primary && one.isUp);
    return [from, to, node(primary), ...replicas.map(node)];
  });
}
