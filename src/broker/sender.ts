/**
 * The outbound half of a connection: turns messages into packets for this client. Hot path.
 */
import { type Block, copyBytes } from '../base/block.js';
import type { Message } from '../protocol/message.js';
import {
  ACKNOWLEDGEMENT_BYTES,
  noExtras,
  PUBACK_BYTE,
  PublishExtras,
  packetSize,
  publishByte,
  publishRemainingLength,
  REASONED_ACKNOWLEDGEMENT_BYTES,
  writeAcknowledgement,
  writePublish,
  writeReasonedAcknowledgement,
} from '../protocol/publish-writer.js';
import type { BrokerContext } from './context.js';
import type { FrameCache } from './frames.js';
import { DropReason } from './metrics.js';
import { NEW_ALIAS_BYTES, OutboundAliases } from './outbound-aliases.js';
import type { Output } from './output.js';
import { type Pausable, Pressure } from './pressure.js';

/** QoS > 0 waits in the session's queue while more than this waits for the socket. */
const READY_BYTES = 128 * 1024;

/** Up to here, copying a packet for each of many recipients is cheaper than making a frame. */
const RAW_BYTES_MAX = 128;

/** What the client's CONNECT says about what it takes. */
export interface SenderOptions {
  readonly isV5: boolean;
  /** Bytes; Infinity: no limit. */
  readonly maximumPacketSize: number;
  /** QoS 1 and 2 messages that the client takes in flight. */
  readonly receiveMaximum: number;
  /** 0: no aliases. */
  readonly topicAliasMaximum: number;
  /** Of the listener; taken off the topics that begin with it. */
  readonly mountPoint: string;
}

export class Sender {
  readonly output: Output;
  readonly isV5: boolean;
  readonly maximumPacketSize: number;
  /** QoS 1 and 2 messages in flight: Receive Maximum and our own limit. */
  inflightMax: number;
  private readonly receiveMaximum: number;
  private readonly context: BrokerContext;
  private readonly mountPoint: string;
  private readonly mountLength: number;
  private readonly aliases: OutboundAliases | null;
  /** Neither aliases nor a mount point: frames and raw packets may be used. */
  private readonly isPlain: boolean;
  /** Reused for every delivery that needs them; null while none did. */
  private extras: PublishExtras | null = null;
  private pressure: Pressure | null = null;
  /** Where the last packet ended that went out at QoS 1 or 2 as it came, and in which parse. */
  private rawBlock: Block | null = null;
  private rawEnd = 0;
  private rawParse = -1;

  constructor(output: Output, context: BrokerContext, options: SenderOptions) {
    this.output = output;
    this.context = context;
    this.isV5 = options.isV5;
    this.maximumPacketSize = options.maximumPacketSize;
    this.receiveMaximum = options.receiveMaximum;
    this.inflightMax = inflightMax(options.receiveMaximum, context);
    this.mountPoint = options.mountPoint;
    this.mountLength = Buffer.byteLength(options.mountPoint);
    this.aliases =
      options.topicAliasMaximum > 0 ? new OutboundAliases(options.topicAliasMaximum) : null;
    this.isPlain = this.aliases === null && options.mountPoint === '';
  }

  /** After a reload. */
  onLimitsChanged(): void {
    this.inflightMax = inflightMax(this.receiveMaximum, this.context);
  }

  /** True while QoS > 0 may be sent: little waits for the socket, and for all sockets together. */
  get isReady(): boolean {
    const { waitingBytes } = this.output;
    return waitingBytes === 0 || (waitingBytes < READY_BYTES && !this.isTight);
  }

  /** True when the client takes a packet as large as this message makes [MQTT-3.1.2-24]. */
  fits(message: Message, qos: number, ids: readonly number[] | null): boolean {
    if (this.maximumPacketSize === Number.POSITIVE_INFINITY) return true;
    const extras = this.plainExtras(message, ids);
    const remaining = publishRemainingLength(message, qos, this.isV5, extras);
    return packetSize(remaining) <= this.maximumPacketSize;
  }

