/** Changes of one set or sorted set: who is owned by whom, and when offline sessions end. */
import { Call } from './call.js';
import type { CommandBuffer } from './command-buffer.js';
import { type Keys, nodeTag, offlineTag } from './keys.js';
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
  readonly keys: readonly string[];
  protected readonly home: LaneHome;
  private queue: IndexChange[] = [];

  /** @param keys see scripts/map.ts */
  private constructor(home: LaneHome, tag: string, keys: readonly string[]) {
    super(slotOf(tag));
    this.home = home;
    this.keys = keys;
  }

  /** Who is connected to a broker. */
  static ofNode(home: LaneHome, keys: Keys, node: string): IndexLane {
    const last = keys.owned(node, `w:${home.writer}`);
    return new IndexLane(home, nodeTag(node), [keys.owned(node, 'own'), last]);
  }

  /** One shard of the list of offline sessions. */
  static ofOffline(home: LaneHome, keys: Keys, shard: number): IndexLane {
    const last = keys.offline(shard, `w:${home.writer}`);
    return new IndexLane(home, offlineTag(shard), [keys.offline(shard, 'z'), last]);
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
  private readonly number: number;

  constructor(lane: IndexLane, home: LaneHome, changes: readonly IndexChange[]) {
    super(lane.slot);
    this.lane = lane;
    this.home = home;
    this.changes = changes;
    this.number = home.nextCall();
    let size = 200;
    for (const { first, second } of changes) size += first.length + second.length + 40;
    this.size = size;
  }

  encode(out: CommandBuffer): void {
    const { keys } = this.lane;
    out.command(4 + keys.length + 3 * this.changes.length);
    out.encoded(indexScript.encoded);
    out.number(keys.length);
    for (const key of keys) out.text(key);
    out.number(this.number);
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
