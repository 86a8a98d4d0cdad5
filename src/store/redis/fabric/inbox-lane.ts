/**
 * The way to one other broker: what is to be said to it, in order. What comes while a frame is on
 * its way goes out together with the next one; what one turn says is one frame.
 *
 * The queue has no limit of its own. Messages wait with their publishers, who go on only when
 * `onDone` was called; forwards of appends and acknowledgements of the maps are merged with those
 * that still wait, so there is at most one per session and shard.
 */
import { Call } from '../call.js';
import type { CommandBuffer } from '../command-buffer.js';
import { nodeTag } from '../keys.js';
import { Lane } from '../lane.js';
import { Sent, sendScript } from '../scripts/send.js';
import { slotOf } from '../slot.js';
import {
  CALL_BYTES,
  CALL_MESSAGES,
  FORWARD_BYTES,
  FORWARD_DROPPED,
  RETRY_MS_MAX,
  RETRY_MS_MIN,
} from '../tuning.js';
import type { FabricHome } from './fabric-home.js';
import { FRAME_HEAD_BYTES, type FrameItem, itemBytes, writeFrame } from './frames.js';

type Appended = Extract<FrameItem, { kind: 'appended' }>;

interface Waiting {
  item: FrameItem;
  bytes: number;
  readonly onDone: (() => void) | null;
  readonly onDead: (() => void) | null;
}

export class InboxLane extends Lane {
  readonly node: string;
  readonly keys: readonly string[];
  readonly home: FabricHome;
  /** Bytes that wait or are on their way. */
  pendingBytes = 0;
  private isDead = false;
  private isPumpAhead = false;
  private queue: Waiting[] = [];
  /** Forwards that wait, by client. */
  private readonly appended = new Map<string, Waiting>();
  /** Acknowledgements that wait, by shard. */
  private readonly applied = new Map<number, Waiting>();

  constructor(home: FabricHome, node: string) {
    super(slotOf(nodeTag(node)));
    this.home = home;
    this.node = node;
    this.keys = [home.keys.inbox(node, 'in'), home.keys.inbox(node, 'alive')];
  }

  /**
   * Both are called later, never from within.
   *
   * @param onDone when it is safe there
   * @param onDead when the broker is dead, and it is not there
   */
  add(item: FrameItem, onDone: (() => void) | null, onDead: (() => void) | null): void {
    if (this.isDead) {
      if (onDead !== null) queueMicrotask(onDead);
      return;
    }
    if (!this.merge(item)) this.push(item, onDone, onDead);
    if (this.isPumpAhead) return;
    this.isPumpAhead = true;
    queueMicrotask(() => {
      this.isPumpAhead = false;
      this.pump();
    });
  }

  /** The broker is dead: nobody will read it. */
  end(): void {
    if (this.isDead) return;
    this.isDead = true;
    const { queue } = this;
    this.queue = [];
    this.appended.clear();
    this.applied.clear();
    this.onLost(queue);
  }

  protected next(): Call | null {
    const { queue } = this;
    if (queue.length === 0) return null;
    let bytes = 0;
    let count = 0;
    while (count < queue.length && count < CALL_MESSAGES) {
      const more = queue[count]!.bytes;
      if (count > 0 && bytes + more > CALL_BYTES) break;
      bytes += more;
      count++;
    }
    const taken = queue.splice(0, count);
    for (const { item } of taken) {
      if (item.kind === 'appended') this.appended.delete(item.clientId);
      if (item.kind === 'applied') this.applied.delete(item.shard);
    }
    return new SendCall(this, taken, bytes);
  }

  /** What was sent is there. For calls. */
  onSent(items: readonly Waiting[]): void {
    for (const { bytes, onDone } of items) {
      this.pendingBytes -= bytes;
      this.home.end();
      onDone?.();
    }
  }

  /** It is not, and the broker is dead. For calls. */
  onLost(items: readonly Waiting[]): void {
    for (const { bytes, onDead } of items) {
      this.pendingBytes -= bytes;
      this.home.end();
      onDead?.();
    }
  }

