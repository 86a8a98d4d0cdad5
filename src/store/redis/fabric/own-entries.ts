/**
 * What this broker announces to the others through the maps: filters of its transient subscribers,
 * its members of shared subscriptions, durable members whose client is here. Kept, so that it can
 * be written again when Redis lost it.
 */
import type { StoredSubscription } from '../../store.js';
import { shardOf } from '../keys.js';
import {
  memberField,
  onlineField,
  onlineValue,
  routeField,
  subscriptionValue,
} from '../map-entries.js';
import type { FabricHome } from './fabric-home.js';

type OnWritten = (shard: number, position: number) => void;

const unheard: OnWritten = () => undefined;

export class OwnEntries {
  private readonly home: FabricHome;
  /** Kinds, by filter. */
  private readonly routes = new Map<string, number>();
  private readonly members = new Map<string, Map<string, StoredSubscription>>();
  private readonly online = new Map<string, number>();

  constructor(home: FabricHome) {
    this.home = home;
  }

  get size(): number {
    return this.routes.size + this.members.size + this.online.size;
  }

  /** @param kinds 0: nobody here subscribes to it any more */
  setRoute(node: string, filter: string, kinds: number, onWritten: OnWritten): void {
    if (kinds === 0) this.routes.delete(filter);
    else this.routes.set(filter, kinds);
    const value = kinds === 0 ? null : Buffer.of(kinds);
    this.write(shardOf(filter), routeField(node, filter), value, 0, onWritten);
  }

  addMember(
    node: string,
    clientId: string,
    subscription: StoredSubscription,
    onWritten: OnWritten,
  ): void {
    const known = this.members.get(clientId);
    if (known !== undefined) known.set(subscription.filter, subscription);
    else this.members.set(clientId, new Map([[subscription.filter, subscription]]));
    const field = memberField(node, clientId, subscription.filter);
    this.write(shardOf(clientId), field, subscriptionValue(0, subscription), 0, onWritten);
  }

  removeMember(node: string, clientId: string, filter: string): void {
    const known = this.members.get(clientId);
    known?.delete(filter);
    if (known?.size === 0) this.members.delete(clientId);
    this.write(shardOf(clientId), memberField(node, clientId, filter), null, 0, unheard);
  }

  setOnline(node: string, clientId: string, epoch: number, isOnline: boolean): void {
    const field = onlineField(clientId);
    if (isOnline) {
      this.online.set(clientId, epoch);
      this.write(shardOf(clientId), field, onlineValue(epoch, node), epoch, unheard);
      return;
    }
    if ((this.online.get(clientId) ?? 0) <= epoch) this.online.delete(clientId);
    this.write(shardOf(clientId), field, null, epoch, unheard);
  }

  /** Redis lost them. */
  writeAgain(node: string): void {
    for (const [filter, kinds] of this.routes) this.setRoute(node, filter, kinds, unheard);
    for (const [clientId, known] of this.members) {
      for (const one of known.values()) this.addMember(node, clientId, one, unheard);
    }
    for (const [clientId, epoch] of this.online) this.setOnline(node, clientId, epoch, true);
  }

  /** Takes all back, also what was written last and not read again yet; done when it is safe. */
  async withdraw(node: string): Promise<void> {
    const gone: Promise<void>[] = [];
    const remove = (shard: number, field: Buffer, epoch: number) => {
      gone.push(new Promise((resolve) => this.write(shard, field, null, epoch, () => resolve())));
    };
    for (const filter of this.routes.keys()) remove(shardOf(filter), routeField(node, filter), 0);
    for (const [clientId, known] of this.members) {
      for (const filter of known.keys()) {
        remove(shardOf(clientId), memberField(node, clientId, filter), 0);
      }
    }
    for (const [clientId, epoch] of this.online) {
      remove(shardOf(clientId), onlineField(clientId), epoch);
    }
    this.clear();
    await Promise.all(gone);
  }

  /** Connections are closed, and everything is announced anew. */
  clear(): void {
    this.routes.clear();
    this.members.clear();
    this.online.clear();
  }

  private write(
    shard: number,
    field: Buffer,
    value: Buffer | null,
    epoch: number,
    onWritten: OnWritten,
  ): void {
    const onDone = (position: number) => onWritten(shard, position);
    this.home.maps.change(shard, { field, value, expiredMs: 0, epoch, onDone });
  }
}
