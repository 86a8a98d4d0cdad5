/**
 * One partition of the history: messages on their way to it, packed, and the deletion of what is
 * over its limits.
 */
import type { HistoryRetention, HistoryWrite } from '../../history.js';
import { Call } from '../call.js';
import type { CommandBuffer } from '../command-buffer.js';
import { historyTag, type Keys } from '../keys.js';
import { Lane, type LaneHome } from '../lane.js';
import { slotOf } from '../slot.js';
import { entryBytes, itemBytes, writeEntry } from './entry.js';
import { CALL_BYTES, CALL_MESSAGES, TRIM_BYTES, TRIM_IDLE_MS } from './limits.js';
import { historyScript, trimScript } from './scripts.js';

export class HistoryLane extends Lane {
  protected readonly home: LaneHome;
  private readonly keys: Keys;
  private readonly partition: number;
  private readonly retention: HistoryRetention;
  private queue: HistoryWrite[] = [];
  private wantsTrim = false;
  private writtenBytes = 0;
  private trimmedMs = Number.NEGATIVE_INFINITY;
  private added = 0;
  private written = 0;
  private waiters: { readonly until: number; readonly resolve: () => void }[] = [];

  constructor(home: LaneHome, keys: Keys, partition: number, retention: HistoryRetention) {
    super(slotOf(historyTag(partition)));
    this.home = home;
    this.keys = keys;
    this.partition = partition;
    this.retention = retention;
  }

  /** `pump` follows. */
  add(write: HistoryWrite): void {
    this.home.begin();
    this.added++;
    this.queue.push(write);
  }

  /** Resolves when all that was added so far is written. */
  drained(): Promise<void> {
    const until = this.added;
    if (this.written >= until) return Promise.resolve();
    return new Promise((resolve) => this.waiters.push({ until, resolve }));
  }

  /** Deletes what is over the limits, if something may be. */
  trim(nowMs: number): void {
    if (this.writtenBytes === 0 && nowMs - this.trimmedMs < TRIM_IDLE_MS) return;
    this.trimmedMs = nowMs;
    this.wantTrim();
    this.pump();
  }

  protected next(): Call | null {
    if (this.wantsTrim) {
      this.wantsTrim = false;
      this.writtenBytes = 0;
      return new TrimCall(this, this.partKeys(), this.retention);
    }
    const { queue } = this;
    if (queue.length === 0) return null;
    let bytes = 0;
    let count = 0;
    while (count < queue.length && count < CALL_MESSAGES) {
      const more = itemBytes(queue[count]!);
      if (count > 0 && bytes + more > CALL_BYTES) break;
      bytes += more;
      count++;
    }
    this.writtenBytes += bytes;
    if (this.writtenBytes >= TRIM_BYTES) this.wantTrim();
    const { home, keys, partition } = this;
    const lastKey = keys.history(partition, `w:${home.writer}`);
    const taken = queue.splice(0, count);
    return new HistoryCall(this, home, [lastKey, ...this.partKeys()], taken, bytes);
  }

  /** For calls: one does not delete more than so much. */
  wantTrim(): void {
    if (this.wantsTrim) return;
    this.wantsTrim = true;
    this.home.begin();
  }

  /** For calls. */
  onWritten(writes: readonly HistoryWrite[]): void {
    this.written += writes.length;
    for (const { onDone } of writes) {
      onDone();
      this.home.end();
    }
    const { waiters, written } = this;
    this.waiters = waiters.filter(({ until }) => until > written);
    for (const { until, resolve } of waiters) if (until <= written) resolve();
    this.onCallDone();
  }

  /** For calls. */
  onTrimmed(hasMore: boolean): void {
    this.home.end();
    if (hasMore) this.wantTrim();
    this.onCallDone();
  }

  private partKeys(): string[] {
    const parts = ['c', '0', '1', '2'];
    return parts.map((part) => this.keys.history(this.partition, part));
  }
}

class HistoryCall extends Call {
  readonly size: number;
  private readonly lane: HistoryLane;
  private readonly keys: readonly string[];
  private readonly writes: readonly HistoryWrite[];
  /** Index: QoS. */
  private readonly byQos: readonly (readonly HistoryWrite[])[];
  private readonly writer: Buffer;
  private readonly number: number;

  constructor(
    lane: HistoryLane,
    home: LaneHome,
    keys: readonly string[],
    writes: readonly HistoryWrite[],
    bytes: number,
  ) {
    super(lane.slot);
    this.lane = lane;
    this.keys = keys;
    this.writes = writes;
    this.byQos = [0, 1, 2].map((qos) => writes.filter((write) => write.qos === qos));
    this.size = bytes + 400;
    this.writer = home.writer;
    this.number = home.nextCall();
  }

  encode(out: CommandBuffer): void {
    const { byQos, keys } = this;
    const streams = byQos.filter((writes) => writes.length > 0).length;
    out.command(3 + keys.length + 2 + 3 * streams);
    out.encoded(historyScript.encoded);
    out.number(keys.length);
    for (const key of keys) out.text(key);
    out.blob(this.writer);
    out.number(this.number);
    for (const [qos, writes] of byQos.entries()) {
      if (writes.length === 0) continue;
      out.number(qos);
      out.number(writes.length);
      const bytes = entryBytes(writes);
      const at = out.begin(bytes);
      writeEntry(out.bytes, at, writes);
      out.end(bytes);
    }
  }

  onReply(): void {
    this.lane.onWritten(this.writes);
  }
}

class TrimCall extends Call {
  readonly size = 400;
  private readonly lane: HistoryLane;
  private readonly keys: readonly string[];
  private readonly retention: HistoryRetention;

  constructor(lane: HistoryLane, keys: readonly string[], retention: HistoryRetention) {
    super(lane.slot);
    this.lane = lane;
    this.keys = keys;
    this.retention = retention;
  }

  encode(out: CommandBuffer): void {
    const { maxAgeS, maxBytes, maxMessages } = this.retention;
    out.command(3 + this.keys.length + 5);
    out.encoded(trimScript.encoded);
    out.number(this.keys.length);
    for (const key of this.keys) out.text(key);
    for (const seconds of maxAgeS) out.number(seconds);
    out.number(maxMessages);
    out.number(maxBytes);
  }

  onReply(value: unknown): void {
    this.lane.onTrimmed(Number(value) === 1);
  }
}
