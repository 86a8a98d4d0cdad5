/**
 * An application message on its way. Hot path.
 *
 * A message may be a *view* of a packet in the read buffer, valid for this turn's parsing only,
 * or *kept*: its bytes live in a slab. Both look alike to whoever encodes them.
 *
 *     block:  … [properties][payload] …
 *               ^            ^         ^
 *               propertiesStart        end
 *                            payloadStart
 *
 * The properties are raw MQTT 5.0 bytes without their length, without Topic Alias and
 * Subscription Identifiers, in the publisher's order [MQTT-3.3.2-18].
 */
import { type Block, copyBytes, type Slab } from '../base/block.js';

/** A topic name with its bytes at hand. */
export class TopicName {
  readonly name: string;
  /** `block.bytes[start..end)` is `name` in UTF-8. */
  readonly block: Block;
  readonly start: number;
  readonly end: number;

  constructor(name: string, block: Block, start: number, end: number) {
    this.name = name;
    this.block = block;
    this.start = start;
    this.end = end;
  }
}

export const NEVER = Number.POSITIVE_INFINITY;

export class Message {
  topic: TopicName;
  qos: number;
  retain: boolean;
  block: Block;
  propertiesStart: number;
  payloadStart: number;
  end: number;
  /** Index in `block` of the four bytes of Message Expiry Interval; -1 without. */
  expiryAt: number;
  /** Monotonic milliseconds; NEVER without an expiry. */
  expiresAtMs: number;
  /** Client id of the publisher, for No Local; null: the broker itself. */
  publisherId: string | null;
  /**
   * The whole PUBLISH packet in `block`, which may go to other connections of the same version
   * and QoS as it is, but for the first byte and the packet identifier. Without Topic Alias and
   * expiry only; RETAIN is 0 at QoS 0. -1: there is none.
   */
  rawStart: number;
  rawEnd: number;
  /** Index of the packet identifier in it. */
  rawIdAt: number;
  /** True when the properties came from (or the raw packet is for) MQTT 5.0. */
  isV5: boolean;
  /** The kept twin of a view, made at most once; a kept message is its own. */
  kept: Message | null;
  /** Its bytes are in a slab for messages that stay. */
  isLongLived: boolean;

  constructor(topic: TopicName, block: Block) {
    this.topic = topic;
    this.qos = 0;
    this.retain = false;
    this.block = block;
    this.propertiesStart = 0;
    this.payloadStart = 0;
    this.end = 0;
    this.expiryAt = -1;
    this.expiresAtMs = NEVER;
    this.publisherId = null;
    this.rawStart = -1;
    this.rawEnd = -1;
    this.rawIdAt = -1;
    this.isV5 = false;
    this.kept = null;
    this.isLongLived = false;
  }

  get payloadLength(): number {
    return this.end - this.payloadStart;
  }

  /** Bytes that a copy of it occupies, roughly, for limits. */
  get size(): number {
    return this.end - this.propertiesStart;
  }

  /** A message that outlives the turn. Views are copied to `slab`, once. */
  keep(slab: Slab): Message {
    if (this.kept !== null) return this.kept;
    const copy = new Message(this.topic, this.block);
    copy.copyFrom(this, slab);
    copy.kept = copy;
    this.kept = copy;
    return copy;
  }

  /** As `keep`, for a message that stays: its bytes are in `slab`. */
  keepLong(slab: Slab): Message {
    if (this.kept === null) this.keep(slab).isLongLived = true;
    else this.kept.settle(slab);
    return this.kept!;
  }

  /** Moves the bytes to a slab for messages that stay, so as not to pin a busy one. Idempotent. */
  settle(slab: Slab): void {
    if (this.isLongLived) return;
    this.copyFrom(this, slab);
    this.isLongLived = true;
  }

  private copyFrom(source: Message, slab: Slab): void {
    const length = source.end - source.propertiesStart;
    slab.take(length);
    const at = slab.offset;
    copyBytes(slab.block, at, source.block, source.propertiesStart, source.end);
    const shift = at - source.propertiesStart;
    this.qos = source.qos;
    this.retain = source.retain;
    this.expiresAtMs = source.expiresAtMs;
    this.publisherId = source.publisherId;
    this.isV5 = source.isV5;
    this.expiryAt = source.expiryAt < 0 ? -1 : source.expiryAt + shift;
    this.payloadStart = source.payloadStart + shift;
    this.end = source.end + shift;
    this.propertiesStart = at;
    this.block = slab.block;
  }
}
