/** The other live brokers, and the way to each. */

import { createHash } from 'node:crypto';
import type { SharedMark } from '../../fabric.js';
import { FORWARD_DROPPED } from '../tuning.js';
import type { FabricHome } from './fabric-home.js';
import type { Appended, FrameItem } from './frames.js';
import { InboxLane, lastOf } from './inbox-lane.js';
import { writerOf } from './node-id.js';
import { Untold } from './untold.js';

export class Peers {
  readonly nodes = new Set<string>();
  /** There was one, and may have left something in the inbox. */
  hasHad = false;
  private readonly lanes = new Map<string, InboxLane>();
  private readonly byWriter = new Map<string, string>();
  private readonly untold = new Untold();
  private readonly home: FabricHome;

  constructor(home: FabricHome) {
    this.home = home;
  }

  add(node: string): void {
    this.hasHad = true;
    this.nodes.add(node);
    this.lanes.set(node, new InboxLane(this.home, node));
    this.byWriter.set(writerOf(node), node);
    const unknown = { endSeq: 0, records: [], dropped: [] };
    for (const clientId of this.untold.takeOf(node)) this.appended(node, { clientId, ...unknown });
  }

  /** It is dead, or has left: what waits for it is done. */
  remove(node: string): void {
    this.nodes.delete(node);
    this.byWriter.delete(writerOf(node));
    const lane = this.lanes.get(node);
    this.lanes.delete(node);
    lane?.end();
  }

  /** The broker with this writer; null: none that is alive. */
  nodeOf(writer: string): string | null {
    return this.byWriter.get(writer) ?? null;
  }

  /** Bytes that wait for others, or are on their way to them. */
  get pendingBytes(): number {
    let bytes = 0;
    for (const lane of this.lanes.values()) bytes += lane.pendingBytes;
    return bytes;
  }

  /** @param onDead called instead of `onDone` when it is not there, and never will be */
  send(
    node: string,
    item: FrameItem,
    onDone: (() => void) | null,
    onDead: (() => void) | null = onDone,
  ): void {
    const lane = this.lanes.get(node);
    if (lane !== undefined) lane.add(item, onDone, onDead);
    else if (onDead !== null) queueMicrotask(onDead);
  }

  sendAll(item: FrameItem): void {
    for (const lane of this.lanes.values()) lane.add(item, null, null);
  }

  publish(node: string, record: Buffer, mark: SharedMark | null, onDone: () => void): void {
    this.send(node, { kind: 'publish', record, mark }, onDone);
  }

  appended(node: string, { clientId, endSeq, records, dropped }: Appended): void {
    if (!this.lanes.has(node)) {
      this.untold.note(node, clientId);
      return;
    }
    const told = lastOf(endSeq, records, dropped);
    const some = dropped.slice(0, FORWARD_DROPPED);
    this.send(node, { kind: 'appended', clientId, endSeq, records: told, dropped: some }, null);
  }

  /**
   * Which of some brokers is to look after something: each one says the same, as long as they know
   * the same ones, and little changes when one comes or goes (rendezvous hashing).
   */
  static chosen(name: string, nodes: Iterable<string>): string | null {
    let best: string | null = null;
    let most = '';
    for (const node of nodes) {
      const weight = createHash('sha1').update(`${node}\n${name}`).digest('hex');
      if (weight <= most) continue;
      most = weight;
      best = node;
    }
    return best;
  }
}
