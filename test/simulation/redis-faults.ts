/** What goes wrong with Redis, and how it is mended. */
import type { History } from './history.js';
import type { Draw } from './loop.js';
import type { Shard } from './redis/fake-redis.js';
import type { Network } from './redis/network.js';
import type { FakeServer } from './redis/server.js';
import { SlotMove } from './redis/slot-move.js';
import { slotOfKey } from './redis/slots.js';
import { RedisSplit } from './redis-split.js';

/** Milliseconds for which a new replica is let follow before its primary may go. */
const FOLLOW_MS = 4_000;

export const redisKinds = [
  'kill redis',
  'pause redis',
  'away',
  'slow replicas',
  'move slots',
  'split redis',
] as const;
type Kind = (typeof redisKinds)[number];

export class RedisFaults {
  private readonly history: History;
  private readonly network: Network;
  private readonly draw: Draw;
  /** Shards with a fault, and since when others are whole. */
  private readonly troubled = new Set<Shard>();
  private readonly wholeMs = new Map<Shard, number>();
  private readonly paused = new Set<FakeServer>();
  private readonly dead = new Map<FakeServer, Shard>();
  private split: RedisSplit | null = null;
  private isOver = false;

  constructor(history: History, network: Network, draw: Draw) {
    this.history = history;
    this.network = network;
    this.draw = draw;
  }

  mendAll(): void {
    this.isOver = true;
    for (const server of this.paused) this.wake(server);
    for (const [server, shard] of [...this.dead]) this.restart(shard, server);
    this.split?.heal();
    this.history.redis.replicationMs = [0.1, 2];
  }

  /** False: not now. */
  begin(kind: Kind): boolean {
    const shard = this.draw.pick(this.history.redis.shards);
    switch (kind) {
      case 'kill redis':
        return this.killRedis(shard);
      case 'pause redis':
        return this.pauseRedis(shard);
      case 'away':
        return this.away();
      case 'slow replicas':
        return this.slowReplicas();
      case 'move slots':
        return this.moveSlots(shard);
      case 'split redis':
        return this.splitRedis();
    }
  }

  private later(ms: number, act: () => void): void {
    const { loop } = this.history;
    loop.schedule(loop.world, ms, () => {
      if (!this.isOver) act();
    });
  }

  private say(what: string): void {
    this.history.trace('FAULT', what);
  }

  private isWhole(shard: Shard): boolean {
    const { nowMs } = this.history.loop;
    if (this.troubled.has(shard)) return false;
    if (shard.servers.some((server) => !server.isUp || !server.process.isRunning)) return false;
    const replicas = shard.servers.length - 1;
    if (shard.primary.replication.attached.length < replicas) return false;
    return nowMs - (this.wholeMs.get(shard) ?? Number.NEGATIVE_INFINITY) > FOLLOW_MS;
  }

  private mended(shard: Shard): void {
    this.troubled.delete(shard);
    this.wholeMs.set(shard, this.history.loop.nowMs);
  }

  private killRedis(shard: Shard): boolean {
    if (!this.isWhole(shard)) return false;
    const { redis } = this.history;
    const old = shard.primary;
    const isSilent = this.draw.chance(0.4);
    this.say(`${old.name} is killed${isSilent ? ', without a word' : ''}`);
    this.troubled.add(shard);
    this.dead.set(old, shard);
    redis.kill(shard, isSilent);
    const failoverMs = this.draw.between(300, 2_500);
    this.later(failoverMs / 2, () => {
      if (this.dead.has(old)) redis.markFailed(shard);
    });
    this.later(failoverMs, () => {
      if (this.dead.has(old) && redis.failOver(shard)) {
        this.say(`${shard.primary.name} takes the place of ${old.name}`);
      }
    });
    this.later(failoverMs + this.draw.between(100, 4_000), () => this.restart(shard, old));
    return true;
  }

  private restart(shard: Shard, server: FakeServer): void {
    if (!this.dead.delete(server)) return;
    this.say(`${server.name} comes back`);
    this.history.redis.restart(shard, server);
    this.mended(shard);
  }

