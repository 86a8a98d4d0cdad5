/**
 * Keys of the database. All records of a session begin with its number, which is never given to
 * another session, so a session is a range and the parts of one are neighbours.
 *
 *     sessions   number (6) · kind (1) · which (4)      the which-th subscription, else 0
 *     queues     number (6) · first seq (6)             one entry of packed messages
 *     retained   0 · topic name, or 1 · SHA-256 of a long topic name
 *
 * A session key is handled as a string of 11 latin1 characters, for it is a Map's key as well.
 */
import { createHash } from 'node:crypto';
import { readSix, SIX, writeSix } from './numbers.js';

export const RecordKind = {
  Identity: 1,
  Fate: 2,
  State: 3,
  Lists: 4,
  Held: 5,
  Subscription: 6,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

export const RECORD_KEY_BYTES = SIX + 1 + 4;
export const ENTRY_KEY_BYTES = 2 * SIX;
/** Past every number of a message. */
export const SEQ_END = 0xffff_ffff_ffff;

/** LMDB's keys have at most 1 978 bytes. */
const TOPIC_BYTES_MAX = 1_024;
const PLAIN = 0;
const HASHED = 1;

export function recordKey(number: number, kind: RecordKind, which = 0): string {
  scratch[SIX] = kind;
  writeSix(scratch, number, 0);
  scratch.writeUInt32BE(which, SIX + 1);
  return scratch.toString('latin1', 0, RECORD_KEY_BYTES);
}

export function numberOfRecord(key: Buffer): number {
  return readSix(key, 0);
}

export function kindOfRecord(key: Buffer): number {
  return key[SIX]!;
}

export function whichOfRecord(key: Buffer): number {
  return key.readUInt32BE(SIX + 1);
}

/** First key of a session's records, and first key past them. */
export function recordRange(number: number): { start: Buffer; end: Buffer } {
  return { start: prefix(number), end: prefix(number + 1) };
}

export function entryKey(number: number, seq: number): Buffer {
  const key = Buffer.allocUnsafe(ENTRY_KEY_BYTES);
  writeSix(key, seq, writeSix(key, number, 0));
  return key;
}

export function seqOfEntry(key: Buffer): number {
  return readSix(key, SIX);
}

/** The key of a retained message, and whether its topic name has to be kept in the value. */
export function retainedKey(topic: Buffer): { key: Buffer; isHashed: boolean } {
  const isHashed = topic.length > TOPIC_BYTES_MAX;
  const rest = isHashed ? createHash('sha256').update(topic).digest() : topic;
  const key = Buffer.allocUnsafe(1 + rest.length);
  key[0] = isHashed ? HASHED : PLAIN;
  rest.copy(key, 1);
  return { key, isHashed };
}

/** The topic name in a key; null: it is in the value. */
export function topicOfKey(key: Buffer): string | null {
  return key[0] === HASHED ? null : key.toString('utf8', 1);
}

function prefix(number: number): Buffer {
  const key = Buffer.allocUnsafe(SIX);
  writeSix(key, number, 0);
  return key;
}

const scratch = Buffer.alloc(RECORD_KEY_BYTES);
