/**
 * Messages of one call and QoS as one entry of a stream, so that Redis has little to do for each.
 *
 *     u8 version (1), then for each message:
 *     u32 length of the record   u48 time, milliseconds since the Unix epoch
 *     u48 number (what its broker counts)   record
 */
import { BrokerError } from '../../../base/errors.js';
import type { HistoryMessage, HistoryWrite } from '../../history.js';
import { viewRecord } from '../../record.js';
import { writeU48 } from '../command-buffer.js';

/** Of entries, and of the keys. */
export const HISTORY_FORMAT = 1;
const HEAD_BYTES = 1;
const ITEM_BYTES = 4 + 6 + 6;

export type StreamEntry = readonly [id: Buffer, fields: readonly Buffer[]];

/** Bytes that a message adds to an entry. */
export function itemBytes({ record }: HistoryWrite): number {
  return ITEM_BYTES + record.length;
}

export function entryBytes(writes: readonly HistoryWrite[]): number {
  let bytes = HEAD_BYTES;
  for (const write of writes) bytes += itemBytes(write);
  return bytes;
}

export function writeEntry(bytes: Buffer, at: number, writes: readonly HistoryWrite[]): void {
  bytes[at++] = HISTORY_FORMAT;
  for (const { number, record, timeMs } of writes) {
    at = bytes.writeUInt32BE(record.length, at);
    at = writeU48(bytes, timeMs, at);
    at = writeU48(bytes, number, at);
    bytes.set(record, at);
    at += record.length;
  }
}

/** Milliseconds of an entry's id. */
export function takenMsOf(id: Buffer): number {
  return Number(id.subarray(0, id.indexOf('-')));
}

/**
 * The messages of an entry that are wanted, in its order; copies, so that the entry can go.
 *
 * @throws BrokerError `RECORD_INVALID`
 */
export function messagesOf(
  [id, fields]: StreamEntry,
  isMatch: (topic: string, timeMs: number) => boolean,
  isWanted: (message: HistoryMessage) => boolean,
): { readonly count: number; readonly wanted: readonly HistoryMessage[] } {
  const takenMs = takenMsOf(id);
  const takenSeq = Number(id.subarray(id.indexOf('-') + 1));
  const writer = String(fieldOf(fields, 'w'));
  const data = fieldOf(fields, 'd');
  if (data[0] !== HISTORY_FORMAT) {
    const detail = `an entry of the history has format ${data[0]}; this broker knows`;
    throw new BrokerError('RECORD_INVALID', `${detail} format ${HISTORY_FORMAT}`);
  }
  const wanted: HistoryMessage[] = [];
  let count = 0;
  for (let at = HEAD_BYTES; at < data.length; count++) {
    const start = at + ITEM_BYTES;
    const end = start + data.readUInt32BE(at);
    if (end > data.length) throw damaged();
    const timeMs = data.readUIntBE(at + 4, 6);
    const number = data.readUIntBE(at + 10, 6);
    at = end;
    const view = data.subarray(start, end);
    const { topicEnd, topicStart } = viewRecord(view);
    const topic = view.toString('utf8', topicStart, topicEnd);
    if (!isMatch(topic, timeMs)) continue;
    const message = { timeMs, takenMs, takenSeq, writer, number, topic, record: Buffer.from(view) };
    if (isWanted(message)) wanted.push(message);
  }
  return { count, wanted };
}

function fieldOf(fields: readonly Buffer[], name: string): Buffer {
  for (let at = 0; at < fields.length; at += 2) {
    if (String(fields[at]) === name) return fields[at + 1]!;
  }
  throw damaged();
}

function damaged(): BrokerError {
  return new BrokerError('RECORD_INVALID', 'an entry of the history is damaged');
}
