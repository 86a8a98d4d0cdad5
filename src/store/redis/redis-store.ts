/**
 * Durable sessions and retained messages in Redis, Cluster or a single server. docs/adr/0013 has
 * the layout and the reasons.
 *
 *     write ──▶ lanes (order) ──▶ links (batches, one per primary) ──▶ scripts in Redis
 *
 * Lanes keep the order of what belongs together; links send, repeat and wait for replicas.
 */
import { randomBytes } from 'node:crypto';
import {
  type Batch,
  type Claim,
  type ClaimRequest,
  type QueueRead,
  type SessionWrite,
  type Store,
  type StoreFigures,
  type StoreLoader,
  type StoreObserver,
  WriteStatus,
} from '../store.js';
import type { Call } from './call.js';
import { type ClaimHome, Claims } from './claims.js';
import { Cluster } from './cluster.js';
import { Gate } from './gate.js';
import { Keys } from './keys.js';
import { loadStore, type MapSubscription } from './loader.js';
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
import { CLOSE_MS, FULL_MAX, LANES_MAX, TICK_MS } from './tuning.js';
import { Part, WriteItem } from './write-item.js';

export class RedisStore implements Store, SessionHome, ClaimHome {
  readonly kind = 'redis';
  readonly isAtomic = false;
  readonly keys: Keys;
  readonly writer = Buffer.from(randomBytes(6).toString('base64url'));
  readonly full = new Set<string>();
  private readonly options: RedisStoreOptions;
  readonly cluster: Cluster;
  private readonly reader: Reader;
  private readonly clock: RedisClock;
  private readonly lanes = new Map<string, SessionLane>();
  readonly maps: Maps;
  readonly ownership: Ownership;
  private readonly claims: Claims;
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
      this.ownership.recordAgain();
    };
    this.reader = new Reader(this.cluster);
    this.clock = new RedisClock(options.clock, this.reader, options.log);
    this.maps = new Maps(this, this.keys, () => this.seconds());
    this.ownership = new Ownership(this, this.keys, options.nodeName);
    this.claims = new Claims(this, options);
  }

  async open(loader: StoreLoader, observer: StoreObserver): Promise<void> {
    await this.cluster.open(observer);
    try {
      await this.cluster.untilReady();
      this.ticker = setInterval(() => this.tick(), TICK_MS);
      await this.clock.open();
      await logFindings(this.cluster, this.options);
      await loadStore(loader, {
        options: this.options,
        keys: this.keys,
        reader: this.reader,
        ownership: this.ownership,
        nowMs: this.wallMs(),
        askSession: (clientId, task) => this.enqueueTask(clientId, task),
        remap: (clientId, there, gone) => this.remap(clientId, there, gone),
      });
      this.isOpen = true;
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  wallMs(): number {
    return this.clock.wallMs();
  }

  claim(request: ClaimRequest): Promise<Claim> {
    return this.claims.claim(request);
  }

  write(batch: Batch): void {
    const { sessions, retained } = batch;
    const lanes: SessionLane[] = [];
    if (needsGate(sessions)) {
      this.enqueueGated(sessions, lanes);
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
      pending: this.outstanding,
      owned: this.ownership.size,
      lanes: this.lanes.size,
    };
  }

  /** While Redis is away, only for so long: what is not written then was never acknowledged. */
  async close(): Promise<void> {
    if (this.isOpen && this.outstanding > 0) {
      const timer = setTimeout(() => this.onDrained?.(), CLOSE_MS);
      await new Promise<void>((resolve) => {
        this.onDrained = resolve;
      });
      clearTimeout(timer);
    }
    if (this.outstanding > 0) {
      this.options.log.write('error', 'redis did not take all writes before the end', {
        writes: this.outstanding,
      });
    }
    this.stop();
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

  onSubscriptions(write: SessionWrite, call: number, onDone: () => void): void {
    const { clientId, epoch, subscribed, unsubscribed } = write;
    // A filter in both is gone: that is what the session has.
    const there = subscribed.filter(({ filter }) => !unsubscribed.includes(filter));
    this.maps.tell(clientId, epoch, there, unsubscribed, () => {
      onDone();
      this.enqueueTask(clientId, mapped(this.writer, call, unsubscribed));
    });
  }

  onEnded(
    write: SessionWrite,
    epoch: number,
    filters: readonly string[],
    onDone: () => void,
  ): void {
    const owned = this.ownership.ofEpoch(write.clientId, write.epoch);
    this.forget(write.clientId, epoch, filters, owned, onDone);
  }

  onDisconnected({ clientId, epoch }: SessionWrite, expiresAtMs: number): void {
    this.ownership.onDisconnected(clientId, epoch, expiresAtMs);
  }

  onDisowned({ clientId, epoch }: SessionWrite, status: WriteStatus): void {
    this.ownership.onLost(clientId, epoch, status === WriteStatus.Gone);
  }

  /** Messages of these writes wait for what their publishers hold. */
  private enqueueGated(sessions: readonly SessionWrite[], lanes: SessionLane[]): void {
    let gate = new Gate();
    const seen = new Set<string>();
    for (const write of sessions) {
      // A session that comes twice would wait for itself.
      if (seen.has(write.clientId)) {
        gate = new Gate();
        seen.clear();
      }
      seen.add(write.clientId);
      const lane = this.laneOf(write.clientId);
      lanes.push(lane);
      if (write.held.length === 0 && write.append.length === 0) {
        lane.add(new WriteItem(write, Part.Whole, null, this));
        continue;
      }
      const rest = new WriteItem(write, Part.Rest, gate, this);
      if (write.held.length > 0) {
        gate.begin();
        const held = new WriteItem(write, Part.Held, gate, this);
        held.rest = rest;
        lane.add(held);
      }
      lane.add(rest);
    }
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

  /** While loading: the map catches up with a session. */
  private remap(
    clientId: string,
    there: readonly MapSubscription[],
    gone: readonly string[],
  ): Promise<void> {
    const epoch = there[0]?.epoch ?? 0;
    const subscriptions = there.map(({ subscription }) => subscription);
    return new Promise((resolve) => this.maps.tell(clientId, epoch, subscriptions, gone, resolve));
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
    if (this.ticker !== null) clearInterval(this.ticker);
    this.cluster.close();
    this.reader.close();
  }
}

/** True when messages of a batch have to wait for what publishers hold. */
function needsGate(sessions: readonly SessionWrite[]): boolean {
  let hasHeld = false;
  let hasAppend = false;
  for (let index = 0; index < sessions.length; index++) {
    const { append, held } = sessions[index]!;
    if (held.length > 0) hasHeld = true;
    if (append.length > 0) hasAppend = true;
  }
  return hasHeld && hasAppend;
}
