/**
 * `max_publish_rate` and `max_publish_bytes_rate` of one client: a window of a second; whoever
 * has used it up is not read until it is over.
 */
import type { Deadline } from '../base/deadline-heap.js';
import type { BrokerContext } from './context.js';
import type { Pausable } from './pressure.js';

const WINDOW_MS = 1000;

export class RateLimit implements Deadline {
  deadlineMs = 0;
  heapIndex = -1;
  private windowEndMs = 0;
  private publishes = 0;
  private bytes = 0;
  private isHolding = false;
  private readonly context: BrokerContext;
  private readonly client: Pausable;

  private constructor(context: BrokerContext, client: Pausable) {
    this.context = context;
    this.client = client;
  }

  /** Null when neither limit is set: then it costs nothing. */
  static for(context: BrokerContext, client: Pausable): RateLimit | null {
    const { publishRatePerClient, publishBytesPerClient } = context.limits;
    if (publishRatePerClient === 0 && publishBytesPerClient === 0) return null;
    return new RateLimit(context, client);
  }

  /** Counts one PUBLISH; holds the client when it was the last of this window. */
  onPublish(): void {
    this.roll();
    this.publishes++;
    const max = this.context.limits.publishRatePerClient;
    if (max > 0 && this.publishes >= max) this.hold();
  }

  onInput(bytes: number): void {
    this.roll();
    this.bytes += bytes;
    const max = this.context.limits.publishBytesPerClient;
    if (max > 0 && this.bytes >= max) this.hold();
  }

  onDeadline(): void {
    this.isHolding = false;
    this.client.release();
  }

  cancel(): void {
    this.context.deadlines.cancel(this);
  }

  private roll(): void {
    const { nowMs } = this.context.turn;
    if (nowMs < this.windowEndMs) return;
    // What was over the limit counts against the next window.
    const { publishRatePerClient, publishBytesPerClient } = this.context.limits;
    this.publishes = Math.max(0, this.publishes - publishRatePerClient);
    this.bytes = Math.max(0, this.bytes - publishBytesPerClient);
    this.windowEndMs = nowMs + WINDOW_MS;
  }

  private hold(): void {
    if (this.isHolding) return;
    this.isHolding = true;
    this.client.hold();
    this.context.deadlines.schedule(this, this.windowEndMs);
  }
}
