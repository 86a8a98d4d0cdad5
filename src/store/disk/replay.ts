/** What the journal says happened, as a generation that a checkpoint can put into the database. */
import { BrokerError } from '../../base/errors.js';
import { Entry, Generation } from './generation.js';
import { RECORD_KEY_BYTES, RecordKind, recordKey } from './keys.js';
import { readSix, SIX } from './numbers.js';
import { countOf } from './queue-entry.js';
import { readState } from './session-records.js';
import { OPERATION_HEADER_BYTES, Operation } from './turn-writer.js';

/** @param turns the bodies of the frames of each turn, in order */
export function replay(turns: readonly (readonly Buffer[])[]): Generation {
  const generation = new Generation();
  for (const turn of turns) for (const body of turn) replayBody(body, generation);
  generation.isOpen = false;
  return generation;
}

function replayBody(body: Buffer, generation: Generation): void {
  for (let at = 0; at < body.length; ) {
    const operation = body[at]!;
    const valueBytes = body.readUInt32BE(at + 1);
    const keyAt = at + OPERATION_HEADER_BYTES;
    const valueAt = keyAt + keyBytes(operation, body, keyAt);
    at = valueAt + valueBytes;
    apply(operation, body, keyAt, valueAt, at, generation);
  }
}

function keyBytes(operation: number, body: Buffer, at: number): number {
  switch (operation) {
    case Operation.Put:
    case Operation.Remove:
      return RECORD_KEY_BYTES;
    case Operation.Entry:
      return 2 * SIX;
    case Operation.Retain:
    case Operation.Unretain:
      return 2 + body.readUInt16BE(at);
    case Operation.End:
      return SIX;
    default:
      throw new BrokerError('STORE_DAMAGED', `the journal has an unknown operation ${operation}`);
  }
}

function apply(
  operation: number,
  body: Buffer,
  keyAt: number,
  valueAt: number,
  end: number,
  generation: Generation,
): void {
  const { records, retained, entries, ended, trimmed } = generation;
  switch (operation) {
    case Operation.Put:
      records.set(body.toString('latin1', keyAt, valueAt), body.subarray(valueAt, end));
      // The queue's numbers, most likely: what is done of it may be in the database.
      if (body[keyAt + SIX] === RecordKind.State) {
        trimmed.add(readSix(body, keyAt));
        const { epoch } = readState(body.subarray(valueAt, end));
        generation.lastEpoch = Math.max(generation.lastEpoch, epoch);
      }
      break;
    case Operation.Remove:
      records.set(body.toString('latin1', keyAt, valueAt), null);
      break;
    case Operation.Entry: {
      const number = readSix(body, keyAt);
      const firstSeq = readSix(body, keyAt + SIX);
      const count = countOf(body, valueAt);
      const bytes = end - valueAt;
      entries.push(new Entry(number, firstSeq, count, body, valueAt, bytes, generation, null));
      break;
    }
    case Operation.Retain:
      retained.set(body.toString('utf8', keyAt + 2, valueAt), body.subarray(valueAt, end));
      break;
    case Operation.Unretain:
      retained.set(body.toString('utf8', keyAt + 2, valueAt), null);
      break;
    default: {
      const number = readSix(body, keyAt);
      ended.add(number);
      records.delete(recordKey(number, RecordKind.State));
    }
  }
}
