/**
 * Entries of the replicated maps: fields of `tw:{map:<k>}:m`. Texts are preceded by their length
 * (u16) but for the last one.
 *
 *     r<topic>                      u64 epoch of its publisher's connection, or 0; record of the
 *                                   retained message
 *     s<client id><filter>          u64 epoch, u8 options, u32 identifier: a durable session's
 *                                   subscription
 *     n<node><filter>               u8 kinds: a broker has transient subscribers
 *     t<node><client id><filter>    u64 0, u8 options, u32 identifier: a transient session's shared
 *                                   subscription
 *     o<client id>                  u64 epoch, node: where the client of a durable session with
 *                                   shared subscriptions is connected
 */
import { writeU32 } from '../../base/block.js';
import type { StoredSubscription } from '../store.js';
import { readU64, writeU64 } from './command-buffer.js';
import { shardOf } from './keys.js';

const RETAINED = 'r';
const SUBSCRIPTION = 's';
const ROUTE = 'n';
const MEMBER = 't';
const ONLINE = 'o';
const OPTIONS_BYTES = 5;

export function retainedField(topic: string): Buffer {
  return Buffer.from(`${RETAINED}${topic}`);
}

export function subscriptionField(clientId: string, filter: string): Buffer {
  return fieldOf(SUBSCRIPTION, clientId, filter);
}

export function routeField(node: string, filter: string): Buffer {
  return fieldOf(ROUTE, node, filter);
}

export function memberField(node: string, clientId: string, filter: string): Buffer {
  return fieldOf(MEMBER, node, clientId, filter);
}

export function onlineField(clientId: string): Buffer {
  return fieldOf(ONLINE, clientId);
}

/** @param epoch 0: it gives way to any */
export function retainedValue(epoch: number, record: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(8 + record.length);
  writeU64(bytes, epoch, 0);
  bytes.set(record, 8);
  return bytes;
}

/** The record in a value of `retainedValue`; null: there is none. */
export function recordIn(value: Buffer | null): Buffer | null {
  return value === null ? null : value.subarray(8);
}

export function subscriptionValue(epoch: number, subscription: StoredSubscription): Buffer {
  const bytes = Buffer.allocUnsafe(8 + OPTIONS_BYTES);
  writeU64(bytes, epoch, 0);
  bytes[8] = subscription.options;
  writeU32(bytes, subscription.identifier, 9);
  return bytes;
}

export function onlineValue(epoch: number, node: string): Buffer {
  const bytes = Buffer.alloc(8 + Buffer.byteLength(node));
  writeU64(bytes, epoch, 0);
  bytes.write(node, 8);
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

/** What a field is about. */
export type MapName =
  | { readonly kind: 'retained'; readonly topic: string }
  | { readonly kind: 'subscription'; readonly clientId: string; readonly filter: string }
  | { readonly kind: 'route'; readonly node: string; readonly filter: string }
  | {
      readonly kind: 'member';
      readonly node: string;
      readonly clientId: string;
      readonly filter: string;
    }
  | { readonly kind: 'online'; readonly clientId: string };

export type MapEntry =
  | { readonly kind: 'retained'; readonly topic: string; readonly record: Buffer }
  | {
      readonly kind: 'subscription';
      readonly clientId: string;
      readonly epoch: number;
      readonly subscription: StoredSubscription;
    }
  | {
      readonly kind: 'route';
      readonly node: string;
      readonly filter: string;
      readonly kinds: number;
    }
  | {
      readonly kind: 'member';
      readonly node: string;
      readonly clientId: string;
      readonly subscription: StoredSubscription;
    }
  | {
      readonly kind: 'online';
      readonly clientId: string;
      readonly epoch: number;
      readonly node: string;
    };

/** Bytes that a value has at least. */
const leastBytes = { retained: 8, subscription: 13, route: 1, member: 13, online: 8 } as const;

/** Null for a field of a later version, or one that is damaged. */
export function decodeField(field: Buffer): MapName | null {
  const kind = String.fromCharCode(field[0] ?? 0);
  switch (kind) {
    case RETAINED:
      return { kind: 'retained', topic: field.toString('utf8', 1) };
    case ONLINE:
      return { kind: 'online', clientId: field.toString('utf8', 1) };
    case SUBSCRIPTION:
    case ROUTE: {
      const end = textEnd(field, 1);
      if (end < 0) return null;
      const first = field.toString('utf8', 3, end);
      const filter = field.toString('utf8', end);
      if (kind === ROUTE) return { kind: 'route', node: first, filter };
      return { kind: 'subscription', clientId: first, filter };
    }
    case MEMBER: {
      const nodeEnd = textEnd(field, 1);
      const idEnd = nodeEnd < 0 ? -1 : textEnd(field, nodeEnd);
      if (idEnd < 0) return null;
      return {
        kind: 'member',
        node: field.toString('utf8', 3, nodeEnd),
        clientId: field.toString('utf8', nodeEnd + 2, idEnd),
        filter: field.toString('utf8', idEnd),
      };
    }
    default:
      return null;
  }
}

/** Null for an entry of a later version, or one that is damaged. */
export function decodeEntry(field: Buffer, value: Buffer): MapEntry | null {
  const name = decodeField(field);
  return name === null ? null : entryOf(name, value);
}

export function entryOf(name: MapName, value: Buffer): MapEntry | null {
  if (value.length < leastBytes[name.kind]) return null;
  switch (name.kind) {
    case 'retained':
      return { kind: 'retained', topic: name.topic, record: value.subarray(8) };
    case 'subscription': {
      const { clientId, filter } = name;
      const subscription = decodeOptions(filter, value.subarray(8));
      return { kind: 'subscription', clientId, epoch: readU64(value, 0), subscription };
    }
    case 'route':
      return { ...name, kinds: value.readUInt8(0) };
    case 'member': {
      const { clientId, filter, node } = name;
      const subscription = decodeOptions(filter, value.subarray(8));
      return { kind: 'member', node, clientId, subscription };
    }
    case 'online':
      return {
        kind: 'online',
        clientId: name.clientId,
        epoch: readU64(value, 0),
        node: value.toString('utf8', 8),
      };
  }
}

/** The shard that an entry is in. */
export function shardOfEntry(entry: MapEntry): number {
  switch (entry.kind) {
    case 'retained':
      return shardOf(entry.topic);
    case 'route':
      return shardOf(entry.filter);
    case 'subscription':
    case 'member':
    case 'online':
      return shardOf(entry.clientId);
  }
}

/** All texts but the last one are preceded by their length. */
function fieldOf(kind: string, ...texts: readonly string[]): Buffer {
  const prefixed = texts.length - 1;
  const bytes = texts.map((text) => Buffer.byteLength(text));
  const total = bytes.reduce((sum, length) => sum + length, 1 + 2 * prefixed);
  const field = Buffer.allocUnsafe(total);
  let at = field.write(kind, 0);
  for (let index = 0; index < texts.length; index++) {
    if (index < prefixed) at = field.writeUInt16BE(bytes[index]!, at);
    at += field.write(texts[index]!, at);
  }
  return field;
}

/** -1: the field is cut off. */
function textEnd(field: Buffer, at: number): number {
  if (at + 2 > field.length) return -1;
  const end = at + 2 + field.readUInt16BE(at);
  return end > field.length ? -1 : end;
}
