/**
 * The port through which brokers that share a store are one broker: who is alive, what they tell
 * each other, and the maps that each of them holds in full. A store for one broker has none.
 *
 * What a fabric promises:
 *
 * - What is sent to one broker arrives in the order in which it was sent, and once; `onDone` is
 *   called when it is safe in that broker's inbox, or when that broker is dead.
 * - Announcements of subscriptions are done when every live broker has applied them (promise P4).
 * - A broker that was taken for dead is told so before anything else, and comes back under another
 *   name.
 */
import type { Mark, StoredSession, StoredSubscription } from './store.js';

/** A mark as other brokers see it: numbers begin anew with each session of a publisher. */
export interface SharedMark extends Mark {
  /** Of the publisher's session: grows with each new one. */
  readonly birth: number;
}

/** A message that others get if this broker dies first. */
export interface Pledge {
  /** Nobody need get it any more: the client that it was given to has it, or another one. */
  fulfil(): void;
}

/** What is pledged. */
export interface Pledged {
  /** About. */
  readonly bytes: number;
  /** Asked for only when it is written. */
  record(): Buffer;
  /**
   * Others will get it if this broker dies, or the pledge was fulfilled before it came to that.
   * Called later, never from within, and once.
   */
  onSafe(): void;
}

export interface Fabric {
  /** This broker in its present life, unique for ever. */
  readonly node: string;
  /** Live brokers but this one. */
  readonly peers: ReadonlySet<string>;
  /**
   * Monotonic milliseconds up to which this broker is surely not taken for dead: beyond it nothing
   * may be acknowledged until it is known that it still is a member.
   */
  readonly freshUntilMs: number;
  /** True when this broker, of all live ones, is to look after what is called so. */
  isMine(name: string): boolean;
  /** Of a publisher that is connected here; 0: its session is not durable. */
  birthOf(clientId: string): number;

  /**
   * A message for the transient subscribers of another broker.
   *
   * @param record of `record.ts`: as published, without subscription identifiers
   */
  publish(node: string, record: Buffer, mark: SharedMark | null, onDone: () => void): void;
  /**
   * A message for one member of a shared subscription, a transient session of another broker.
   *
   * @param record with what the member's subscription says (QoS, identifiers, `$share/…`)
   * @param onDone false: that broker is dead, and nobody has the message
   */
  publishTo(
    node: string,
    clientId: string,
    record: Buffer,
    mark: SharedMark | null,
    onDone: (isThere: boolean) => void,
  ): void;
  /**
   * A message that a client here has, and has not acknowledged: if this broker dies before the
   * pledge is fulfilled, another one hears `FabricObserver.onLeftBehind`.
   */
  pledge(pledged: Pledged): Pledge;

  /**
   * Who subscribes to a filter here has changed; said once per change.
   *
   * @param kinds bits of `RouteKind`, opaque to the fabric (one byte in the map); 0: nobody does
   */
  setRoute(filter: string, kinds: number, onDone: () => void): void;
  /** A transient session here has a shared subscription, or another one to the same filter. */
  addMember(clientId: string, subscription: StoredSubscription, onDone: () => void): void;
  removeMember(clientId: string, filter: string): void;
  /** Calls back when this broker has applied all that the maps held at the time of the call. */
  catchUp(onDone: () => void): void;
  /**
   * Resolves when this broker has taken what others sent to it before the call; null: there is
   * nothing.
   */
  hear(): Promise<void> | null;
  /**
   * A deadline of an offline session has come: asks whether it is still this broker's to act.
   *
   * @returns the epoch for further writes; 0: the client is back, or another broker sees to it
   * @throws BrokerError `STORE_AWAY`
   */
  adopt(clientId: string, epoch: number): Promise<number>;
}

/** Hears what other brokers do. Nothing is called before `Store.open` has loaded the maps. */
export interface FabricObserver {
  /** Another broker is alive; its routes follow. Called for each one that is there at the start. */
  onJoined(node: string): void;
  /** It is dead or has left: its routes and members are gone, without a further word. */
  onLeft(node: string): void;
  /**
   * This broker was taken for dead: its connections are to be closed, as others have their
   * sessions. Routes and members are announced anew. `Fabric.node` is another one by now.
   */
  onRemoved(): void;

  /** For transient subscribers here; nothing of it was seen before unless the mark says so. */
  onPublished(record: Buffer, mark: SharedMark | null): void;
  /**
   * For a transient member of a shared subscription, which may have left.
   *
   * @param done called when nothing is lost with this broker any more: the member has it, as far
   *   as this broker can tell, or it is safe with another one
   */
  onPublishedTo(clientId: string, record: Buffer, mark: SharedMark | null, done: () => void): void;

  /**
   * A broker died that had pledged this message; a member of its group is to get it. One that has
   * it already may be among them: what was fulfilled at last is not known.
   *
   * @param done called when it is safe with that member
   */
  onLeftBehind(record: Buffer, done: () => void): void;

  /**
   * Another broker put messages in the queue of a session that is connected here.
   *
   * @param endSeq one past the last number; as before, if all of it did not fit; 0: it is not known
   * @param records of the last ones, ascending; fewer than there are numbers, or none
   * @param dropped numbers of messages that gave way, none of `records`. Whoever reads the queue
   *   finds them missing: not all need be named
   */
  onAppended(
    clientId: string,
    endSeq: number,
    records: readonly Buffer[],
    dropped: readonly number[],
  ): void;
  /** The client connected to another broker, with that epoch: a connection here is to be closed. */
  onClaimed(clientId: string, epoch: number): void;
  /**
   * An offline session that is due, or whose broker died, is this broker's to look after now.
   *
   * @param isTransient it ends as soon as its will is published; it has no queue
   */
  onAdopted(session: StoredSession, isTransient: boolean): void;
  /**
   * The will of a connection whose broker died before it published it, is this broker's to publish.
   * The client has another connection by now, or had: its session is not touched.
   *
   * @param info see `ClaimRequest.info`
   * @param done called when it is published, and safe; null: nobody waits for that
   */
  onLastWill(clientId: string, info: Buffer, will: Buffer, done: (() => void) | null): void;
  /**
   * A client of this broker is elsewhere, and its will is this broker's to publish.
   *
   * @param done called when it is published, and safe: until then it stays in the inbox, for
   *   whoever works this broker off if it dies
   */
  onOwnLastWill(clientId: string, done: () => void): void;

  /** A durable session elsewhere has a subscription; the session itself came before. */
  onSession(session: StoredSession): void;
  onSubscribed(clientId: string, epoch: number, subscription: StoredSubscription): void;
  onUnsubscribed(clientId: string, epoch: number, filter: string): void;
  /** A durable session with shared subscriptions has its client at a broker; empty: nowhere. */
  onOnline(clientId: string, epoch: number, node: string): void;
  /** @param kinds 0: the broker has no subscriber to the filter any more */
  onRoute(node: string, filter: string, kinds: number): void;
  onMember(node: string, clientId: string, subscription: StoredSubscription): void;
  onMemberGone(node: string, clientId: string, filter: string): void;
  /**
   * Another broker stored a retained message, or deleted it (null).
   *
   * @param record valid during the call: whoever needs it longer copies it
   */
  onRetained(topic: string, record: Buffer | null): void;
}
