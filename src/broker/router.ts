/**
 * From a message to everybody who gets it. Hot path: the answer of the subscription index, and
 * who of them may read the topic, is remembered per topic until a subscription or access changes.
 */
import type { Message } from '../protocol/message.js';
import type { BrokerContext } from './context.js';
import { FrameCache } from './frames.js';
import { DropReason } from './metrics.js';
import { RouteKind } from './peers.js';
import type { Pausable } from './pressure.js';
import { Route } from './route.js';
import type { Session } from './session.js';
import type { SharedGroup } from './shared-group.js';
import { mergeSubscriptions, qosOf, type Subscription } from './subscription.js';
import { MatchResult, type SubscriptionIndex } from './subscription-index.js';
import type { Topic } from './topics.js';

/** From this many recipients on, a message is encoded once and copied. */
const SHARE_FRAMES_FROM = 3;

/**
 * Remembered routes are forgotten, all at once, when they have so many targets together, or have
 * been looked up anew so often: those that nobody asked for since would hold ended sessions.
 */
const TARGETS_REMEMBERED_MAX = 2_000_000;
const ROUTES_REMEMBERED_MAX = 100_000;

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
  /** Topics with a route. */
  private remembered: Topic[] = [];
  private routesFound = 0;
  private targetsFound = 0;

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
    const route = this.routeOf(topic);
    if (mayRefuse && this.isRefusing && this.hasFullQueue(route, message)) return Routed.Refused;
    const { targets } = route;
    const count = targets.length;
    const isRepeated = message.qos === 2 && this.isRepeated();
    let frames: FrameCache | null = null;
    if (count >= SHARE_FRAMES_FROM) {
      frames = this.frames;
      frames.reset();
    }
    for (let index = 0; index < count; index++) {
      const target = this.targetFor(targets[index]!, message);
      if (target === null || (isRepeated && target.session.stored === null)) continue;
      target.session.deliver(message, target, frames, publisher);
    }
    if (route.groups.length > 0) this.publishToGroups(route.groups, message, publisher);
    const nodes = message.qos === 0 ? route.nodes : route.nodesAcknowledged;
    if (nodes.length > 0) this.context.peers!.publish(nodes, message, publisher);
    return count + route.groups.length + nodes.length > 0 ? Routed.Matched : Routed.NoMatch;
  }

  /**
   * Delivers what another broker has routed: to transient sessions here, and to durable ones that
   * are connected here where it does not go through their queue. Shared subscriptions, and queues,
   * were its publisher's broker to see to. What expired on its way is dropped, of each.
   */
  publishHere(topic: Topic, message: Message): void {
    const { upgradeOutgoingQos, queueQos0Messages } = this.context.delivery;
    const isExpired = message.expiresAtMs <= this.context.turn.nowMs;
    for (const subscription of this.routeOf(topic).targets) {
      const target = this.targetFor(subscription, message);
      if (target === null) continue;
      const { session } = target;
      const isQueued = queueQos0Messages || qosOf(message, target, upgradeOutgoingQos) > 0;
      if (session.stored !== null && (isQueued || session.sender === null)) continue;
      if (isExpired) session.drop(DropReason.Expired, message);
      else session.deliver(message, target, null, null);
    }
  }

  /**
   * Gives a message to another member of a shared subscription.
   *
   * @returns false when there is none
   */
  redeliver(left: SharedGroup, message: Message): boolean {
    return this.redeliverTo(left.filter, left.shareName, message, null);
  }

  /**
   * As `redeliver`, to the group of that name, which may have been empty in between.
   *
   * @param key leads to the same durable member each time, if there is one; null: any will do
   */
  redeliverTo(filter: string, shareName: string, message: Message, key: string | null): boolean {
    const group = this.index.findGroup(filter, shareName);
    if (group === null) return false;
    const { name } = message.topic;
    const known =
      key === null ? null : group.memberFor(key, ({ session }) => session.mayRead(name));
    const member = known ?? this.pick(group, message);
    if (member === null) return false;
    member.session.deliver(message, member, null, null);
    return true;
  }

  /** Who may read what is no longer true as remembered: routes are looked up anew. */
  forgetRoutes(): void {
    this.index.version++;
  }

  /** The subscription as it counts for this message, perhaps its publisher's own; null: none. */
  private targetFor(target: Subscription, message: Message): Subscription | null {
    if (!target.noLocal && target.ownVariant === null) return target;
    const isOwn = this.context.kin.isOwn(target.session.clientId, message.publisherId);
    if (!isOwn) return target;
    return target.noLocal ? null : target.ownVariant;
  }

  /** Where messages of that topic go; null when that must be looked up. */
  knownRoute(topic: Topic): Route | null {
    return topic.routeVersion === this.index.version ? topic.route : null;
  }

  private routeOf(topic: Topic): Route {
    return topic.routeVersion === this.index.version ? topic.route! : this.findRoute(topic);
  }

  /** See `Peers.isRepeated`. */
  private isRepeated(): boolean {
    const { peers, journal } = this.context;
    const mark = peers === null ? null : journal!.mark;
    return mark !== null && peers!.isRepeated(mark);
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
    // Members may be elsewhere, and what is given to some here is pledged.
    if (this.context.peers !== null) this.context.journal!.press(publisher);
  }

  private pick(group: SharedGroup, message: Message): Subscription | null {
    const { delivery, prng } = this.context;
    const topic = message.topic.name;
    const mayGet = (member: Subscription): boolean => member.session.mayRead(topic);
    const strategy = delivery.sharedSubscriptionStrategy;
    if (this.isRefusing) {
      const hasRoom = (member: Subscription): boolean => mayGet(member) && !isFull(member, message);
      const withRoom = group.pick(strategy, prng, message.publisherId, topic, hasRoom);
      if (withRoom !== null) return withRoom;
    }
    return group.pick(strategy, prng, message.publisherId, topic, mayGet);
  }

  private hasFullQueue({ targets, groups }: Route, message: Message): boolean {
    if (message.qos === 0) return false;
    const { kin } = this.context;
    const isTargetFull = (target: Subscription): boolean => {
      const { noLocal, session } = target;
      const isLeftOut = noLocal && kin.isOwn(session.clientId, message.publisherId);
      return !isLeftOut && isFull(target, message);
    };
    return targets.some(isTargetFull) || groups.some((group) => isGroupFull(group, message));
  }

  private findRoute(topic: Topic): Route {
    const { found } = this;
    // As it is now: a hook that is asked below may publish, or end a session, in between.
    const { version } = this.index;
    found.clear();
    this.index.match(topic.name, found);
    const groups = [...found.groups];
    const matching = [...found.subscriptions];
    const nodes = topic.isReserved ? [] : [...found.nodes];
    // What a broker says of itself, each broker says to its own clients.
    const isOurs = ({ session }: Subscription): boolean =>
      !topic.isReserved || !session.isElsewhere;
    const readers = matching.filter((one) => isOurs(one) && one.session.mayRead(topic.name));
    const { allowDuplicateMessages } = this.context.delivery;
    const targets = allowDuplicateMessages ? readers : merged(readers);
    const route = new Route(targets, groups, nodes.map(nameOf), nodes.filter(takesAll).map(nameOf));
    const isFixed = this.context.peers === null || !topic.isReserved;
    if (topic.isRemembered && isFixed) this.remember(topic, route, version);
    return route;
  }

  private remember(topic: Topic, route: Route, version: number): void {
    this.routesFound++;
    this.targetsFound += route.targets.length;
    const isTooMuch = this.targetsFound > TARGETS_REMEMBERED_MAX;
    if (isTooMuch || this.routesFound > ROUTES_REMEMBERED_MAX) {
      for (const known of this.remembered) {
        known.route = null;
        known.routeVersion = -1;
      }
      this.remembered = [];
      this.routesFound = 0;
      this.targetsFound = 0;
    }
    if (topic.route === null) this.remembered.push(topic);
    topic.route = route;
    topic.routeVersion = version;
  }
}

type NodeKinds = readonly [node: string, kinds: number];

function nameOf([node]: NodeKinds): string {
  return node;
}

/** Somebody there gets messages of QoS 1 and 2 otherwise than through a queue. */
function takesAll([, kinds]: NodeKinds): boolean {
  return (kinds & (RouteKind.Transient | RouteKind.DurableQos0)) !== 0;
}

function isFull(target: Subscription, message: Message): boolean {
  return message.qos > 0 && target.qos > 0 && target.session.isQueueFull(message);
}

/** True when nobody in the group has room; a group without anybody to deliver to is not full. */
function isGroupFull(group: SharedGroup, message: Message): boolean {
  const isOut = ({ session }: Subscription): boolean =>
    !session.mayRead(message.topic.name) || !(session.isOnline || session.isDurable);
  if (group.every(isOut)) return false;
  return group.every((member) => isOut(member) || isFull(member, message));
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
