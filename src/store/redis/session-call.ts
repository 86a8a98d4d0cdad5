/** The call of the session script: several writes, each with whatever it has. */
import { writeU32 } from '../../base/block.js';
import { refused } from '../answers.js';
import { type Append, type SessionWrite, Taken, type WriteOutcome, WriteStatus } from '../store.js';
import { Call } from './call.js';
import { type CommandBuffer, writeU48, writeU64 } from './command-buffer.js';
import { encodeOptions } from './map-entries.js';
import { MESSAGE_HEAD_BYTES } from './scripts/queue.js';
import {
  DISCONNECT_PARTS,
  SEGMENT_HEAD_BYTES,
  SegmentFlag,
  sessionScript,
} from './scripts/session.js';
import type { SessionLane } from './session-lane.js';
import { FORWARD_BYTES } from './tuning.js';
import { Part, type WriteItem } from './write-item.js';

const HEAD_BYTES = 20;
const STALE = -1;
const takenByDigit: readonly Taken[] = [Taken.Yes, Taken.Full, Taken.Repeated];
const noMessages: readonly number[] = [];

export class SessionCall extends Call {
  readonly size: number;
  private readonly lane: SessionLane;
  private readonly items: readonly WriteItem[];
  private readonly writer: Buffer;
  private readonly number: number;
  private readonly seconds: number;

  constructor(lane: SessionLane, items: readonly WriteItem[]) {
    super(lane.slot);
    this.lane = lane;
    this.items = items;
    this.writer = lane.home.writer;
    this.number = lane.home.nextCall();
    this.seconds = lane.home.seconds();
    let size = 200 + lane.fourKeys.length;
    for (const { append, bytes, write } of items) {
      size += 400 + bytes + 100 * append.length;
      size += 10 * (write.held.length + write.released.length + write.forgotten.length);
      for (const { filter } of write.subscribed) size += 3 * filter.length + 40;
      for (const filter of write.unsubscribed) size += 3 * filter.length + 20;
      size += write.disconnect?.will?.length ?? 0;
      size += 6 * (write.disconnect?.inFlight.length ?? 0) + 20;
    }
    this.size = size;
  }

  encode(out: CommandBuffer): void {
    let parts = 8;
    for (const item of this.items) parts += partsOf(item);
    out.command(parts);
    out.encoded(sessionScript.encoded);
    out.encoded(this.lane.fourKeys);
    let at = out.begin(HEAD_BYTES);
    out.bytes.set(this.writer, at);
    at = writeU48(out.bytes, this.number, at + 8);
    writeU48(out.bytes, this.seconds, at);
    out.end(HEAD_BYTES);
    for (const item of this.items) encodeItem(out, item);
  }

  onReply(value: unknown): void {
    const answers = Array.isArray(value) ? (value as readonly unknown[]) : null;
    if (answers !== null && answers.length > this.items.length) this.onElsewhere(answers);
    this.answerFrom(0, answers, value);
  }

  /** In order: one that has to tell the map first holds the others, and the lane, up. */
  private answerFrom(first: number, answers: readonly unknown[] | null, value: unknown): void {
    for (let index = first; index < this.items.length; index++) {
      const item = this.items[index]!;
      const answer = answers === null ? value : answers[index];
      let isNow = true;
      let isDone = false;
      this.onAnswer(item, answer, () => {
        isDone = true;
        if (!isNow) this.answerFrom(index + 1, answers, value);
      });
      isNow = false;
      if (!isDone) return;
    }
    this.lane.onCallDone();
  }

  /** Another broker, the last one of the answers, has the client: it hears of the messages. */
  private onElsewhere(answers: readonly unknown[]): void {
    const { items, lane } = this;
    const records: Buffer[] = [];
    const dropped: number[] = [];
    let bytes = 0;
    let endSeq = 0;
    for (let index = 0; index < items.length; index++) {
      const item = items[index]!;
      const answer = staleAnswer(answers[index]) ?? answers[index];
      if (item.append.length === 0 || !(Array.isArray(answer) || Number(answer) > 0)) continue;
      const { firstSeq, taken, ...outcome } = outcomeOf(item, answer);
      const all = item.write.append;
      const some = taken === null ? all : all.filter((_, at) => taken[at] === Taken.Yes);
      if (some.length === 0 && outcome.dropped.length === 0) continue;
      endSeq = firstSeq + some.length;
      for (const seq of outcome.dropped) dropped.push(seq);
      for (const { record } of some) {
        bytes += record.length + 8;
        records.push(record);
      }
    }
    if (endSeq === 0) return;
    const told = bytes <= FORWARD_BYTES ? records : [];
    const { clientId, home } = lane;
    const owner = String(answers.at(-1));
    home.onAppendedElsewhere(owner, { clientId, endSeq, records: told, dropped });
  }

