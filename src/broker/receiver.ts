/**
 * Receiving side of QoS 2, per session. The message goes on at its first PUBLISH; only the
 * packet identifier is held [MQTT-4.3.3-10].
 *
 *   absent ──PUBLISH──▶ held ──PUBREL──▶ absent
 *                        └─PUBLISH─▶ held   (PUBREC again, no delivery)
 *
 * Identifiers outlive the connection, the client's send quota does not: it is full again on the
 * next one, and what is held since before takes from it only when it is sent again (section 4.9).
 *
 * Invariant: the connection checks `inflight` against Receive Maximum before it adds.
 */
export class Receiver {
  /** Messages of this connection without PUBCOMP: the send quota as the client counts it. */
  inflight = 0;
  /** Sent on this connection. */
  private held = new Set<number>();
  /** Held since an earlier connection and not sent again on this one; null: none. */
  private earlier: Set<number> | null = null;

  /** Identifiers that are held. */
  get size(): number {
    return this.held.size + (this.earlier?.size ?? 0);
  }

  /** The client is on another connection. */
  onConnected(): void {
    this.inflight = 0;
    if (this.held.size === 0) return;
    this.earlier = new Set([...(this.earlier ?? []), ...this.held]);
    this.held = new Set();
  }

  isHeld(packetId: number): boolean {
    return this.held.has(packetId) || (this.earlier?.has(packetId) ?? false);
  }

  /** The message was routed: its identifier is held until PUBREL. */
  onPublish(packetId: number): void {
    const before = this.held.size;
    this.held.add(packetId);
    this.inflight += this.held.size - before;
  }

  /** The message of an identifier that is held came again. */
  onRepeated(packetId: number): void {
    if (this.earlier === null || !this.earlier.delete(packetId)) return;
    this.held.add(packetId);
    this.inflight++;
  }

  /** False when the identifier is unknown: answer PUBCOMP 0x92, which frees quota all the same. */
  onPubrel(packetId: number): boolean {
    if (this.inflight > 0) this.inflight--;
    return this.held.delete(packetId) || (this.earlier?.delete(packetId) ?? false);
  }
}
