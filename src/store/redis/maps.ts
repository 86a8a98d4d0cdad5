/** The replicated maps as the store writes them: what goes into which shard, and in what form. */
import type { RetainedWrite, StoredSubscription } from '../store.js';
import { type Keys, shardOf } from './keys.js';
import type { LaneHome } from './lane.js';
import { retainedField, subscriptionField, subscriptionValue } from './map-entries.js';
import { MapLane } from './map-lane.js';
import { SHARDS } from './tuning.js';

export class Maps {
  /** True once a shard was lost: every session tells it again when it is claimed. */
  isSuspect = false;
  private readonly lanes: readonly MapLane[];

  constructor(home: LaneHome, keys: Keys, seconds: () => number) {
    this.lanes = Array.from(
      { length: SHARDS },
      (_, shard) => new MapLane(home, keys, shard, seconds),
    );
  }

  retain(writes: readonly RetainedWrite[]): void {
    for (const { onDone, record, topic } of writes) {
      const lane = this.lanes[shardOf(topic)]!;
      lane.add({ field: retainedField(topic), value: record, epoch: 0, onDone });
    }
    for (const lane of this.lanes) lane.pump();
  }

  /** Tells which subscriptions a session has, and which it has no more. */
  tell(
    clientId: string,
    epoch: number,
    there: readonly StoredSubscription[],
    gone: readonly string[],
    onDone: () => void,
  ): void {
    let left = there.length + gone.length;
    if (left === 0) {
      onDone();
      return;
    }
    const lane = this.lanes[shardOf(clientId)]!;
    const oneDone = () => {
      if (--left === 0) onDone();
    };
    for (const one of there) {
      const field = subscriptionField(clientId, one.filter);
      lane.add({ field, value: subscriptionValue(epoch, one), epoch, onDone: oneDone });
    }
    for (const filter of gone) {
      const field = subscriptionField(clientId, filter);
      lane.add({ field, value: null, epoch, onDone: oneDone });
    }
    lane.pump();
  }
}
