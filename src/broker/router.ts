/**
 * From a message to everybody who gets it. Hot path: the answer of the subscription index is
 * remembered per topic until a subscription changes.
 */
import type { Message } from '../protocol/message.js';
import type { BrokerContext } from './context.js';
import { FrameCache } from './frames.js';
import type { Pausable } from './pressure.js';
import { Route } from './route.js';
import type { Session } from './session.js';
import type { SharedGroup } from './shared-group.js';
import { mergeSubscriptions, type Subscription } from './subscription.js';
import { MatchResult, type SubscriptionIndex } from './subscription-index.js';
import type { Topic } from './topics.js';

/** From this many recipients on, a message is encoded once and copied. */
const SHARE_FRAMES_FROM = 3;

/** What became of a published message. */
export const Routed = {
  /** At least one subscription matched. */
  Matched: 0,
  NoMatch: 1,
  /** `queue_full_policy refuse`, and a queue is full: nobody got it. */
  Refused: 2,
} as const;
export type Routed = (typeof Routed)[keyof typeof Routed];

export class Router {
  private readonly context: BrokerContext;
  private readonly index: SubscriptionIndex;
  private readonly frames = new FrameCache();
  private readonly found = new MatchResult();

  constructor(context: BrokerContext, index: SubscriptionIndex) {
    this.context = context;
    this.index = index;
  }

  /**
   * Delivers `message` to all matching subscriptions.
   *
   * @param publisher who is paused when a subscriber cannot keep up; null: nobody
   * @param mayRefuse the publisher can be told, so `queue_full_policy refuse` applies
   */
  publish(topic: Topic, message: Message, publisher: Pausable | null, mayRefuse: boolean): Routed {
    const route = topic.routeVersion === this.index.version ? topic.route! : this.findRoute(topic);
    if (mayRefuse && this.isRefusing && this.hasFullQueue(route, message)) return Routed.Refused;
    const { targets } = route;
    const count = targets.length;
    let frames: FrameCache | null = null;
    if (count >= SHARE_FRAMES_FROM) {
      frames = this.frames;
      frames.reset();
    }
    for (let index = 0; index < count; index++) {
      let target = targets[index]!;
      if (target.noLocal || target.ownVariant !== null) {
        const isOwn = target.session.clientId === message.publisherId;
        if (isOwn && target.noLocal) continue;
        if (isOwn) target = target.ownVariant!;
      }
      target.session.deliver(message, target, frames, publisher);
    }
    if (route.groups.length > 0) this.publishToGroups(route.groups, message, publisher);
    return count > 0 || route.groups.length > 0 ? Routed.Matched : Routed.NoMatch;
  }

  /**
   * Gives a message to another member of a shared subscription.
   *
   * @returns false when there is none
   */
  redeliver(left: SharedGroup, message: Message): boolean {
    // The group may have been empty, and so forgotten, in between.
    const group = this.index.findGroup(left.filter, left.shareName);
    const member = group === null ? null : this.pick(group, message);
    if (member === null) return false;
    member.session.deliver(message, member, null, null);
    return true;
  }

  /** What was decided about access is no longer true: routes are looked up anew. */
  forgetRoutes(): void {
    this.index.version++;
  }

  private get isRefusing(): boolean {
    return this.context.delivery.queueFullPolicy === 'refuse';
  }

  private publishToGroups(
    groups: readonly SharedGroup[],
    message: Message,
    publisher: Pausable | null,
  ): void {
    for (const group of groups) {
      const member = this.pick(group, message);
      member?.session.deliver(message, member, null, publisher);
    }
  }

  private pick(group: SharedGroup, message: Message): Subscription | null {
    const { delivery, prng } = this.context;
    const topic = message.topic.name;
    const mayGet = (member: Subscription): boolean => member.session.mayRead(topic);
    const strategy = delivery.sharedSubscriptionStrategy;
    return group.pick(strategy, prng, message.publisherId, topic, mayGet);
  }

  /** A group refuses when all its members' queues are full: whoever is picked would. */
  private hasFullQueue(route: Route, message: Message): boolean {
    if (message.qos === 0) return false;
    const isFull = (target: Subscription): boolean =>
      target.qos > 0 && target.session.isQueueFull(message);
    return route.targets.some(isFull) || route.groups.some((group) => group.every(isFull));
  }

  private findRoute(topic: Topic): Route {
    const { found } = this;
    found.clear();
    this.index.match(topic.name, found);
    const readers = found.subscriptions.filter(({ session }) => session.mayRead(topic.name));
    const { allowDuplicateMessages } = this.context.delivery;
    const targets = allowDuplicateMessages ? readers : merged(readers);
    topic.route = new Route(targets, [...found.groups]);
    topic.routeVersion = this.index.version;
    return topic.route;
  }
}

/** One subscription per session [MQTT-3.3.4-4]. */
function merged(subscriptions: Subscription[]): Subscription[] {
  const bySession = new Map<Session, Subscription[]>();
  for (const subscription of subscriptions) {
    const others = bySession.get(subscription.session);
    if (others === undefined) bySession.set(subscription.session, [subscription]);
    else others.push(subscription);
  }
  if (bySession.size === subscriptions.length) return subscriptions;
  return [...bySession.values()].map((matching) =>
    matching.length === 1 ? matching[0]! : mergeSubscriptions(matching),
  );
}
