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
  /** Of the client ids of its members. */
  private readonly hashes = new Map<Session, number>();
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
    if (index >= 0) {
      this.members[index] = subscription;
      return;
    }
    const { session } = subscription;
    this.members.push(subscription);
    this.hashes.set(session, mixed(hashOf(session.clientId)));
  }

  remove(session: Session): void {
    const index = this.indexOf(session);
    if (index < 0) return;
    this.members.splice(index, 1);
    this.hashes.delete(session);
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
    if (strategy === 'local') {
      const isHere = (member: Subscription): boolean => member.session.isHere && mayGet(member);
      const here = this.pickFrom(this.cursor, 'round_robin', isHere);
      if (here !== null) return here;
    }
    const first = this.preferred(strategy, prng, publisherId, topic);
    return this.pickFrom(first, strategy, mayGet);
  }

  /** The first of the members from `first` on that may get a message, the online ones before. */
  private pickFrom(
    first: number,
    strategy: SharedStrategy,
    mayGet: (member: Subscription) => boolean,
  ): Subscription | null {
    const count = this.members.length;
    let offline: Subscription | null = null;
    for (let step = 0; step < count; step++) {
      const index = (first + step) % count;
      const member = this.members[index]!;
      const isWelcome = mayGet(member);
      // A hook that was asked had somebody disconnected: the order of the others is another one.
      if (this.members.length < count) return this.pickFrom(first, strategy, mayGet);
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
    const hash = hashOf(key);
    let best: Subscription | null = null;
    let bestWeight = -1;
    for (const member of [...this.members]) {
      const { session } = member;
      if (!session.isDurable || !mayGet(member)) continue;
      const weight = this.weightOf(session, hash);
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
      case 'local':
        return this.cursor % count;
      case 'random':
        return prng.below(count);
      case 'sticky':
        return this.sticky === null ? prng.below(count) : Math.max(0, this.indexOf(this.sticky));
      case 'hash_client':
        return this.heaviest(publisherId ?? '');
      case 'hash_topic':
        return this.heaviest(topic);
    }
  }

  /** Leads to the same member at every broker, whatever the order in which they came. */
  private heaviest(key: string): number {
    const hash = hashOf(key);
    let best = 0;
    let bestWeight = -1;
    for (let index = 0; index < this.members.length; index++) {
      const weight = this.weightOf(this.members[index]!.session, hash);
      if (weight <= bestWeight) continue;
      best = index;
      bestWeight = weight;
    }
    return best;
  }

  private chosen(strategy: SharedStrategy, index: number, member: Subscription): void {
    if (strategy === 'round_robin' || strategy === 'local') this.cursor = index + 1;
    else if (strategy === 'sticky') this.sticky = member.session;
  }

  private weightOf(session: Session, hash: number): number {
    return mixed(this.hashes.get(session)! ^ hash);
  }

  private indexOf(session: Session): number {
    return this.members.findIndex((member) => member.session === session);
  }
}

/** True for a session with a shared subscription. */
export function isMember({ subscriptions }: Session): boolean {
  for (const { group } of subscriptions?.values() ?? []) if (group !== null) return true;
  return false;
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
