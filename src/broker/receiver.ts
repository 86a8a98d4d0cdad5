/**
 * Receiving side of QoS 2, per session. The message goes on at its first PUBLISH; only the
 * packet identifier is held [MQTT-4.3.3-10].
 *
 *   absent ──PUBLISH──▶ held ──PUBREL──▶ absent
 *                        └─PUBLISH─▶ held   (PUBREC again, no delivery)
 *
 * Invariant: the connection checks `size` against Receive Maximum before it adds.
 */
export class Receiver {
  private readonly held = new Set<number>();

  get size(): number {
    return this.held.size;
  }

  isHeld(packetId: number): boolean {
    return this.held.has(packetId);
  }

  /** The message was routed: its identifier is held until PUBREL. */
  onPublish(packetId: number): void {
    this.held.add(packetId);
  }

  /** False when the identifier is unknown: answer PUBCOMP 0x92. */
  onPubrel(packetId: number): boolean {
    return this.held.delete(packetId);
  }
}
