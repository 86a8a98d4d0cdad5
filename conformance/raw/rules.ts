/**
 * Rules about every packet that a server sends. The parser and the connection's observer check
 * them in every test; `invariants.ts` says which statements they stand for.
 */

export type Rule =
  /** Fixed-header flags of every type but PUBLISH. */
  | 'flags'
  /** Strings are well-formed UTF-8 without U+0000. */
  | 'utf8'
  | 'varint'
  /** Property lengths, and properties that a packet may not have, or only once. */
  | 'properties'
  /** Bytes missing or left over, or a packet type that servers do not send. */
  | 'layout'
  /** Not 0. */
  | 'packet-id-zero'
  /** A new message gets an id that is not in flight. */
  | 'packet-id-in-use'
  | 'qos-0-dup'
  | 'qos-3'
  | 'topic'
  | 'connack-first'
  | 'connack-once'
  | 'connack-flags'
  /** Session Present 0 in a refusal. */
  | 'connack-session'
  | 'code-connack'
  | 'code-puback'
  | 'code-pubrec'
  | 'code-pubrel'
  | 'code-pubcomp'
  | 'code-suback'
  | 'code-unsuback'
  | 'code-disconnect'
  | 'code-auth'
  | 'topic-alias'
  /** Response Information only on request. */
  | 'response-information'
  | 'problem-information'
  | 'packet-size'
  | 'receive-maximum'
  /** DISCONNECT before a successful CONNACK, or in 3.x. */
  | 'disconnect-early'
  | 'disconnect-session-expiry'
  | 'after-disconnect'
  | 'auth-unasked'
  | 'auth-method';

/** A breach by the broker. */
export interface Breach {
  readonly rule: Rule;
  readonly text: string;
}

/** Reason codes of MQTT 5.0 that a server may send, per packet type. */
const PUBLISH_CODES = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
export const codesV5: Readonly<Record<string, readonly number[]>> = {
  connack: [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97,
    0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
  ],
  puback: PUBLISH_CODES,
  pubrec: PUBLISH_CODES,
  pubrel: [0x00, 0x92],
  pubcomp: [0x00, 0x92],
  suback: [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
  unsuback: [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91],
  disconnect: [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
  ],
  auth: [0x00, 0x18],
};

/** Codes of MQTT 3.1 and 3.1.1, where a packet has one. */
export const codesV3: Readonly<Record<string, readonly number[]>> = {
  connack: [0, 1, 2, 3, 4, 5],
  suback: [0x00, 0x01, 0x02, 0x80],
};
