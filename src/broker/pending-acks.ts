/**
 * Acknowledgements that wait until what they say is true: the message is safe in every queue that
 * it is for (promise P1). Per connection they leave in the order of its PUBLISH packets
 * [MQTT-4.6.0-2] [MQTT-4.6.0-3], so one that is ready waits for those before it.
 */

/** The acknowledgement of one PUBLISH. */
export class PendingAck {
  /** Writes that are not safe yet. */
  pending = 0;
  /** PUBACK or PUBREC; set by `PendingAcks.add`. */
  firstByte = 0;
  packetId = 0;
  reasonCode = 0;
  /** A queue did not take the message, and `queue_full_policy refuse` says to tell. */
  isRefused = false;
  private owner: PendingAcks | null = null;

  /** The writes are on their way, and the answer is known. */
  waitIn(owner: PendingAcks, firstByte: number, packetId: number, reasonCode: number): void {
    this.owner = owner;
    this.firstByte = firstByte;
    this.packetId = packetId;
    this.reasonCode = reasonCode;
  }

  /** One write is safe. */
  onSafe(): void {
    this.pending--;
    if (this.pending === 0) this.owner?.sendReady();
  }
}

/** Those of one connection, oldest first. */
export class PendingAcks {
  private waiting: PendingAck[] = [];
  private head = 0;
  private readonly send: (ack: PendingAck) => void;

  constructor(send: (ack: PendingAck) => void) {
    this.send = send;
  }

  get isEmpty(): boolean {
    return this.head === this.waiting.length;
  }

  get size(): number {
    return this.waiting.length - this.head;
  }

  add(ack: PendingAck, firstByte: number, packetId: number, reasonCode: number): void {
    ack.waitIn(this, firstByte, packetId, reasonCode);
    this.waiting.push(ack);
    if (ack.pending === 0) this.sendReady();
  }

  /** Sends from the oldest on, up to the first that is not ready. */
  sendReady(): void {
    const { waiting } = this;
    while (this.head < waiting.length && waiting[this.head]!.pending === 0) {
      const ack = waiting[this.head]!;
      this.head++;
      this.send(ack);
    }
    if (this.head === waiting.length) {
      waiting.length = 0;
      this.head = 0;
    } else if (this.head > 1024 && this.head * 2 > waiting.length) {
      this.waiting = waiting.slice(this.head);
      this.head = 0;
    }
  }
}
