/**
 * Retained messages on their way to one session that subscribed: sent as the socket takes them,
 * so that a million of them needs neither a queue nor a buffer of that length.
 *
 * Where a topic got a newer message since, that one went out live, and the old one is skipped:
 * an old value never follows a newer one.
 */
import type { Message } from '../protocol/message.js';
import type { Sender } from './sender.js';
import type { Subscription } from './subscription.js';

/** Messages per call, so that a long backlog leaves the event loop to others. */
const PUMP_MAX = 2_000;

/** One matching retained message for one subscription. */
export interface RetainedDelivery {
  readonly message: Message;
  /** As if the client had asked for Retain As Published: RETAIN goes out as 1 [MQTT-3.3.1-8]. */
  readonly subscription: Subscription;
}

/** How the owner sends one: false when there is no room now. */
export type SendRetained = (delivery: RetainedDelivery, sender: Sender) => boolean;

export class RetainedBacklog {
  private readonly deliveries: RetainedDelivery[] = [];
  private position = 0;
  private readonly trySend: SendRetained;

  constructor(trySend: SendRetained) {
    this.trySend = trySend;
  }

  add(deliveries: readonly RetainedDelivery[]): void {
    for (const delivery of deliveries) this.deliveries.push(delivery);
  }

  get isDone(): boolean {
    return this.position === this.deliveries.length;
  }

  /** Sends on. True when it stopped only to let others have their turn. */
  pump(sender: Sender): boolean {
    const end = Math.min(this.deliveries.length, this.position + PUMP_MAX);
    while (this.position < end) {
      if (!this.trySend(this.deliveries[this.position]!, sender)) return false;
      this.position++;
    }
    return !this.isDone;
  }
}
