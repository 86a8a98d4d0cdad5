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
import type { HeldId } from '../store/store.js';
import type { PendingAck } from './pending-acks.js';

export class Receiver {
  /** Messages of this connection without PUBCOMP: the send quota as the client counts it. */
  inflight = 0;
  /** Sent on this connection. */
  private held = new Set<number>();
  /** Held since an earlier connection and not sent again on this one; null: none. */
  private earlier: Set<number> | null = null;
  /** Identifier → number of a message that may not have reached everybody; null: none. */
  private unrouted: Map<number, number> | null = null;
  /** Identifier → its PUBREC, which waits for the store; null: none. */
  private pending: Map<number, PendingAck> | null = null;

  /** Identifiers that are held. */
  get size(): number {
    return this.held.size + (this.earlier?.size ?? 0);
  }

  /**
   * What a store holds of the session.
   *
   * @param before of the session's last connection to this broker; null: there was none
   */
  restore(held: readonly HeldId[], isRouted: boolean, before: Receiver | null): void {
    this.pending = before?.pending ?? null;
    for (const { packetId, number } of held) {
      if (isRouted || before?.isHeld(packetId)) {
        this.earlier ??= new Set();
        this.earlier.add(packetId);
      } else {
        this.unrouted ??= new Map();
        this.unrouted.set(packetId, number);
      }
    }
  }

  /** The number that the message had when its delivery was cut off; 0: it is a new one. */
  resumeNumber(packetId: number): number {
    return this.unrouted?.get(packetId) ?? 0;
  }

  /** PUBREC waits for the store. */
  awaitSafe(packetId: number, ack: PendingAck): void {
    this.pending ??= new Map();
    this.pending.set(packetId, ack);
  }

  /** PUBREC that still waits for the store, or refuses; null: the message is safe. */
  pendingOf(packetId: number): PendingAck | null {
    const ack = this.pending?.get(packetId) ?? null;
    if (ack === null || ack.pending > 0 || ack.isFailed) return ack;
    this.pending!.delete(packetId);
    return null;
  }

  /** Nothing is held, and the client owes nothing: such a receiver need not be kept. */
  get isEmpty(): boolean {
    return this.size === 0 && (this.unrouted?.size ?? 0) === 0 && (this.pending?.size ?? 0) === 0;
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
    this.unrouted?.delete(packetId);
    this.held.add(packetId);
    this.inflight += this.held.size - before;
  }

  /** The message of an identifier that is held came again. */
  onRepeated(packetId: number): void {
    if (this.earlier === null || !this.earlier.delete(packetId)) return;
    this.held.add(packetId);
    this.inflight++;
  }

  /** True when the client may not use the identifier for another message: a store may have it. */
  isTaken(packetId: number): boolean {
    return this.isHeld(packetId) || (this.unrouted?.has(packetId) ?? false);
  }

  /** The client was told that the message was refused: the identifier is free. */
  forget(packetId: number): void {
    if (this.held.delete(packetId) && this.inflight > 0) this.inflight--;
    this.earlier?.delete(packetId);
    this.unrouted?.delete(packetId);
    this.pending?.delete(packetId);
  }

  /** False when the identifier is unknown: answer PUBCOMP 0x92, which frees quota all the same. */
  onPubrel(packetId: number): boolean {
    if (this.inflight > 0) this.inflight--;
    this.pending?.delete(packetId);
    if (this.unrouted?.delete(packetId)) return true;
    return this.held.delete(packetId) || (this.earlier?.delete(packetId) ?? false);
  }
}
