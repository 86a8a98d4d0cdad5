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
 */
import type { Limits } from '../config/limits.js';
import type { Claim } from '../store/store.js';
import { IDS } from './outbox-flags.js';

export const Sent = { No: 0, Perhaps: 1, Yes: 2 } as const;
export type Sent = (typeof Sent)[keyof typeof Sent];

export class Resumed {
  readonly done: Set<number>;
  readonly released: Set<number>;
  /** Messages from here on were not sent. */
  readonly unsentSeq: number;
  /** One past the last number that any of this is about. */
  readonly endSeq: number;
  private readonly nextSeq: number;
  /** Messages that are not done and may have been sent, beyond those that were asked about. */
  private left: number;

  constructor({ done, released, nextSeq, unsentSeq }: Claim, limits: Limits) {
    const last = Math.max(done.at(-1) ?? 0, released.at(-1) ?? 0);
    this.done = new Set(done);
    this.released = new Set(released);
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

  /** Whether any message from `seq` on, up to which all were asked about, may have been sent. */
  mayBeSentFrom(seq: number): boolean {
    return this.left > 0 && seq < this.unsentSeq;
  }
}

/** As many messages as a client can have been sent while the store took them for not done. */
function sentUnsettledMax({ inflightMessagesMax, unsettledMessagesMax }: Limits): number {
  return (inflightMessagesMax || IDS) + unsettledMessagesMax;
}