  private onAnswer(item: WriteItem, answer: unknown, then: () => void): void {
    if (Array.isArray(answer) && Array.isArray(answer[0])) {
      const outcome = { ...outcomeOf(item, answer[2]), lost: Number(answer[3]) };
      this.onEnded(item, answer[0].map(String), Number(answer[1]), outcome, then);
      return;
    }
    const ofMessages = staleAnswer(answer);
    if (ofMessages !== null) {
      const outcome = { ...outcomeOf(item, ofMessages), status: WriteStatus.Stale };
      if (item.write.epoch !== 0) this.lane.home.onDisowned(item.write, WriteStatus.Stale);
      this.finish(item.write, outcome, then);
      return;
    }
    const number = Number(answer);
    if (Array.isArray(answer) || number > 0) {
      this.onDone(item, outcomeOf(item, answer), then);
      return;
    }
    // A session that an earlier attempt has ended is not there when it is repeated.
    if (item.part !== Part.Held && item.write.ends && number !== STALE && this.attempts > 1) {
      this.onEnded(item, [], 0, item.outcome(0, null, noMessages), then);
      return;
    }
    this.onRefused(item, number === STALE ? WriteStatus.Stale : WriteStatus.Gone, then);
  }

  private onDone(item: WriteItem, outcome: WriteOutcome, then: () => void): void {
    const { home } = this.lane;
    const { write } = item;
    if (item.part === Part.Held) {
      item.gate!.onHeld(write.clientId, write.held, true);
      home.end();
      then();
      return;
    }
    if (write.disconnect !== null) {
      home.onDisconnected(write, write.disconnect);
    }
    if (item.append.length > 0 && outcome.taken === null && outcome.dropped.length === 0) {
      home.full.delete(write.clientId);
    }
    const { subscribed, unsubscribed } = write;
    if (subscribed.length === 0 && unsubscribed.length === 0) {
      this.finish(write, outcome, then);
      return;
    }
    home.onSubscriptions(write, this.number, then, () => {
      write.onDone(outcome);
      home.end();
    });
  }

  private onEnded(
    { write }: WriteItem,
    filters: readonly string[],
    epoch: number,
    outcome: WriteOutcome,
    then: () => void,
  ): void {
    const { home } = this.lane;
    home.onEnded(write, epoch, filters, () => this.finish(write, outcome, then));
  }

  private onRefused(item: WriteItem, status: WriteStatus, then: () => void): void {
    const { home } = this.lane;
    const { write } = item;
    if (write.epoch !== 0) home.onDisowned(write, status);
    if (item.part === Part.Held) {
      // Messages for the session itself are taken all the same.
      const isRestGone = status !== WriteStatus.Stale || item.rest?.append.length === 0;
      if (item.rest !== null && isRestGone) item.rest.refusedFor = status;
      else if (item.rest !== null) item.rest.isStale = true;
      item.gate!.onHeld(write.clientId, write.held, false);
      home.end();
      then();
      return;
    }
    this.finish(write, refused(status), then);
  }

  private finish(write: SessionWrite, outcome: WriteOutcome, then: () => void): void {
    write.onDone(outcome);
    this.lane.home.end();
    then();
  }
}

function encodeItem(out: CommandBuffer, item: WriteItem): void {
  const { part, write } = item;
  const isHeld = part === Part.Held;
  encodeHead(out, item);
  out.text(isHeld ? '' : (write.settled?.done.join(',') ?? ''));
  encodeNumbers(out, isHeld ? noMessages : write.released, 6);
  encodeHeld(out, part === Part.Rest ? [] : write.held);
  encodeNumbers(out, isHeld ? noMessages : write.forgotten, 2);
  if (isHeld) return;
  if (write.disconnect !== null) {
    out.text(timeText(write.disconnect.expiresAtMs));
    out.blob(write.disconnect.will ?? Buffer.alloc(0));
    out.text(timeText(write.disconnect.willAtMs));
    encodeNumbers(out, write.disconnect.inFlight, 6);
  }
  for (const one of write.subscribed) {
    out.text(one.filter);
    out.blob(encodeOptions(one));
  }
  for (const filter of write.unsubscribed) out.text(filter);
  for (const message of item.append) encodeMessage(out, message, item.births);
}

function encodeMessage(
  out: CommandBuffer,
  { mark, payloadBytes, record, sharedFilter }: Append,
  births: ReadonlyMap<string, number> | null,
): void {
  let at = out.begin(MESSAGE_HEAD_BYTES);
  at = writeU48(out.bytes, payloadBytes, at);
  at = writeU64(out.bytes, mark?.number ?? 0, at);
  writeU64(out.bytes, mark === null ? 0 : (births?.get(mark.publisherId) ?? 0), at);
  out.end(MESSAGE_HEAD_BYTES);
  at = out.begin(8 + record.length);
  at = writeU32(out.bytes, record.length, at);
  at = writeU32(out.bytes, payloadBytes, at);
  out.bytes.set(record, at);
  out.end(8 + record.length);
  out.text(mark === null ? '' : marksField(mark.publisherId, sharedFilter));
}