  /**
   * Sends a QoS 0 message, or says why it must be dropped.
   *
   * @param publisher who may be paused while this client catches up
   * @returns null when it was sent
   */
  sendQos0(
    message: Message,
    retain: boolean,
    ids: readonly number[] | null,
    frames: FrameCache | null,
    publisher: Pausable | null,
  ): DropReason | null {
    if (this.output.waitingBytes > 0 && !this.hasRoom(message, publisher)) {
      return DropReason.SlowSubscriber;
    }
    if (!this.fits(message, 0, ids)) return DropReason.TooLargeForReceiver;
    this.send(message, 0, retain, false, 0, ids, frames);
    return null;
  }

  /** Writes one PUBLISH; whether it may go out was decided before. */
  send(
    message: Message,
    qos: number,
    retain: boolean,
    dup: boolean,
    packetId: number,
    ids: readonly number[] | null,
    frames: FrameCache | null,
  ): void {
    const { metrics } = this.context;
    metrics.publishSent++;
    metrics.packetsSent++;
    metrics.publishBytesSent += message.end - message.payloadStart;
    if (this.isPlain && ids === null && !dup) {
      if (message.rawStart >= 0 && message.isV5 === this.isV5 && qos === message.qos) {
        if (qos === 0) {
          this.output.addToRun(message.block, message.rawStart, message.rawEnd);
          return;
        }
        if (frames === null || message.rawEnd - message.rawStart <= RAW_BYTES_MAX) {
          this.sendRaw(message, qos, retain, packetId);
          return;
        }
      }
      if (frames !== null) {
        this.sendFrame(message, qos, retain, packetId, frames);
        return;
      }
    }
    const extras = this.extrasFor(message, ids);
    const remaining = publishRemainingLength(message, qos, this.isV5, extras);
    const at = this.output.reserve(packetSize(remaining));
    const { nowMs } = this.context.turn;
    const block: Block = this.output.chunk;
    writePublish(
      block,
      at,
      message,
      remaining,
      qos,
      retain,
      dup,
      packetId,
      this.isV5,
      extras,
      nowMs,
    );
  }

  /** Writes PUBACK, PUBREC, PUBREL or PUBCOMP without a reason code. */
  acknowledge(firstByte: number, packetId: number): void {
    this.context.metrics.packetsSent++;
    const at = this.output.reserve(ACKNOWLEDGEMENT_BYTES);
    writeAcknowledgement(this.output.chunk.bytes, at, firstByte, packetId);
  }

  /** Writes a PUBACK without a reason code for each of these identifiers, which lie in `bytes`. */
  acknowledgeInRow(bytes: Buffer, idsAt: Int32Array, count: number): void {
    this.context.metrics.packetsSent += count;
    let at = this.output.reserve(count * ACKNOWLEDGEMENT_BYTES);
    const target = this.output.chunk.bytes;
    for (let index = 0; index < count; index++) {
      const idAt = idsAt[index]!;
      target[at] = PUBACK_BYTE;
      target[at + 1] = 2;
      target[at + 2] = bytes[idAt]!;
      target[at + 3] = bytes[idAt + 1]!;
      at += ACKNOWLEDGEMENT_BYTES;
    }
  }

  /** A packet of QoS 1 or 2 that ends there went out as it came. */
  noteRaw(block: Block, end: number): void {
    this.rawBlock = block;
    this.rawEnd = end;
    this.rawParse = this.context.parses;
  }

  /** True when it did so in the parse that goes on, as the last one of its kind. */
  hasSentRaw(block: Block, end: number): boolean {
    return this.rawEnd === end && this.rawBlock === block && this.rawParse === this.context.parses;
  }

