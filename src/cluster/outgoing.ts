/**
 * What this broker tells the others: who subscribes here, and messages for their subscribers.
 *
 * While it is not sure to be a member any more, it acknowledges nothing: it may have been taken for
 * dead, and others may have subscribed whom it does not know (promise P4).
 */
import type { BrokerCore } from '../broker/core.js';
import { DropReason } from '../broker/metrics.js';
import type { Peers } from '../broker/peers.js';
import { onceSafe, type PendingAck } from '../broker/pending-acks.js';
import type { Pausable } from '../broker/pressure.js';
import type { Restore } from '../broker/restore.js';
import type { Session } from '../broker/session.js';
import type { SharedGroup } from '../broker/shared-group.js';
import { messageOfRecord } from '../broker/stored-message.js';
import type { Subscription } from '../broker/subscription.js';
import { storedForm } from '../broker/subscriptions.js';
import type { PendingWill } from '../broker/will.js';
import type { Message } from '../protocol/message.js';
import { parseSharedFilter } from '../protocol/topic.js';
import type { Fabric, Pledge, SharedMark } from '../store/fabric.js';
import type { LastWill, Mark, Store } from '../store/store.js';
import { Announcements } from './announcements.js';
import { OwnRoutes } from './own-routes.js';
import { PledgedMessage } from './pledged-message.js';
import { SeenMarks } from './seen-marks.js';

/** A turn as long as this may have been the process's sleep: does it still count? */
const ASLEEP_MS = 1_000;
/** So long at most what such a turn answered waits for the question to be answered. */
const HELD_MS = 3_000;

export interface OutgoingEvents {
  /** What a long turn answered must not go out: nobody says that it may. */
  readonly onOutdated: () => void;
  /** Transient members of shared subscriptions at a broker that is dead. */
  readonly forgetMembers: (dead: string) => void;
}

export class Outgoing implements Peers {
  private readonly core: BrokerCore;
  private readonly store: Store;
  private readonly fabric: Fabric;
  private readonly restore: Restore;
  private readonly routes: OwnRoutes;
  private readonly announcements = new Announcements();
  private readonly seen = new SeenMarks();
  private readonly members = new Set<Subscription>();
  private doubtful: PendingAck[] = [];
  private wills: PendingWill[] = [];
  /** When a turn was held, monotonic milliseconds; -1: none is. */
  private heldMs = -1;
  private readonly onOutdated: () => void;
  private readonly forgetMembers: (dead: string) => void;

  constructor(
    core: BrokerCore,
    store: Store,
    fabric: Fabric,
    restore: Restore,
    { onOutdated, forgetMembers }: OutgoingEvents,
  ) {
    this.core = core;
    this.store = store;
    this.fabric = fabric;
    this.restore = restore;
    this.onOutdated = onOutdated;
    this.forgetMembers = forgetMembers;
    this.routes = new OwnRoutes((filter, kinds) => {
      const done = this.begin();
      this.fabric.setRoute(filter, kinds, done);
    });
  }

  get isDoubtful(): boolean {
    return this.isOutdatedAt(this.core.turn.nowMs);
  }

  await(): void {
    const ack = this.core.journal!.await();
    if (ack !== null) this.doubtful.push(ack);
  }

  onLongTurn(beganMs: number, endedMs: number): void {
    if (endedMs - beganMs < ASLEEP_MS || !this.isOutdatedAt(endedMs) || this.heldMs >= 0) return;
    this.heldMs = endedMs;
    this.core.turn.hold();
  }

  tick(): void {
    const { core } = this;
    const nowMs = core.clock.nowMs();
    const isOutdated = this.isOutdatedAt(nowMs);
    if (!isOutdated) this.relieve();
    if (nowMs < this.fabric.freshUntilMs) {
      for (const will of this.wills.splice(0)) core.sessions.onWillDue(will);
    }
    if (this.heldMs < 0 || (isOutdated && nowMs - this.heldMs < HELD_MS)) return;
    if (isOutdated) this.onOutdated();
    this.go();
  }

  /** The connections that waited are closed. */
  forgetDoubts(): void {
    this.doubtful = [];
    this.go();
  }

  /** Publishes a will when this broker is a member again, and knows who subscribes. */
  keepWill(will: PendingWill): void {
    this.wills.push(will);
  }

  publish(nodes: readonly string[], message: Message, publisher: Pausable | null): void {
    const { core, fabric } = this;
    const journal = core.journal!;
    if (journal.isRefusing) {
      core.drop(DropReason.QueueFull, message);
      return;
    }
    const record = journal.recordFor(message, null);
    const mark = message.qos === 2 ? this.shared(journal.mark) : null;
    for (let index = 0; index < nodes.length; index++) {
      fabric.publish(nodes[index]!, record, mark, journal.beginFrame(record.length));
    }
    journal.press(publisher);
  }

  publishTo(member: Subscription, message: Message): void {
    const { onlineAt } = member.session;
    if (member.group !== null && onlineAt !== '') this.sendToMember(onlineAt, member, message);
  }

