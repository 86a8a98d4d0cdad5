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
  /** Only over entries of this or an earlier epoch; 0: over any. */
  readonly epoch: number;
  readonly onDone: () => void;
}

const noEpoch = Buffer.alloc(0);
const deletion = Buffer.from('-');

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
      size += field.length + (value?.length ?? 0) + 48;
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
  private readonly mark: string;

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
    this.mark = `${home.nextCall()}:${seconds}`;
  }

  encode(out: CommandBuffer): void {
    out.command(8 + 3 * this.changes.length);
    out.encoded(mapScript.encoded);
    out.number(this.lane.keys.length);
    for (const key of this.lane.keys) out.text(key);
    out.blob(this.home.writer);
    out.text(this.mark);
    for (const { field, value, epoch } of this.changes) {
      out.blob(field);
      if (value === null) {
        out.blob(deletion);
      } else {
        const at = out.begin(1 + value.length);
        out.bytes[at] = 0x2b;
        out.bytes.set(value, at + 1);
        out.end(1 + value.length);
      }
      if (epoch === 0) out.blob(noEpoch);
      else {
        writeU64(out.bytes, epoch, out.begin(8));
        out.end(8);
      }
    }
  }

  onReply(): void {
    for (const change of this.changes) {
      change.onDone();
      this.home.end();
    }
    this.lane.onCallDone();
  }
}
