/** A packet from the broker, decoded; and its readable form for messages. */
import { hex } from './bytes.js';
import type { Properties } from './properties.js';

export const packetTypes = [
  'reserved',
  'connect',
  'connack',
  'publish',
  'puback',
  'pubrec',
  'pubrel',
  'pubcomp',
  'subscribe',
  'suback',
  'unsubscribe',
  'unsuback',
  'pingreq',
  'pingresp',
  'disconnect',
  'auth',
] as const;
export type PacketType = (typeof packetTypes)[number];

/** One shape for all types; fields that a type does not have keep their empty value. */
export interface Packet {
  readonly type: PacketType;
  /** Low four bits of the first byte. */
  readonly flags: number;
  /** The whole packet. */
  readonly bytes: Buffer;
  sessionPresent: boolean;
  /** -1: none. */
  packetId: number;
  /** Reason code, or return code of a 3.x CONNACK. */
  reasonCode: number;
  /** One per filter in SUBACK and UNSUBACK. */
  reasonCodes: number[];
  topic: string;
  topicBytes: Buffer;
  payload: Buffer;
  qos: number;
  retain: boolean;
  dup: boolean;
  properties: Properties;
}

export function emptyPacket(type: PacketType, flags: number, bytes: Buffer): Packet {
  return {
    type,
    flags,
    bytes,
    sessionPresent: false,
    packetId: -1,
    reasonCode: 0,
    reasonCodes: [],
    topic: '',
    topicBytes: Buffer.alloc(0),
    payload: Buffer.alloc(0),
    qos: 0,
    retain: false,
    dup: false,
    properties: {},
  };
}

/** `PUBLISH q1 d0 r0 id 3 "a/b" "payload" {…}`. */
export function describe(packet: Packet): string {
  const words: string[] = [packet.type.toUpperCase()];
  switch (packet.type) {
    case 'publish':
      words.push(
        `q${packet.qos} d${Number(packet.dup)} r${Number(packet.retain)}`,
        packet.packetId < 0 ? '' : `id ${packet.packetId}`,
        JSON.stringify(shorten(packet.topic)),
        JSON.stringify(shorten(packet.payload.toString('latin1'))),
      );
      break;
    case 'connack':
      words.push(code(packet.reasonCode), packet.sessionPresent ? 'session present' : '');
      break;
    case 'suback':
    case 'unsuback':
      words.push(`id ${packet.packetId}`, `[${packet.reasonCodes.map(code).join(' ')}]`);
      break;
    case 'disconnect':
    case 'auth':
      words.push(code(packet.reasonCode));
      break;
    case 'pingresp':
      break;
    default:
      words.push(`id ${packet.packetId}`, code(packet.reasonCode));
  }
  if (Object.keys(packet.properties).length > 0) words.push(describeProperties(packet.properties));
  if (['reserved', 'connect', 'subscribe', 'unsubscribe', 'pingreq'].includes(packet.type)) {
    words.push(hex(packet.bytes));
  }
  return words.filter((word) => word !== '').join(' ');
}

export function describeAll(packets: readonly Packet[]): string {
  if (packets.length === 0) return 'nothing';
  const shown = packets.slice(0, 8).map(describe).join(', ');
  return packets.length > 8 ? `${shown}, … (${packets.length} packets)` : shown;
}

/** `0x8e`. */
export function code(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`;
}

function describeProperties(properties: Properties): string {
  const parts = Object.entries(properties).map(([name, value]) =>
    Buffer.isBuffer(value) ? `${name}: ${hex(value)}` : `${name}: ${JSON.stringify(value)}`,
  );
  return `{${parts.join(', ')}}`;
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…(${text.length})` : text;
}
