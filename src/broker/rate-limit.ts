/**
 * `max_publish_rate` and `max_publish_bytes_rate` of one client: a window of a second; whoever
 * has used it up is not read until it is over. Made when the client first meets a limit, so
 * without one it costs nothing.
 */
import type { Deadline } from '../base/deadline-heap.js';
import type { Limits } from '../config/limits.js';
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
  /** What this window is measured by. */
  private limits: Limits;

  constructor(context: BrokerContext, client: Pausable) {
    this.context = context;
    this.client = client;
    this.limits = context.limits;
  }

  /** Counts one PUBLISH; holds the client when it was the last of this window. */
  onPublish(): void {
    this.roll();
    this.publishes++;
    const max = this.limits.publishRatePerClient;
    if (max > 0 && this.publishes >= max) this.hold();
  }

  onInput(bytes: number): void {
    this.roll();
    this.bytes += bytes;
    const max = this.limits.publishBytesPerClient;
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
    const { turn, limits } = this.context;
    if (limits !== this.limits) this.becomeFresh(limits);
    const { nowMs } = turn;
    if (nowMs < this.windowEndMs) return;
    // What was over the limit counts against the next window.
    const { publishRatePerClient, publishBytesPerClient } = limits;
    this.publishes = Math.max(0, this.publishes - publishRatePerClient);
    this.bytes = Math.max(0, this.bytes - publishBytesPerClient);
    this.windowEndMs = nowMs + WINDOW_MS;
  }

  /** After a reload: what was right by the old limit is no debt under the new one. */
  private becomeFresh(limits: Limits): void {
    this.limits = limits;
    this.windowEndMs = 0;
    this.publishes = 0;
    this.bytes = 0;
  }

  private hold(): void {
    if (this.isHolding) return;
    this.isHolding = true;
    this.client.hold();
    this.context.deadlines.schedule(this, this.windowEndMs);
  }
}
