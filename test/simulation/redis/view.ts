/** What one server of a cluster knows: who serves what, and slots that are on their way. */
import type { FakeServer } from './server.js';

/** Who serves what, as the majority has it at some time. */
export interface Config {
  /** Slot → index of the shard. */
  readonly owners: Uint8Array;
  /** Index: shard. */
  readonly primaries: readonly FakeServer[];
  /** Shards whose primary is gone, and nobody took its place. */
  readonly failed: ReadonlySet<number>;
}

export class ClusterView {
  config: Config | null = null;
  /** Slots that go to another server. */
  readonly migrating = new Map<number, FakeServer>();
  /** Slots that come from another one. */
  readonly importing = new Set<number>();
  /** It hears nothing of the majority … */
  isApart = false;
  /** … for so long that it serves nothing. */
  isOutvoted = false;

  /** Shards, by slots one after the other: first, last, index of the shard. */
  ranges(): (readonly [number, number, number])[] {
    const ranges: (readonly [number, number, number])[] = [];
    const owners = this.config!.owners;
    let from = 0;
    for (let slot = 1; slot <= owners.length; slot++) {
      if (slot < owners.length && owners[slot] === owners[from]) continue;
      ranges.push([from, slot - 1, owners[from]!]);
      from = slot;
    }
    return ranges;
  }
}
