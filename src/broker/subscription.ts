/** One session's subscription to one topic filter, or several merged for one delivery. */
import type { Message } from '../protocol/message.js';
import type { Session } from './session.js';
import type { SharedGroup } from './shared-group.js';

export class Subscription {
  readonly session: Session;
  /** As the client gave it, `$share/…` and mount point included. */
  readonly filter: string;
  readonly qos: number;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** Subscription Identifiers to send along; null: none [MQTT-3.3.4-3]. */
  readonly ids: readonly number[] | null;
  /** The group of a shared subscription; null for others. */
  readonly group: SharedGroup | null;
  /**
   * What the session's own messages see instead: the merge of those without No Local. Set only
   * where some, but not all, of the merged subscriptions have No Local [MQTT-3.8.3-3].
   */
  ownVariant: Subscription | null = null;

  constructor(
    session: Session,
    filter: string,
    qos: number,
    noLocal: boolean,
    retainAsPublished: boolean,
    ids: readonly number[] | null,
    group: SharedGroup | null,
  ) {
    this.session = session;
    this.filter = filter;
    this.qos = qos;
    this.noLocal = noLocal;
    this.retainAsPublished = retainAsPublished;
    this.ids = ids;
    this.group = group;
  }
}

/** The QoS at which a subscription gets a message. Hot path. */
export function qosOf(message: Message, { qos }: Subscription, upgradesQos: boolean): number {
  return message.qos < qos && !upgradesQos ? message.qos : qos;
}

/**
 * Merges the matching subscriptions of one session into one delivery: highest QoS
 * [MQTT-3.3.4-2], all identifiers [MQTT-3.3.4-4].
 */
export function mergeSubscriptions(matching: readonly Subscription[]): Subscription {
  const all = merge(matching);
  const foreignOnly = matching.filter((subscription) => !subscription.noLocal);
  if (foreignOnly.length > 0 && foreignOnly.length < matching.length) {
    all.ownVariant = merge(foreignOnly);
  }
  return all;
}

function merge(matching: readonly Subscription[]): Subscription {
  const first = matching[0]!;
  const ids = matching.flatMap((subscription) => subscription.ids ?? []);
  return new Subscription(
    first.session,
    first.filter,
    matching.reduce((highest, { qos }) => (qos > highest ? qos : highest), 0),
    matching.every((subscription) => subscription.noLocal),
    matching.some((subscription) => subscription.retainAsPublished),
    ids.length > 0 ? ids : null,
    null,
  );
}
