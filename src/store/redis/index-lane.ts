/** Changes of one set or sorted set: who is owned by whom, and when offline sessions end. */
import { Call } from './call.js';
import type { CommandBuffer } from './command-buffer.js';
import { Lane, type LaneHome } from './lane.js';
import { indexScript } from './scripts/map.js';
import { slotOf } from './slot.js';
import { CALL_MESSAGES } from './tuning.js';

export interface IndexChange {
  readonly command: 'SADD' | 'SREM' | 'ZADD' | 'ZREM';
  /** The member, or the score of the member that follows. */
  readonly first: string;
  readonly second: string;
  readonly onDone: () => void;
}

export class IndexLane extends Lane {
  readonly key: string;
  protected readonly home: LaneHome;
  private queue: IndexChange[] = [];

  constructor(home: LaneHome, tag: string, key: string) {
    super(slotOf(tag));
    this.home = home;
    this.key = key;
  }

  /** Sends a change as soon as those before it are done. */
  add(
    command: IndexChange['command'],
    first: string,
    second: string,
    onDone: () => void = nothing,
  ): void {
    this.home.begin();
    this.queue.push({ command, first, second, onDone });
    this.pump();
  }

  protected next(): Call | null {
    if (this.queue.length === 0) return null;
    return new IndexCall(this, this.home, this.queue.splice(0, CALL_MESSAGES));
  }
}

class IndexCall extends Call {
  readonly size: number;
  private readonly lane: IndexLane;
  private readonly home: LaneHome;
  private readonly changes: readonly IndexChange[];

  constructor(lane: IndexLane, home: LaneHome, changes: readonly IndexChange[]) {
    super(lane.slot);
    this.lane = lane;
    this.home = home;
    this.changes = changes;
    let size = 200;
    for (const { first, second } of changes) size += first.length + second.length + 40;
    this.size = size;
  }

  encode(out: CommandBuffer): void {
    out.command(4 + 3 * this.changes.length);
    out.encoded(indexScript.encoded);
    out.number(1);
    out.text(this.lane.key);
    for (const { command, first, second } of this.changes) {
      out.text(command);
      out.text(first);
      out.text(second);
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

function nothing(): void {
  // Nobody waits for it.
}
