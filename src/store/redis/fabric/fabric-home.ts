/**
 * The border between the store and its fabric: what the fabric needs of the store, and what the
 * store calls of the fabric beside the port.
 *
 * `Store.open` with a fabric observer, in this order:
 *
 *     await fabric.prepare();        // earlier lives of this node name are worked off; `orphan`
 *                                    // is called for their sessions, nothing is told to anybody
 *     … the loader; fabric.onLoaded(entry) for EVERY entry of the maps that it reads …
 *     await fabric.join(observer);   // routes of others, members, onOnline are told from here on
 *
 * `Store.close`: sessions are disconnected by then → `await fabric.leave()` → the rest. A crash in
 * tests is `fabric.stop()`.
 */
import type { Fabric, FabricObserver } from '../../fabric.js';
import type { LastWill } from '../../store.js';
import type { Cluster } from '../cluster.js';
import type { Keys } from '../keys.js';
import type { LaneHome } from '../lane.js';
import type { MapEntry } from '../map-entries.js';
import type { Maps } from '../maps.js';
import type { RedisStoreOptions } from '../options.js';
import type { Ownership } from '../ownership.js';
import type { Reader } from '../reader.js';
import type { Whereabouts } from '../whereabouts.js';
import type { Appended } from './frames.js';

/**
 * The store. `writer` of `LaneHome` is replaced by `renewWriter`, so each call keeps the one with
 * which it was made: a repeat must be the same bytes.
 */
export interface FabricHome extends LaneHome {
  readonly options: RedisStoreOptions;
  readonly keys: Keys;
  readonly cluster: Cluster;
  readonly reader: Reader;
  readonly maps: Maps;
  /** See `Fabric.birthOf`. */
  birthOf(clientId: string): number;
  /** This broker was taken for dead: draws another writer (8 characters), for calls from now on. */
  renewWriter(): void;
  /** As `StoreObserver.onFatal`. */
  onFatal(error: Error): void;
  /**
   * Another broker's session has a subscription and may not be known here: asks for it, and tells
   * `FabricObserver.onSession` if it exists. Called again for one that is known: harmless.
   *
   * @throws BrokerError `STORE_AWAY`; it is asked again then
   */
  loadSession(clientId: string): Promise<void>;
  /**
   * The client's owner is dead: if that is still its owner, the session is offline from now on, and
   * on the list of offline ones when the promise resolves. The fabric then takes the client off
   * that broker's record. During `prepare` there is no observer yet: the load tells of it.
   *
   * @throws BrokerError `STORE_AWAY`; it is asked again then
   */
  orphan(clientId: string, deadNode: string): Promise<void>;
  readonly whereabouts: Pick<Whereabouts, 'tellClaimed'>;
  readonly ownership: Pick<Ownership, 'recordAgain'>;
  /** See `Fabric.adopt`. */
  adopt(clientId: string, epoch: number): Promise<number>;
}

/** Durations, so that tests need not wait. */
export interface FabricTimes {
  /** Milliseconds that a broker is taken for alive after its last word. */
  readonly leaseMs: number;
  /** Milliseconds between words. */
  readonly tickMs: number;
  /** Milliseconds without a word of anybody after which leases stand still. */
  readonly freezeMs: number;
  /** Milliseconds before the end of its lease at which a broker stops to trust it. */
  readonly marginMs: number;
  /** Milliseconds after which a broker that has not applied an announcement is called slow. */
  readonly slowMs: number;
}

/** What the store calls beside the port. */
export interface StoreFabric extends Fabric {
  /** @throws BrokerError `STORE_AWAY` */
  prepare(): Promise<void>;
  /** An entry that the loader read; all kinds. The value is not kept. */
  onLoaded(entry: MapEntry): void;
  /** Resolves when everybody knows this broker, and it has applied all that the maps hold. */
  join(observer: FabricObserver): Promise<void>;
  /** Resolves when this broker is off the list; gives up after `CLOSE_MS`. */
  leave(): Promise<void>;
  /** Ends everything at once. */
  stop(): void;

  /** True for another broker that is alive, as far as is known. */
  isLive(node: string): boolean;
  /** True when this broker, of all live ones, is to look after what is called so. */
  isMine(name: string): boolean;

  /** An append of ours was answered with another owner; nothing happens if that one is dead. */
  appended(node: string, appended: Appended): void;
  /** A claim of ours was answered with another owner; nothing happens if that one is dead. */
  claimed(node: string, clientId: string, epoch: number): void;
  /**
   * A live broker publishes this will, or has: if it dies before it has read this, and what was
   * sent to it before, somebody else does, who hears `FabricObserver.onLastWill`.
   */
  lastWill(node: string, clientId: string, lastWill: LastWill): void;
  /** For sessions with a shared subscription: this broker has their client, or not any more. */
  online(clientId: string, epoch: number, isOnline: boolean): void;
  /**
   * Calls back when all live brokers have applied a change of the maps.
   *
   * @param shard of the change: `shardOf(clientId)`
   * @param position what `Maps.tell` gave to its `onDone`
   */
  announced(shard: number, position: number, onDone: () => void): void;
  /** Redis lost a primary's data: this broker's routes and members are written again. */
  announceAgain(): void;
  figures(): Readonly<Record<string, number>>;
}
