/** Keeps what is published here; src/history implements it. */
import type { Message } from '../protocol/message.js';

export interface MessageLog {
  /**
   * Hot path: a message was routed, and not refused. What it begins with `Journal.beginFrame`, its
   * acknowledgement waits for. The message is a view.
   */
  onPublished(message: Message): void;
}
