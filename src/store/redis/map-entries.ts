/**
 * Entries of the replicated maps: fields of `tw:{map:<k>}:m`.
 *
 *     r<topic>                              record of the retained message
 *     s<u16 length of client id><client id><filter>
 *                                           u64 epoch, u8 options, u32 identifier
 */
import { writeU32 } from '../../base/block.js';
import type { StoredSubscription } from '../store.js';
import { readU64, writeU64 } from './command-buffer.js';

const RETAINED = 0x72;
const SUBSCRIPTION = 0x73;
const OPTIONS_BYTES = 5;

export function retainedField(topic: string): Buffer {
  return Buffer.from(`r${topic}`);
}

export function subscriptionField(clientId: string, filter: string): Buffer {
  const idBytes = Buffer.byteLength(clientId);
  const bytes = Buffer.allocUnsafe(3 + idBytes + Buffer.byteLength(filter));
  bytes[0] = SUBSCRIPTION;
  bytes.writeUInt16BE(idBytes, 1);
  bytes.write(clientId, 3);
  bytes.write(filter, 3 + idBytes);
  return bytes;
}

export function subscriptionValue(epoch: number, subscription: StoredSubscription): Buffer {
  const bytes = Buffer.allocUnsafe(8 + OPTIONS_BYTES);
  writeU64(bytes, epoch, 0);
  bytes[8] = subscription.options;
  writeU32(bytes, subscription.identifier, 9);
  return bytes;
}

/** As it is in the session's hash: u8 options, u32 identifier. */
export function encodeOptions(subscription: StoredSubscription): Buffer {
  const bytes = Buffer.allocUnsafe(OPTIONS_BYTES);
  bytes[0] = subscription.options;
  writeU32(bytes, subscription.identifier, 1);
  return bytes;
}

export function decodeOptions(filter: string, bytes: Buffer): StoredSubscription {
  return { filter, options: bytes.readUInt8(0), identifier: bytes.readUInt32BE(1) };
}

export type MapEntry =
  | { readonly kind: 'retained'; readonly topic: string; readonly record: Buffer }
  | {
      readonly kind: 'subscription';
      readonly clientId: string;
      readonly epoch: number;
      readonly subscription: StoredSubscription;
    };

/** Null for an entry of a later version. */
export function decodeEntry(field: Buffer, value: Buffer): MapEntry | null {
  if (field[0] === RETAINED) {
    return { kind: 'retained', topic: field.toString('utf8', 1), record: value };
  }
  if (field[0] !== SUBSCRIPTION) return null;
  const idEnd = 3 + field.readUInt16BE(1);
  const filter = field.toString('utf8', idEnd);
  return {
    kind: 'subscription',
    clientId: field.toString('utf8', 3, idEnd),
    epoch: readU64(value, 0),
    subscription: decodeOptions(filter, value.subarray(8)),
  };
}
