/** A client connects: the call of the claim script, and what its answer means. */
import { assert } from '../../base/assert.js';
import { nothingStored } from '../answers.js';
import type { Claim, ClaimRequest, HeldId, LastWill, StoredSubscription } from '../store.js';
import { Call } from './call.js';
import { type CommandBuffer, writeU48 } from './command-buffer.js';
import { decodeOptions } from './map-entries.js';
import { CLAIM_HEAD_BYTES, ClaimFlag, claimScript } from './scripts/claim.js';
import { decodeHeader, numbersIn, numbersOf, rangeOf, rangesOf } from './scripts/header.js';
import type { LaneTask, SessionLane } from './session-lane.js';

/** What the claim script answered. */
export interface ClaimAnswer {
  readonly claim: Claim;
  /** When the session began. */
  readonly birth: number;
  /** Number of the call. */
  readonly call: number;
  /** Filters that the map must not have any more. */
  readonly gone: readonly string[];
  /** True when the map may not have all subscriptions. */
  readonly isUnmapped: boolean;
  /** The node of another broker that the client was connected to until now; empty: none. */
  readonly before: string;
  /** The will of the connection before; null: there is none, or its delay is over. */
  readonly will: WillBefore | null;
}

export interface WillBefore extends LastWill {
  /** The node that publishes it, unless it is dead; empty: none. */
  readonly by: string;
}

/** The lane goes on when `then` is called. */
export type OnClaimAnswer = (answer: ClaimAnswer, then: () => void) => void;

export class ClaimTask implements LaneTask {
  /** False until the broker is on record as the owner-to-be. */
  isReady = false;
  readonly request: ClaimRequest;
  readonly node: string;
  private state: 'waiting' | 'sent' | 'over' = 'waiting';
  private readonly onAnswer: OnClaimAnswer;

  constructor(request: ClaimRequest, node: string, onAnswer: OnClaimAnswer) {
    this.request = request;
    this.node = node;
    this.onAnswer = onAnswer;
  }

  /** It was answered, or never went out. */
  get isOver(): boolean {
    return this.state === 'over';
  }

  /** Nobody waits for it any more. False: it is on its way, and what it did has to be undone. */
  abandon(): boolean {
    if (this.state === 'waiting') this.state = 'over';
    return this.state === 'over';
  }

  makeCall(lane: SessionLane): Call | null {
    if (this.state === 'over') return null;
    this.state = 'sent';
    return new ClaimCall(lane, this.request, this.node, (answer, then) => {
      this.state = 'over';
      this.onAnswer(answer, then);
    });
  }
}

class ClaimCall extends Call {
  readonly size: number;
  private readonly lane: SessionLane;
  private readonly request: ClaimRequest;
  private readonly node: string;
  private readonly writer: Buffer;
  private readonly number: number;
  private readonly onAnswer: OnClaimAnswer;

  constructor(lane: SessionLane, request: ClaimRequest, node: string, onAnswer: OnClaimAnswer) {
    super(lane.slot);
    this.lane = lane;
    this.request = request;
    this.node = node;
    this.writer = lane.home.writer;
    this.number = lane.home.nextCall();
    this.onAnswer = onAnswer;
    this.size = 400 + lane.fourKeys.length + request.info.length + (request.will?.length ?? 0);
  }

  encode(out: CommandBuffer): void {
    const { request } = this;
    out.command(13);
    out.encoded(claimScript.encoded);
    out.encoded(this.lane.fourKeys);
    let at = out.begin(CLAIM_HEAD_BYTES);
    out.bytes.set(this.writer, at);
    at = writeU48(out.bytes, this.number, at + 8);
    out.bytes[at] =
      (request.cleanStart ? ClaimFlag.CleanStart : 0) |
      (request.connects ? 0 : ClaimFlag.Visits) |
      (request.isDurable ? ClaimFlag.Durable : 0) |
      (request.endsSession ? ClaimFlag.Ends : 0) |
      (request.will === null ? 0 : ClaimFlag.HasWill);
    out.end(CLAIM_HEAD_BYTES);
    out.text(this.node);
    out.blob(request.info);
    out.number(request.expiryInterval);
    out.blob(request.will ?? Buffer.alloc(0));
    out.number(request.willDelay);
  }

