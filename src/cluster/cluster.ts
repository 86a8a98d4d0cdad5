/**
 * Makes a broker part of a cluster: joins what the core has for its peers to the store's fabric.
 *
 *     core ──Peers──▶ Outgoing ──▶ Fabric ──▶ other brokers
 *     core ◀───────── Incoming ◀── FabricObserver ◀──
 */
import type { BrokerCore } from '../broker/core.js';
import type { Restore } from '../broker/restore.js';
import type { ListenerConfig } from '../config/config.js';
import type { Fabric, FabricObserver } from '../store/fabric.js';
import type { Store } from '../store/store.js';
import { ClusterFigures } from './cluster-figures.js';
import { Incoming } from './incoming.js';
import { Outgoing } from './outgoing.js';
import { Posts } from './posts.js';
import { QueueSweep } from './queue-sweep.js';

export class Cluster {
  /** Hears what the store tells of other brokers. */
  readonly observer: FabricObserver;
  private readonly core: BrokerCore;
  private readonly outgoing: Outgoing;
  private readonly fabric: Fabric;
  private readonly sweep: QueueSweep;
  /** `$SYS/cluster/…` */
  readonly figures: ClusterFigures;
  /** What one broker does for all. */
  readonly posts: Posts;

  /** @param listener any: where sessions that came in elsewhere are taken to have come in here */
  constructor(
    core: BrokerCore,
    store: Store,
    fabric: Fabric,
    restore: Restore,
    listener: ListenerConfig,
  ) {
    this.core = core;
    this.fabric = fabric;
    this.figures = new ClusterFigures(core, fabric);
    this.sweep = new QueueSweep(core);
    this.posts = new Posts(fabric, core.clock);
    this.outgoing = new Outgoing(core, store, fabric, restore, {
      onOutdated: () => incoming.giveAllAway(),
      forgetMembers: (dead) => incoming.members.removeAll(dead),
    });
    const incoming = new Incoming(core, fabric, this.outgoing, this.figures, {
      restore,
      listener,
      sweep: this.sweep,
    });
    this.observer = incoming;
  }

  /** There are others to which clients can go. */
  get hasPeers(): boolean {
    return this.fabric.peers.size > 0;
  }

  /** Several times a second. */
  tick(): void {
    this.sweep.tick(this.hasPeers);
    this.posts.tick();
    this.figures.tick(this.core.turn.nowMs);
  }

  /** The store is open: from now on the others hear of this broker. */
  begin(): void {
    const { core, outgoing } = this;
    core.peers = outgoing;
    // Those of the embedding program have come before.
    for (const session of core.sessions.values())
      if (session.isOnline) outgoing.onAttached(session);
  }
}
