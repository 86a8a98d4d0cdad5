/**
 * Acknowledgements that wait until what they say is true: the message is safe in every queue that
 * it is for (promise P1). Per connection they leave in the order of its PUBLISH packets
 * [MQTT-4.6.0-2] [MQTT-4.6.0-3], so one that is ready waits for those before it.
 */

import type { Limits } from '../config/limits.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import type { Pausable } from './pressure.js';

/** The connection that acknowledgements wait on. */
export interface AckSource extends Pausable {
  readonly core: { readonly limits: Pick<Limits, 'acknowledgementsWaitingMax'> };
}

/** The acknowledgement of one PUBLISH. */
export class PendingAck {
  /** Writes that are not safe yet. */
  pending = 0;
  /** PUBACK_BYTE or PUBREC_BYTE. */
  firstByte = 0;
  packetId = 0;
  reasonCode = 0;
  /** Reason String; null: none. */
  reason: string | null = null;
  /** A queue did not take the message, and `queue_full_policy refuse` says to tell. */
  isRefused = false;
  /** What comes before it goes out was begun: see `AckSender.prepare`. */
  isPrepared = false;
  private owner: PendingAcks | null = null;

  /** Says that the message was not taken. */
  get isFailed(): boolean {
    return this.isRefused || this.reasonCode >= ReasonCode.UnspecifiedError;
  }

  /** It goes out on the connection that `owner` belongs to. */
  waitIn(owner: PendingAcks): void {
    this.owner = owner;
    this.isPrepared = false;
  }

  /** One write is safe. */
  onSafe(): void {
    this.pending--;
    if (this.pending === 0) this.owner?.onReady(this);
  }
}

export interface AckSender {
  /** All writes are safe. It may begin more, which count in `pending`. */
  prepare(ack: PendingAck): void;
  send(ack: PendingAck): void;
}

/** Those of one connection, oldest first. */
export class PendingAcks {
  // What was sent leaves a null behind, or it would grow old with the list.
  private waiting: (PendingAck | null)[] = [];
  private head = 0;
  private isHolding = false;
  private readonly sender: AckSender;
  private readonly source: AckSource | null;

  /** @param source who is paused while too many wait; null: nobody */
  constructor(sender: AckSender, source: AckSource | null = null) {
    this.sender = sender;
    this.source = source;
  }

  get isEmpty(): boolean {
    return this.head === this.waiting.length;
  }

  get size(): number {
    return this.waiting.length - this.head;
  }

  add(ack: PendingAck): void {
    ack.waitIn(this);
    this.waiting.push(ack);
    if (ack.pending === 0) this.onReady(ack);
    const { source } = this;
    if (this.isHolding || source === null) return;
    if (this.size < source.core.limits.acknowledgementsWaitingMax) return;
    this.isHolding = true;
    source.hold();
  }

  /** An acknowledgement is ready, wherever it stands. */
  onReady(ack: PendingAck): void {
    if (!ack.isPrepared) {
      ack.isPrepared = true;
      this.sender.prepare(ack);
      if (ack.pending > 0) return;
    }
    this.sendReady();
  }

  /** Sends from the oldest on, up to the first that is not ready. */
  private sendReady(): void {
    const { waiting } = this;
    while (this.head < waiting.length && waiting[this.head]!.pending === 0) {
      const ack = waiting[this.head]!;
      waiting[this.head++] = null;
      this.sender.send(ack);
    }
    if (this.head === waiting.length) {
      waiting.length = 0;
      this.head = 0;
    } else if (this.head > 1024 && this.head * 2 > waiting.length) {
      this.waiting = waiting.slice(this.head);
      this.head = 0;
    }
    const { source } = this;
    if (!this.isHolding || source === null) return;
    if (this.size > source.core.limits.acknowledgementsWaitingMax / 2) return;
    this.isHolding = false;
    source.release();
  }
}

/** Calls back when all that `ack` waits for is safe; at once for null. */
export function onceSafe(ack: PendingAck | null, then: () => void): void {
  if (ack === null) then();
  else new PendingAcks({ prepare: () => undefined, send: then }).add(ack);
}
