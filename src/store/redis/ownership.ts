/**
 * Which sessions have their client here, on record in Redis (`tw:{node:<id>}:own`), so that this
 * broker's successor knows what to load as disconnected.
 *
 * On record before the claim, off record after the end of the session is on the list of offline
 * ones: a crash between leaves one entry too many, never one too few.
 */
import { IndexLane } from './index-lane.js';
import { type Keys, nodeTag, offlineTag, shardOf } from './keys.js';
import type { LaneHome } from './lane.js';
import { timeText } from './session-call.js';
import { SHARDS } from './tuning.js';

/** One connection, or one that is about to be: what another one leaves does not touch it. */
export interface Owned {
  /** 0 until it is claimed. */
  epoch: number;
  /** When the session began. */
  birth: number;
}

export class Ownership {
  private readonly owned = new Map<string, Owned>();
  private readonly own: IndexLane;
  private readonly offline: readonly IndexLane[];

  constructor(home: LaneHome, keys: Keys, node: string) {
    this.own = new IndexLane(home, nodeTag(node), keys.owned(node));
    this.offline = Array.from(
      { length: SHARDS },
      (_, shard) => new IndexLane(home, offlineTag(shard), keys.offline(shard)),
    );
  }

  /** Slot of the record. */
  get slot(): number {
    return this.own.slot;
  }

  get size(): number {
    return this.owned.size;
  }

  birthOf(clientId: string): number {
    return this.owned.get(clientId)?.birth ?? 0;
  }

  /** Who is on record now. */
  current(clientId: string): Owned | null {
    return this.owned.get(clientId) ?? null;
  }

  /** A client connects; `onDone` when that is on record. */
  begin(clientId: string, onDone: () => void): Owned {
    // What is published until the claim is answered is of the session before.
    const owned: Owned = { epoch: 0, birth: this.birthOf(clientId) };
    this.owned.set(clientId, owned);
    this.own.add('SADD', clientId, '', onDone);
    return owned;
  }

  /** The claim never went out: what was before, still is. */
  takeBack(clientId: string, owned: Owned, before: Owned | null): void {
    if (before === null) this.leave(clientId, owned);
    else if (this.owned.get(clientId) === owned) this.owned.set(clientId, before);
  }

  /** The client is gone, and its session stays until then. */
  onDisconnected(clientId: string, epoch: number, expiresAtMs: number): void {
    const owned = this.ofEpoch(clientId, epoch);
    this.enlist(clientId, expiresAtMs, () => this.leave(clientId, owned));
  }

  /** The session of a connection belongs to somebody else, or is gone. */
  onLost(clientId: string, epoch: number, isGone: boolean): void {
    const owned = this.ofEpoch(clientId, epoch);
    if (owned === null) return;
    this.onEnded(clientId, owned, isGone);
  }

  /** @param isGone false: there is another session by now */
  onEnded(clientId: string, owned: Owned | null, isGone: boolean): void {
    if (!isGone) this.leave(clientId, owned);
    else this.offlineOf(clientId).add('ZREM', clientId, '', () => this.leave(clientId, owned));
  }

  /** Puts an offline session on the list by the end of its life. */
  enlist(clientId: string, expiresAtMs: number, onDone?: () => void): void {
    this.offlineOf(clientId).add('ZADD', timeText(expiresAtMs), clientId, onDone);
  }

  /** It is on the list no more. */
  strike(clientId: string): void {
    this.offlineOf(clientId).add('ZREM', clientId, '');
  }

  /** After Redis lost what was on record. */
  recordAgain(): void {
    for (const clientId of this.owned.keys()) this.own.add('SADD', clientId, '');
  }

  /** Takes a client off the record. */
  release(clientId: string): void {
    this.own.add('SREM', clientId, '');
  }

  ofEpoch(clientId: string, epoch: number): Owned | null {
    const owned = this.owned.get(clientId);
    // 0 would be one that is not claimed yet.
    return epoch !== 0 && owned?.epoch === epoch ? owned : null;
  }

  private leave(clientId: string, owned: Owned | null): void {
    // Connected again, or never connected here.
    if (owned === null || this.owned.get(clientId) !== owned) return;
    this.owned.delete(clientId);
    this.release(clientId);
  }

  private offlineOf(clientId: string): IndexLane {
    return this.offline[shardOf(clientId)]!;
  }
}
