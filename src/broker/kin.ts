/**
 * Clients that are one source of messages. A client does not get its own messages back where it
 * asked for that (No Local); of two brokers with a bridge each to the other, each bridge would get
 * what the other one brought, and send it round and round.
 */
export class Kin {
  private readonly groups = new Map<string, ReadonlySet<string>>();

  /** True when a message of `publisherId` counts as the client's own [MQTT-3.8.3-3]. */
  isOwn(clientId: string, publisherId: string | null): boolean {
    if (clientId === publisherId) return true;
    if (this.groups.size === 0 || publisherId === null) return false;
    for (const group of this.groups.values()) {
      if (group.has(clientId) && group.has(publisherId)) return true;
    }
    return false;
  }

  /** The clients of one group, in place of those before; none: there is no such group. */
  set(name: string, clientIds: Iterable<string>): void {
    const group = new Set(clientIds);
    if (group.size === 0) this.groups.delete(name);
    else this.groups.set(name, group);
  }
}
