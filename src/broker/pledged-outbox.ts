/**
 * The outbox of a transient session in a cluster. It ends with its broker, but what came to it
 * through a shared subscription at QoS 1 must not: that is pledged to the group until it is done.
 */
import type { Message } from '../protocol/message.js';
import type { Pledge } from '../store/fabric.js';
import type { BrokerContext } from './context.js';
import { Outbox } from './outbox.js';
import type { Peers } from './peers.js';
import type { SharedGroup } from './shared-group.js';

/** An outbox for a session that no store has. */
export function newOutbox({ peers }: BrokerContext): Outbox {
  return peers === null ? new Outbox() : new PledgedOutbox(peers);
}

export class PledgedOutbox extends Outbox {
  private readonly peers: Pick<Peers, 'pledge'>;
  /** Of messages that are not done, by number. */
  private pledges = new Map<number, Pledge>();

  constructor(peers: Pick<Peers, 'pledge'>) {
    super();
    this.peers = peers;
  }

  get hasPledges(): boolean {
    return this.pledges.size > 0;
  }

  /** Gives away the pledges, for whoever passes on what is left. */
  takePledges(): Iterable<Pledge> {
    const { pledges } = this;
    this.pledges = new Map();
    return pledges.values();
  }

  override setGroupOf(seq: number, group: SharedGroup | null): void {
    super.setGroupOf(seq, group);
    const slot = seq & this.mask;
    if (group === null || this.qosAt(slot) !== 1) return;
    const message: Message | null = this.messages[slot]!;
    if (message !== null) this.pledges.set(seq, this.peers.pledge(message, group));
  }

  protected override finish(slot: number): void {
    super.finish(slot);
    if (this.pledges.size === 0) return;
    const seq = this.seqAt(slot);
    const pledge = this.pledges.get(seq);
    if (pledge === undefined) return;
    this.pledges.delete(seq);
    pledge.fulfil();
  }

  protected override move(from: number, to: number): void {
    const seq = this.seqAt(from);
    const pledge = this.pledges.get(seq);
    if (pledge !== undefined) {
      this.pledges.delete(seq);
      this.pledges.set(this.seqAt(to), pledge);
    }
    super.move(from, to);
  }

  private seqAt(slot: number): number {
    return this.firstSeq + ((slot - this.firstSeq) & this.mask);
  }
}
