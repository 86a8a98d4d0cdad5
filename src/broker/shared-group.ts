/**
 * The members of a shared subscription (MQTT 5.0 section 4.8.2) and the choice among them. An
 * online member goes before an offline one, whatever the strategy.
 */
import type { Prng } from '../base/prng.js';
import type { SharedStrategy } from '../config/config.js';
import type { Session } from './session.js';
import type { Subscription } from './subscription.js';

export class SharedGroup {
  readonly shareName: string;
  /** The filter behind the share name. */
  readonly filter: string;
  private readonly members: Subscription[] = [];
  private cursor = 0;
  private sticky: Session | null = null;

  constructor(shareName: string, filter: string) {
    this.shareName = shareName;
    this.filter = filter;
  }

  get size(): number {
    return this.members.length;
  }

  every(predicate: (member: Subscription) => boolean): boolean {
    return this.members.every(predicate);
  }

  /** Adds a member, or replaces its subscription. */
  add(subscription: Subscription): void {
    const index = this.indexOf(subscription.session);
    if (index >= 0) this.members[index] = subscription;
    else this.members.push(subscription);
  }

  remove(session: Session): void {
    const index = this.indexOf(session);
    if (index < 0) return;
    this.members.splice(index, 1);
    if (index < this.cursor) this.cursor--;
    if (this.sticky === session) this.sticky = null;
  }

  /**
   * The member that gets the next message; null when none may.
   *
   * @param mayGet rules out members whose access forbids them to read the topic
   */
  pick(
    strategy: SharedStrategy,
    prng: Prng,
    publisherId: string | null,
    topic: string,
    mayGet: (member: Subscription) => boolean,
  ): Subscription | null {
    const first = this.preferred(strategy, prng, publisherId, topic);
    const count = this.members.length;
    let offline: Subscription | null = null;
    for (let step = 0; step < count; step++) {
      const index = (first + step) % count;
      const member = this.members[index]!;
      const isWelcome = mayGet(member);
      // A hook that was asked had somebody disconnected: the order of the others is another one.
      if (this.members.length < count) return this.pick(strategy, prng, publisherId, topic, mayGet);
      if (!isWelcome) continue;
      if (member.session.isOnline) {
        this.chosen(strategy, index, member);
        return member;
      }
      offline ??= member.session.isDurable ? member : null;
    }
    if (offline !== null) this.chosen(strategy, this.members.indexOf(offline), offline);
    return offline;
  }

  /**
   * The durable member that a key leads to, online or not: the same one for as long as it is there,
   * whoever else comes or goes. Null: there is none.
   */
  memberFor(key: string, mayGet: (member: Subscription) => boolean): Subscription | null {
    let best: Subscription | null = null;
    let bestWeight = -1;
    for (const member of [...this.members]) {
      const { session } = member;
      if (!session.isDurable || !mayGet(member)) continue;
      const weight = mixed(hashOf(`${session.clientId}\0${key}`));
      if (weight <= bestWeight) continue;
      best = member;
      bestWeight = weight;
    }
    return best;
  }

  private preferred(
    strategy: SharedStrategy,
    prng: Prng,
    publisherId: string | null,
    topic: string,
  ): number {
    const count = this.members.length;
    if (count === 0) return 0;
    switch (strategy) {
      case 'round_robin':
        return this.cursor % count;
      case 'random':
        return prng.below(count);
      case 'sticky':
        return this.sticky === null ? prng.below(count) : Math.max(0, this.indexOf(this.sticky));
      case 'hash_client':
        return hashOf(publisherId ?? '') % count;
      case 'hash_topic':
        return hashOf(topic) % count;
    }
  }

  private chosen(strategy: SharedStrategy, index: number, member: Subscription): void {
    if (strategy === 'round_robin') this.cursor = index + 1;
    else if (strategy === 'sticky') this.sticky = member.session;
  }

  private indexOf(session: Session): number {
    return this.members.findIndex((member) => member.session === session);
  }
}

function hashOf(text: string): number {
  let hash = 5381;
  for (let at = 0; at < text.length; at++) hash = (Math.imul(hash, 33) ^ text.charCodeAt(at)) >>> 0;
  return hash;
}

/** Spreads what differs in a few bits over all of them. */
function mixed(hash: number): number {
  const half = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  const whole = Math.imul(half ^ (half >>> 13), 0xc2b2_ae35);
  return (whole ^ (whole >>> 16)) >>> 0;
}
