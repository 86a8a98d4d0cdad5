/**
 * The header of a stored session: field `h` of `tw:{<clientId>}:s`, big-endian.
 *
 *     u8   version (1)
 *     u64  epoch                  microseconds at the claim, or more: never repeats
 *     u48  endSeq                 number that the next message gets
 *     u48  firstSeq               all below are done
 *     u48  nextSeq                all below may have been sent
 *     u48  holes                  numbers from firstSeq on that are done or gave way
 *     u48  bytes                  payload bytes of all messages that ever came
 *     u48  doneBytes              of those at most so many have left the queue …
 *     u8   1: … exactly so many; 2: field `g` has what gave way, or `o` what of it may be with the
 *          client; 4: field `d` has what is done;
 *          8: the session has ended, only its traces in the map are left;
 *          16 (with 8): … or it is a transient one, that is: a connection, and its will
 *     u48  trimSeq, u48 trimBytes up to where the queue was trimmed, and bytes below, about
 *     u64  nextNumber             number for the next inbound QoS 2 message
 *     8 B  writer                 of the last call
 *     u48  call                   its number
 *     u48  reply                  what it was answered; 0: see field `a<writer>`
 *     u8   length of the owner    owner: the node that the client is connected to; empty: offline.
 *                                 It ends with that node's writer
 *
 * The other fields: `d` numbers that are done, as text; `g` numbers that gave way; `o` those of
 * them that may be with the client (`Claim.lapsed`); `i` what the core knows of the client; `x`
 * expiry interval; `v` will, `wd` its delay, `wt` its time; `t` end of an offline session; `u`
 * where the queue ended when a client was lost whose end was not written; `k` who sees to what is
 * due of an offline session (`offline.ts`); `+<filter>` subscription; `-<filter>` one that is gone,
 * but perhaps not from the map yet; `p` call whose changes are not known to be in the map;
 * `w<writer>` last call of an earlier writer, `a<writer>` its answer; `ws` those writers.
 */
import { readU64 } from '../command-buffer.js';

export const HEADER_VERSION = 1;
/** What scripts answer for a session that another version wrote. */
export const OTHER_VERSION = 'ERR tidewire: a session of another version';
/** What scripts answer a call that comes after its successor: its network was slow. */
export const LATE = 'ERR tidewire: a call that was overtaken by its own repeat';
export const HEADER = '>I1I8I6I6I6I6I6I6I1I6I6I8c8I6I6I1c0';

/** Offset of the flags. */
export const FLAGS_AT = 45;

export const HeaderFlag = { Exact: 1, GaveWay: 2, Done: 4, Ended: 8, Transient: 16 } as const;

export interface SessionHeader {
  readonly epoch: number;
  readonly endSeq: number;
  readonly firstSeq: number;
  readonly nextSeq: number;
  readonly flags: number;
  readonly nextNumber: number;
  readonly owner: string;
}

export function decodeHeader(bytes: Buffer): SessionHeader {
  return {
    epoch: readU64(bytes, 1),
    endSeq: bytes.readUIntBE(9, 6),
    firstSeq: bytes.readUIntBE(15, 6),
    nextSeq: bytes.readUIntBE(21, 6),
    flags: bytes.readUInt8(FLAGS_AT),
    nextNumber: readU64(bytes, 58),
    owner: bytes.toString('utf8', 87),
  };
}

/** First and last number in turn of what gave way; before them is how far it was cleaned up. */
export function rangesOf(text: string): number[] {
  return text.split(',').slice(1).map(Number);
}

/** The numbers in `ranges`. */
export function numbersIn(ranges: readonly number[]): number[] {
  const numbers: number[] = [];
  for (let at = 0; at < ranges.length; at += 2) {
    for (let seq = ranges[at]!; seq <= ranges[at + 1]!; seq++) numbers.push(seq);
  }
  return numbers;
}

/** Where in `ranges` a number is; -1: nowhere. */
export function rangeOf(seq: number, ranges: readonly number[]): number {
  for (let at = 0; at < ranges.length; at += 2) {
    if (seq >= ranges[at]! && seq <= ranges[at + 1]!) return at;
  }
  return -1;
}

/** Numbers with commas between them, ascending. */
export function numbersOf(text: string): number[] {
  if (text === '') return [];
  return text
    .split(',')
    .map(Number)
    .sort((a, b) => a - b);
}
