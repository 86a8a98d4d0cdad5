/**
 * Where clients are: told to others for sessions with shared subscriptions, so that members who
 * are there get messages first; and heard from others, when a client of this broker has gone to
 * one of them.
 */
import { isShared } from '../../protocol/topic.js';
import type { FabricObserver } from '../fabric.js';
import type { StoredSubscription } from '../store.js';
import type { StoreFabric } from './fabric/fabric-home.js';
import type { Ownership } from './ownership.js';

export class Whereabouts {
  private readonly ownership: Ownership;
  private readonly fabric: StoreFabric;

  constructor(ownership: Ownership, fabric: StoreFabric) {
    this.ownership = ownership;
    this.fabric = fabric;
  }

  /** A session here has these subscriptions, perhaps besides others. */
  onSubscribed(
    clientId: string,
    epoch: number,
    subscriptions: readonly StoredSubscription[],
  ): void {
    const owned = this.ownership.ofEpoch(clientId, epoch);
    if (owned === null || owned.isShared) return;
    if (!subscriptions.some(({ filter }) => isShared(filter))) return;
    owned.isShared = true;
    this.fabric.online(clientId, epoch, true);
  }

  /** The connection with that epoch is not here any more. */
  onGone(clientId: string, epoch: number): void {
    const owned = this.ownership.ofEpoch(clientId, epoch);
    if (owned === null || !owned.isShared) return;
    owned.isShared = false;
    this.fabric.online(clientId, epoch, false);
  }

  /**
   * The client connected to another broker. Nothing is told if it has come back since: the word of
   * the other connection may come late; nor if that is not known yet, as the answer to the claim
   * here decides it.
   */
  tellClaimed(clientId: string, epoch: number, observer: FabricObserver | null): void {
    const { ownership } = this;
    if (ownership.isElsewhere(clientId, epoch) !== true) return;
    const owned = ownership.current(clientId);
    // A transient one is off the record when its will is safe: see `Store.leave`.
    if (owned?.isDurable) {
      this.onGone(clientId, owned.epoch);
      ownership.leave(clientId, owned);
    }
    observer?.onClaimed(clientId, epoch);
  }
}
