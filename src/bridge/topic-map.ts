/** What a bridge subscribes to on either side, and how topic names change on their way. */
import type { BridgeTopic } from '../config/bridge-config.js';
import { matches } from '../protocol/topic.js';

export interface BridgeSubscription {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly isShared: boolean;
}

/** Names that were mapped before; a full one begins anew. */
const REMEMBERED_MAX = 4096;

export class TopicMap {
  private readonly topics: readonly BridgeTopic[];
  private readonly remembered = new Map<string, string | null>();
  private readonly isOut: boolean;

  /** @param direction of the messages: `out` leave this broker */
  constructor(topics: readonly BridgeTopic[], direction: 'out' | 'in') {
    this.isOut = direction === 'out';
    this.topics = topics.filter((topic) => goes(topic, direction));
  }

  /** The name on the other side, by the first line that matches; null: none does. */
  map(name: string): string | null {
    const known = this.remembered.get(name);
    if (known !== undefined) return known;
    if (this.remembered.size >= REMEMBERED_MAX) this.remembered.clear();
    const mapped = this.find(name);
    this.remembered.set(name, mapped);
    return mapped;
  }

  private find(name: string): string | null {
    for (const { localPrefix, remotePrefix, localFilter, remoteFilter } of this.topics) {
      if (!matches(this.isOut ? localFilter : remoteFilter, name)) continue;
      const from = this.isOut ? localPrefix : remotePrefix;
      const to = this.isOut ? remotePrefix : localPrefix;
      return to + name.slice(from.length);
    }
    return null;
  }
}

/** Each filter once, with the highest of its QoS. */
export function localSubscriptions(topics: readonly BridgeTopic[]): BridgeSubscription[] {
  return subscriptions(topics, 'out');
}

export function remoteSubscriptions(topics: readonly BridgeTopic[]): BridgeSubscription[] {
  return subscriptions(topics, 'in');
}

/** Remote filters that nothing is to come in by: an earlier configuration may have subscribed. */
export function remoteUnsubscriptions(topics: readonly BridgeTopic[]): string[] {
  const wanted = new Set(remoteSubscriptions(topics).map(({ filter }) => filter));
  const out = topics
    .filter(({ direction }) => direction === 'out')
    .map(({ remoteFilter }) => remoteFilter);
  return [...new Set(out)].filter((filter) => !wanted.has(filter));
}

function subscriptions(
  topics: readonly BridgeTopic[],
  direction: 'out' | 'in',
): BridgeSubscription[] {
  const byFilter = new Map<string, BridgeSubscription>();
  for (const topic of topics) {
    if (!goes(topic, direction)) continue;
    const { localFilter, remoteFilter, shareName, qos } = topic;
    const bare = direction === 'out' ? localFilter : remoteFilter;
    const filter = shareName === null ? bare : `$share/${shareName}/${bare}`;
    const before = byFilter.get(filter);
    if (before !== undefined && before.qos >= qos) continue;
    byFilter.set(filter, { filter, qos, isShared: shareName !== null });
  }
  return [...byFilter.values()];
}

function goes({ direction }: BridgeTopic, wanted: 'out' | 'in'): boolean {
  return direction === 'both' || direction === wanted;
}
