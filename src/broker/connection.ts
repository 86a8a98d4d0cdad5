/**
 * One connection: cuts the byte stream into packets and hands them to whoever knows what to do
 * with them. Hot path.
 *
 *     opening ──CONNECT──▶ authenticating ──▶ connected ──▶ closed
 *        └───────────────────────┴───────────────────────────▲
 *
 * While it is *held* (a slow subscriber, an answer of an authorizer, a rate limit) nothing is
 * parsed and the transport does not read; what was read before waits in `carry`.
 */
import { Block } from '../base/block.js';
import type { Deadline } from '../base/deadline-heap.js';
import type { ListenerConfig, ProtocolVersion } from '../config/config.js';
import type { SubscriptionRequest } from '../protocol/control-packets.js';
import { MqttError } from '../protocol/mqtt-error.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import {
  INCOMPLETE,
  readVariableByteInteger,
  variableByteIntegerSize,
} from '../protocol/variable-byte-integer.js';
import type { Access, ClientIdentity } from './access.js';
import { Carry, packetEnd } from './carry.js';
import { closeConnection } from './closing.js';
import { ConnectionState } from './connection-state.js';
import type { BrokerCore } from './core.js';
import { dispatch, lengthError } from './dispatch.js';
import { follow } from './follow.js';
import type { Handshake } from './handshake.js';
import type { InboundAliases } from './inbound-aliases.js';
import { GONE_MS, onConnectionDeadline } from './keep-alive.js';
import { Output } from './output.js';
import type { PendingAcks } from './pending-acks.js';
import { RateLimit } from './rate-limit.js';
import type { Sender } from './sender.js';
import type { Session } from './session.js';
import type { SessionConnection } from './session-connection.js';
import type { Topic } from './topics.js';
import { READ_HEADROOM, readBuffer, type Transport, type TransportReceiver } from './transport.js';
import type { Flushable } from './turn.js';
import type { PendingWill } from './will.js';

/** The shared read buffer with its view. */
const readBlock = new Block(readBuffer);

export class Connection implements TransportReceiver, SessionConnection, Deadline, Flushable {
  readonly core: BrokerCore;
  readonly transport: Transport;
  readonly listener: ListenerConfig;
  readonly access: Access;
  readonly output: Output;
  state: ConnectionState = ConnectionState.Opening;
  /** 0 until CONNECT names it. */
  protocolVersion: ProtocolVersion | 0 = 0;
  isV5 = false;
  /** Bytes that a packet from the client may have. */
  packetBytesMax: number;
  /** Bytes that a packet to the client may have; Infinity: no limit. */
  maximumPacketSize = Number.POSITIVE_INFINITY;
  /** QoS 2 messages that the client may have in flight: as its CONNACK says. */
  receiveMaximum = 0;
  /** Request Problem Information: Reason Strings are welcome. */
  wantsReasons = true;
  keepAliveMs = 0;
  identity: ClientIdentity | null = null;
  session: Session | null = null;
  sender: Sender | null = null;
  will: PendingWill | null = null;
  claimEpoch = 0; // `Claim.epoch`; 0: no durable store has its session
  handshake: Handshake | null = null;
  inboundAliases: InboundAliases | null = null;
  /** Acknowledgements that wait for the store; null: none yet. */
  acks: PendingAcks | null = null;
  /** Topic of the last PUBLISH, byte for byte as the client sent it. */
  lastTopic: Topic | null = null;
  /** The last answer about publishing, good for `accessVersion`. */
  checkedTopic: Topic | null = null;
  isTopicAllowed = false;
  accessVersion = -1;
  isBridge = false;
  /** Has sent a PUBLISH: MemoryGuard may pause it. */
  hasPublished = false;
  unheard: Promise<void> | null = null; // `Peers.hear`: what it publishes at QoS > 0 waits
  /** Of enhanced authentication; null without. */
  authenticationMethod: string | null = null;
  /** Turn time of the last bytes from the client, or of the end of the last hold. */
  lastInMs: number;
  deadlineMs = 0;
  heapIndex = -1;
  /** Reasons not to read it. */
  private holds = 0;
  /** Those of them that are answers to its own packets: of an authorizer. */
  private answersDue = 0;
  private isReleasePending = false;
  private carry: Carry | null = null;
  private isHeldByOutput = false;
  /** Why the transport is gone while packets of the client still wait; null: it is there. */
  private closedBy: string | null = null;
  /** Null until the client first meets a rate limit. */
  private rateLimit: RateLimit | null = null;

  constructor(
    core: BrokerCore,
    transport: Transport,
    listener: ListenerConfig,
    access: Access,
    acceptedAtMs: number,
  ) {
    this.core = core;
    this.transport = transport;
    this.listener = listener;
    this.access = access;
    this.output = new Output(transport, core, () => this.onDrain());
    this.packetBytesMax = core.limits.connectBytesMax;
    this.lastInMs = core.turn.nowMs;
    core.deadlines.schedule(this, acceptedAtMs + core.limits.connectTimeoutMs);
  }

