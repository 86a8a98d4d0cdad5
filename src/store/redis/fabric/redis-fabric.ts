/**
 * Several brokers on one Redis are one broker: who is alive, what they tell each other, and the
 * maps that all of them follow. `FabricHome` is the store behind it.
 *
 *     outside ──inbox, join, everybody has seen it, maps applied──▶ joined
 *        ▲                                                            │
 *        └── taken for dead: another writer, another inbox, again ◀───┘
 *
 * What is announced outside is written when this broker has joined: nobody would know it before.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { BrokerError, messageOf } from '../../../base/errors.js';
import type { FabricObserver, Pledge, Pledged, SharedMark } from '../../fabric.js';
import type { LastWill, StoredSubscription } from '../../store.js';
import { nodeTag } from '../keys.js';
import type { MapEntry } from '../map-entries.js';
import { inboxScript } from '../scripts/members.js';
import { OPEN_MS, RETRY_MS_MAX, TICK_MS } from '../tuning.js';
import { Announcements } from './announcements.js';
import { Cleaner } from './cleaner.js';
import { DeadWork } from './dead-work.js';
import type { FabricHome, FabricTimes, StoreFabric } from './fabric-home.js';
import { Followers, type FollowersHome } from './followers.js';
import type { Appended } from './frames.js';
import { Held } from './held.js';
import { Inbox, newCounters } from './inbox.js';
import { nameInUse, untilLeft } from './leaving.js';
import { Lives } from './lives.js';
import { isInboxLost } from './lost-inbox.js';
import { type Members, Membership, type MembershipEvents } from './membership.js';
import { nameOf } from './node-id.js';
import { OwnEntries } from './own-entries.js';
import { Peers } from './peers.js';
import { Pledges } from './pledges.js';
import { untilSeenByAll } from './seen-by-all.js';
import { Talk } from './talk.js';
import { TaskLane } from './task-lane.js';
import { usualTimes } from './usual-times.js';

const noMembers: Members = { version: 0, live: [], seen: new Map(), dead: [] };

export class RedisFabric implements StoreFabric, FollowersHome, MembershipEvents {
  private readonly home: FabricHome;
  private readonly times: FabricTimes;
  private readonly others: Peers;
  private readonly membership: Membership;
  private readonly followers: Followers;
  private readonly announcements: Announcements;
  private readonly own: OwnEntries;
  private readonly cleaner: Cleaner;
  private readonly dead: DeadWork;
  private readonly lives: Lives;
  private readonly held = new Held();
  private readonly pledges: Pledges;
  private readonly talk: Talk;
  private readonly counters = newCounters();
  private observer: FabricObserver | null = null;
  private inbox: Inbox | null = null;
  private opening: TaskLane | null = null;
  private members: Members = noMembers;
  private isJoined = false;
  private isStopped = false;
  private timer: NodeJS.Timeout | null = null;

  constructor(home: FabricHome, times: Partial<FabricTimes> = {}) {
    this.home = home;
    this.times = { ...usualTimes, ...times };
    this.lives = new Lives(home);
    this.others = new Peers(home);
    this.membership = new Membership(home, this.times, this);
    this.followers = new Followers(home, this);
    this.announcements = new Announcements(this.times.slowMs, home.options.log);
    this.own = new OwnEntries(home);
    this.pledges = new Pledges(home);
    this.talk = new Talk(this.others, this.announcements, this.followers, {
      onLook: () => this.membership.look(),
      whereabouts: () => home.whereabouts,
    });
    const tables = () => this.followers.tables;
    this.cleaner = new Cleaner(home, tables, () => this.observer);
    this.dead = new DeadWork(home, this.cleaner, this.membership, this.followers);
  }

  // The port.

  get node(): string {
    return this.lives.node;
  }

  get peers(): ReadonlySet<string> {
    return this.others.nodes;
  }

  get freshUntilMs(): number {
    return this.isJoined ? this.membership.freshUntilMs : Number.NEGATIVE_INFINITY;
  }

  birthOf(clientId: string): number {
    return this.home.birthOf(clientId);
  }

  publish(node: string, record: Buffer, mark: SharedMark | null, onDone: () => void): void {
    this.others.publish(node, record, mark, onDone);
  }

  publishTo(
    node: string,
    clientId: string,
    record: Buffer,
    mark: SharedMark | null,
    onDone: (isThere: boolean) => void,
  ): void {
    const item = { kind: 'publishTo', clientId, record, mark } as const;
    const onSent = (): void => onDone(true);
    this.others.send(node, item, onSent, () => onDone(false));
  }

  pledge(pledged: Pledged): Pledge {
    return this.pledges.add(pledged);
  }

  setRoute(filter: string, kinds: number, onDone: () => void): void {
    const onWritten = this.announcing(onDone);
    this.held.run(() => this.own.setRoute(this.node, filter, kinds, onWritten), onDone);
  }

  addMember(clientId: string, subscription: StoredSubscription, onDone: () => void): void {
    const onWritten = this.announcing(onDone);
    this.held.run(() => this.own.addMember(this.node, clientId, subscription, onWritten), onDone);
  }

  removeMember(clientId: string, filter: string): void {
    this.held.run(() => this.own.removeMember(this.node, clientId, filter), null);
  }

  catchUp(onDone: () => void): void {
    this.followers.catchUp(onDone);
  }

  hear(): Promise<void> | null {
    return this.others.hasHad && this.inbox !== null ? this.inbox.hear() : null;
  }

  adopt(clientId: string, epoch: number): Promise<number> {
    return this.home.adopt(clientId, epoch);
  }

  // For the store.

  async prepare(): Promise<void> {
    const dead = await this.membership.retire(this.node);
    for (const { node } of dead) {
      if (nameOf(node) !== this.home.options.nodeName) continue;
      await this.cleaner.orphanSessions(node, OPEN_MS);
    }
    await this.followers.mark();
  }

  onLoaded(entry: MapEntry): void {
    this.followers.onLoaded(entry);
  }

  async join(observer: FabricObserver): Promise<void> {
    this.observer = observer;
    const everyMs = Math.min(TICK_MS, this.times.tickMs / 2);
    this.timer = setInterval(() => this.tick(), everyMs);
    await this.enterUntilJoined();
  }

  /** A broker that stays works off the rest; the last one does it itself. */
  async leave(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    this.isJoined = false;
    this.observer = null;
    this.inbox?.stop();
    const { node } = this;
    this.pledges.flush();
    const left = this.membership.leave().then(async (staying) => {
      this.others.sendAll({ kind: 'look' });
      // What others did not get yet, whoever comes next sees to.
      if (staying.length > 0 || this.pledges.size > 0) return;
      await this.own.withdraw(node);
      await this.cleaner.cleanOwn(node);
      await this.membership.buried(node);
    });
    await untilLeft(left, this.home.options.log);
    this.stop();
  }

  stop(): void {
    this.isStopped = true;
    this.isJoined = false;
    this.observer = null;
    if (this.timer !== null) clearInterval(this.timer);
    this.inbox?.stop();
    this.followers.stop();
    this.membership.stop();
    this.pledges.close();
    this.dead.stop();
    this.opening?.stop();
  }

  isLive(node: string): boolean {
    return this.others.nodes.has(node);
  }

  isMine(name: string): boolean {
    if (!this.isJoined) return false;
    return Peers.chosen(name, [this.node, ...this.peers]) === this.node;
  }

  appended(node: string, appended: Appended): void {
    this.others.appended(node, appended);
  }

  claimed(node: string, clientId: string, epoch: number): void {
    this.others.send(node, { kind: 'claimed', clientId, epoch }, null);
  }

  lastWill(node: string, clientId: string, { info, will }: LastWill): void {
    const item = { kind: 'lastWill', clientId, info, will } as const;
    this.others.send(node, item, null, () => this.observer?.onLastWill(clientId, info, will, null));
  }

  online(clientId: string, epoch: number, isOnline: boolean): void {
    this.held.run(() => this.own.setOnline(this.node, clientId, epoch, isOnline), null);
  }

  announced(shard: number, position: number, onDone: () => void): void {
    // Of an earlier life, or nothing at all.
    if (position < this.lives.firstCall || position === 0) {
      queueMicrotask(onDone);
      return;
    }
    const nowMs = this.home.options.clock.nowMs();
    this.held.run(() => this.announcements.add(shard, position, nowMs, onDone), onDone);
  }

  announceAgain(): void {
    if (this.isJoined) this.own.writeAgain(this.node);
  }

  figures(): Readonly<Record<string, number>> {
    return {
      ...this.counters,
      peers: this.peers.size,
      slowPeers: this.announcements.slowPeers,
      announcements: this.announcements.size,
      pledged: this.pledges.size,
      inboxBytesPending: this.others.pendingBytes,
      mapReloads: this.followers.reloads,
      removals: this.lives.count,
      deadWorkedOff: this.dead.done,
    };
  }

  // What followers and the membership ask and tell.

  isOwnWriter(writer: string): boolean {
    return this.lives.isOwnWriter(writer);
  }

  isOwnNode(node: string): boolean {
    return this.lives.isOwnNode(node);
  }

  onApplied(writer: string, shard: number, call: number): void {
    this.talk.onApplied(writer, shard, call);
  }

  onShardLost(shard: number): void {
    const { log } = this.home.options;
    log.write('error', 'redis lost a shard of the maps: what is known here is kept', { shard });
    this.announceAgain();
  }

  onMembers(members: Members): void {
    const { observer } = this;
    if (observer === null) return;
    this.members = members;
    const live = new Set(members.live.filter((node) => node !== this.node));
    this.talk.onLive(live, observer);
    this.dead.start(members.dead.filter(({ node }) => this.isMine(node)));
  }

  onRemoved(why: string): void {
    if (this.isStopped || this.observer === null) return;
    if (why !== '') {
      this.inbox?.stop();
      this.isJoined = false;
      this.home.onFatal(nameInUse(this.home.options.nodeName, why));
      return;
    }
    this.comeBack(this.observer, 'the other brokers took this one for dead: it joins again');
  }

  // Joining.

  private async onInboxGone(life: number, inbox: Inbox): Promise<void> {
    if (!this.isJoined || !(await isInboxLost(inbox, this.home, this.membership))) return;
    if (this.observer === null || this.isOver(life)) return;
    this.membership.becomeOutside();
    this.comeBack(this.observer, 'redis lost the inbox of this broker: it joins again');
  }

  private comeBack(observer: FabricObserver, event: string): void {
    this.inbox?.stop();
    this.home.options.log.write('warning', event, { node: this.node });
    const wasJoined = this.isJoined;
    this.becomeAnother();
    // Else it is joining, and notices.
    if (!wasJoined) return;
    this.announcements.endAll();
    this.own.clear();
    this.held.endAll();
    observer.onRemoved();
    this.enterUntilJoined().catch((error: unknown) => {
      if (!this.isStopped) this.home.onFatal(error instanceof Error ? error : new Error());
    });
  }

  private becomeAnother(): void {
    this.isJoined = false;
    this.held.close();
    this.pledges.close();
    this.lives.renew();
  }

  private async enterUntilJoined(): Promise<void> {
    for (;;) {
      const life = this.lives.count;
      try {
        if (await this.enter(life)) break;
      } catch (error) {
        if (this.isStopped || !(error instanceof BrokerError)) throw error;
        this.home.options.log.write('warning', 'this broker cannot join the cluster yet', {
          reason: messageOf(error),
        });
        if (error.code === 'CLUSTER_JOIN' && life === this.lives.count) this.becomeAnother();
        await pause(RETRY_MS_MAX);
      }
      if (this.isStopped) throw new BrokerError('STORE_AWAY', 'the store was closed');
    }
    this.isJoined = true;
    this.held.open();
    this.pledges.open(this.node);
  }

  /** @returns false when it was taken for dead meanwhile */
  private async enter(life: number): Promise<boolean> {
    const { home, membership, node } = this;
    this.opening = new TaskLane(home, nodeTag(node));
    const keys = [home.keys.inbox(node, 'in'), home.keys.inbox(node, 'alive')];
    await this.opening.run(inboxScript, keys, []);
    const version = await membership.join(node);
    if (this.isOver(life)) return false;
    const inbox = new Inbox(home, node, this.counters, {
      onItem: (item, writer, done) => {
        if (this.observer !== null) this.talk.onItem(item, writer, this.observer, done);
      },
      onGone: () => void this.onInboxGone(life, inbox),
    });
    this.inbox = inbox;
    inbox.start();
    if (this.followers.observer === null) this.followers.start(this.observer!);
    this.others.sendAll({ kind: 'look' });
    const joining = {
      members: () => this.members,
      look: () => membership.look(),
      isOver: () => this.isOver(life),
    };
    if (!(await untilSeenByAll(node, version, joining, home, this.times))) return false;
    await new Promise<void>((resolve) => this.followers.catchUp(resolve));
    return !this.isOver(life);
  }

  /** True when this broker was taken for dead since. */
  private isOver(life: number): boolean {
    return this.isStopped || life !== this.lives.count;
  }

  private announcing(onDone: () => void): (shard: number, position: number) => void {
    return (shard, position) => this.announced(shard, position, onDone);
  }

  private tick(): void {
    const nowMs = this.home.options.clock.nowMs();
    this.membership.tick();
    this.inbox?.tick(this.isJoined && this.peers.size > 0);
    this.followers.tick();
    this.pledges.tick();
    this.announcements.tick(nowMs);
    if (!this.isJoined) return;
    const { dead } = this.members;
    const known = new Set([this.node, ...this.peers, ...dead.map(({ node }) => node)]);
    this.dead.forgetStrays(known, nowMs, this.times.leaseMs, (node) => this.isMine(node));
  }
}
