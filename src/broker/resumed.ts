/**
 * What the store says of a queue when its client connects, until the window has passed it: what is
 * done, what is released, and which messages the client may have been sent already.
 *
 *     firstSeq ── sent ── nextSeq ── perhaps ── unsentSeq ── not sent ── endSeq
 *
 * Between the two, after a crash, everything was safe and so may have gone out. But of what the
 * store did not know to be done, no more went out than may be in flight and unsettled together.
 * "Perhaps" means DUP: it says that this might be a repetition, and what is one must have it
 * [MQTT-3.3.1-1].
 *
 * Of what lapsed the message is gone. A client that has it waits for PUBREL, and to one that has
 * it not PUBREL says nothing. PUBREC of a later message was known only after its own, so what lies
 * before a released one is as good as released.
 */
import type { Limits } from '../config/limits.js';
import type { Claim } from '../store/store.js';
import { IDS } from './outbox-flags.js';

export const Sent = { No: 0, Perhaps: 1, Yes: 2 } as const;
export type Sent = (typeof Sent)[keyof typeof Sent];

export class Resumed {
  readonly done: Set<number>;
  readonly released: Set<number>;
  /** See `Claim.lapsed`: those whose PUBREC is not known. */
  readonly lapsed: Set<number>;
  /** Nothing of this is about a number below. */
  readonly firstSeq: number;
  /** Messages from here on were not sent. */
  readonly unsentSeq: number;
  /** One past the last number that any of this is about. */
  readonly endSeq: number;
  private readonly nextSeq: number;
  /** Only a client that gets QoS 2 can wait for PUBREL. */
  private readonly hasQos2: boolean;
  /** Messages that are not done and may have been sent, beyond those that were asked about. */
  private left: number;

  constructor(claim: Claim, limits: Limits) {
    const { done, nextSeq, unsentSeq, subscriptions } = claim;
    this.hasQos2 = subscriptions.some(({ options }) => (options & 3) === 2);
    const lapsed = this.hasQos2 ? claim.lapsed : [];
    const lastReleased = claim.released.at(-1) ?? 0;
    const last = Math.max(done.at(-1) ?? 0, lastReleased, lapsed.at(-1) ?? 0);
    const released = [...claim.released, ...lapsed.filter((seq) => seq < lastReleased)];
    this.done = new Set(done);
    this.released = new Set(released.sort((a, b) => a - b));
    this.lapsed = new Set(lapsed.filter((seq) => seq > lastReleased));
    this.firstSeq = Math.min(claim.firstSeq, released[0] ?? Infinity, lapsed[0] ?? Infinity);
    this.nextSeq = nextSeq;
    this.unsentSeq = unsentSeq;
    this.endSeq = Math.max(unsentSeq, last + 1);
    this.left = sentUnsettledMax(limits);
  }

  /** Whether a message was sent; to be asked about each that is not done, once, ascending. */
  sentBefore(seq: number): Sent {
    const isLeft = this.left > 0;
    if (isLeft) this.left--;
    if (seq < this.nextSeq) return Sent.Yes;
    return isLeft && seq < this.unsentSeq ? Sent.Perhaps : Sent.No;
  }

  /** What lapsed since the claim, of what was sent before it. */
  onLapsed(seqs: readonly number[]): void {
    if (!this.hasQos2) return;
    for (const seq of seqs) {
      if (seq < this.unsentSeq && !this.released.has(seq)) this.lapsed.add(seq);
    }
  }

  /** Whether any message from `seq` on, up to which all were asked about, may have been sent. */
  mayBeSentFrom(seq: number): boolean {
    return this.left > 0 && seq < this.unsentSeq;
  }
}

/** As many messages as a client can have been sent while the store took them for not done. */
function sentUnsettledMax({ inflightMessagesMax, unsettledMessagesMax }: Limits): number {
  return (inflightMessagesMax || IDS) + unsettledMessagesMax;
}
