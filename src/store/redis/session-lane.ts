/** The calls of one session, in order; writes that waited are packed into one. Hot path. */
import { refused } from '../answers.js';
import { AppendCall } from './append-call.js';
import type { Call } from './call.js';
import { sessionTag } from './keys.js';
import { Lane } from './lane.js';
import { SessionCall } from './session-call.js';
import type { SessionHome } from './session-home.js';
import { slotOf } from './slot.js';
import { CALL_BYTES, CALL_MESSAGES } from './tuning.js';
import { WriteItem } from './write-item.js';

/** Something else than a write: makes its call when its turn has come. */
export interface LaneTask {
  /** False: it has to wait, and pumps the lane when it need not any more. */
  readonly isReady: boolean;
  /** Null: it is not wanted any more. */
  makeCall(lane: SessionLane): Call | null;
}

export class SessionLane extends Lane {
  readonly clientId: string;
  /** `2` and the keys s and q, as Redis reads them. */
  readonly twoKeys: Buffer;
  readonly home: SessionHome;
  private items: (WriteItem | LaneTask)[] = [];
  private allKeys: Buffer | null = null;
  private readonly tag: string;

  constructor(clientId: string, home: SessionHome) {
    const tag = sessionTag(clientId);
    super(slotOf(tag));
    this.clientId = clientId;
    this.home = home;
    this.tag = tag;
    this.twoKeys = encodeKeys([home.keys.session(tag, 's'), home.keys.session(tag, 'q')]);
  }

  /** `4` and all keys of the session, as Redis reads them. */
  get fourKeys(): Buffer {
    this.allKeys ??= encodeKeys(this.keys(['s', 'q', 'r', 'd']));
    return this.allKeys;
  }

  /** `1` and the key s. */
  get oneKey(): Buffer {
    return encodeKeys(this.keys(['s']));
  }

  get isEmpty(): boolean {
    return this.items.length === 0;
  }

  /** `pump` follows. */
  add(item: WriteItem | LaneTask): void {
    this.home.begin();
    this.items.push(item);
  }

  /** A task that is not wanted any more and has not gone out. */
  remove(task: LaneTask): void {
    const at = this.items.indexOf(task);
    if (at < 0) return;
    this.items.splice(at, 1);
    this.home.end();
    this.pump();
  }

  /** Writes that have to be sent in another way, before all others. */
  putBack(items: readonly WriteItem[]): void {
    this.items.unshift(...items);
  }

  protected next(): Call | null {
    for (;;) {
      const head = this.items[0];
      if (head === undefined) return null;
      if (!(head instanceof WriteItem)) {
        if (!head.isReady) return null;
        this.items.shift();
        const call = head.makeCall(this);
        if (call !== null) return call;
        this.home.end();
        continue;
      }
      if (head.isHeldBack) {
        head.gate!.wait(this);
        return null;
      }
      if (head.refusedFor !== null) {
        this.items.shift();
        head.write.onDone(refused(head.refusedFor));
        this.home.end();
        continue;
      }
      const isPlain = head.isPlain() && !this.home.full.has(this.clientId);
      return isPlain ? new AppendCall(this, this.takePlain(head)) : this.takeAny();
    }
  }

  protected override onIdle(): void {
    if (this.items.length === 0) this.home.onLaneIdle(this);
  }

  /** The writes at the front that one append call can carry. */
  private takePlain(head: WriteItem): WriteItem[] {
    const { items } = this;
    if (items.length === 1) return items.splice(0) as WriteItem[];
    const { epoch, limits } = head.write;
    let count = 0;
    let bytes = 0;
    let messages = 0;
    for (; count < items.length; count++) {
      const item = items[count]!;
      if (!(item instanceof WriteItem) || !item.canGo || !item.isPlain()) break;
      if (item.write.epoch !== epoch || !haveSameLimits(item, limits)) break;
      bytes += item.bytes;
      messages += item.append.length;
      if (count > 0 && (bytes > CALL_BYTES || messages > CALL_MESSAGES)) break;
    }
    return items.splice(0, count) as WriteItem[];
  }

  /** The writes at the front, whatever they are. */
  private takeAny(): SessionCall {
    const { items } = this;
    let count = 0;
    let bytes = 0;
    for (; count < items.length; count++) {
      const item = items[count]!;
      if (!(item instanceof WriteItem) || !item.canGo) break;
      bytes += item.bytes;
      if (count > 0 && bytes > CALL_BYTES) break;
      item.filter();
    }
    return new SessionCall(this, items.splice(0, count) as WriteItem[]);
  }

  private keys(parts: readonly ('s' | 'q' | 'r' | 'd')[]): string[] {
    return parts.map((part) => this.home.keys.session(this.tag, part));
  }
}

function haveSameLimits(item: WriteItem, limits: WriteItem['write']['limits']): boolean {
  const own = item.write.limits;
  if (own === limits || own === null || limits === null) return own === limits || isEmpty(item);
  return own.messagesMax === limits.messagesMax && own.bytesMax === limits.bytesMax;
}

function isEmpty(item: WriteItem): boolean {
  return item.append.length === 0;
}

/** The number of keys and the keys, as Redis reads them. */
function encodeKeys(keys: readonly string[]): Buffer {
  const parts = keys.map((key) => `$${Buffer.byteLength(key)}\r\n${key}\r\n`);
  return Buffer.from(`$1\r\n${keys.length}\r\n${parts.join('')}`);
}
