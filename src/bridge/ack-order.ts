/**
 * Acknowledgements leave in the order of their PUBLISH packets [MQTT-4.6.0-2], also where one
 * message was settled here and those before it wait for the other broker.
 */

const WAITING = -1;

export class AckOrder {
  /** Packet identifier → reason code, in the order of the PUBLISH packets. */
  private readonly codes = new Map<number, number>();
  private readonly send: (packetId: number, reasonCode: number) => void;

  constructor(send: (packetId: number, reasonCode: number) => void) {
    this.send = send;
  }

  has(packetId: number): boolean {
    return this.codes.has(packetId);
  }

  add(packetId: number): void {
    if (!this.codes.has(packetId)) this.codes.set(packetId, WAITING);
  }

  /** The message has been taken, or never will be. Unknown identifiers are ignored. */
  settle(packetId: number, reasonCode: number): void {
    if (!this.codes.has(packetId)) return;
    this.codes.set(packetId, reasonCode);
    for (const [id, code] of this.codes) {
      if (code === WAITING) return;
      this.codes.delete(id);
      this.send(id, code);
    }
  }
}
