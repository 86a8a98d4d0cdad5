/**
 * Works off what a dead broker left: its clients' sessions are offline from now on, its routes
 * and members vanish, what waited in its inbox for a member of a shared subscription, and what its
 * own members had not acknowledged, goes to others, wills that it had to publish go out from here,
 * and then its keys go. Each step may be repeated, by two brokers at once as well.
 */
import { BrokerError, messageOf } from '../../../base/errors.js';
import type { FabricObserver } from '../../fabric.js';
import { viewRecord } from '../../record.js';
import { IndexLane } from '../index-lane.js';
import { nodeTag, shardOf } from '../keys.js';
import { memberField, onlineField, routeField } from '../map-entries.js';
import { buryScript } from '../scripts/members.js';
import { slotOf } from '../slot.js';
import { ASK_MS, DEAD_SESSIONS, INBOX_READ_ENTRIES, PLEDGES_READ } from '../tuning.js';
import type { FabricHome } from './fabric-home.js';
import { readFrame } from './frames.js';
import type { MapTable } from './map-table.js';
import { SeenFrames } from './seen-frames.js';
import { TaskLane } from './task-lane.js';

const noValue = { value: null, expiredMs: 0 } as const;

export class Cleaner {
  private readonly home: FabricHome;
  /** Per shard. */
  private readonly tables: () => readonly MapTable[];
  /** Null: nobody wants to know. */
  private readonly observer: () => FabricObserver | null;
  private lane: TaskLane | null = null;
  private isStopped = false;

  constructor(
    home: FabricHome,
    tables: () => readonly MapTable[],
    observer: () => FabricObserver | null,
  ) {
    this.home = home;
    this.tables = tables;
    this.observer = observer;
  }

  stop(): void {
    this.isStopped = true;
    this.lane?.stop();
  }

  /** Everything but the last word about it. @throws BrokerError `STORE_AWAY` */
  async clean(dead: string): Promise<void> {
    await this.closeInbox(dead);
    await this.passOnInbox(dead);
    await this.passOnPledges(dead);
    // It ends, and has passed nothing on: another broker begins anew.
    if (this.observer() === null) throw new BrokerError('STORE_AWAY', 'this broker leaves');
    await this.deleteInbox(dead);
  }

  /** As `clean`, of this broker, when it leaves as the last one: nobody is there to pass on to. */
  async cleanOwn(node: string): Promise<void> {
    await this.closeInbox(node);
    await this.deleteInbox(node);
  }

  /**
   * Its clients are offline now.
   *
   * @throws BrokerError `STORE_AWAY` when Redis does not answer for `deadlineMs`
   */
  async orphanSessions(dead: string, deadlineMs: number): Promise<void> {
    const { keys, reader } = this.home;
    const own = keys.owned(dead, 'own');
    const slot = slotOf(nodeTag(dead));
    const record = IndexLane.ofNode(this.home, keys, dead);
    while (!this.isStopped) {
      const question = ['SRANDMEMBER', own, String(DEAD_SESSIONS)];
      const [reply] = await reader.ask(slot, [question], deadlineMs);
      const names = (reply as readonly unknown[]).map(String);
      if (names.length === 0) return;
      await Promise.all(names.map((clientId) => this.orphan(clientId, dead, record)));
    }
  }

  /** Its routes and members, and where it had clients. */
  async forgetEntries(dead: string): Promise<void> {
    const { maps } = this.home;
    const gone: Promise<void>[] = [];
    const forget = (shard: number, field: Buffer, epoch: number) => {
      gone.push(
        new Promise((resolve) => {
          maps.change(shard, { ...noValue, field, epoch, onDone: () => resolve() });
        }),
      );
    };
    for (const table of this.tables()) {
      for (const [filter] of table.routesOf(dead)) {
        forget(shardOf(filter), routeField(dead, filter), 0);
      }
      for (const { clientId, subscription } of table.membersOf(dead)) {
        forget(shardOf(clientId), memberField(dead, clientId, subscription.filter), 0);
      }
      for (const [clientId, { epoch, node }] of table.online) {
        if (node === dead) forget(shardOf(clientId), onlineField(clientId), epoch);
      }
    }
    await Promise.all(gone);
  }

