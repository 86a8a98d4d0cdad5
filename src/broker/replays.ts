/**
 * Subscribers that ask for what was published before: SUBSCRIBE of MQTT 5.0 with the user property
 * `tidewire-replay`. src/history answers it, where there is one.
 */
import type { SubscribePacket } from '../protocol/control-packets.js';
import { isShared } from '../protocol/topic.js';
import type { BrokerCore } from './core.js';
import type { Sender } from './sender.js';
import type { Session } from './session.js';
import type { Subscription } from './subscription.js';

export const REPLAY_PROPERTY = 'tidewire-replay';
/** On what is sent again: when it was published. */
export const REPLAYED_PROPERTY = 'tidewire-replayed';

/** Where a replay begins. */
export type ReplayStart =
  | { readonly kind: 'last'; readonly count: number }
  /** Milliseconds since the Unix epoch. */
  | { readonly kind: 'since'; readonly timeMs: number };

/** One subscription's replay, which sends as its client takes it. */
export interface Replay {
  /** Sends on. True when it is over. */
  pump(sender: Sender): boolean;
  /** Its subscription is gone, or another replay takes its place. */
  cancel(): void;
}

export interface Replays {
  /** So many go on that there is no room for one more. */
  readonly isFull: boolean;
  /** What a client asks for; a text: what is wrong with it. */
  parse(value: string): ReplayStart | string;
  /**
   * A subscription takes effect now: from here on messages that are published here go out live.
   *
   * @returns to be called when all brokers know the subscription, and SUBACK is out
   */
  begin(session: Session, subscription: Subscription, start: ReplayStart): () => Replay;
}

/**
 * What a SUBSCRIBE asks for beside its subscriptions. Null: nothing; a text: why its filters are
 * refused.
 */
export function replayAsked(
  core: BrokerCore,
  packet: SubscribePacket,
): ReplayStart | string | null {
  const values = packet.userProperties.filter(({ name }) => name === REPLAY_PROPERTY);
  const [first] = values;
  if (first === undefined) return null;
  if (values.length > 1) return `${REPLAY_PROPERTY} was given more than once`;
  if (core.replays === null) return 'this broker keeps no history: see history_filter';
  return core.replays.parse(first.value);
}

/** Why one filter is refused for the replay that was asked for; null: it is not. */
export function whyNoReplay(asked: ReplayStart | string | null, filter: string): string | null {
  if (typeof asked === 'string') return asked;
  if (asked !== null && isShared(filter)) return 'a shared subscription has no replay';
  return null;
}

/** A subscription has been made. @returns sends its replay; null: none was asked for */
export function beginReplay(
  core: BrokerCore,
  session: Session,
  filter: string,
  asked: ReplayStart | string | null,
): (() => void) | null {
  if (asked === null || typeof asked === 'string' || core.replays === null) return null;
  const subscription = session.subscriptions!.get(filter)!;
  const start = core.replays.begin(session, subscription, asked);
  return () => {
    // It may be another one by now.
    if (session.subscriptions?.get(filter) !== subscription) return;
    core.subscriptions.sendReplay(session, filter, start());
  };
}
