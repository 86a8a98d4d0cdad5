/**
 * The other brokers of a cluster, as the core needs them; src/cluster implements it. A broker that
 * shares its store with nobody has none.
 */
import type { Message } from '../protocol/message.js';
import type { Pledge } from '../store/fabric.js';
import type { LastWill, Mark } from '../store/store.js';
import type { Pausable } from './pressure.js';
import type { Session } from './session.js';
import type { SharedGroup } from './shared-group.js';
import type { Subscription } from './subscription.js';

/** Who subscribes to a filter at a broker. */
export const RouteKind = {
  /** Transient sessions: they get all messages from the broker that they are published at. */
  Transient: 1,
  /** Durable sessions that are granted QoS 0: nothing of it goes through their queues. */
  DurableQos0: 2,
  /** Other durable sessions: only messages of QoS 0 do not go through their queues. */
  Durable: 4,
} as const;
export type RouteKind = (typeof RouteKind)[keyof typeof RouteKind];

export interface Peers {
  /**
   * Nothing may be acknowledged now: this broker may have been taken for dead, and have missed
   * who has subscribed since. The message waits with its acknowledgement, see `await`.
   */
  readonly isDoubtful: boolean;
  /** Lets the message that is being routed wait for the doubt to end. */
  await(): void;
  /** A turn took so long that what it answers may be out of date: see `Turn.hold`. */
  onLongTurn(beganMs: number, endedMs: number): void;
  /** Several times a second. */
  tick(): void;
  /** Hot path: hands the message that is being routed to these brokers. */
  publish(nodes: readonly string[], message: Message, publisher: Pausable | null): void;
  /** Hands a message of QoS 0 to a durable member of a shared subscription, if it is elsewhere. */
  publishTo(member: Subscription, message: Message): void;
  /**
   * A transient session here has a message of QoS 1 as a member of a shared subscription: if this
   * broker dies before the pledge is fulfilled, another member gets it. What is being routed waits
   * until that is sure.
   */
  pledge(message: Message, group: SharedGroup): Pledge;
  /**
   * True when transient subscribers here have had this message of QoS 2, as its mark says: its
   * publisher has sent it before, to this broker or to another one. From then on they have.
   */
  isRepeated(mark: Mark): boolean;

  /** A session that is connected here has one more subscription, or another one. */
  onSubscribed(subscription: Subscription): void;
  /** It has another one to the same filter. */
  onReplaced(before: Subscription): void;
  onUnsubscribed(subscription: Subscription): void;
  /** A durable session with subscriptions is connected here from now on. */
  onAttached(session: Session): void;
  onDetached(session: Session): void;
  /**
   * Calls back when every broker knows what `onSubscribed` said, and this one has the retained
   * messages that were acknowledged anywhere; at once when there are no others.
   */
  whenKnown(then: () => void): void;
  /**
   * Resolves when subscribers here have what other brokers acknowledged before the call: a client
   * that comes from there must not overtake its own messages (promise P5). Null: they have it.
   */
  hear(): Promise<void> | null;
  /**
   * Asks whether a deadline of an offline session is this broker's to act on: another one may see
   * to it, or the client is back.
   *
   * @returns the epoch of the session; 0: it is not
   * @throws BrokerError `STORE_AWAY`
   */
  adopt(clientId: string, epoch: number): Promise<number>;
  /** A client's connection before, to a broker that is dead, left a will that is due. */
  publishLastWill(clientId: string, lastWill: LastWill): void;
  /** The connection of a transient session is over, its will published. */
  leave(clientId: string): void;
}