  private async closeInbox(dead: string): Promise<void> {
    await this.orphanSessions(dead, ASK_MS);
    await this.forgetEntries(dead);
    // It takes nothing more: senders see to what comes later.
    await this.bury(dead, [this.home.keys.inbox(dead, 'alive')]);
  }

  private deleteInbox(dead: string): Promise<void> {
    const { keys } = this.home;
    const left = [keys.inbox(dead, 'in'), keys.inbox(dead, 'due'), keys.owned(dead, 'own')];
    return this.bury(dead, left);
  }

  private async orphan(clientId: string, dead: string, record: IndexLane): Promise<void> {
    await this.home.orphan(clientId, dead);
    await new Promise<void>((resolve) => record.add('SREM', clientId, '', resolve));
  }

  /**
   * Messages of QoS 1 that may not have been delivered, and wills of clients that went elsewhere.
   * Messages of QoS 2 stay with the member that they were meant for [MQTT-4.8.2-5]; those of QoS 0
   * may be lost.
   */
  private async passOnInbox(dead: string): Promise<void> {
    const { keys, options, reader } = this.home;
    const seen = new SeenFrames();
    const key = keys.inbox(dead, 'in');
    const count = String(INBOX_READ_ENTRIES);
    let from = '-';
    const underway: Promise<void>[] = [];
    for (;;) {
      const question = ['XRANGE', key, from, '+', 'COUNT', count];
      const [reply] = await reader.ask(slotOf(nodeTag(dead)), [question], ASK_MS);
      const entries = reply as readonly (readonly [Buffer, readonly Buffer[]])[];
      if (entries.length === 0) break;
      for (const [id, fields] of entries) {
        from = `(${id}`;
        try {
          this.passOn(fields[1]!, seen, underway);
        } catch (error) {
          const detail = messageOf(error);
          options.log.write('error', 'a message to a dead broker is damaged', { dead, detail });
        }
      }
    }
    // Else all would be lost with this broker, since the inbox goes now.
    await Promise.all(underway);
  }

  private passOn(bytes: Buffer, seen: SeenFrames, underway: Promise<void>[]): void {
    const observer = this.observer();
    const frame = readFrame(bytes);
    if (observer === null || typeof frame === 'string' || !seen.isNew(frame)) return;
    const begin = (act: (done: () => void) => void): void => {
      underway.push(new Promise(act));
    };
    for (const item of frame.items) {
      if (item.kind === 'lastWill') {
        begin((done) => observer.onLastWill(item.clientId, item.info, item.will, done));
      } else if (item.kind === 'publishTo' && viewRecord(item.record).qos === 1) {
        begin((done) => observer.onPublishedTo(item.clientId, item.record, item.mark, done));
      }
    }
  }

  /** Messages that its transient members of shared subscriptions may not have acknowledged. */
  private async passOnPledges(dead: string): Promise<void> {
    const { keys, reader } = this.home;
    const key = keys.inbox(dead, 'due');
    const slot = slotOf(nodeTag(dead));
    const [fields] = await reader.ask(slot, [['HKEYS', key]], ASK_MS);
    const names = (fields as readonly unknown[]).map(String).filter((name) => name !== '#');
    // As they were given to them.
    names.sort((one, other) => Number(one) - Number(other));
    for (let at = 0; at < names.length; at += PLEDGES_READ) {
      const question = ['HMGET', key, ...names.slice(at, at + PLEDGES_READ)];
      const [records] = await reader.ask(slot, [question], ASK_MS);
      const observer = this.observer();
      if (observer === null) return;
      const underway = (records as readonly (Buffer | null)[]).map(
        (record) =>
          new Promise<void>((resolve) => {
            if (record === null) resolve();
            else observer.onLeftBehind(record, resolve);
          }),
      );
      await Promise.all(underway);
    }
  }

  private async bury(dead: string, keys: readonly string[]): Promise<void> {
    this.lane = new TaskLane(this.home, nodeTag(dead));
    await this.lane.run(buryScript, keys, []);
    this.lane = null;
  }
}