  get isClosed(): boolean {
    return this.state === ConnectionState.Closed;
  }

  get isConnected(): boolean {
    return this.state === ConnectionState.Connected;
  }

  /** The client is gone, and what it sent before is still being heard. */
  get isGone(): boolean {
    return this.closedBy !== null;
  }

  /** It is not read, and not for its own fault. */
  get isHeldByBroker(): boolean {
    return this.holds > (this.isHeldByOutput ? 1 : 0);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    const { core } = this;
    core.turn.begin();
    if (this.isClosed) return;
    this.lastInMs = core.turn.nowMs;
    core.metrics.bytesReceived += end - start;
    if (this.carry !== null || this.holds > 0) {
      this.onDataWithCarry(bytes, start, end);
      return;
    }
    const block = bytes === readBuffer ? readBlock : new Block(bytes);
    this.parseAndKeep(block, start, end);
    this.afterInput(end - start);
  }

  onWritten(): void {
    const { turn } = this.core;
    turn.begin();
    // A slow client that takes its answers is not silent: what it says, we do not read.
    if (this.isHeldByOutput) this.lastInMs = turn.nowMs;
    this.output.onWritten();
  }

  onClose(error: Error | null): void {
    this.core.turn.begin();
    if (this.isClosed) return;
    this.closedBy = error?.message ?? 'closed by the client';
    // What the client sent before it left is still heard: its last messages, its DISCONNECT.
    const isWaiting = this.holds > 0 || this.isReleasePending;
    if (this.carry === null || !isWaiting) {
      this.onGone();
      return;
    }
    this.output.close();
    this.session?.onClientGone();
    this.core.deadlines.schedule(this, this.core.turn.nowMs + GONE_MS);
    this.releaseFromOutput();
  }

  hold(): void {
    this.holds++;
    if (this.isClosed) return;
    if (this.holds - this.answersDue === 1) this.core.metrics.publishersPaused++;
    if (this.holds === 1) this.transport.pause();
  }

  release(): void {
    this.holds--;
    if (this.isClosed) return;
    this.core.turn.begin();
    // Silence was ours until now; what came meanwhile has not been read.
    this.lastInMs = this.core.turn.nowMs;
    if (this.holds > 0 || this.isReleasePending) return;
    this.isReleasePending = true;
    this.core.turn.markDirty(this);
  }

  // As `hold`, until the answer to a packet of the client is there: that is no back-pressure.
  // One that waits for CONNACK is read until it says more, to hear that it gave up.
  awaitAnswer(): void {
    this.answersDue++;
    this.holds++;
    if (this.holds === 1 && this.isConnected) this.transport.pause();
  }

  onAnswer(): void {
    this.answersDue--;
    this.release();
  }

  /** Goes on after a hold: at the end of a turn, never inside somebody else's packet. */
  flush(): void {
    this.isReleasePending = false;
    if (this.isClosed || this.holds > 0) return;
    this.core.turn.begin();
    if (this.carry !== null) this.parseCarry(this.carry);
    this.afterInput(0);
    if (this.isClosed || this.holds > 0) return;
    if (this.closedBy !== null) this.onGone();
    else this.transport.resume();
  }

  /** Nothing more of a client that is gone is heard. */
  onGone(): void {
    const detail = this.closedBy ?? 'closed by the client';
    closeConnection(this, ReasonCode.UnspecifiedError, detail, { isSilent: true });
  }

  onTakenOver(): void {
    closeConnection(this, ReasonCode.SessionTakenOver, 'session taken over', {});
  }

  disconnect(reasonCode: number, detail: string): void {
    closeConnection(this, reasonCode, detail, {});
  }

  onDeadline(nowMs: number): void {
    if (this.isClosed) return;
    this.core.turn.begin();
    onConnectionDeadline(this, nowMs);
  }

  /** Sends a packet that was encoded elsewhere; null: the client takes none as large. */
  sendControl(packet: Buffer | null): void {
    if (packet === null) {
      // Without its answer the client would wait for ever.
      const detail = 'the answer is larger than Maximum Packet Size';
      closeConnection(this, ReasonCode.PacketTooLarge, detail, {});
      return;
    }
    this.core.metrics.packetsSent++;
    this.output.append(packet);
  }

  /** A Mosquitto bridge that says so gets what MQTT 5.0 has options for. */
  bridged(request: SubscriptionRequest): SubscriptionRequest {
    if (!this.isBridge || this.isV5) return request;
    return { ...request, noLocal: true, retainAsPublished: true };
  }

