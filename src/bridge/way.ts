/**
 * One direction of a bridge: messages from one broker to the other, with their packet identifiers.
 *
 *     source                     way                    destination
 *       ├──PUBLISH(id)───────────▶├──PUBLISH(id)───────────▶┤
 *       │◀──────PUBACK/PUBREC(id)─┤◀──────PUBACK/PUBREC(id)─┤
 *       ├──PUBREL(id)────────────▶├──PUBREL(id)────────────▶┤
 *       │◀────────────PUBCOMP(id)─┤◀────────────PUBCOMP(id)─┤
 *
 * A message has the same identifier on both sides, and an acknowledgement is passed on only when
 * the other broker has sent it. So whatever there is to know about a message, the sessions at the
 * two brokers know: when the bridge ends at any moment, and another one begins in its place, the
 * source repeats what it must, the destination recognises it, and nothing is lost or doubled.
 */
import { MqttError } from '../protocol/mqtt-error.js';
import { PUBACK, PUBCOMP, PUBREC } from '../protocol/packet-types.js';
import { AcknowledgementReader, PublishReader } from '../protocol/publish-reader.js';
import { PUBACK_BYTE, PUBCOMP_BYTE, PUBREC_BYTE, PUBREL_BYTE } from '../protocol/publish-writer.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { AckOrder } from './ack-order.js';
import { encodeAcknowledgement, encodePublish } from './publish-packet.js';

const NO_PROPERTIES = new Uint8Array(0);

/** One of the two connections, as far as messages are concerned. */
export interface WayEnd {
  readonly isV5: boolean;
  /** Bytes that were sent and have not left. */
  readonly backlog: number;
  send(packet: Buffer): void;
  hold(): void;
  release(): void;
  /** Calls back, once, when what was sent has left. */
  onDrained(then: () => void): void;
}

export interface WayOptions {
  readonly source: WayEnd;
  readonly destination: WayEnd;
  /** The name at the destination; null: no `topic` line asks for it. */
  readonly map: (topic: string) => string | null;
  /** Why the destination would close the connection on it; null: it would not. */
  readonly objection: (topic: string, reader: PublishReader, bytes: Buffer) => string | null;
  /** Of the destination: 0 to 2. */
  readonly maximumQos: number;
  /** Bytes of a packet to the destination; Infinity: no limit. */
  readonly maximumPacketSize: number;
  readonly keepsRetain: boolean;
  /** QoS 2 messages in flight to the destination at once. */
  readonly inflight2Max: number;
  /** Bytes waiting for the destination from which on QoS 0 is dropped, or its source held. */
  readonly backlogMax: number;
  readonly whenFull: 'drop' | 'hold';
  /**
   * Index: identifier; 0: not used since the source forgot its session, while the destination may
   * hold it. It is released before it is used, or a new QoS 2 message would pass for an old one.
   * Null: both know of the same messages.
   */
  readonly used: Uint8Array | null;
  /** Of every PUBLISH from the source. */
  readonly onMessage: (topic: string, payload: Buffer) => void;
  readonly onDropped: (why: Dropped, topic: string) => void;
}

export type Dropped = 'too large' | 'slow' | 'invalid' | 'refused';

export class Way {
  private readonly options: WayOptions;
  private readonly reader = new PublishReader();
  private readonly acknowledgement = new AcknowledgementReader();
  private readonly qos1: AckOrder;
  private readonly qos2: AckOrder;
  /** QoS 2 identifiers between PUBLISH and PUBCOMP of the destination. */
  private readonly open2 = new Set<number>();
  /** QoS 2 messages that have to wait for one of those. */
  private waiting2: { readonly packetId: number; readonly packet: Buffer }[] = [];
  /** Identifiers that were released as forgotten: the answers are nobody else's. */
  private readonly releasing = new Set<number>();
  private isHolding = false;

  constructor(options: WayOptions) {
    this.options = options;
    const { source } = options;
    const codeFor = (code: number): number => (source.isV5 ? code : ReasonCode.Success);
    this.qos1 = new AckOrder((id, code) =>
      source.send(encodeAcknowledgement(PUBACK_BYTE, id, codeFor(code))),
    );
    this.qos2 = new AckOrder((id, code) =>
      source.send(encodeAcknowledgement(PUBREC_BYTE, id, codeFor(code))),
    );
  }

  /** PUBLISH from the source. @throws MqttError for what is none */
  onPublish(firstByte: number, bytes: Buffer, start: number, end: number): void {
    const { reader, options } = this;
    reader.read(bytes, firstByte & 15, start, end, options.source.isV5);
    const { qos, packetId, topicAliasAt } = reader;
    if (topicAliasAt >= 0) {
      throw new MqttError(ReasonCode.TopicAliasInvalid, 'a Topic Alias that was not asked for');
    }
    if (qos === 1) this.qos1.add(packetId);
    else if (qos === 2) this.qos2.add(packetId);
    const name = bytes.toString('utf8', reader.topicStart, reader.topicEnd);
    options.onMessage(name, bytes.subarray(reader.payloadStart, reader.end));
    const topic = options.map(name);
    if (topic === null) {
      this.settle(packetId, ReasonCode.Success);
    } else if (options.objection(topic, reader, bytes) !== null) {
      this.drop('invalid', topic, packetId);
    } else {
      this.pass(topic, bytes);
    }
  }