  onReply(value: unknown): void {
    this.onAnswer(decodeAnswer(value, this.number), () => {
      this.lane.home.end();
      this.lane.onCallDone();
    });
  }
}

function decodeAnswer(value: unknown, call: number): ClaimAnswer {
  const parts = value as readonly unknown[];
  const epoch = Number(parts[0]);
  const before = String(parts[2]);
  const will = decodeWill(parts[3] as readonly Buffer[]);
  if (Number(parts[1]) === 0) {
    const gone = (parts[4] as readonly unknown[]).map(String);
    return {
      claim: { ...nothingStored, epoch, isHeldRouted: false },
      birth: epoch,
      call,
      gone,
      isUnmapped: false,
      before,
      will,
    };
  }
  const present = decodePresent(
    epoch,
    parts[4] as readonly Buffer[],
    parts[5] as readonly Buffer[],
  );
  return { ...present, call, before, will };
}

function decodeWill([by, info, will]: readonly Buffer[]): WillBefore | null {
  return will === undefined ? null : { by: String(by), info: info!, will };
}

function decodePresent(
  epoch: number,
  fields: readonly Buffer[],
  marks: readonly Buffer[],
): Omit<ClaimAnswer, 'call' | 'before' | 'will'> {
  const subscriptions: StoredSubscription[] = [];
  const gone: string[] = [];
  let header: Buffer | null = null;
  let done: number[] = [];
  let ranges: number[] = [];
  let lapsed: number[] = [];
  let birth = 0;
  let lostAtSeq = 0;
  let isUnmapped = false;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!.toString();
    const value = fields[at + 1]!;
    if (name.startsWith('+')) subscriptions.push(decodeOptions(name.slice(1), value));
    else if (name.startsWith('-')) gone.push(name.slice(1));
    else if (name === 'h') header = value;
    else if (name === 'd') done = numbersOf(value.toString());
    else if (name === 'g') ranges = rangesOf(value.toString());
    else if (name === 'o') lapsed = numbersIn(rangesOf(value.toString()));
    else if (name === 'b') birth = Number(value);
    else if (name === 'u') lostAtSeq = Number(value);
    else if (name === 'p') isUnmapped = true;
  }
  assert(header !== null, 'a session that is present has a header');
  const { endSeq, nextNumber, nextSeq, ...rest } = decodeHeader(header);
  const isDone = new Set(done);
  let { firstSeq } = rest;
  while (isDone.has(firstSeq)) firstSeq++;
  const { held, released } = decodeMarks(marks);
  const isOver = (seq: number): boolean => isDone.has(seq) || rangeOf(seq, ranges) >= 0;
  const claim: Claim = {
    epoch,
    isPresent: true,
    subscriptions,
    firstSeq,
    done: done.filter((seq) => seq >= firstSeq && rangeOf(seq, ranges) < 0),
    released: released.filter((seq) => seq >= firstSeq && !isOver(seq)),
    lapsed,
    endSeq,
    nextSeq: Math.max(nextSeq, firstSeq),
    unsentSeq: Math.max(nextSeq, firstSeq, lostAtSeq),
    held,
    isHeldRouted: false,
    nextNumber,
    lastWill: null,
  };
  return { claim, birth, gone, isUnmapped };
}

/** `i<packet id>` → number, `o<seq>`. */
function decodeMarks(marks: readonly Buffer[]): { held: HeldId[]; released: number[] } {
  const held: HeldId[] = [];
  const released: number[] = [];
  for (let at = 0; at < marks.length; at += 2) {
    const name = marks[at]!.toString();
    if (name.startsWith('o')) released.push(Number(name.slice(1)));
    else held.push({ packetId: Number(name.slice(1)), number: Number(marks[at + 1]) });
  }
  held.sort((a, b) => a.number - b.number);
  released.sort((a, b) => a - b);
  return { held, released };
}
