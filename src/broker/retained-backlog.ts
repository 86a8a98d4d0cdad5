/**
 * Retained messages on their way to one session that subscribed: looked up when their turn has
 * come and sent as the socket takes them, so that a million of them needs neither a queue nor a
 * buffer of that length, and a client that subscribes over and over costs one entry per filter.
 *
 * What was retained after the subscription went out live and is left out: nothing comes twice,
 * and an old value never follows a newer one.
 *
 * What a subscription asked for of the history follows behind them, in the same way.
 */
import type { Message } from '../protocol/message.js';
import type { Replay } from './replays.js';
import type { Sender } from './sender.js';
import type { Subscription } from './subscription.js';

/** Messages per call, so that a long backlog leaves the event loop to others. */
const PUMP_MAX = 2_000;

/** A subscription that is to get the retained messages that match it. */
export interface RetainedRequest {
  /** As if the client had asked for Retain As Published: RETAIN goes out as 1 [MQTT-3.3.1-8]. */
  readonly subscription: Subscription;
  /** `RetainedStore.stamp` when it was made. */
  readonly stamp: number;
}

/** What a backlog needs of its owner. */
export interface RetainedSource {
  /** The messages for a request, as they are now. */
  messagesFor(request: RetainedRequest): readonly Message[];
  /** False when there is no room now. */
  trySend(message: Message, subscription: Subscription, sender: Sender): boolean;
}

export class RetainedBacklog {
  /** By filter, in order. The first is the one being sent once `messages` is set. */
  private readonly requests = new Map<string, RetainedRequest>();
  /** By filter. */
  private readonly replays = new Map<string, Replay>();
  private messages: readonly Message[] | null = null;
  private position = 0;
  private readonly source: RetainedSource;

  constructor(source: RetainedSource) {
    this.source = source;
  }

  /** Requests that are not done with. */
  get size(): number {
    return this.requests.size + this.replays.size;
  }

  /** A new subscription to a filter takes the place of the one before. */
  add(request: RetainedRequest): void {
    const { filter } = request.subscription;
    const [first] = this.requests.keys();
    if (first === filter) this.messages = null;
    this.requests.delete(filter);
    this.requests.set(filter, request);
  }

  addReplay(filter: string, replay: Replay): void {
    this.replays.get(filter)?.cancel();
    this.replays.set(filter, replay);
  }

  /** The subscription is gone; what it would have got is not sent any more. */
  remove(filter: string): void {
    this.replays.get(filter)?.cancel();
    this.replays.delete(filter);
    const [first] = this.requests.keys();
    if (first === filter) this.messages = null;
    this.requests.delete(filter);
  }

  /** Sends on. True when it stopped only to let others have their turn. */
  pump(sender: Sender): boolean {
    let budget = PUMP_MAX;
    for (const [filter, request] of this.requests) {
      if (this.messages === null) {
        this.messages = this.source.messagesFor(request);
        this.position = 0;
      }
      while (this.position < this.messages.length) {
        if (budget-- === 0) return true;
        const message = this.messages[this.position]!;
        if (!this.source.trySend(message, request.subscription, sender)) return false;
        this.position++;
      }
      this.messages = null;
      this.requests.delete(filter);
    }
    for (const [filter, replay] of this.replays) {
      if (replay.pump(sender)) this.replays.delete(filter);
    }
    return false;
  }
}
