/**
 * Frames of the journal. One turn is one frame or, if it is large, several in a row; a turn whose
 * last frame is missing or damaged did not happen.
 *
 *     u32 magic · u32 bytes of the body · u32 CRC of what follows ·
 *     u32 flags (1: last of its turn) · u32 + u32 number of the segment · body
 *
 * A segment file is used again for a later segment, so what is behind its last frame are frames of
 * an earlier one: they are told by the segment's number.
 */
import { crc32 } from './checksum.js';

export const FRAME_HEADER_BYTES = 24;
const MAGIC = 0x5457_4a31;
const IS_LAST = 1;
const CHECKED_FROM = 12;
const WORD = 0x1_0000_0000;

/** Fills in the header of the frame that is all of `frame`. */
export function sealFrame(frame: Buffer, segment: number, isLast: boolean): void {
  frame.writeUInt32BE(MAGIC, 0);
  frame.writeUInt32BE(frame.length - FRAME_HEADER_BYTES, 4);
  frame.writeUInt32BE(isLast ? IS_LAST : 0, 12);
  frame.writeUInt32BE(Math.floor(segment / WORD), 16);
  frame.writeUInt32BE(segment % WORD, 20);
  frame.writeUInt32BE(crc32(frame.subarray(CHECKED_FROM)), 8);
}

export interface SegmentContent {
  /** The bodies of each whole turn, in order. */
  readonly turns: readonly (readonly Buffer[])[];
  /** Bytes of whole turns. */
  readonly length: number;
  /** There is the beginning of a frame, or of a turn, that was not written to its end. */
  readonly isTorn: boolean;
}

/** Where the bytes of a segment come from: a `FileWindow`. */
export interface SegmentBytes {
  /** Null when there are not so many from `at` on. */
  view(at: number, bytes: number): Buffer | null;
}

/** The turns of a segment file. */
export function readSegment(file: SegmentBytes, segment: number): SegmentContent {
  const turns: Buffer[][] = [];
  let turn: Buffer[] = [];
  let length = 0;
  let at = 0;
  for (;;) {
    const frame = frameAt(file, at, segment);
    if (frame === null) break;
    at += frame.length;
    turn.push(frame.subarray(FRAME_HEADER_BYTES));
    if ((frame.readUInt32BE(12) & IS_LAST) === 0) continue;
    turns.push(turn);
    turn = [];
    length = at;
  }
  return { turns, length, isTorn: turn.length > 0 || headerAt(file, at, segment) !== null };
}

function frameAt(file: SegmentBytes, at: number, segment: number): Buffer | null {
  const header = headerAt(file, at, segment);
  if (header === null) return null;
  const frame = file.view(at, FRAME_HEADER_BYTES + header.readUInt32BE(4));
  if (frame === null) return null;
  return crc32(frame.subarray(CHECKED_FROM)) === frame.readUInt32BE(8) ? frame : null;
}

/** Null when there is no frame of this segment. */
function headerAt(file: SegmentBytes, at: number, segment: number): Buffer | null {
  const header = file.view(at, FRAME_HEADER_BYTES);
  if (header === null || header.readUInt32BE(0) !== MAGIC) return null;
  const number = header.readUInt32BE(16) * WORD + header.readUInt32BE(20);
  return number === segment ? header : null;
}
