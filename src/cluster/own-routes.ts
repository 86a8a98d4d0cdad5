/**
 * What clients of this broker subscribe to, as the others must know it: per filter, whether
 * transient or durable sessions do. Only changes of that are told.
 */
import { RouteKind } from '../broker/peers.js';
import type { Subscription } from '../broker/subscription.js';

class Subscribers {
  transient = 0;
  durableQos0 = 0;
  durable = 0;

  get kinds(): number {
    return (
      (this.transient > 0 ? RouteKind.Transient : 0) |
      (this.durableQos0 > 0 ? RouteKind.DurableQos0 : 0) |
      (this.durable > 0 ? RouteKind.Durable : 0)
    );
  }

  count(kind: RouteKind, by: 1 | -1): void {
    if (kind === RouteKind.Transient) this.transient += by;
    else if (kind === RouteKind.DurableQos0) this.durableQos0 += by;
    else this.durable += by;
  }
}

export class OwnRoutes {
  private readonly counted = new Map<Subscription, RouteKind>();
  private readonly byFilter = new Map<string, Subscribers>();
  private readonly tell: (filter: string, kinds: number) => void;

  /** @param tell hears of each change; 0: nobody subscribes to the filter any more */
  constructor(tell: (filter: string, kinds: number) => void) {
    this.tell = tell;
  }

  get size(): number {
    return this.byFilter.size;
  }

  /** Counts a subscription, unless it is counted already. */
  add(subscription: Subscription): void {
    if (this.counted.has(subscription)) return;
    const kind = kindOf(subscription);
    this.counted.set(subscription, kind);
    this.change(subscription.filter, kind, 1);
  }

  remove(subscription: Subscription): void {
    const kind = this.counted.get(subscription);
    if (kind === undefined) return;
    this.counted.delete(subscription);
    this.change(subscription.filter, kind, -1);
  }

  /** Tells all of it again. */
  tellAll(): void {
    for (const [filter, subscribers] of this.byFilter) this.tell(filter, subscribers.kinds);
  }

  private change(filter: string, kind: RouteKind, by: 1 | -1): void {
    const subscribers = this.byFilter.get(filter) ?? new Subscribers();
    const before = subscribers.kinds;
    subscribers.count(kind, by);
    const { kinds } = subscribers;
    if (kinds === 0) this.byFilter.delete(filter);
    else this.byFilter.set(filter, subscribers);
    if (kinds !== before) this.tell(filter, kinds);
  }
}

function kindOf({ qos, session }: Subscription): RouteKind {
  if (session.stored === null) return RouteKind.Transient;
  return qos === 0 ? RouteKind.DurableQos0 : RouteKind.Durable;
}
