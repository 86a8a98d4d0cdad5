/**
 * Announcements of subscriptions that wait until every live broker has applied them (promise P4).
 *
 * Brokers say up to which of this broker's calls they have followed a shard's log. An
 * announcement waits for those that were there when its call was done: who comes later loads the
 * maps after that. Bounded by the core, whose SUBACKs wait.
 */
import type { Log } from '../../../base/log.js';
import { SHARDS, TROUBLE_LOG_MS } from '../tuning.js';

interface Peer {
  /** It has to apply announcements from this one on. */
  readonly since: number;
  /** Per shard, the last call that it has applied. */
  readonly applied: number[];
}

interface Announcement {
  readonly order: number;
  readonly call: number;
  readonly sinceMs: number;
  isLate: boolean;
  readonly onDone: () => void;
}

export class Announcements {
  /** Times that a broker was late. */
  slowPeers = 0;
  private readonly peers = new Map<string, Peer>();
  private readonly waiting: Announcement[][] = Array.from({ length: SHARDS }, () => []);
  private readonly slowMs: number;
  private readonly log: Log;
  private order = 0;
  private loggedMs = Number.NEGATIVE_INFINITY;

  constructor(slowMs: number, log: Log) {
    this.slowMs = slowMs;
    this.log = log;
  }

  get size(): number {
    return this.waiting.reduce((sum, list) => sum + list.length, 0);
  }

  add(shard: number, call: number, nowMs: number, onDone: () => void): void {
    const order = ++this.order;
    this.waiting[shard]!.push({ order, call, sinceMs: nowMs, isLate: false, onDone });
    // Later, never from within.
    queueMicrotask(() => this.check(shard));
  }

  onJoined(node: string): void {
    const applied = Array.from({ length: SHARDS }, () => 0);
    this.peers.set(node, { since: this.order + 1, applied });
  }

  onLeft(node: string): void {
    this.peers.delete(node);
    for (let shard = 0; shard < SHARDS; shard++) this.check(shard);
  }

  onApplied(node: string, shard: number, call: number): void {
    const applied = this.peers.get(node)?.applied;
    const before = applied?.[shard];
    if (applied === undefined || before === undefined || call <= before) return;
    applied[shard] = call;
    this.check(shard);
  }

  /** Nobody waits for what was announced before: its connections are closed. */
  endAll(): void {
    for (const list of this.waiting) for (const { onDone } of list.splice(0)) onDone();
  }

  /** Counts brokers that are late. */
  tick(nowMs: number): void {
    for (let shard = 0; shard < SHARDS; shard++) {
      for (const one of this.waiting[shard]!) {
        // Those behind it came later.
        if (nowMs - one.sinceMs < this.slowMs) break;
        if (one.isLate) continue;
        one.isLate = true;
        for (const [node, peer] of this.peers) {
          if (!isWaitedFor(peer, shard, one)) continue;
          this.slowPeers++;
          this.logLate(node, nowMs);
        }
      }
    }
  }

  private check(shard: number): void {
    const list = this.waiting[shard]!;
    let count = 0;
    while (count < list.length && this.isDone(shard, list[count]!)) count++;
    for (const { onDone } of list.splice(0, count)) onDone();
  }

  private isDone(shard: number, announcement: Announcement): boolean {
    for (const peer of this.peers.values()) {
      if (isWaitedFor(peer, shard, announcement)) return false;
    }
    return true;
  }

  private logLate(node: string, nowMs: number): void {
    if (nowMs - this.loggedMs < TROUBLE_LOG_MS) return;
    this.loggedMs = nowMs;
    this.log.write('warning', 'a broker is slow to hear of subscriptions: SUBACKs wait', { node });
  }
}

function isWaitedFor(peer: Peer, shard: number, { call, order }: Announcement): boolean {
  return peer.since <= order && peer.applied[shard]! < call;
}