  pledge(message: Message, group: SharedGroup): Pledge {
    return this.fabric.pledge(new PledgedMessage(this.core.journal!, message, group));
  }

  /** Hands a message to a member of a shared subscription at its broker. */
  sendToMember(node: string, { session, group }: Subscription, message: Message): void {
    const journal = this.core.journal!;
    const record = journal.recordFor(message, group);
    const done = journal.beginFrame(record.length);
    this.fabric.publishTo(node, session.clientId, record, null, (isThere) => {
      if (isThere) {
        done();
        return;
      }
      // Or it would be chosen again, for ever, until the maps say that it is nowhere.
      if (session.onlineAt === node) session.onlineAt = '';
      this.sendElsewhere(node, record, done);
    });
  }

  /**
   * Gives a message to another member of its group, since the broker of the one that was chosen is
   * dead: that has no members any more.
   *
   * @param done called when it is safe there
   */
  private sendElsewhere(dead: string, record: Buffer, done: () => void): void {
    const { core } = this;
    const journal = core.journal!;
    core.turn.begin();
    this.forgetMembers(dead);
    const { message, sharedFilter } = messageOfRecord(
      record,
      core.topics,
      journal,
      core.flightSlab,
    );
    const shared = parseSharedFilter(sharedFilter);
    const suspended = journal.suspend();
    journal.begin();
    const isTaken =
      shared !== null && core.router.redeliverTo(shared.filter, shared.shareName, message, null);
    onceSafe(journal.end(), done);
    journal.resume(suspended);
    if (!isTaken) core.drop(DropReason.SessionEnded, message);
  }

  isRepeated(mark: Mark): boolean {
    return this.seen.isRepeated(this.shared(mark)!);
  }

  /** As `isRepeated`, of a message from another broker. */
  isSeen(mark: SharedMark): boolean {
    return this.seen.isRepeated(mark);
  }

  onSubscribed(subscription: Subscription): void {
    const { group, filter, session } = subscription;
    if (group === null) {
      // What a broker says of itself, it says to its own clients.
      if (!filter.startsWith('$SYS')) this.routes.add(subscription);
      return;
    }
    // Durable ones are in the store, and so at every broker.
    if (session.stored !== null || this.members.has(subscription)) return;
    this.members.add(subscription);
    this.announceMember(subscription);
  }

  onReplaced(before: Subscription): void {
    if (before.group === null) this.routes.remove(before);
    else this.members.delete(before);
  }

  onUnsubscribed(subscription: Subscription): void {
    const { group, filter, session } = subscription;
    if (group === null) this.routes.remove(subscription);
    else if (this.members.delete(subscription)) this.fabric.removeMember(session.clientId, filter);
  }

  onAttached(session: Session): void {
    for (const subscription of session.subscriptions?.values() ?? [])
      this.onSubscribed(subscription);
  }

  onDetached(session: Session): void {
    for (const subscription of session.subscriptions?.values() ?? []) {
      this.onUnsubscribed(subscription);
    }
  }

  /** After this broker came back under another name. */
  announceAll(): void {
    this.routes.tellAll();
    for (const member of this.members) this.announceMember(member);
  }

  whenKnown(then: () => void): void {
    const { fabric } = this;
    if (fabric.peers.size === 0) {
      then();
      return;
    }
    this.announcements.whenKnown(() => fabric.catchUp(then));
  }

  hear(): Promise<void> | null {
    return this.fabric.hear();
  }

  adopt(clientId: string, epoch: number): Promise<number> {
    return this.fabric.adopt(clientId, epoch);
  }

  publishLastWill(clientId: string, { info, will }: LastWill): void {
    this.restore.publishLastWill(clientId, info, will, nothing);
  }

  leave(clientId: string): void {
    this.store.leave(clientId);
  }

  private announceMember(subscription: Subscription): void {
    const done = this.begin();
    this.fabric.addMember(subscription.session.clientId, storedForm(subscription), done);
  }

  /** @returns to be called when all know, from outside of a turn */
  private begin(): () => void {
    const done = this.announcements.begin();
    return () => {
      this.core.turn.begin();
      done();
    };
  }

  /** Alone, it misses nobody. */
  private isOutdatedAt(nowMs: number): boolean {
    return nowMs > this.fabric.freshUntilMs && this.fabric.peers.size > 0;
  }

  private relieve(): void {
    if (this.doubtful.length === 0) return;
    const acks = this.doubtful;
    this.doubtful = [];
    for (const ack of acks) ack.onSafe();
  }

  private go(): void {
    this.heldMs = -1;
    this.core.turn.go();
  }

  private shared(mark: Mark | null): SharedMark | null {
    if (mark === null) return null;
    const { publisherId, number } = mark;
    return { publisherId, number, birth: this.fabric.birthOf(publisherId) };
  }
}

function nothing(): void {
  // Nobody waits for it.
}