  private pauseRedis(shard: Shard): boolean {
    if (!this.isWhole(shard)) return false;
    const { redis } = this.history;
    const old = shard.primary;
    const ms = this.draw.pick([200, 900, 2_000, 4_000]);
    const isReplaced = ms >= 2_000 && shard.servers.length > 1;
    this.say(`${old.name} is stopped for ${ms} ms`);
    this.troubled.add(shard);
    this.pause(old);
    if (isReplaced) {
      this.later(this.draw.between(1_000, ms), () => {
        if (!this.paused.has(old) || !redis.failOver(shard)) return;
        this.say(`${shard.primary.name} takes the place of ${old.name}`);
      });
    }
    this.later(ms, () => {
      this.wake(old);
      this.later(this.draw.between(0, 50), () => this.rejoin(shard, old));
    });
    return true;
  }

  /** It hears of what became of it while it was stopped. */
  private rejoin(shard: Shard, server: FakeServer): void {
    if (shard.primary !== server) {
      this.say(`${server.name} hears that it is a replica now`);
      this.history.redis.rejoin(shard, server);
    }
    this.mended(shard);
  }

  private away(): boolean {
    const { shards } = this.history.redis;
    if (shards.some((shard) => !this.isWhole(shard))) return false;
    const ms = this.draw.pick([500, 3_000, 12_000]);
    this.say(`all of Redis is stopped for ${ms} ms`);
    for (const shard of shards) {
      this.troubled.add(shard);
      for (const server of shard.servers) this.pause(server);
    }
    this.later(ms, () => {
      for (const shard of shards) {
        for (const server of shard.servers) this.wake(server);
        this.mended(shard);
      }
    });
    return true;
  }

  private pause(server: FakeServer): void {
    server.process.pause();
    this.paused.add(server);
  }

  private wake(server: FakeServer): void {
    if (!this.paused.delete(server)) return;
    this.say(`${server.name} goes on`);
    server.process.resume();
    // At the end of a history nobody else tells it.
    const shard = this.history.redis.shards.find(({ servers }) => servers.includes(server))!;
    if (this.isOver) this.rejoin(shard, server);
  }

  private slowReplicas(): boolean {
    const { redis } = this.history;
    redis.replicationMs = this.draw.pick([[50, 300] as const, [300, 1_200] as const]);
    this.say(`replicas are slow: ${redis.replicationMs.join(' to ')} ms`);
    this.later(this.draw.between(500, 6_000), () => {
      redis.replicationMs = [0.1, 2];
    });
    return true;
  }

  /** Some slots go to another shard, one after the other: those of keys that are in use. */
  private moveSlots(from: Shard): boolean {
    const { draw } = this;
    const { redis } = this.history;
    const others = redis.shards.filter((shard) => shard !== from);
    if (others.length === 0) return false;
    const to = draw.pick(others);
    if (!this.isWhole(from) || !this.isWhole(to)) return false;
    const used = [...new Set([...from.primary.db.keys.keys()].map(slotOfKey))];
    const slots = used.filter(() => draw.chance(0.7)).slice(0, draw.pick([1, 4, 20]));
    if (slots.length === 0) return false;
    this.troubled.add(from);
    this.troubled.add(to);
    this.say(`${slots.length} slots go from ${from.primary.name} to ${to.primary.name}`);
    const next = (): void => {
      const slot = slots.pop();
      if (slot === undefined) {
        this.say('the slots have moved');
        this.mended(from);
        this.mended(to);
        return;
      }
      new SlotMove(redis, this.history.loop, draw, { slot, from, to }, next).start();
    };
    next();
    return true;
  }

  private splitRedis(): boolean {
    const { history, network } = this;
    const { shards } = history.redis;
    if (!history.redis.isCluster || shards.some((shard) => !this.isWhole(shard))) return false;
    const split = RedisSplit.draw(history, network, this.draw);
    if (split === null) return false;
    for (const shard of shards) this.troubled.add(shard);
    this.split = split;
    split.start(() => {
      this.split = null;
      for (const shard of shards) this.mended(shard);
    });
    return true;
  }
}