  /** Writes one of them with a reason code and nothing else: MQTT 5.0. */
  acknowledgeWithReason(firstByte: number, packetId: number, reasonCode: number): void {
    this.context.metrics.packetsSent++;
    const at = this.output.reserve(REASONED_ACKNOWLEDGEMENT_BYTES);
    const { bytes } = this.output.chunk;
    writeReasonedAcknowledgement(bytes, at, firstByte, packetId, reasonCode);
  }

  /** The session's queue is filling up although the client is here: pauses the publisher. */
  onQueueFilling(publisher: Pausable | null): void {
    this.pressed().onFull(publisher, this.context.turn.nowMs);
  }

  /** The socket took everything and the queue is short again, or the connection is over. */
  onDrained(): void {
    this.pressure?.onDrained();
  }

  private sendFrame(
    message: Message,
    qos: number,
    retain: boolean,
    packetId: number,
    frames: FrameCache,
  ): void {
    const frame = frames.get(message, qos, retain, this.isV5, this.context.turn.nowMs);
    const at = this.output.reserve(frame.bytes.length);
    const { bytes } = this.output.chunk;
    bytes.set(frame.bytes, at);
    if (qos === 0) return;
    bytes[at + frame.packetIdAt] = packetId >>> 8;
    bytes[at + frame.packetIdAt + 1] = packetId & 0xff;
  }

  /** The publisher's packet with our first byte and packet identifier. */
  private sendRaw(message: Message, qos: number, retain: boolean, packetId: number): void {
    const { rawStart, rawEnd } = message;
    const at = this.output.reserve(rawEnd - rawStart);
    const { chunk } = this.output;
    copyBytes(chunk, at, message.block, rawStart, rawEnd);
    const idAt = at + message.rawIdAt - rawStart;
    chunk.bytes[at] = publishByte(qos, retain, false);
    chunk.bytes[idAt] = packetId >>> 8;
    chunk.bytes[idAt + 1] = packetId & 0xff;
    this.noteRaw(message.block, rawEnd);
  }

  /** Half full pauses the publisher, full drops: what was read already fits in between. */
  private hasRoom(message: Message, publisher: Pausable | null): boolean {
    const { limits, turn } = this.context;
    const waiting = this.output.pendingBytes + message.size;
    const { isTight } = this;
    if (waiting > limits.outputBytesMax / 2 || isTight) {
      this.pressed().onFull(publisher, turn.nowMs);
    }
    return waiting <= limits.outputBytesMax && !isTight;
  }

  /** All slow sockets together have reached their limit: each gets a chunk when it is empty. */
  private get isTight(): boolean {
    const { limits, metrics } = this.context;
    return metrics.bytesWaiting > limits.outputBytesTotalMax;
  }

  private pressed(): Pressure {
    const { deadlines, limits } = this.context;
    this.pressure ??= new Pressure(deadlines, limits.slowSubscriberPauseMs);
    this.pressure.pauseMs = limits.slowSubscriberPauseMs;
    return this.pressure;
  }

  private plainExtras(message: Message, ids: readonly number[] | null): PublishExtras {
    if (this.isPlain && ids === null) return noExtras;
    this.extras ??= new PublishExtras();
    this.extras.subscriptionIds = ids;
    this.extras.topicAlias = 0;
    this.extras.isTopicOmitted = false;
    // A session may hold messages from when its client came through another listener.
    const isMounted = message.topic.name.startsWith(this.mountPoint);
    this.extras.mountLength = isMounted ? this.mountLength : 0;
    return this.extras;
  }

  private extrasFor(message: Message, ids: readonly number[] | null): PublishExtras {
    const extras = this.plainExtras(message, ids);
    if (this.aliases !== null) {
      const remaining = publishRemainingLength(message, 2, this.isV5, extras);
      const size = packetSize(remaining) + NEW_ALIAS_BYTES;
      this.aliases.apply(message.topic, extras, size <= this.maximumPacketSize);
    }
    return extras;
  }
}

function inflightMax(receiveMaximum: number, { limits }: BrokerContext): number {
  return Math.min(receiveMaximum, limits.inflightMessagesMax || receiveMaximum);
}