  /** Frees a QoS 2 identifier at the destination whose message the source knows nothing of. */
  release(packetId: number): void {
    this.releasing.add(packetId);
    this.options.destination.send(encodeAcknowledgement(PUBREL_BYTE, packetId));
  }

  /** PUBREL from the source. */
  onPubrel(bytes: Buffer, start: number, end: number): void {
    const { source, destination, maximumQos } = this.options;
    this.acknowledgement.read(bytes, start, end, source.isV5, true);
    const { packetId } = this.acknowledgement;
    if (maximumQos === 2) destination.send(encodeAcknowledgement(PUBREL_BYTE, packetId));
    else source.send(encodeAcknowledgement(PUBCOMP_BYTE, packetId));
  }

  /** PUBACK, PUBREC or PUBCOMP from the destination. */
  onAcknowledged(firstByte: number, bytes: Buffer, start: number, end: number): void {
    const type = firstByte >>> 4;
    const { acknowledgement } = this;
    const { source, destination } = this.options;
    acknowledgement.read(bytes, start, end, destination.isV5, type === PUBCOMP);
    const { packetId, reasonCode } = acknowledgement;
    const isRefused = type !== PUBCOMP && reasonCode >= ReasonCode.UnspecifiedError;
    if (isRefused) this.options.onDropped('refused', '');
    if (type === PUBACK || type === PUBREC) this.settle(packetId, reasonCode);
    if (type === PUBREC && !isRefused) return;
    if (type === PUBCOMP) {
      if (this.releasing.delete(packetId)) return;
      // Also of messages that were sent before this connection.
      source.send(encodeAcknowledgement(PUBCOMP_BYTE, packetId));
    }
    if (this.open2.delete(packetId)) this.sendWaiting();
  }

  /** Sends the message that `reader` has just read on to the destination. */
  private pass(topic: string, bytes: Buffer): void {
    const { reader, options } = this;
    const { destination, keepsRetain, maximumQos, maximumPacketSize } = options;
    const { packetId, propertiesStart, payloadStart } = reader;
    const qos = Math.min(reader.qos, maximumQos);
    if (
      reader.qos === 0 &&
      options.whenFull === 'drop' &&
      destination.backlog > options.backlogMax
    ) {
      options.onDropped('slow', topic);
      return;
    }
    const properties = bytes.subarray(propertiesStart, payloadStart);
    const packet = encodePublish({
      ...{ topic, qos, packetId, dup: reader.dup },
      retain: reader.retain && keepsRetain,
      properties: destination.isV5 ? (options.source.isV5 ? properties : NO_PROPERTIES) : null,
      payload: bytes.subarray(payloadStart, reader.end),
    });
    if (packet.length > maximumPacketSize) {
      this.drop('too large', topic, packetId);
      return;
    }
    if (qos === 2) this.sendQos2(packetId, packet);
    else destination.send(packet);
    if (qos === 0) this.settle(packetId, ReasonCode.Success);
    if (options.whenFull === 'hold' && destination.backlog > options.backlogMax) this.holdSource();
  }

  private sendQos2(packetId: number, packet: Buffer): void {
    const { inflight2Max } = this.options;
    if (this.waiting2.length > 0 || this.open2.size >= inflight2Max) {
      this.waiting2.push({ packetId, packet });
    } else {
      this.sendQos2Now(packetId, packet);
    }
  }

  private sendQos2Now(packetId: number, packet: Buffer): void {
    const { destination, used } = this.options;
    this.open2.add(packetId);
    if (used !== null && used[packetId] === 0) {
      used[packetId] = 1;
      this.release(packetId);
    }
    destination.send(packet);
  }

  private sendWaiting(): void {
    const next = this.waiting2.shift();
    if (next !== undefined) this.sendQos2Now(next.packetId, next.packet);
  }

  private drop(why: Dropped, topic: string, packetId: number): void {
    this.options.onDropped(why, topic);
    this.settle(packetId, ReasonCode.Success);
  }

  /** The message that came with this identifier is done with, or taken. */
  private settle(packetId: number, reasonCode: number): void {
    if (packetId === 0) return;
    if (this.qos1.has(packetId)) this.qos1.settle(packetId, reasonCode);
    else this.qos2.settle(packetId, reasonCode);
  }

  private holdSource(): void {
    if (this.isHolding) return;
    this.isHolding = true;
    const { source, destination } = this.options;
    source.hold();
    destination.onDrained(() => {
      this.isHolding = false;
      source.release();
    });
  }
}
