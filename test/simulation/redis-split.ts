/**
 * The network between Redis servers splits, and perhaps that to brokers with it. The side without
 * the majority of primaries stops to serve after the node timeout; the other one replaces its
 * primaries as far as it has replicas of them.
 *
 *     0 ──── timeout ──────── 1.5 × ───────────────────────────── end ──────────▶
 *              the minority falls silent     replicas take over     all hear of all
 */
import type { History } from './history.js';
import type { Draw } from './loop.js';
import type { Shard } from './redis/fake-redis.js';
import type { Network } from './redis/network.js';
import { ErrorReply } from './redis/reply.js';
import type { FakeServer } from './redis/server.js';

/** `cluster-node-timeout`. */
const TIMEOUT_MS = 1_000;
/** Milliseconds of an election, after the timeout. */
const ELECTION_MS = [500, 2_000] as const;
/** `repl-timeout`: longer than a primary that is alone serves anything. */
const REPLICATION_MS = 4_000;
/** Milliseconds after which the two sides have heard of each other again. */
const REJOIN_MS = [50, 1_000] as const;

export class RedisSplit {
  private readonly history: History;
  private readonly network: Network;
  private readonly draw: Draw;
  /** Without the majority. */
  private readonly few: ReadonlySet<FakeServer>;
  /** On which side each broker is; on both, if it is not named. */
  private readonly brokers: ReadonlyMap<string, 'few' | 'many'>;
  private readonly ms: number;
  private onHealed: () => void = () => undefined;
  private isOver = false;

  private constructor(history: History, network: Network, draw: Draw, few: Set<FakeServer>) {
    this.history = history;
    this.network = network;
    this.draw = draw;
    this.few = few;
    this.ms = draw.pick([300, 1_400, 4_000, 8_000]);
    const brokers = new Map<string, 'few' | 'many'>();
    for (const { name } of history.brokers) {
      const side = draw.pick(['few', 'many', 'many', 'both'] as const);
      if (side !== 'both') brokers.set(name, side);
    }
    this.brokers = brokers;
  }

  /** Null: there is nothing to be split. */
  static draw(history: History, network: Network, draw: Draw): RedisSplit | null {
    const { shards } = history.redis;
    const few = new Set<FakeServer>();
    // One primary of three is none of one.
    const alone = shards.length > 2 && draw.chance(0.8) ? draw.pick(shards) : null;
    for (const shard of shards) {
      for (const server of shard.servers) {
        const isPrimary = server === shard.primary;
        if (isPrimary ? shard === alone : draw.chance(0.25)) few.add(server);
      }
    }
    return few.size === 0 ? null : new RedisSplit(history, network, draw, few);
  }

  start(onHealed: () => void): void {
    this.onHealed = onHealed;
    const { draw, few, history, ms } = this;
    const { loop } = history;
    const names = new Set([...few].map(({ name }) => name));
    history.trace('FAULT', `${[...names].join(' ')} apart for ${ms} ms; ${this.sides()}`);
    const isFew = (name: string): boolean | null => {
      if (name.startsWith('redis')) return names.has(name);
      const side = this.brokers.get(name);
      return side === undefined ? null : side === 'few';
    };
    this.network.split({
      untilMs: loop.nowMs + ms,
      isBetween: (one, other) => {
        const side = isFew(one);
        const otherSide = isFew(other);
        return side !== null && otherSide !== null && side !== otherSide;
      },
    });
    for (const { view } of few) view.isApart = true;
    this.later(TIMEOUT_MS * draw.between(1, 1.5), () => this.silence());
    this.later(TIMEOUT_MS + draw.between(...ELECTION_MS), () => this.elect());
    this.later(REPLICATION_MS, () => this.giveUp());
    this.later(ms, () => this.heal(), true);
  }

  /** Also when the history ends earlier: what is on its way comes at its time. */
  heal(): void {
    if (this.isOver) return;
    this.isOver = true;
    const { draw, history } = this;
    const { loop } = history;
    history.trace('FAULT', 'the split is over');
    for (const shard of history.redis.shards) {
      for (const server of shard.servers) {
        if (!this.few.has(server)) continue;
        loop.schedule(loop.world, draw.between(...REJOIN_MS), () => this.rejoin(shard, server));
      }
    }
    loop.schedule(loop.world, REJOIN_MS[1], this.onHealed);
  }

  private rejoin(shard: Shard, server: FakeServer): void {
    const { redis } = this.history;
    server.view.isApart = false;
    server.view.isOutvoted = false;
    if (shard.primary !== server && server.isPrimary) {
      this.history.trace('FAULT', `${server.name} hears that it is a replica now`);
      redis.rejoin(shard, server);
    } else if (shard.primary === server) {
      redis.markServed(shard);
    }
    redis.reattach(shard);
    server.view.config = redis.config;
  }

  private silence(): void {
    for (const server of this.few) {
      server.view.isOutvoted = true;
      server.refuseReads(() => true, new ErrorReply('CLUSTERDOWN The cluster is down'));
    }
  }

  private elect(): void {
    const { history } = this;
    for (const shard of history.redis.shards) {
      const old = shard.primary;
      if (!this.few.has(old)) continue;
      if (history.redis.failOver(shard, true)) {
        history.trace('FAULT', `${shard.primary.name} takes the place of ${old.name}`);
      } else {
        history.redis.markFailed(shard);
      }
    }
  }

  /** Primaries and replicas that do not hear of each other. */
  private giveUp(): void {
    for (const { servers } of this.history.redis.shards) {
      for (const one of servers) {
        for (const other of servers) {
          if (this.few.has(one) !== this.few.has(other)) one.replication.detach(other);
        }
      }
    }
  }

  /** @param isEnd it happens however early the split is over; else only before */
  private later(ms: number, act: () => void, isEnd = false): void {
    const { loop } = this.history;
    loop.schedule(loop.world, ms, () => {
      if (!this.isOver && (isEnd || ms < this.ms)) act();
    });
  }

  private sides(): string {
    const of = (side: 'few' | 'many'): string =>
      [...this.brokers]
        .filter(([, one]) => one === side)
        .map(([name]) => name)
        .join(' ') || '-';
    return `with them ${of('few')}, with the others ${of('many')}`;
  }
}
