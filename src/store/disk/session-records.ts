/**
 * The small records of a session as bytes. Integers are big-endian; a "seq" has six bytes.
 *
 *     identity      u16 length of the client id, client id, info
 *     fate          u8 bits: 0 connected, 1 has a will, 2 its client was lost · u32 expiry
 *                   interval · u32 will delay · f64 end of the session · f64 time of the will ·
 *                   [seq where the queue ended when the client was lost] · will
 *     state         seven numbers of six bytes, see `SessionState`; written with nearly every turn
 *     lists         u32 count and seqs: done · released · gaps, as pairs of first and end · lapsed,
 *                   which may be missing
 *     held          u32 count, then u16 packet identifier and number of six bytes each
 *     subscription  u8 options · u32 identifier · filter
 */
import type { HeldId, StoredSubscription } from '../store.js';
import { readSix, SIX, writeSix } from './numbers.js';

const CONNECTED = 1;
const HAS_WILL = 2;
const WAS_LOST = 4;
const FATE_BYTES = 1 + 4 + 4 + 8 + 8;
const HELD_BYTES = 2 + SIX;
/** Intervals above say the same as this one: for ever. */
const INTERVAL_MAX = 0xffff_ffff;

export const STATE_BYTES = 7 * SIX;

export interface Identity {
  readonly clientId: string;
  readonly info: Buffer;
}

/** What becomes of the session, and of its client's will, when nobody comes back. */
export interface Fate {
  readonly isConnected: boolean;
  /** Seconds, while connected. */
  readonly expiryInterval: number;
  readonly willDelay: number;
  /** While not. */
  readonly expiresAtMs: number;
  readonly willAtMs: number;
  readonly will: Buffer | null;
  /** Where the queue ended when a connection's end was found but not written; 0: it was. */
  readonly lostAtSeq: number;
}

export interface SessionState {
  epoch: number;
  firstSeq: number;
  nextSeq: number;
  endSeq: number;
  nextNumber: number;
  /** Messages that are not done, and payload bytes of them. */
  messages: number;
  bytes: number;
}

export interface SessionLists {
  readonly done: readonly number[];
  readonly released: readonly number[];
  readonly gaps: readonly number[];
  readonly lapsed: readonly number[];
}

export function encodeIdentity({ clientId, info }: Identity): Buffer {
  const id = Buffer.from(clientId);
  const bytes = Buffer.allocUnsafe(2 + id.length + info.length);
  bytes.writeUInt16BE(id.length, 0);
  id.copy(bytes, 2);
  info.copy(bytes, 2 + id.length);
  return bytes;
}

export function decodeIdentity(bytes: Buffer): Identity {
  const infoAt = 2 + bytes.readUInt16BE(0);
  return { clientId: bytes.toString('utf8', 2, infoAt), info: bytes.subarray(infoAt) };
}

export function encodeFate(fate: Fate): Buffer {
  const { lostAtSeq, will } = fate;
  const wasLost = lostAtSeq > 0;
  const bytes = Buffer.allocUnsafe(FATE_BYTES + (wasLost ? SIX : 0) + (will?.length ?? 0));
  bytes[0] =
    (fate.isConnected ? CONNECTED : 0) | (will === null ? 0 : HAS_WILL) | (wasLost ? WAS_LOST : 0);
  let at = bytes.writeUInt32BE(Math.min(fate.expiryInterval, INTERVAL_MAX), 1);
  at = bytes.writeUInt32BE(Math.min(fate.willDelay, INTERVAL_MAX), at);
  at = bytes.writeDoubleBE(fate.expiresAtMs, at);
  at = bytes.writeDoubleBE(fate.willAtMs, at);
  if (wasLost) at = writeSix(bytes, lostAtSeq, at);
  will?.copy(bytes, at);
  return bytes;
}

export function decodeFate(bytes: Buffer): Fate {
  const wasLost = (bytes[0]! & WAS_LOST) !== 0;
  const willAt = FATE_BYTES + (wasLost ? SIX : 0);
  return {
    isConnected: (bytes[0]! & CONNECTED) !== 0,
    expiryInterval: bytes.readUInt32BE(1),
    willDelay: bytes.readUInt32BE(5),
    expiresAtMs: bytes.readDoubleBE(9),
    willAtMs: bytes.readDoubleBE(17),
    will: (bytes[0]! & HAS_WILL) === 0 ? null : bytes.subarray(willAt),
    lostAtSeq: wasLost ? readSix(bytes, FATE_BYTES) : 0,
  };
}

