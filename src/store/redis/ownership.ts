/**
 * Which clients are connected here, on record in Redis (`tw:{node:<id>}:own`), so that others know
 * what to look after when this broker is dead; and the list of offline sessions by when they are
 * due.
 *
 * On record before the claim, off record after the end of the session is on the list of offline
 * ones: a crash between leaves one entry too many, never one too few.
 */
import type { ClaimRequest, Disconnect } from '../store.js';
import { CorrectCall, type Correction } from './correct-call.js';
import { IndexLane } from './index-lane.js';
import { type Keys, offlineTag, shardOf } from './keys.js';
import type { LaneHome } from './lane.js';
import { timeText } from './session-call.js';
import { slotOf } from './slot.js';
import { SHARDS } from './tuning.js';

/** One connection, or one that is about to be: what another one leaves does not touch it. */
export interface Owned {
  /** 0 until it is claimed. */
  epoch: number;
  /** When the session began; 0: it is transient. */
  birth: number;
  /** Of a durable session: epoch of the connection that publishes; 0: it is not known. */
  publisherEpoch: number;
  readonly isDurable: boolean;
  /** Others know where it is, as it has shared subscriptions. */
  isShared: boolean;
  /** Epoch of a later claim at another broker, heard before this one was answered; 0: none. */
  claimedElsewhere: number;
  /** Where it is on record. */
  readonly record: IndexLane;
  /** `Store.leave` comes when its will is safe, perhaps only after the client's next claim. */
  readonly hasWill: boolean;
  /** Earlier connections of the client for which it has not come. */
  earlier: number;
  /** The answer came too late, and a transient client was let in without. */
  isLate: boolean;
}

export class Ownership {
  private readonly home: LaneHome;
  private readonly keys: Keys;
  private readonly owned = new Map<string, Owned>();
  private record: IndexLane;
  private readonly offline: readonly IndexLane[];

  constructor(home: LaneHome, keys: Keys, node: string) {
    this.home = home;
    this.keys = keys;
    this.record = this.recordOf(node);
    this.offline = Array.from({ length: SHARDS }, (_, shard) =>
      IndexLane.ofOffline(home, keys, shard),
    );
  }

  /** Slot of the record. */
  get slot(): number {
    return this.record.slot;
  }

  get size(): number {
    return this.owned.size;
  }

  birthOf(clientId: string): number {
    return this.owned.get(clientId)?.birth ?? 0;
  }

  /** See `Owned.publisherEpoch`. */
  epochOf(clientId: string): number {
    return this.owned.get(clientId)?.publisherEpoch ?? 0;
  }

  /** Who is on record now. */
  current(clientId: string): Owned | null {
    return this.owned.get(clientId) ?? null;
  }

  /** This broker has another name from now on: what was connected here belongs to others. */
  renew(node: string): void {
    this.owned.clear();
    this.record = this.recordOf(node);
  }

  /** A client connects; `onDone` when that is on record. */
  begin({ clientId, isDurable, will }: ClaimRequest, onDone: () => void): Owned {
    const { record } = this;
    const before = this.current(clientId);
    const owned: Owned = {
      epoch: 0,
      // What is published until the claim is answered is of the session before.
      birth: this.birthOf(clientId),
      publisherEpoch: this.epochOf(clientId),
      isDurable,
      isShared: false,
      claimedElsewhere: 0,
      record,
      hasWill: will !== null,
      earlier: before === null ? 0 : before.earlier + (isAwaited(before) ? 1 : 0),
      isLate: false,
    };
    this.owned.set(clientId, owned);
    record.add('SADD', clientId, '', onDone);
    return owned;
  }

  /** A transient client is gone: which connection was that? Null: one that is not on record. */
  leaving(clientId: string): Owned | null {
    const owned = this.current(clientId);
    if (owned === null) return null;
    if (owned.earlier > 0) {
      owned.earlier--;
      return null;
    }
    // A claim that is underway is of a connection that cannot be over yet.
    const isOpen = owned.epoch > 0 || owned.isLate;
    return isOpen && !owned.isDurable ? owned : null;
  }

  /**
   * The claim never went out: what was before, still is.
   *
   * @returns that, if the client has left it meanwhile
   */
  takeBack(clientId: string, owned: Owned, before: Owned | null): Owned | null {
    if (this.owned.get(clientId) !== owned) {
      this.strikeOut(clientId, owned);
      return null;
    }
    if (before === null) {
      this.leave(clientId, owned);
      return null;
    }
    this.owned.set(clientId, before);
    const { earlier } = owned;
    if (isAwaited(before) && earlier === 0) return before;
    before.earlier = isAwaited(before) ? earlier - 1 : earlier;
    return null;
  }

  /**
   * The client connected to another broker.
   *
   * @returns whether that was after it connected here, as far as it did; null: it is not known yet
   */
  isElsewhere(clientId: string, epoch: number): boolean | null {
    const owned = this.owned.get(clientId);
    if (owned === undefined) return true;
    if (owned.epoch !== 0) return epoch > owned.epoch;
    owned.claimedElsewhere = Math.max(owned.claimedElsewhere, epoch);
    return null;
  }

  /** The client is gone, and its session stays until then. */
  onDisconnected(clientId: string, epoch: number, disconnect: Disconnect): void {
    const owned = this.ofEpoch(clientId, epoch);
    const { expiresAtMs, will, willAtMs } = disconnect;
    const dueMs = will === null ? expiresAtMs : Math.min(expiresAtMs, willAtMs);
    this.enlist(clientId, dueMs, () => this.leave(clientId, owned));
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

  /** Puts an offline session on the list by when it is due. */
  enlist(clientId: string, dueMs: number, onDone?: () => void): void {
    this.offlineOf(clientId).add('ZADD', timeText(dueMs), clientId, onDone);
  }

  /** Changes the list of offline sessions where it still says what was read. */
  correct(shard: number, corrections: readonly Correction[]): void {
    if (corrections.length === 0) return;
    const slot = slotOf(offlineTag(shard));
    this.home.begin();
    this.home.route(new CorrectCall(slot, this.home, this.keys.offline(shard, 'z'), corrections));
  }

  /** After Redis lost what was on record; `onDone` when it is there again. */
  recordAgain(onDone: () => void): void {
    let left = this.owned.size;
    if (left === 0) onDone();
    for (const clientId of this.owned.keys()) {
      this.record.add('SADD', clientId, '', () => {
        if (--left === 0) onDone();
      });
    }
  }

  ofEpoch(clientId: string, epoch: number): Owned | null {
    const owned = this.owned.get(clientId);
    // 0 would be one that is not claimed yet.
    return epoch !== 0 && owned?.epoch === epoch ? owned : null;
  }

  leave(clientId: string, owned: Owned | null): void {
    // Connected again, or never connected here.
    if (owned === null || this.owned.get(clientId) !== owned) return;
    this.owned.delete(clientId);
    this.strikeOut(clientId, owned);
  }

  /** Off the record, unless it is about another connection by now. */
  private strikeOut(clientId: string, { record }: Owned): void {
    if (this.owned.get(clientId)?.record !== record) record.add('SREM', clientId, '');
  }

  private recordOf(node: string): IndexLane {
    return IndexLane.ofNode(this.home, this.keys, node);
  }

  private offlineOf(clientId: string): IndexLane {
    return this.offline[shardOf(clientId)]!;
  }
}

/** True when `Store.leave` is still to come for a connection that another one replaces. */
function isAwaited({ epoch, hasWill, isDurable }: Owned): boolean {
  return !isDurable && hasWill && epoch > 0;
}
