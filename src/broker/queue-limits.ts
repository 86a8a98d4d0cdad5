/** `max_queued_messages` and `max_queued_bytes`, looked at from both ends. Hot path. */
import type { Limits } from '../config/limits.js';
import type { Message } from '../protocol/message.js';
import type { Outbox } from './outbox.js';

/** Not even an empty queue takes the message. */
export function exceedsEmptyQueue(limits: Limits, message: Message): boolean {
  const { queuedBytesMax } = limits;
  return queuedBytesMax > 0 && message.payloadLength > queuedBytesMax;
}

export function exceedsQueue(limits: Limits, outbox: Outbox, message: Message): boolean {
  const { queuedMessagesMax, queuedBytesMax } = limits;
  if (queuedMessagesMax > 0 && outbox.queued >= queuedMessagesMax) return true;
  return queuedBytesMax > 0 && outbox.queuedBytes + message.payloadLength > queuedBytesMax;
}

/**
 * Half full: time to slow the publishers of a client that is here.
 *
 * @param waiting messages in all, of which the outbox may hold only the first
 */
export function isFilling(limits: Limits, outbox: Outbox, waiting: number): boolean {
  const { queuedMessagesMax, queuedBytesMax } = limits;
  if (queuedMessagesMax > 0 && waiting > queuedMessagesMax / 2) return true;
  return queuedBytesMax > 0 && outbox.queuedBytes > queuedBytesMax / 2;
}

/** `max_inflight_bytes`: one message may always be in flight. */
export function hasByteWindow(limits: Limits, outbox: Outbox, message: Message): boolean {
  const { inflightBytesMax } = limits;
  if (inflightBytesMax === 0) return true;
  const { inflight, inflightBytes } = outbox;
  return inflight === 0 || inflightBytes + message.payloadLength <= inflightBytesMax;
}
