/** The port between what is stored of a session and the session itself. */
import type { Message } from '../protocol/message.js';
import type { QueueLimits, WriteStatus } from '../store/store.js';
import type { SharedGroup } from './shared-group.js';

/** What a stored session tells its session. */
export interface StoredSessionEvents {
  /** The window has more to send. */
  onQueued(): void;
  /** The queue did not take it, or gave it up for a newer one; null: it is not at hand. */
  onDropped(message: Message | null): void;
  /** PUBREL may go out for a message of which only its identifier is left. */
  onReleased(packetId: number): void;
  /** What is stored of a message is damaged. */
  onUnreadable(seq: number, error: Error): void;
  /** Somebody else owns the session now, or it is gone. */
  onLost(status: WriteStatus): void;
  /** A message was lost because its session had ended. */
  onGone(message: Message): void;
  /** So many waited in the queue when the session ended. */
  onEnded(messages: number): void;
  /** A QoS 0 message may have been sent before a crash, and is not sent again. */
  onUnsure(message: Message): void;
  /** `queue_full_policy refuse`: a queue that is full makes the publisher's answer 0x97. */
  readonly isRefusing: boolean;
  queueLimits(): QueueLimits;
  /** The group of `$share/…`; null: there is none any more. */
  group(sharedFilter: string): SharedGroup | null;
}
