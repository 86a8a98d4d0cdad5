/**
 * Durable sessions and retained messages in Redis, Cluster or a single server. docs/adr/0013 has
 * the layout and the reasons.
 *
 *     write ──▶ lanes (order) ──▶ links (batches, one per primary) ──▶ scripts in Redis
 *
 * Lanes keep the order of what belongs together; links send, repeat and wait for replicas. Brokers
 * that share a Redis find each other through the fabric.
 */
import { randomBytes } from 'node:crypto';
import type { FabricObserver } from '../fabric.js';
import {
  type Batch,
  type Claim,
  type ClaimRequest,
  type Disconnect,
  type LastWill,
  type QueueRead,
  type SessionWrite,
  type Store,
  type StoreFigures,
  type StoreLoader,
  type StoreObserver,
  WriteStatus,
} from '../store.js';
import { Adoptions } from './adoptions.js';
import type { Call } from './call.js';
import { type ClaimHome, Claims } from './claims.js';
import { Cluster } from './cluster.js';
import { deafObserver } from './deaf-observer.js';
import { enqueueGated, needsGate } from './enqueue.js';
import type { FabricHome, StoreFabric } from './fabric/fabric-home.js';
import type { Appended } from './fabric/frames.js';
import { nodeIdOf } from './fabric/node-id.js';
import { RedisFabric } from './fabric/redis-fabric.js';
import { RedisHistory } from './history/redis-history.js';
import { Keys, shardOf } from './keys.js';
import { askSession, loadStore } from './loader.js';
import { Maps } from './maps.js';
import type { RedisStoreOptions } from './options.js';
import { type Owned, Ownership } from './ownership.js';
import { readQueue } from './queue-reader.js';
import { Reader } from './reader.js';
import { RedisClock } from './redis-clock.js';
import type { SessionHome } from './session-home.js';
import { type LaneTask, SessionLane } from './session-lane.js';
import { mapped, purged } from './session-tasks.js';
import { logFindings } from './startup.js';
import { Sweeper } from './sweeper.js';
import { CLOSE_MS, FULL_MAX, LANES_MAX, TICK_MS } from './tuning.js';
import { Whereabouts } from './whereabouts.js';
import { Part, WriteItem } from './write-item.js';

export class RedisStore implements Store, SessionHome, ClaimHome, FabricHome {
  readonly kind = 'redis';
  readonly isAtomic = false;
  readonly keys: Keys;
  /** Each call keeps the one that it was made with. */
  writer = newWriter();
  readonly full = new Set<string>();
  readonly options: RedisStoreOptions;
  readonly cluster: Cluster;
  readonly reader: Reader;
  private readonly clock: RedisClock;
  private readonly lanes = new Map<string, SessionLane>();
  readonly maps: Maps;
  readonly ownership: Ownership;
  readonly fabric: StoreFabric;
  readonly history = new RedisHistory(this);
  private readonly claims: Claims;
  private readonly adoptions: Adoptions;
  private readonly sweeper: Sweeper;
  readonly whereabouts: Whereabouts;
  private observer: StoreObserver | null = null;
  /** Null until the maps are loaded. */
  private fabricObserver: FabricObserver | null = null;
  private ticker: NodeJS.Timeout | null = null;
  private lastCall = 0;
  private outstanding = 0;
  private onDrained: (() => void) | null = null;
  private isOpen = false;

  constructor(options: RedisStoreOptions) {
    this.options = options;
    this.keys = new Keys(options.prefix);
    this.cluster = new Cluster(options, this.keys);
    this.cluster.onLoss = () => {
      this.maps.isSuspect = true;
      this.ownership.recordAgain(() => undefined);
      this.fabric.announceAgain();
    };
    this.reader = new Reader(this.cluster);
    this.clock = new RedisClock(options.clock, this.reader, options.log);
    this.maps = new Maps(this, this.keys);
    this.ownership = new Ownership(this, this.keys, this.node);
    this.fabric = new RedisFabric(this, options.fabricTimes);
    this.whereabouts = new Whereabouts(this.ownership, this.fabric);
    this.claims = new Claims(this);
    this.adoptions = new Adoptions(this);
    this.sweeper = new Sweeper({
      keys: this.keys,
      reader: this.reader,
      ownership: this.ownership,
      adoptions: this.adoptions,
      log: options.log,
      wallMs: () => this.wallMs(),
      isMine: (name) => this.fabric.isMine(name),
      isLive: (node) => node === this.node || this.fabric.isLive(node),
    });
  }

