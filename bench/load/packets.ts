/**
 * The packets that the generator sends, encoded by hand: it must not share code with the brokers
 * that it measures, nor wait for a general encoder.
 */
import type { LoadOptions } from './options.js';

/** Publishes of one burst at most. */
const BURST_MAX = 64;
/** A burst ends with the message that reaches this size. */
const BURST_BYTES = 256 * 1024;

const KEEP_ALIVE_S = 600;

export function encodeConnect(options: LoadOptions, clientId: string, isDurable: boolean): Buffer {
  const isV5 = options.protocolLevel === 5;
  const properties = !isV5
    ? Buffer.alloc(0)
    : isDurable
      ? Buffer.from([5, 0x11, 0xff, 0xff, 0xff, 0xff]) // Session Expiry Interval: never
      : Buffer.from([0]);
  const body = Buffer.concat([
    lengthPrefixed(options.protocolLevel === 3 ? 'MQIsdp' : 'MQTT'),
    Buffer.from([options.protocolLevel, isDurable ? 0 : 2]),
    twoBytes(options.isIdle ? 0 : KEEP_ALIVE_S),
    properties,
    lengthPrefixed(clientId),
  ]);
  return packet(0x10, body);
}

export function encodeSubscribe(options: LoadOptions, filter: string): Buffer {
  const properties = Buffer.alloc(options.protocolLevel === 5 ? 1 : 0);
  const qos = Buffer.from([options.subscribeQos]);
  return packet(0x82, Buffer.concat([twoBytes(1), properties, lengthPrefixed(filter), qos]));
}

/**
 * The PUBLISH frames of one burst, equal and in a row, encoded once. A burst patches the packet id
 * and the time stamp of its frames in place and sends one slice.
 *
 *   frame = header | remaining length | topic | packet id (QoS > 0) | properties (v5) | payload
 */
export class PublishBlock {
  readonly bytes: Buffer;
  readonly frameBytes: number;
  /** Frames that a burst may have. */
  readonly frames: number;
  private readonly packetIdAt: number; // in a frame; -1 at QoS 0
  private readonly stampAt: number; // in a frame; -1 with a payload too short for a stamp

  constructor(options: LoadOptions, topic: string) {
    const qos = options.publishQos;
    const head = Buffer.concat([lengthPrefixed(topic), Buffer.alloc(qos > 0 ? 2 : 0)]);
    const properties = Buffer.alloc(options.protocolLevel === 5 ? 1 : 0);
    const payload = Buffer.alloc(options.payloadBytes, 'x');
    const frame = packet(0x30 | (qos << 1), Buffer.concat([head, properties, payload]));
    const payloadAt = frame.length - payload.length;
    this.frameBytes = frame.length;
    this.frames = Math.min(BURST_MAX, Math.ceil(BURST_BYTES / frame.length));
    this.bytes = Buffer.concat(new Array<Buffer>(this.frames).fill(frame));
    this.packetIdAt = qos > 0 ? payloadAt - properties.length - 2 : -1;
    this.stampAt = payload.length >= STAMP_BYTES ? payloadAt : -1;
  }

  /** Makes the first `count` frames ready to send; returns the last packet id used. */
  patch(count: number, lastPacketId: number, stampUs: number): number {
    const { bytes, frameBytes, packetIdAt, stampAt } = this;
    for (let i = 0, at = 0; i < count; i++, at += frameBytes) {
      if (packetIdAt >= 0) {
        lastPacketId = lastPacketId === 0xffff ? 1 : lastPacketId + 1;
        bytes[at + packetIdAt] = lastPacketId >>> 8;
        bytes[at + packetIdAt + 1] = lastPacketId & 0xff;
      }
      if (stampAt >= 0) writeStamp(bytes, at + stampAt, stampUs);
    }
    return lastPacketId;
  }
}

/** Payload bytes needed to carry a time stamp; shorter payloads carry none. */
export const STAMP_BYTES = 8;

function writeStamp(bytes: Buffer, at: number, us: number): void {
  bytes[at] = us & 0xff;
  bytes[at + 1] = (us >>> 8) & 0xff;
  bytes[at + 2] = (us >>> 16) & 0xff;
  bytes[at + 3] = us >>> 24;
}

/** The stamp: `nowUs` of the sender modulo 2^32. */
export function readStamp(bytes: Buffer, at: number): number {
  const high = (bytes[at + 3] << 24) >>> 0;
  return (high | (bytes[at + 2] << 16) | (bytes[at + 1] << 8) | bytes[at]) >>> 0;
}

/** Whole microseconds since the process started. */
export function nowUs(): number {
  return Math.floor(performance.now() * 1000);
}

export function packet(header: number, body: Buffer): Buffer {
  const length: number[] = [];
  let rest = body.length;
  do {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from([header, ...length]), body]);
}

export function twoBytes(value: number): Buffer {
  return Buffer.from([value >>> 8, value & 0xff]);
}

export function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([twoBytes(bytes.length), bytes]);
}