/** Where a session remembers the marks of a publisher. Client ids have no NUL. */
function marksField(publisherId: string, sharedFilter: string): string {
  return sharedFilter === '' ? publisherId : `\0${sharedFilter}\0${publisherId}`;
}

function partsOf(item: WriteItem): number {
  if (item.part === Part.Held) return 5;
  const { disconnect, subscribed, unsubscribed } = item.write;
  const ofDisconnect = disconnect === null ? 0 : DISCONNECT_PARTS;
  return 5 + ofDisconnect + 2 * subscribed.length + unsubscribed.length + 3 * item.append.length;
}

function encodeHead(out: CommandBuffer, { append, part, write }: WriteItem): void {
  const isHeld = part === Part.Held;
  let at = out.begin(SEGMENT_HEAD_BYTES);
  const { bytes } = out;
  const settled = isHeld ? null : write.settled;
  at = writeU64(bytes, write.epoch, at);
  at = writeU48(bytes, isHeld ? 0 : write.nextSeq, at);
  at = writeU48(bytes, settled?.firstSeq ?? 0, at);
  at = writeU48(bytes, write.limits?.messagesMax ?? 0, at);
  at = writeU48(bytes, write.limits?.bytesMax ?? 0, at);
  at = writeU32(bytes, settled?.done.length ?? 0, at);
  at = writeU32(bytes, append.length, at);
  at = writeU32(bytes, isHeld ? 0 : write.subscribed.length, at);
  at = writeU32(bytes, isHeld ? 0 : write.unsubscribed.length, at);
  bytes[at] = isHeld ? SegmentFlag.NeedsOwner : flagsOf(write, part);
  out.end(SEGMENT_HEAD_BYTES);
}

function flagsOf(write: SessionWrite, part: Part): number {
  let flags = 0;
  if (write.limits?.dropsOldest === true) flags |= SegmentFlag.DropsOldest;
  if (write.disconnect !== null) flags |= SegmentFlag.Disconnect;
  if (write.disconnect !== null && write.disconnect.will !== null) flags |= SegmentFlag.HasWill;
  if (write.disconnect?.isUnsure === true) flags |= SegmentFlag.Unsure;
  if (write.dismissesWill) flags |= SegmentFlag.DismissesWill;
  if (write.ends) flags |= SegmentFlag.Ends;
  const isMore =
    (flags & ~SegmentFlag.DropsOldest) !== 0 ||
    write.settled !== null ||
    write.nextSeq > 0 ||
    write.released.length > 0 ||
    write.forgotten.length > 0 ||
    write.subscribed.length > 0 ||
    write.unsubscribed.length > 0 ||
    (write.held.length > 0 && part !== Part.Rest);
  return isMore ? flags | SegmentFlag.NeedsOwner : flags;
}

function encodeNumbers(out: CommandBuffer, numbers: readonly number[], width: 2 | 6): void {
  const size = width * numbers.length;
  let at = out.begin(size);
  for (const number of numbers) {
    if (width === 6) {
      at = writeU48(out.bytes, number, at);
    } else {
      out.bytes[at++] = number >>> 8;
      out.bytes[at++] = number & 0xff;
    }
  }
  out.end(size);
}

function encodeHeld(out: CommandBuffer, held: SessionWrite['held']): void {
  const size = 10 * held.length;
  let at = out.begin(size);
  for (const { number, packetId } of held) {
    out.bytes[at++] = packetId >>> 8;
    out.bytes[at++] = packetId & 0xff;
    at = writeU64(out.bytes, number, at);
  }
  out.end(size);
}

/** What the messages of a stale write were answered; null: it is none, or had none. */
function staleAnswer(answer: unknown): unknown {
  return Array.isArray(answer) && answer.length === 2 && Number(answer[0]) === STALE
    ? answer[1]
    : null;
}

/** `answer`: the first number when all was taken; or that, digits of `Taken`, who gave way. */
function outcomeOf(item: WriteItem, answer: unknown): WriteOutcome {
  if (!Array.isArray(answer)) return item.outcome(Number(answer), null, noMessages);
  const [first, digits, gaveWay] = answer as readonly unknown[];
  const text = String(digits);
  const taken = item.append.map((_, index) => takenByDigit[text.charCodeAt(index) - 48]!);
  const areAllTaken = taken.every((fate) => fate === Taken.Yes);
  const dropped = (gaveWay as readonly unknown[]).map(Number);
  return item.outcome(Number(first), areAllTaken ? null : taken, dropped);
}

/** Milliseconds as text; `inf`: never. */
export function timeText(ms: number): string {
  return Number.isFinite(ms) ? String(Math.ceil(ms)) : 'inf';
}
