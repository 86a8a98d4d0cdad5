/** What this broker hears from the others, item by item, and who they are. */
import type { FabricObserver } from '../../fabric.js';
import { SHARDS } from '../tuning.js';
import type { Announcements } from './announcements.js';
import type { FabricHome } from './fabric-home.js';
import type { Followers } from './followers.js';
import type { FrameItem } from './frames.js';
import { writerOf } from './node-id.js';
import type { Peers } from './peers.js';

export interface TalkEvents {
  /** Somebody joined or left. */
  readonly onLook: () => void;
  /** Asked when it is needed: the store makes it after its fabric. */
  readonly whereabouts: () => FabricHome['whereabouts'];
}

export class Talk {
  private readonly peers: Peers;
  private readonly announcements: Announcements;
  private readonly followers: Followers;
  private readonly onLook: () => void;
  private readonly whereabouts: TalkEvents['whereabouts'];

  constructor(
    peers: Peers,
    announcements: Announcements,
    followers: Followers,
    { onLook, whereabouts }: TalkEvents,
  ) {
    this.peers = peers;
    this.announcements = announcements;
    this.followers = followers;
    this.onLook = onLook;
    this.whereabouts = whereabouts;
  }

  /** @param live all brokers but this one */
  onLive(live: ReadonlySet<string>, observer: FabricObserver): void {
    for (const node of [...this.peers.nodes]) {
      if (live.has(node)) continue;
      this.peers.remove(node);
      this.announcements.onLeft(node);
      observer.onLeft(node);
    }
    for (const node of live) {
      if (!this.peers.nodes.has(node)) this.onJoined(node, observer);
    }
  }

  /** A batch of the maps is applied; its writer may wait for that. */
  onApplied(writer: string, shard: number, call: number): void {
    const node = this.peers.nodeOf(writer);
    if (node !== null) this.peers.send(node, { kind: 'applied', shard, call }, null);
  }

  /**
   * @param writer of whom it is
   * @param done see `FabricObserver.onPublishedTo` and `onOwnLastWill`
   */
  onItem(item: FrameItem, writer: string, observer: FabricObserver, done: () => void): void {
    switch (item.kind) {
      case 'publish':
        observer.onPublished(item.record, item.mark);
        break;
      case 'publishTo':
        observer.onPublishedTo(item.clientId, item.record, item.mark, done);
        break;
      case 'appended':
        observer.onAppended(item.clientId, item.endSeq, item.records, item.dropped);
        break;
      case 'claimed':
        this.whereabouts().tellClaimed(item.clientId, item.epoch, observer);
        break;
      case 'lastWill':
        observer.onOwnLastWill(item.clientId, done);
        break;
      case 'note':
        // Of nobody else.
        break;
      case 'applied': {
        const node = this.peers.nodeOf(writer);
        const isKnown = node !== null && item.shard < SHARDS;
        if (isKnown) this.announcements.onApplied(node, item.shard, item.call);
        break;
      }
      case 'look':
        this.onLook();
        break;
    }
  }

  private onJoined(node: string, observer: FabricObserver): void {
    this.peers.add(node);
    this.announcements.onJoined(node);
    observer.onJoined(node);
    this.followers.tellOf(node, observer);
    // It may have told the maps something before it was known here.
    for (const [shard, call] of this.followers.callsOf(writerOf(node)).entries()) {
      if (call > 0) this.peers.send(node, { kind: 'applied', shard, call }, null);
    }
  }
}