/** The fate of a session whose broker is gone, and whose queue ends at `endSeq`. */
export function orphaned(fate: Fate, nowMs: number, endSeq: number): Fate {
  const { expiryInterval, willDelay, will } = fate;
  const isForever = expiryInterval >= INTERVAL_MAX;
  return {
    ...fate,
    isConnected: false,
    expiresAtMs: isForever ? Number.POSITIVE_INFINITY : nowMs + expiryInterval * 1000,
    willAtMs: will === null ? Number.POSITIVE_INFINITY : nowMs + willDelay * 1000,
    lostAtSeq: endSeq,
  };
}

/** Writes `STATE_BYTES` at `at`. */
export function writeState(
  bytes: Buffer,
  at: number,
  epoch: number,
  nextNumber: number,
  queue: Readonly<Omit<SessionState, 'epoch' | 'nextNumber'>>,
): void {
  at = writeSix(bytes, epoch, at);
  at = writeSix(bytes, queue.firstSeq, at);
  at = writeSix(bytes, queue.nextSeq, at);
  at = writeSix(bytes, queue.endSeq, at);
  at = writeSix(bytes, nextNumber, at);
  at = writeSix(bytes, queue.messages, at);
  writeSix(bytes, queue.bytes, at);
}

export function readState(bytes: Buffer): SessionState {
  return {
    epoch: readSix(bytes, 0),
    firstSeq: readSix(bytes, SIX),
    nextSeq: readSix(bytes, 2 * SIX),
    endSeq: readSix(bytes, 3 * SIX),
    nextNumber: readSix(bytes, 4 * SIX),
    messages: readSix(bytes, 5 * SIX),
    bytes: readSix(bytes, 6 * SIX),
  };
}

export function encodeLists({ done, released, gaps, lapsed }: SessionLists): Buffer {
  const count = done.length + released.length + gaps.length + lapsed.length;
  const bytes = Buffer.allocUnsafe(4 * 4 + count * SIX);
  let at = 0;
  for (const list of [done, released, gaps, lapsed]) {
    at = bytes.writeUInt32BE(list.length, at);
    for (const seq of list) at = writeSix(bytes, seq, at);
  }
  return bytes;
}

export function decodeLists(bytes: Buffer): SessionLists {
  let at = 0;
  const next = (): number[] => {
    if (at === bytes.length) return [];
    const list = new Array<number>(bytes.readUInt32BE(at));
    at += 4;
    for (let index = 0; index < list.length; index++, at += SIX) list[index] = readSix(bytes, at);
    return list;
  };
  return { done: next(), released: next(), gaps: next(), lapsed: next() };
}

export function encodeHeld(held: ReadonlyMap<number, number>): Buffer {
  const bytes = Buffer.allocUnsafe(4 + held.size * HELD_BYTES);
  let at = bytes.writeUInt32BE(held.size, 0);
  for (const [packetId, number] of held) {
    at = bytes.writeUInt16BE(packetId, at);
    at = writeSix(bytes, number, at);
  }
  return bytes;
}

export function decodeHeld(bytes: Buffer): HeldId[] {
  const held: HeldId[] = [];
  const end = 4 + bytes.readUInt32BE(0) * HELD_BYTES;
  for (let at = 4; at < end; at += HELD_BYTES) {
    held.push({ packetId: bytes.readUInt16BE(at), number: readSix(bytes, at + 2) });
  }
  return held;
}

export function encodeSubscription(one: StoredSubscription): Buffer {
  const filter = Buffer.from(one.filter);
  const bytes = Buffer.allocUnsafe(5 + filter.length);
  bytes[0] = one.options;
  bytes.writeUInt32BE(one.identifier, 1);
  filter.copy(bytes, 5);
  return bytes;
}

export function decodeSubscription(bytes: Buffer): StoredSubscription {
  return {
    filter: bytes.toString('utf8', 5),
    options: bytes[0]!,
    identifier: bytes.readUInt32BE(1),
  };
}
