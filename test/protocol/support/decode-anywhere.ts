/**
 * Runs a decoder on a packet that lies among other bytes. What it says must not depend on them,
 * it must not keep references to the buffer, and it may throw nothing but MqttError with one of
 * the reason codes that fit.
 */
import { isDeepStrictEqual } from 'node:util';
import { MqttError } from '../../../src/protocol/mqtt-error.js';
import { ReasonCode } from '../../../src/protocol/reason-codes.js';
import { variableByteIntegerSize } from '../../../src/protocol/variable-byte-integer.js';

/** Decodes the packet in `bytes[at..end)`, whose fixed header is over at `start`. */
export type Decode<Value> = (bytes: Buffer, at: number, start: number, end: number) => Value;

export interface Decoded<Value> {
  readonly value: Value;
}

export interface Refused {
  readonly reasonCode: number;
  readonly detail: string;
}

export type Outcome<Value> = Decoded<Value> | Refused;

const fittingCodes: readonly number[] = [
  ReasonCode.MalformedPacket,
  ReasonCode.ProtocolError,
  ReasonCode.UnsupportedProtocolVersion,
  ReasonCode.TopicNameInvalid,
  ReasonCode.TopicAliasInvalid,
];

// Bytes that go on with any field: continuation bytes, a User Property, zeros.
const plausible = Buffer.from('8080002600016100016200000441424344', 'hex');
const tailBytes = 70;
const after = 0xee;

/** Bytes before the packet, and what fills the buffer around it. */
const surroundings: readonly (readonly [number, Buffer | number])[] = [
  [0, 0x00],
  [1, 0xff],
  [51, plausible],
];

export function decodeAnywhere<Value>(packet: Buffer, decode: Decode<Value>): Outcome<Value> {
  const outcomes = surroundings.map(([before, fill]) => {
    const buffer = Buffer.alloc(before + packet.length + tailBytes, fill);
    packet.copy(buffer, before);
    return run(buffer, before, before + packet.length, decode);
  });
  // The last byte of the packet is the last one of its memory.
  outcomes.push(run(Buffer.from(packet), 0, packet.length, decode));
  for (const outcome of outcomes) {
    if (isDeepStrictEqual(outcome, outcomes[0])) continue;
    const texts = outcomes.map((one) => JSON.stringify(one)).join('\n');
    throw new Error(`depends on its surroundings: ${packet.toString('hex')}\n${texts}`);
  }
  return outcomes[0];
}

/** The value; throws when the packet was refused. */
export function decoded<Value>(packet: Buffer, decode: Decode<Value>): Value {
  const outcome = decodeAnywhere(packet, decode);
  if ('value' in outcome) return outcome.value;
  throw new Error(`refused with ${outcome.reasonCode}, ${outcome.detail}`);
}

/** The reason code; 0 when the packet was decoded. */
export function refusal<Value>(packet: Buffer, decode: Decode<Value>): number {
  const outcome = decodeAnywhere(packet, decode);
  return 'reasonCode' in outcome ? outcome.reasonCode : 0;
}

/** Where the body of a packet begins; its Remaining Length is right. */
export function bodyStart(packet: Buffer): number {
  let lengthBytes = 1;
  while ((packet[lengthBytes] & 0x80) !== 0) lengthBytes++;
  return 1 + lengthBytes;
}

/** The packet with the first `kept` bytes of its body, and a Remaining Length that says so. */
export function truncated(packet: Buffer, kept: number): Buffer {
  const start = bodyStart(packet);
  return framed(packet[0], packet.subarray(start, start + kept));
}

/** A packet of this first byte and body. */
export function framed(firstByte: number, body: Buffer): Buffer {
  const length: number[] = [];
  let rest = body.length;
  for (let left = variableByteIntegerSize(rest); left > 0; left--) {
    length.push((rest & 0x7f) | (left > 1 ? 0x80 : 0));
    rest >>>= 7;
  }
  return Buffer.concat([Buffer.of(firstByte, ...length), body]);
}

/** The packet with each byte of its body replaced by each of `values(byte)`, one at a time. */
export function* corrupted(
  packet: Buffer,
  values: (byte: number) => Iterable<number>,
): Generator<Buffer> {
  for (let at = bodyStart(packet); at < packet.length; at++) {
    for (const value of values(packet[at])) {
      if (value === packet[at]) continue;
      const copy = Buffer.from(packet);
      copy[at] = value;
      yield copy;
    }
  }
}

/** All values of a byte. */
export const everyByte: readonly number[] = Array.from({ length: 256 }, (_, byte) => byte);

/** What goes wrong most: one bit, one more or less, the ends. */
export function nearBytes(byte: number): number[] {
  const flips = [1, 2, 4, 8, 16, 32, 64, 128].map((bit) => byte ^ bit);
  return [...flips, (byte + 1) & 0xff, (byte - 1) & 0xff, 0, 0xff];
}

function run<Value>(bytes: Buffer, at: number, end: number, decode: Decode<Value>): Outcome<Value> {
  // Most of what is tried here is refused, and a stack costs more than all the rest.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    const value = decode(bytes, at, at + bodyStart(bytes.subarray(at, end)), end);
    // Whoever kept a slice of the buffer shows other bytes now.
    bytes.fill(after);
    return { value };
  } catch (error) {
    if (!(error instanceof MqttError)) throw error;
    if (!fittingCodes.includes(error.reasonCode)) {
      throw new Error(`unexpected reason code ${error.reasonCode}`, { cause: error });
    }
    return { reasonCode: error.reasonCode, detail: error.message };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
