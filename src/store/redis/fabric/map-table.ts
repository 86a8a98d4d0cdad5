/**
 * Which entries a shard of the replicated maps has, without their values: what it takes to tell
 * what is gone after the shard was loaded anew, and what a broker has announced. The strings are
 * those that the core was given, so an entry costs little more than its place.
 */
import type { StoredSubscription } from '../../store.js';
import type { MapEntry, MapName } from '../map-entries.js';

interface SessionFilters {
  /** The last one heard of. */
  epoch: number;
  /** Mostly there is one. */
  filters: string | Set<string>;
}

export interface Member {
  readonly clientId: string;
  readonly subscription: StoredSubscription;
}

export interface OnlineAt {
  readonly epoch: number;
  readonly node: string;
}

export class MapTable {
  private readonly retained = new Set<string>();
  private readonly sessions = new Map<string, SessionFilters>();
  private readonly routes = new Map<string, Map<string, number>>();
  private readonly members = new Map<string, Map<string, Member>>();
  readonly online = new Map<string, OnlineAt>();

  put(entry: MapEntry): void {
    switch (entry.kind) {
      case 'retained':
        this.retained.add(entry.topic);
        break;
      case 'subscription':
        this.putSubscription(entry.clientId, entry.epoch, entry.subscription.filter);
        break;
      case 'route': {
        const filters = this.routes.get(entry.node) ?? new Map<string, number>();
        if (filters.size === 0) this.routes.set(entry.node, filters);
        filters.set(entry.filter, entry.kinds);
        break;
      }
      case 'member': {
        const { clientId, node, subscription } = entry;
        const members = this.members.get(node) ?? new Map<string, Member>();
        if (members.size === 0) this.members.set(node, members);
        members.set(memberName(clientId, subscription.filter), { clientId, subscription });
        break;
      }
      case 'online':
        this.online.set(entry.clientId, { epoch: entry.epoch, node: entry.node });
        break;
    }
  }

  remove(name: MapName): void {
    switch (name.kind) {
      case 'retained':
        this.retained.delete(name.topic);
        break;
      case 'subscription':
        this.removeSubscription(name.clientId, name.filter);
        break;
      case 'route':
        removeFrom(this.routes, name.node, name.filter);
        break;
      case 'member':
        removeFrom(this.members, name.node, memberName(name.clientId, name.filter));
        break;
      case 'online':
        this.online.delete(name.clientId);
        break;
    }
  }

  has(name: MapName): boolean {
    switch (name.kind) {
      case 'retained':
        return this.retained.has(name.topic);
      case 'subscription': {
        const filters = this.sessions.get(name.clientId)?.filters;
        if (filters === undefined) return false;
        return typeof filters === 'string' ? filters === name.filter : filters.has(name.filter);
      }
      case 'route':
        return this.routes.get(name.node)?.has(name.filter) === true;
      case 'member': {
        const member = memberName(name.clientId, name.filter);
        return this.members.get(name.node)?.has(member) === true;
      }
      case 'online':
        return this.online.has(name.clientId);
    }
  }

  /** True when a session has subscriptions here. */
  hasSession(clientId: string): boolean {
    return this.sessions.has(clientId);
  }

  /** Of a session; 0: unknown. */
  epochOf(clientId: string): number {
    return this.sessions.get(clientId)?.epoch ?? 0;
  }

  /** Filters and kinds. */
  routesOf(node: string): Iterable<[string, number]> {
    return this.routes.get(node) ?? [];
  }

  membersOf(node: string): Iterable<Member> {
    return this.members.get(node)?.values() ?? [];
  }

  /** Brokers with routes or members. */
  nodes(): Set<string> {
    return new Set([...this.routes.keys(), ...this.members.keys()]);
  }

  /** All entries, for the comparison with another table. */
  *names(): Iterable<MapName> {
    for (const topic of this.retained) yield { kind: 'retained', topic };
    for (const [clientId, { filters }] of this.sessions) {
      for (const filter of typeof filters === 'string' ? [filters] : filters) {
        yield { kind: 'subscription', clientId, filter };
      }
    }
    for (const [node, filters] of this.routes) {
      for (const filter of filters.keys()) yield { kind: 'route', node, filter };
    }
    for (const [node, members] of this.members) {
      for (const { clientId, subscription } of members.values()) {
        yield { kind: 'member', node, clientId, filter: subscription.filter };
      }
    }
    for (const clientId of this.online.keys()) yield { kind: 'online', clientId };
  }

  private putSubscription(clientId: string, epoch: number, filter: string): void {
    const session = this.sessions.get(clientId);
    if (session === undefined) {
      this.sessions.set(clientId, { epoch, filters: filter });
      return;
    }
    session.epoch = Math.max(session.epoch, epoch);
    if (typeof session.filters !== 'string') session.filters.add(filter);
    else if (session.filters !== filter) session.filters = new Set([session.filters, filter]);
  }

  private removeSubscription(clientId: string, filter: string): void {
    const session = this.sessions.get(clientId);
    if (session === undefined) return;
    if (typeof session.filters !== 'string') {
      session.filters.delete(filter);
      if (session.filters.size === 0) this.sessions.delete(clientId);
    } else if (session.filters === filter) {
      this.sessions.delete(clientId);
    }
  }
}

function memberName(clientId: string, filter: string): string {
  return `${clientId.length}:${clientId}${filter}`;
}

function removeFrom<T>(table: Map<string, Map<string, T>>, node: string, name: string): void {
  const names = table.get(node);
  if (names === undefined) return;
  names.delete(name);
  if (names.size === 0) table.delete(node);
}
