/**
 * Who is alive, by leases in Redis (`tw:{nodes}`): this broker's word to the others, and theirs.
 *
 *     outside ──join──▶ member ──leave──▶ outside
 *        ▲                 └──a word is answered: you are dead──┐
 *        └──────────────────────────────────────────────────────┘
 *
 * Each word says which version of the list this broker acts by; so a broker that joins can tell
 * when everybody counts it.
 */
import { BrokerError } from '../../../base/errors.js';
import { MEMBERS_TAG } from '../keys.js';
import { membersScript } from '../scripts/members.js';
import type { FabricHome, FabricTimes } from './fabric-home.js';
import { nameOf } from './node-id.js';
import { TaskLane } from './task-lane.js';

/** What a dead broker left has not been seen to. */
export interface DeadNode {
  readonly node: string;
  /** The broker that came in its place, `left`, or empty. */
  readonly why: string;
}

/** The list as of one word. */
export interface Members {
  readonly version: number;
  readonly live: readonly string[];
  /** Version of the list by which each of them acts. */
  readonly seen: ReadonlyMap<string, number>;
  readonly dead: readonly DeadNode[];
}

export interface MembershipEvents {
  /** Called with every answer, before the next word says that this list is acted by. */
  onMembers(members: Members): void;
  /** This broker is not alive: `why` as in `DeadNode`. */
  onRemoved(why: string): void;
}

type Command = 'retire' | 'join' | 'tick' | 'leave' | 'buried';

export class Membership {
  /** See `Fabric.freshUntilMs`. */
  freshUntilMs = Number.NEGATIVE_INFINITY;
  private node = '';
  private version = 0;
  private readonly lane: TaskLane;
  private readonly keys: readonly string[];
  private readonly home: FabricHome;
  private readonly times: FabricTimes;
  private readonly events: MembershipEvents;
  private isMember = false;
  private isTicking = false;
  private isTickWanted = false;
  private tickedMs = Number.NEGATIVE_INFINITY;

  constructor(home: FabricHome, times: FabricTimes, events: MembershipEvents) {
    this.home = home;
    this.times = times;
    this.events = events;
    this.lane = new TaskLane(home, MEMBERS_TAG);
    const { keys } = home;
    this.keys = [keys.members('live'), keys.members('dead'), keys.members('seen')];
  }

  /** Earlier lives of this node name are dead from now on. @returns all who are dead */
  async retire(node: string): Promise<readonly DeadNode[]> {
    const { members } = await this.say('retire', node);
    return members.dead;
  }

  /**
   * Adds this broker.
   *
   * @returns the version of the list that has it
   * @throws BrokerError `CLUSTER_JOIN` when it is dead already: under another name
   */
  async join(node: string): Promise<number> {
    this.node = node;
    this.version = 0;
    const { clock } = this.home.options;
    const sentMs = clock.nowMs();
    const { isAlive, members } = await this.say('join', node);
    // Answered so late, it may have been buried since: its inbox would be gone.
    if (!isAlive || clock.nowMs() - sentMs > this.times.leaseMs) {
      throw new BrokerError('CLUSTER_JOIN', `${node} was taken for dead while it joined`);
    }
    this.isMember = true;
    this.onAlive(sentMs, members);
    return members.version;
  }

  /** Says a word when it is time. */
  tick(): void {
    const nowMs = this.home.options.clock.nowMs();
    if (nowMs - this.tickedMs >= this.times.tickMs) this.look();
  }

  /** Says a word now. */
  look(): void {
    if (!this.isMember) return;
    this.isTickWanted = true;
    if (this.isTicking) return;
    this.isTicking = true;
    this.sayWords()
      .catch((error: unknown) => {
        // Only the end of the store ends a word.
        if (!(error instanceof BrokerError)) throw error;
      })
      .finally(() => {
        this.isTicking = false;
      });
  }

  /**
   * Whether this broker is a member, as it is answered from now on.
   *
   * @throws BrokerError `STORE_AWAY` when the store was closed
   */
  async isAlive(): Promise<boolean> {
    const { isAlive } = await this.say('tick', this.node);
    return isAlive;
  }

  /** A dead broker was worked off. */
  async buried(dead: string): Promise<void> {
    await this.say('buried', this.node, dead);
  }

  /** @returns those who stay */
  async leave(): Promise<readonly string[]> {
    const { node } = this;
    this.isMember = false;
    this.freshUntilMs = Number.NEGATIVE_INFINITY;
    const { members } = await this.say('leave', node);
    return members.live.filter((one) => one !== node);
  }

  /** After `onRemoved`, until `join`. */
  becomeOutside(): void {
    this.isMember = false;
    this.freshUntilMs = Number.NEGATIVE_INFINITY;
  }

  stop(): void {
    this.becomeOutside();
    this.lane.stop();
  }

  private async sayWords(): Promise<void> {
    const { clock } = this.home.options;
    while (this.isTickWanted && this.isMember) {
      this.isTickWanted = false;
      const { node, version } = this;
      const sentMs = clock.nowMs();
      this.tickedMs = sentMs;
      const { isAlive, members } = await this.say('tick', node);
      if (!this.isMember || this.node !== node) return;
      if (!isAlive) {
        this.becomeOutside();
        this.events.onRemoved(whyDead(members, node));
        return;
      }
      this.onAlive(sentMs, members);
      // The others wait for this broker to act by the new list.
      if (this.version !== version) this.isTickWanted = true;
    }
  }

  private onAlive(sentMs: number, members: Members): void {
    const { leaseMs, marginMs } = this.times;
    this.freshUntilMs = sentMs + leaseMs - marginMs;
    this.events.onMembers(members);
    this.version = members.version;
  }

  private async say(
    command: Command,
    node: string,
    subject = '',
  ): Promise<{ isAlive: boolean; members: Members }> {
    const { freezeMs, leaseMs } = this.times;
    const reply = await this.lane.run(membersScript, this.keys, [
      command,
      node,
      nameOf(node),
      String(this.version),
      String(leaseMs),
      String(freezeMs),
      subject,
    ]);
    return decode(reply);
  }
}

/** Status, version, now, live, seen, dead. */
function decode(reply: unknown): { isAlive: boolean; members: Members } {
  const parts = reply as readonly unknown[];
  const seen = new Map<string, number>();
  for (const [node, version] of pairs(parts[4])) seen.set(node, Number(version));
  const dead = pairs(parts[5]).map(([node, text]) => ({
    node,
    why: text.slice(text.indexOf(':') + 1),
  }));
  const live = (parts[3] as readonly unknown[]).map(String);
  const members = { version: Number(parts[1]), live, seen, dead };
  return { isAlive: Number(parts[0]) === 1, members };
}

function pairs(list: unknown): [string, string][] {
  const texts = (list as readonly unknown[]).map(String);
  return texts.flatMap((text, at) => (at % 2 === 0 ? [[text, texts[at + 1]!]] : []));
}

/** Somebody else of the same name, if that is why: two brokers must not share one. */
function whyDead({ dead, live }: Members, node: string): string {
  const replaced = dead.find((one) => one.node === node)?.why ?? '';
  if (replaced !== '') return replaced;
  return live.find((one) => nameOf(one) === nameOf(node)) ?? '';
}