  /** This broker in its present life. */
  get node(): string {
    return nodeIdOf(this.options.nodeName, this.writer);
  }

  async open(
    loader: StoreLoader,
    observer: StoreObserver,
    fabricObserver?: FabricObserver,
  ): Promise<void> {
    this.observer = observer;
    await this.cluster.open(observer);
    try {
      await this.cluster.untilReady();
      this.ticker = setInterval(() => this.tick(), TICK_MS);
      await this.clock.open();
      await logFindings(this.cluster, this.options);
      await this.fabric.prepare();
      await loadStore(loader, {
        keys: this.keys,
        reader: this.reader,
        ownership: this.ownership,
        maps: this.maps,
        onEntry: (entry) => this.fabric.onLoaded(entry),
        askSession: (clientId, task) => this.enqueueTask(clientId, task),
      });
      const heard = fabricObserver ?? deafObserver;
      this.fabricObserver = heard;
      await this.fabric.join(heard);
      this.isOpen = true;
      this.adoptions.begin(fabricObserver ?? null);
      if (fabricObserver !== undefined) this.sweeper.start();
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  wallMs(): number {
    return this.clock.wallMs();
  }

  claim(request: ClaimRequest, isWanted = () => true): Promise<Claim> {
    return this.claims.claim(request, isWanted);
  }

  leave(clientId: string): void {
    if (this.adoptions.leave(clientId)) return;
    const owned = this.ownership.leaving(clientId);
    if (owned !== null) this.claims.leave(clientId, owned);
  }

  write(batch: Batch): void {
    const { sessions, retained } = batch;
    const lanes: SessionLane[] = [];
    if (needsGate(sessions)) {
      enqueueGated(this, sessions, lanes);
    } else {
      for (let index = 0; index < sessions.length; index++) {
        const write = sessions[index]!;
        const lane = this.laneOf(write.clientId);
        lane.add(new WriteItem(write, Part.Whole, null, this));
        lanes.push(lane);
      }
    }
    for (let index = 0; index < lanes.length; index++) lanes[index]!.pump();
    if (retained.length > 0) this.maps.retain(retained);
    this.cluster.flush();
  }

  read(clientId: string, fromSeq: number, bytesMax: number): Promise<QueueRead> {
    return readQueue(this.reader, this.keys, clientId, fromSeq, bytesMax);
  }

  /**
   * Without `messages` and `bytes`: summing them up here would take a call per session. The core
   * counts its sessions' messages, from what `open`, claims and outcomes say.
   */
  figures(): StoreFigures {
    return {
      ...this.cluster.counters,
      ...this.fabric.figures(),
      adopted: this.adoptions.adopted,
      pending: this.outstanding,
      owned: this.ownership.size,
      lanes: this.lanes.size,
      clockErrorMs: this.clock.errorMs,
    };
  }

  /** While Redis is away, only for so long: what is not written then was never acknowledged. */
  async close(): Promise<void> {
    this.sweeper.stop();
    this.adoptions.end();
    await this.drain();
    if (this.isOpen) {
      const isAway = this.outstanding > 0;
      await this.fabric.leave();
      if (!isAway) await this.drain();
    }
    if (this.outstanding > 0) {
      this.options.log.write('error', 'redis did not take all writes before the end', {
        writes: this.outstanding,
      });
    }
    this.stop();
  }

  /** Waits until all is written, or for `CLOSE_MS`. */
  private async drain(): Promise<void> {
    if (!this.isOpen || this.outstanding === 0) return;
    const timer = setTimeout(() => this.onDrained?.(), CLOSE_MS);
    await new Promise<void>((resolve) => {
      this.onDrained = resolve;
    });
    clearTimeout(timer);
  }

  /** Ends everything at once, as a crash would. */
  abort(): void {
    this.stop();
  }

  // What lanes and calls need.

  route(call: Call): void {
    this.cluster.route(call);
  }

  nextCall(): number {
    return ++this.lastCall;
  }

  begin(): void {
    this.outstanding++;
  }

  end(): void {
    this.outstanding--;
    if (this.outstanding === 0) this.onDrained?.();
  }

  seconds(): number {
    return Math.max(0, Math.floor(this.wallMs() / 1000));
  }

  birthOf(clientId: string): number {
    return this.ownership.birthOf(clientId);
  }

  onFull(clientId: string): void {
    if (this.full.size >= FULL_MAX) this.full.clear();
    this.full.add(clientId);
  }

  onLaneIdle(lane: SessionLane): void {
    if (this.lanes.size > LANES_MAX) this.lanes.delete(lane.clientId);
  }

  onAppendedElsewhere(owner: string, appended: Appended): void {
    this.fabric.appended(owner, appended);
  }

  onSubscriptions(
    write: SessionWrite,
    call: number,
    onMapped: () => void,
    onDone: () => void,
  ): void {
    const { clientId, epoch, subscribed, unsubscribed } = write;
    // A filter in both is gone: that is what the session has.
    const there = subscribed.filter(({ filter }) => !unsubscribed.includes(filter));
    this.whereabouts.onSubscribed(clientId, epoch, there);
    this.maps.tell(clientId, epoch, there, unsubscribed, (position) => {
      const isKnown = there.length === 0 || this.fabric.peers.size === 0;
      if (isKnown) onDone();
      // The session goes on meanwhile: what else is written does not wait for all brokers.
      else this.fabric.announced(shardOf(clientId), position, onDone);
      this.enqueueTask(clientId, mapped(this.writer, call, unsubscribed));
      onMapped();
    });
  }

  onEnded(
    write: SessionWrite,
    epoch: number,
    filters: readonly string[],
    onDone: () => void,
  ): void {
    const owned = this.ownership.ofEpoch(write.clientId, write.epoch);
    this.whereabouts.onGone(write.clientId, write.epoch);
    this.forget(write.clientId, epoch, filters, owned, onDone);
  }

  onDisconnected({ clientId, epoch }: SessionWrite, disconnect: Disconnect): void {
    this.whereabouts.onGone(clientId, epoch);
    this.ownership.onDisconnected(clientId, epoch, disconnect);
  }

  onDisowned({ clientId, epoch }: SessionWrite, status: WriteStatus): void {
    this.whereabouts.onGone(clientId, epoch);
    this.ownership.onLost(clientId, epoch, status === WriteStatus.Gone);
  }

  /** After the claim was answered, and whoever waits for it has gone on. */
  onClaimedElsewhere(clientId: string, epoch: number): void {
    setImmediate(() => this.whereabouts.tellClaimed(clientId, epoch, this.fabricObserver));
  }

  onLastWill(clientId: string, { info, will }: LastWill): void {
    this.fabricObserver?.onLastWill(clientId, info, will, null);
  }

  // What the fabric needs.

  renewWriter(): void {
    this.writer = newWriter();
    this.ownership.renew(this.node);
  }

  onFatal(error: Error): void {
    this.observer?.onFatal(error);
  }

  async loadSession(clientId: string): Promise<void> {
    const ask = (name: string, task: LaneTask) => this.enqueueTask(name, task);
    const found = await askSession(clientId, ask);
    if (found?.isThere && !found.isTransient) this.fabricObserver?.onSession(found.session);
  }

  orphan(clientId: string, deadNode: string): Promise<void> {
    return this.adoptions.orphan(clientId, deadNode);
  }

  adopt(clientId: string, epoch: number): Promise<number> {
    return this.adoptions.adopt(clientId, epoch);
  }

  laneOf(clientId: string): SessionLane {
    let lane = this.lanes.get(clientId);
    if (lane === undefined) {
      lane = new SessionLane(clientId, this);
      this.lanes.set(clientId, lane);
    }
    return lane;
  }

  /** The map forgets a session that has ended, then what is left of it is deleted. */
  forget(
    clientId: string,
    epoch: number,
    filters: readonly string[],
    owned: Owned | null,
    onDone: () => void,
  ): void {
    this.full.delete(clientId);
    this.maps.tell(clientId, epoch, [], filters, () => {
      const task = purged(epoch, (isGone) => this.ownership.onEnded(clientId, owned, isGone));
      this.enqueueTask(clientId, task);
      onDone();
    });
  }

  enqueueTask(clientId: string, task: LaneTask): void {
    const lane = this.laneOf(clientId);
    lane.add(task);
    lane.pump();
  }

  private tick(): void {
    this.reader.tick();
    this.clock.tick();
  }

  private stop(): void {
    this.isOpen = false;
    this.sweeper.stop();
    this.adoptions.end();
    this.fabric.stop();
    if (this.ticker !== null) clearInterval(this.ticker);
    this.cluster.close();
    this.reader.close();
  }
}

function newWriter(): Buffer {
  return Buffer.from(randomBytes(6).toString('base64url'));
}