  /** Counts a PUBLISH against `max_publish_rate`. */
  countPublish(): void {
    if (this.core.limits.publishRatePerClient === 0) return;
    this.rateLimit ??= new RateLimit(this.core, this);
    this.rateLimit.onPublish();
  }

  /** Frees what only an open connection needs. */
  forget(): void {
    this.core.deadlines.cancel(this);
    this.core.journal?.forget(this);
    this.rateLimit?.cancel();
    this.dropCarry();
    this.output.close();
  }

  private onDrain(): void {
    if (this.isClosed) return;
    this.session?.onDrain();
    this.releaseFromOutput();
  }

  private releaseFromOutput(): void {
    if (!this.isHeldByOutput) return;
    this.isHeldByOutput = false;
    this.release();
  }

  /** A client that does not read its answers is not read either. */
  private afterInput(bytes: number): void {
    this.core.turn.afterRead();
    if (this.isClosed) return;
    const { limits } = this.core;
    if (limits.publishBytesPerClient > 0) {
      this.rateLimit ??= new RateLimit(this.core, this);
      this.rateLimit.onInput(bytes);
    }
    if (this.isHeldByOutput || this.output.waitingBytes < limits.outputBytesMax) return;
    this.isHeldByOutput = true;
    this.hold();
  }

  /** As `parsePackets`; nothing refers to the bytes afterwards. */
  private parse(block: Block, start: number, end: number): number {
    this.core.beginParse();
    try {
      return this.parsePackets(block, start, end);
    } finally {
      if (this.core.openRuns.length > 0) this.core.endRuns();
    }
  }

  /** Parses whole packets from `start` on; returns where the first one begins that is not whole. */
  private parsePackets(block: Block, start: number, end: number): number {
    const { bytes } = block;
    let at = start;
    while (end - at >= 2) {
      let length = bytes[at + 1]!;
      let bodyAt = at + 2;
      if (length > 127) {
        length = readVariableByteInteger(bytes, at + 1, end);
        if (length === INCOMPLETE) break;
        bodyAt = at + 1 + variableByteIntegerSize(length);
      }
      const next = bodyAt + length;
      if (length < 0 || next - at > this.packetBytesMax) {
        this.onError(lengthError(this, bytes, at, bodyAt, end, length));
        return end;
      }
      if (next > end) break;
      this.core.metrics.packetsReceived++;
      try {
        dispatch(this, block, at, bodyAt, next);
      } catch (error) {
        this.onError(error);
      }
      at = next;
      if (this.isClosed) return end;
      if (this.holds > 0) break;
      if (at < end) at = follow(this, block, at, end);
    }
    return at;
  }

  /** Whatever a packet provokes ends here: the peer's fault closes, ours goes up. */
  private onError(error: unknown): void {
    if (!(error instanceof MqttError)) throw error;
    this.core.metrics.protocolErrors++;
    closeConnection(this, error.reasonCode, error.message, {});
  }

  private onDataWithCarry(bytes: Buffer, start: number, end: number): void {
    const { carry } = this;
    if (this.holds > 0) this.transport.pause();
    if (carry === null) {
      this.carry = new Carry(this.core.pool, bytes, start, end);
      this.afterInput(end - start);
      return;
    }
    const from = start - carry.length;
    const canJoin = this.holds === 0 && carry.length <= READ_HEADROOM && bytes === readBuffer;
    if (canJoin) {
      bytes.set(carry.block.bytes.subarray(carry.start, carry.end), from);
      if (packetEnd(bytes, from, end) <= end) {
        this.dropCarry();
        this.parseAndKeep(readBlock, from, end);
        this.afterInput(end - start);
        return;
      }
    }
    carry.append(bytes, start, end);
    if (this.holds === 0) this.parseCarry(carry);
    this.afterInput(end - start);
  }

  private parseCarry(carry: Carry): void {
    const { block, start, end } = carry;
    // Until it is whole, a large packet is not looked at again with each of its pieces.
    const firstEnd = packetEnd(block.bytes, start, end);
    const isTooLarge = firstEnd - start > this.packetBytesMax;
    const isPartial = firstEnd > end && firstEnd !== Number.POSITIVE_INFINITY;
    if (isPartial && !isTooLarge) return;
    // Ours while it is parsed: closing must not give its block to somebody else.
    this.carry = null;
    const at = this.parse(block, start, end);
    if (at < end && !this.isClosed) {
      carry.start = at;
      this.carry = carry;
    } else {
      carry.release();
    }
  }

  private parseAndKeep(block: Block, start: number, end: number): void {
    const at = this.parse(block, start, end);
    if (at < end && !this.isClosed) this.carry = new Carry(this.core.pool, block.bytes, at, end);
  }

  private dropCarry(): void {
    this.carry?.release();
    this.carry = null;
  }
}
