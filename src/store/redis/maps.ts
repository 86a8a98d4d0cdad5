/** The replicated maps as the store writes them: what goes into which shard, and in what form. */
import type { RetainedWrite, StoredSubscription } from '../store.js';
import { OwnRetained } from './fabric/own-retained.js';
import { type Keys, shardOf } from './keys.js';
import type { LaneHome } from './lane.js';
import {
  recordIn,
  retainedField,
  retainedValue,
  subscriptionField,
  subscriptionValue,
} from './map-entries.js';
import { type MapChange, MapLane } from './map-lane.js';
import type { Ownership } from './ownership.js';
import { EXPIRY_SLACK_MS, SHARDS } from './tuning.js';

export interface MapsHome extends LaneHome {
  /** See `Store.wallMs`. */
  wallMs(): number;
  /** The same in whole seconds. */
  seconds(): number;
  readonly ownership: Pick<Ownership, 'epochOf'>;
}

export class Maps {
  /** True once a shard was lost: every session tells it again when it is claimed. */
  isSuspect = false;
  /** Per shard, once their logs are followed; else empty. */
  own: readonly OwnRetained[] = [];
  private readonly home: MapsHome;
  private readonly lanes: readonly MapLane[];

  constructor(home: MapsHome, keys: Keys) {
    this.home = home;
    const seconds = () => home.seconds();
    this.lanes = Array.from(
      { length: SHARDS },
      (_, shard) => new MapLane(home, keys, shard, seconds),
    );
  }

  /** From now on others' retained messages are told; those must not undo this broker's own. */
  follow(): readonly OwnRetained[] {
    this.own = Array.from({ length: SHARDS }, () => new OwnRetained());
    return this.own;
  }

  retain(writes: readonly RetainedWrite[]): void {
    for (const write of writes) {
      const { onDone, onlyExpired, publisherId, record, topic } = write;
      const shard = shardOf(topic);
      if (onlyExpired) {
        this.lanes[shard]!.add(this.expiry(topic, onDone));
        continue;
      }
      const own = this.own[shard];
      own?.begin(topic);
      const epoch = this.epochOf(write);
      this.lanes[shard]!.add({
        field: retainedField(topic),
        value: record === null ? null : retainedValue(epoch, record),
        expiredMs: 0,
        epoch,
        ...(record === null && epoch > 0 ? { publisherId: publisherId! } : {}),
        onDone: (_, entry, stays) => {
          own?.end(topic, entry, stays === undefined ? undefined : recordIn(stays));
          onDone();
        },
      });
    }
    for (const lane of this.lanes) lane.pump();
  }

  /**
   * Of the connection that it came by, although that may be over: what is late would else pass for
   * something that nobody is earlier than.
   */
  private epochOf({ publisherEpoch = 0, publisherId }: RetainedWrite): number {
    if (publisherEpoch > 0 || publisherId === undefined) return publisherEpoch;
    return this.home.ownership.epochOf(publisherId);
  }

  /** Deletes what has expired: what others store meanwhile has not, and need not be put aside. */
  private expiry(topic: string, onDone: () => void): MapChange {
    const expiredMs = Math.ceil(this.home.wallMs()) + EXPIRY_SLACK_MS;
    return { field: retainedField(topic), value: null, expiredMs, epoch: 0, onDone };
  }

  /**
   * Tells which subscriptions a session has, and which it has no more.
   *
   * @param onDone hears the position, for `StoreFabric.announced`; 0: there was nothing to tell
   */
  tell(
    clientId: string,
    epoch: number,
    there: readonly StoredSubscription[],
    gone: readonly string[],
    onDone: (position: number) => void,
  ): void {
    let left = there.length + gone.length;
    if (left === 0) {
      onDone(0);
      return;
    }
    const lane = this.lanes[shardOf(clientId)]!;
    const oneDone = (position: number) => {
      if (--left === 0) onDone(position);
    };
    for (const one of there) {
      const field = subscriptionField(clientId, one.filter);
      const value = subscriptionValue(epoch, one);
      lane.add({ field, value, expiredMs: 0, epoch, onDone: oneDone });
    }
    for (const filter of gone) {
      const field = subscriptionField(clientId, filter);
      lane.add({ field, value: null, expiredMs: 0, epoch, onDone: oneDone });
    }
    lane.pump();
  }

  /** Any other change. */
  change(shard: number, change: MapChange): void {
    const lane = this.lanes[shard]!;
    lane.add(change);
    lane.pump();
  }
}
