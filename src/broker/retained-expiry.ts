/** Deletes retained messages when their Message Expiry Interval is over [MQTT-3.3.2-5]. */
import type { Deadline } from '../base/deadline-heap.js';
import { type Message, NEVER } from '../protocol/message.js';
import type { BrokerContext } from './context.js';
import { DropReason } from './metrics.js';
import type { RetainedStore } from './retained-store.js';

export class RetainedExpiry {
  private readonly context: BrokerContext;
  private readonly retained: RetainedStore;
  /** Topic name → the message whose end is awaited. */
  private readonly awaited = new Map<string, ExpiringMessage>();

  constructor(context: BrokerContext, retained: RetainedStore) {
    this.context = context;
    this.retained = retained;
  }

  /** A topic has another retained message now; null: none. */
  onChange(topic: string, message: Message | null): void {
    const before = this.awaited.get(topic);
    if (before !== undefined) {
      this.context.deadlines.cancel(before);
      this.awaited.delete(topic);
    }
    if (message === null || message.expiresAtMs === NEVER) return;
    const item = new ExpiringMessage(() => this.expire(topic, message));
    this.awaited.set(topic, item);
    this.context.deadlines.schedule(item, message.expiresAtMs);
  }

  private expire(topic: string, message: Message): void {
    this.awaited.delete(topic);
    if (this.retained.get(topic) !== message) return;
    this.retained.delete(topic);
    this.context.journal?.retainExpired(topic);
    this.context.drop(DropReason.Expired, message);
  }
}

class ExpiringMessage implements Deadline {
  deadlineMs = 0;
  heapIndex = -1;
  readonly onDeadline: () => void;

  constructor(onDeadline: () => void) {
    this.onDeadline = onDeadline;
  }
}
