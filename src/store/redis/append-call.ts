/** The call of the append script: messages, what is acknowledged, what was sent. Hot path. */
import { writeU32 } from '../../base/block.js';
import { refused } from '../answers.js';
import { type Taken, type WriteOutcome, WriteStatus } from '../store.js';
import { Call } from './call.js';
import { type CommandBuffer, writeU48, writeU64 } from './command-buffer.js';
import { APPEND_HEAD_BYTES, appendScript } from './scripts/append.js';
import type { SessionLane } from './session-lane.js';
import { FORWARD_BYTES } from './tuning.js';
import type { WriteItem } from './write-item.js';

const STALE = -1;
const SLOW = -3;

export class AppendCall extends Call {
  readonly size: number;
  private readonly lane: SessionLane;
  private readonly items: readonly WriteItem[];
  private readonly writer: Buffer;
  private readonly number: number;
  private readonly messages: number;
  private readonly bytes: number;
  private readonly payloadBytes: number;
  private readonly nextSeq: number;
  private readonly firstSeq: number;
  private readonly doneCount: number;
  private readonly done: string;

  constructor(lane: SessionLane, items: readonly WriteItem[]) {
    super(lane.slot);
    this.lane = lane;
    this.items = items;
    this.writer = lane.home.writer;
    this.number = lane.home.nextCall();
    let messages = 0;
    let bytes = 0;
    let payloadBytes = 0;
    let nextSeq = 0;
    let settled = null;
    for (let index = 0; index < items.length; index++) {
      const { append, write } = items[index]!;
      messages += append.length;
      for (let at = 0; at < append.length; at++) {
        const message = append[at]!;
        bytes += 8 + message.record.length;
        payloadBytes += message.payloadBytes;
      }
      if (write.nextSeq > nextSeq) nextSeq = write.nextSeq;
      if (write.settled !== null) settled = write.settled;
    }
    this.messages = messages;
    this.bytes = bytes;
    this.payloadBytes = payloadBytes;
    this.nextSeq = nextSeq;
    this.firstSeq = settled === null ? 0 : settled.firstSeq;
    this.doneCount = settled === null ? 0 : settled.done.length;
    this.done = this.doneCount === 0 ? '' : settled!.done.join(',');
    this.size = 300 + lane.twoKeys.length + bytes + this.done.length;
  }

  encode(out: CommandBuffer): void {
    const { bytes, items } = this;
    out.command(this.doneCount > 0 ? 8 : 7);
    out.encoded(appendScript.encoded);
    out.encoded(this.lane.twoKeys);
    this.encodeHead(out);
    let at = out.begin(bytes);
    const target = out.bytes;
    for (let index = 0; index < items.length; index++) {
      const { append } = items[index]!;
      for (let one = 0; one < append.length; one++) {
        const { record, payloadBytes } = append[one]!;
        at = writeU32(target, record.length, at);
        at = writeU32(target, payloadBytes, at);
        target.set(record, at);
        at += record.length;
      }
    }
    out.end(bytes);
    if (this.doneCount > 0) out.text(this.done);
  }

  onReply(value: unknown): void {
    const { items, lane } = this;
    if (typeof value === 'object') {
      this.onElsewhere(value as readonly unknown[]);
      return;
    }
    const answer = Number(value);
    if (answer === SLOW) {
      for (const item of items) item.isExact = true;
      lane.putBack(items);
      if (this.messages > 0) lane.home.onFull(lane.clientId);
      lane.onCallDone();
      return;
    }
    if (answer > 0) this.deliver(answer);
    else this.refuse(answer === STALE ? WriteStatus.Stale : WriteStatus.Gone);
    lane.onCallDone();
  }

  /** Another broker has the client, which hears of the messages; or somebody has the session. */
  private onElsewhere([first, owner, isStale]: readonly unknown[]): void {
    const { bytes, items, lane, messages } = this;
    const firstSeq = Number(first);
    if (messages > 0 && String(owner) !== '') {
      const records: Buffer[] = [];
      if (bytes <= FORWARD_BYTES) {
        for (const { append } of items) for (const { record } of append) records.push(record);
      }
      const { clientId, home } = lane;
      const endSeq = firstSeq + messages;
      home.onAppendedElsewhere(String(owner), { clientId, endSeq, records, dropped: nothing });
    }
    if (Number(isStale) === 1) this.disown(firstSeq);
    else this.deliver(firstSeq);
    lane.onCallDone();
  }

  private encodeHead(out: CommandBuffer): void {
    let at = out.begin(APPEND_HEAD_BYTES);
    const { bytes } = out;
    const { epoch } = this.items[0]!.write;
    const limits = this.limits();
    bytes.set(this.writer, at);
    at = writeU48(bytes, this.number, at + 8);
    at = writeU64(bytes, epoch, at);
    at = writeU48(bytes, this.nextSeq, at);
    at = writeU48(bytes, this.firstSeq, at);
    at = writeU48(bytes, this.doneCount, at);
    at = writeU32(bytes, this.messages, at);
    at = writeU48(bytes, this.payloadBytes, at);
    at = writeU48(bytes, limits === null ? 0 : limits.messagesMax, at);
    writeU48(bytes, limits === null ? 0 : limits.bytesMax, at);
    out.end(APPEND_HEAD_BYTES);
  }

  private limits(): WriteItem['write']['limits'] {
    for (const item of this.items) if (item.append.length > 0) return item.write.limits;
    return null;
  }

  private deliver(firstSeq: number): void {
    const { home } = this.lane;
    let seq = firstSeq;
    for (let index = 0; index < this.items.length; index++) {
      const item = this.items[index]!;
      item.write.onDone(item.isStale ? item.outcome(seq, null, nothing) : new Done(seq));
      seq += item.append.length;
      home.end();
    }
  }

  /** Only the messages were taken. */
  private disown(firstSeq: number): void {
    const { home } = this.lane;
    let seq = firstSeq;
    for (const { append, write } of this.items) {
      if (write.epoch !== 0) home.onDisowned(write, WriteStatus.Stale);
      const firstOwnSeq = append.length === 0 ? 0 : seq;
      write.onDone({ ...refused(WriteStatus.Stale), firstSeq: firstOwnSeq });
      seq += append.length;
      home.end();
    }
  }

  private refuse(status: WriteStatus): void {
    const { home } = this.lane;
    for (const { write } of this.items) {
      if (write.epoch !== 0) home.onDisowned(write, status);
      write.onDone(refused(status));
      home.end();
    }
  }
}

const nothing: readonly number[] = [];

/** All was taken. */
class Done implements WriteOutcome {
  readonly status = WriteStatus.Done;
  readonly firstSeq: number;
  readonly taken: readonly Taken[] | null = null;
  readonly dropped = nothing;
  readonly lost = 0;

  constructor(firstSeq: number) {
    this.firstSeq = firstSeq;
  }
}
