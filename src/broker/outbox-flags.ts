/** What an outbox writes down of each message, and how its number becomes an identifier. */

/** Packet identifiers: numbers as far apart never are in flight together. */
export const IDS = 65_535;
export const QUEUED = 0;
export const SENT = 1;
export const RELEASED = 2;
export const DONE = 3;
export const STATE = 3;
export const QOS_SHIFT = 2;
export const RETAIN = 0x10;
/** The message was sent on an earlier connection. */
export const WAS_SENT = 0x20;
/** Of a stored queue, done: the store does not have it any more. */
export const GONE = 0x40;

export function packetIdOf(seq: number): number {
  return ((seq - 1) % IDS) + 1;
}