  /** The inbox is full: later, unless its broker is dead. For calls. */
  retry(call: SendCall): void {
    if (this.isDead) {
      call.finish(false);
      return;
    }
    const waitMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(call.attempts, 10));
    this.home.cluster.after(waitMs, () => this.home.route(call));
  }

  private push(item: FrameItem, onDone: (() => void) | null, onDead: (() => void) | null): void {
    const bytes = itemBytes(item);
    const waiting: Waiting = { item, bytes, onDone, onDead };
    this.pendingBytes += bytes;
    this.home.begin();
    this.queue.push(waiting);
    if (item.kind === 'appended') this.appended.set(item.clientId, waiting);
    if (item.kind === 'applied') this.applied.set(item.shard, waiting);
  }

  /** True: one that waits says it as well now. */
  private merge(item: FrameItem): boolean {
    if (item.kind === 'appended') {
      const waiting = this.appended.get(item.clientId);
      if (waiting === undefined) return false;
      this.replace(waiting, merged(waiting.item as Appended, item));
      return true;
    }
    if (item.kind !== 'applied') return false;
    const waiting = this.applied.get(item.shard);
    if (waiting === undefined) return false;
    this.replace(waiting, item);
    return true;
  }

  private replace(waiting: Waiting, item: FrameItem): void {
    this.pendingBytes -= waiting.bytes;
    waiting.item = item;
    waiting.bytes = itemBytes(item);
    this.pendingBytes += waiting.bytes;
  }
}

/** Both forwards in one, with as many of the last records as a forward may have. */
function merged(before: Appended, after: Appended): Appended {
  const { dropped } = before;
  for (const seq of after.dropped) if (dropped.length < FORWARD_DROPPED) dropped.push(seq);
  // Answers of repeats may come late.
  const last = after.endSeq > before.endSeq ? after : before;
  const isNext = after.endSeq - after.records.length === before.endSeq;
  const records = isNext ? [...before.records, ...after.records] : last.records;
  return { ...last, records: lastOf(last.endSeq, records, after.dropped), dropped };
}

/** The last records, `FORWARD_BYTES` together, and none that is before one that gave way. */
export function lastOf(
  endSeq: number,
  records: readonly Buffer[],
  dropped: readonly number[],
): readonly Buffer[] {
  let least = 0;
  for (const seq of dropped) least = Math.max(least, records.length - (endSeq - 1 - seq));
  let bytes = 0;
  let first = records.length;
  while (first > least && bytes + records[first - 1]!.length <= FORWARD_BYTES) {
    bytes += records[--first]!.length;
  }
  return first === 0 ? records : records.slice(first);
}

class SendCall extends Call {
  readonly size: number;
  private readonly lane: InboxLane;
  private readonly waiting: readonly Waiting[];
  private readonly items: readonly FrameItem[];
  private readonly bytes: number;
  private readonly writer: Buffer;
  private readonly number: number;

  constructor(lane: InboxLane, waiting: readonly Waiting[], bytes: number) {
    super(lane.slot);
    this.lane = lane;
    this.waiting = waiting;
    this.items = waiting.map(({ item }) => item);
    this.bytes = FRAME_HEAD_BYTES + bytes;
    this.size = this.bytes + 200;
    this.writer = lane.home.writer;
    this.number = lane.home.nextCall();
  }

  encode(out: CommandBuffer): void {
    out.command(6);
    out.encoded(sendScript.encoded);
    out.number(2);
    for (const key of this.lane.keys) out.text(key);
    const at = out.begin(this.bytes);
    writeFrame(out.bytes, at, this.writer, this.number, this.items);
    out.end(this.bytes);
  }

  onReply(value: unknown): void {
    const answer = Number(value);
    if (answer === Sent.Full) this.lane.retry(this);
    else this.finish(answer !== Sent.Dead);
  }

  finish(isThere: boolean): void {
    if (isThere) this.lane.onSent(this.waiting);
    else this.lane.onLost(this.waiting);
    this.lane.onCallDone();
  }
}
