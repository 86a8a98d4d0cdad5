/** The shards of the replicated maps as they are followed, and what the core hears of them. */
import { setTimeout as pause } from 'node:timers/promises';
import { BrokerError } from '../../../base/errors.js';
import type { FabricObserver } from '../../fabric.js';
import { type MapEntry, type MapName, shardOfEntry } from '../map-entries.js';
import { RETRY_MS_MAX, SHARDS } from '../tuning.js';
import type { FabricHome } from './fabric-home.js';
import { Follower, type FollowerEvents } from './follower.js';
import type { Place } from './map-scan.js';
import type { MapTable } from './map-table.js';

/** Deleting what nobody has changes nothing, but is in the log. */
const nobody = { field: Buffer.from('-'), value: null, expiredMs: 0, epoch: 0 } as const;

/** What followers must know of this broker and the others. */
export interface FollowersHome {
  isOwnWriter(writer: string): boolean;
  isOwnNode(node: string): boolean;
  isLive(node: string): boolean;
  onApplied(writer: string, shard: number, call: number): void;
  onShardLost(shard: number): void;
}

export class Followers implements FollowerEvents {
  observer: FabricObserver | null = null;
  private readonly home: FabricHome;
  private readonly around: FollowersHome;
  private readonly followers: readonly Follower[];
  /** Who waits for the next catching up. */
  private readonly waiting: (() => void)[] = [];
  private isCatchingUp = false;

  constructor(home: FabricHome, around: FollowersHome) {
    this.home = home;
    this.around = around;
    this.followers = Array.from({ length: SHARDS }, (_, shard) => new Follower(home, shard, this));
  }

  get tables(): readonly MapTable[] {
    return this.followers.map(({ table }) => table);
  }

  get reloads(): number {
    return this.followers.reduce((sum, { reloads }) => sum + reloads, 0);
  }

  /** Before the maps are loaded. @throws BrokerError `STORE_AWAY` */
  async mark(): Promise<void> {
    this.home.maps.follow().forEach((own) => {
      own.onLate = (topic, record) => this.observer?.onRetained(topic, record);
    });
    await Promise.all(this.followers.map((follower) => follower.mark()));
  }

  onLoaded(entry: MapEntry): void {
    this.followers[shardOfEntry(entry)]!.table.put(entry);
  }

  /** The maps are loaded, and the other brokers known. */
  start(observer: FabricObserver): void {
    this.observer = observer;
    for (const { table } of this.followers) {
      for (const [clientId, { epoch, node }] of table.online) {
        if (!this.around.isOwnNode(node)) observer.onOnline(clientId, epoch, node);
      }
    }
    for (const follower of this.followers) follower.start();
  }

  stop(): void {
    this.observer = null;
    for (const follower of this.followers) follower.stop();
  }

  tick(): void {
    for (const follower of this.followers) follower.tick();
  }

  /** A broker is alive: what it has announced. */
  tellOf(node: string, observer: FabricObserver): void {
    for (const { table } of this.followers) {
      for (const [filter, kinds] of table.routesOf(node)) observer.onRoute(node, filter, kinds);
      for (const { clientId, subscription } of table.membersOf(node)) {
        observer.onMember(node, clientId, subscription);
      }
    }
  }

  /** Per shard, the last call of a writer that is applied here. */
  callsOf(writer: string): number[] {
    return this.followers.map((follower) => follower.callOf(writer));
  }

  /** See `Fabric.catchUp`. Those who come while one is underway share the next one. */
  catchUp(onDone: () => void): void {
    this.waiting.push(onDone);
    if (!this.isCatchingUp) this.catchUpNow();
  }

  private catchUpNow(): void {
    this.isCatchingUp = true;
    const waiting = this.waiting.splice(0);
    Promise.all(this.followers.map((_, shard) => this.catchUpWith(shard)))
      .then(() => {
        if (this.home.cluster.isClosed) return;
        this.isCatchingUp = false;
        if (this.waiting.length > 0) this.catchUpNow();
        for (const one of waiting) one();
      })
      .catch((error: unknown) => this.home.onFatal(error instanceof Error ? error : new Error()));
  }

  /** Resolves when this broker has what the shard holds now. */
  private async catchUpWith(shard: number): Promise<void> {
    const follower = this.followers[shard]!;
    const end = await this.endOf(follower);
    if (end === null) return;
    const isSame = await new Promise<boolean>((resolve) => follower.whenAt(end, resolve));
    if (isSame) return;
    // It may be of another log, after a failover: something of ours goes through it instead.
    await new Promise<void>((resolve) => {
      const onDone = (position: number) => follower.whenSeen(position, resolve);
      this.home.maps.change(shard, { ...nobody, onDone });
    });
  }

  /** Asks until there is an answer; null: the store was closed. */
  private async endOf(follower: Follower): Promise<Place | null> {
    while (!this.home.cluster.isClosed) {
      try {
        return await follower.askEnd();
      } catch (error) {
        if (!(error instanceof BrokerError)) throw error;
        await pause(RETRY_MS_MAX);
      }
    }
    return null;
  }

  // What each of them tells.

  isOwnWriter(writer: string): boolean {
    return this.around.isOwnWriter(writer);
  }

  onEntry(entry: MapEntry): void {
    const { around, observer } = this;
    if (observer === null) return;
    switch (entry.kind) {
      case 'retained':
        observer.onRetained(entry.topic, entry.record);
        break;
      case 'subscription':
        observer.onSubscribed(entry.clientId, entry.epoch, entry.subscription);
        break;
      case 'route':
        if (around.isLive(entry.node)) observer.onRoute(entry.node, entry.filter, entry.kinds);
        break;
      case 'member':
        if (!around.isLive(entry.node)) break;
        observer.onMember(entry.node, entry.clientId, entry.subscription);
        break;
      case 'online':
        if (around.isOwnNode(entry.node)) break;
        observer.onOnline(entry.clientId, entry.epoch, entry.node);
        break;
    }
  }

  onGone(name: MapName, epoch: number): void {
    const { around, observer } = this;
    if (observer === null) return;
    switch (name.kind) {
      case 'retained':
        observer.onRetained(name.topic, null);
        break;
      case 'subscription':
        observer.onUnsubscribed(name.clientId, epoch, name.filter);
        break;
      case 'route':
        if (around.isLive(name.node)) observer.onRoute(name.node, name.filter, 0);
        break;
      case 'member':
        if (!around.isLive(name.node)) break;
        observer.onMemberGone(name.node, name.clientId, name.filter);
        break;
      case 'online':
        observer.onOnline(name.clientId, epoch, '');
        break;
    }
  }

  onApplied(writer: string, shard: number, call: number): void {
    this.around.onApplied(writer, shard, call);
  }

  onShardLost(shard: number): void {
    this.around.onShardLost(shard);
  }
}
