/** Changes of one shard of the replicated maps, packed into script calls. */
import { Call } from './call.js';
import { type CommandBuffer, writeU64 } from './command-buffer.js';
import { type Keys, mapTag } from './keys.js';
import { Lane, type LaneHome } from './lane.js';
import { mapScript } from './scripts/map.js';
import { slotOf } from './slot.js';
import { CALL_BYTES, CALL_MESSAGES } from './tuning.js';

export interface MapChange {
  readonly field: Buffer;
  /** Null: deletes. */
  readonly value: Buffer | null;
  /** Deletes only a record that has expired by then, milliseconds; 0: whatever is there. */
  readonly expiredMs: number;
  /** Only over entries of this or an earlier epoch; 0: over any. */
  readonly epoch: number;
  /** Of a retained message with an epoch that is deleted: who does so. */
  readonly publisherId?: string;
  /**
   * @param position number of the call: what `StoreFabric.announced` takes
   * @param entry number of the call's last entry in the shard's log
   * @param stays the value of a retained message that was there, is later, and stays; null: it is
   *   gone by now; undefined: the change was made
   */
  readonly onDone: (position: number, entry: number, stays?: Buffer | null) => void;
}

const noEpoch = Buffer.alloc(0);
const deletion = Buffer.from('-');
const PLUS = 0x2b;

export class MapLane extends Lane {
  readonly keys: readonly string[];
  protected readonly home: LaneHome;
  private queue: MapChange[] = [];
  private readonly seconds: () => number;

  constructor(home: LaneHome, keys: Keys, shard: number, seconds: () => number) {
    super(slotOf(mapTag(shard)));
    this.home = home;
    this.seconds = seconds;
    this.keys = [keys.map(shard, 'm'), keys.map(shard, 'log'), keys.map(shard, 'w')];
  }

  /** `pump` follows. */
  add(change: MapChange): void {
    this.home.begin();
    this.queue.push(change);
  }

  protected next(): Call | null {
    const { queue } = this;
    if (queue.length === 0) return null;
    let size = 0;
    let count = 0;
    while (count < queue.length && count < CALL_MESSAGES && size < CALL_BYTES) {
      const { field, value } = queue[count++]!;
      size += field.length + (value?.length ?? 0) + 96;
    }
    const changes = queue.splice(0, count);
    return new MapCall(this, this.home, changes, size, this.seconds());
  }
}

class MapCall extends Call {
  readonly size: number;
  private readonly lane: MapLane;
  private readonly home: LaneHome;
  private readonly changes: readonly MapChange[];
  private readonly writer: Buffer;
  private readonly number: number;
  private readonly seconds: number;

  constructor(
    lane: MapLane,
    home: LaneHome,
    changes: readonly MapChange[],
    size: number,
    seconds: number,
  ) {
    super(lane.slot);
    this.lane = lane;
    this.home = home;
    this.changes = changes;
    this.size = size + 200;
    this.writer = home.writer;
    this.number = home.nextCall();
    this.seconds = seconds;
  }

  encode(out: CommandBuffer): void {
    out.command(9 + 3 * this.changes.length);
    out.encoded(mapScript.encoded);
    out.number(this.lane.keys.length);
    for (const key of this.lane.keys) out.text(key);
    out.blob(this.writer);
    out.number(this.number);
    out.number(this.seconds);
    for (const change of this.changes) {
      out.blob(change.field);
      encodeValue(out, change);
      if (change.epoch === 0) out.blob(noEpoch);
      else {
        writeU64(out.bytes, change.epoch, out.begin(8));
        out.end(8);
      }
    }
  }

  onReply(value: unknown): void {
    const [entry, ...kept] = Array.isArray(value) ? (value as unknown[]) : [value];
    const stays = new Map<number, Buffer | null>();
    for (let at = 0; at < kept.length; at += 2) {
      const there = kept[at + 1] as Buffer;
      stays.set(Number(kept[at]), there.length === 0 ? null : there);
    }
    for (const [index, change] of this.changes.entries()) {
      change.onDone(this.number, Number(entry), stays.get(index));
      this.home.end();
    }
    this.lane.onCallDone();
  }
}

function encodeValue(out: CommandBuffer, change: MapChange): void {
  const { value, expiredMs, publisherId } = change;
  if (value !== null) {
    const at = out.begin(1 + value.length);
    out.bytes[at] = PLUS;
    out.bytes.set(value, at + 1);
    out.end(1 + value.length);
  } else if (publisherId !== undefined) {
    out.text(`-${publisherId}`);
  } else if (expiredMs === 0) {
    out.blob(deletion);
  } else {
    out.text(`~${expiredMs}`);
  }
}
