/**
 * A client made of little: bytes and counters, no packet objects, so that thousands of them fit
 * into the test's process and a flood of them is not the slowest part of a measurement.
 */
import { connect, type Socket } from 'node:net';
import { until } from '../../support/until.js';
import {
  ackPacket,
  type ConnectOptions,
  connectPacket,
  pingPacket,
  publishPacket,
  subscribePacket,
} from './raw-packets.js';

const CONNACK = 2;
const PUBLISH = 3;
const PUBACK = 4;
const SUBACK = 9;
const PINGRESP = 13;
const DISCONNECT = 14;

/** One read buffer for all clients: their bytes are looked at before the next ones come. */
const shared = Buffer.alloc(64 * 1024);
const nothing = Buffer.alloc(0);

export interface RawOptions extends ConnectOptions {
  readonly port: number;
  /** PUBACK for each QoS 1 message at once; default true. */
  readonly acknowledges?: boolean;
}

export class RawClient {
  readonly socket: Socket;
  /** Packets of each type that came. Index: type. */
  readonly received = new Array<number>(16).fill(0);
  /** Reason, or return, code of CONNACK; -1 before. */
  connackCode = -1;
  sessionPresent = false;
  /** Reason code of the broker's DISCONNECT; -1: none came. */
  disconnectCode = -1;
  isClosed = false;
  /** Called with each PUBLISH: payload within `bytes`, valid during the call. */
  onPublish: ((bytes: Buffer, payloadStart: number, end: number) => void) | null = null;
  /** Called with each PUBACK. */
  onPuback: (() => void) | null = null;
  private pending: Buffer = nothing;
  readonly isV5: boolean;
  private readonly acknowledges: boolean;
  private nextId = 1;
  private unacknowledged: number[] = [];

  private constructor(options: RawOptions) {
    this.isV5 = options.version === 5;
    this.acknowledges = options.acknowledges ?? true;
    this.socket = connect({
      port: options.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (length, bytes) => {
          this.onData(Buffer.from(bytes.buffer, bytes.byteOffset, length));
          return true;
        },
      },
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.isClosed = true;
    });
    this.socket.write(connectPacket(options));
  }

  /** A client whose CONNECT is on its way. */
  static begin(options: RawOptions): RawClient {
    return new RawClient(options);
  }

  /** Rejects when the broker refuses. */
  static async connect(options: RawOptions): Promise<RawClient> {
    const client = new RawClient(options);
    await client.untilConnected();
    return client;
  }

  get publishes(): number {
    return this.received[PUBLISH];
  }

  get pubacks(): number {
    return this.received[PUBACK];
  }

  get pongs(): number {
    return this.received[PINGRESP];
  }

  async untilConnected(deadlineMs = 20_000): Promise<void> {
    await until('CONNACK', () => this.connackCode >= 0 || this.isClosed, { deadlineMs });
    if (this.connackCode !== 0) throw new Error(`refused with ${this.connackCode}`);
  }

  async subscribe(filter: string, qos: number): Promise<void> {
    const before = this.received[SUBACK];
    this.socket.write(subscribePacket(filter, qos, this.takeId(), this.isV5));
    await until(`SUBACK for ${filter}`, () => this.received[SUBACK] > before, {
      deadlineMs: 20_000,
    });
  }

  /** @returns false when the socket's buffer is full: wait for `drain` */
  publish(topic: string, payload: Buffer, qos = 0): boolean {
    const packetId = qos === 0 ? 0 : this.takeId();
    return this.socket.write(publishPacket(topic, payload, qos, packetId, this.isV5));
  }

  write(bytes: Buffer): boolean {
    return this.socket.write(bytes);
  }

  /** PUBACK for what came since the last call; for a client that does not do so by itself. */
  acknowledgeAll(): void {
    const ids = this.unacknowledged.splice(0);
    if (ids.length > 0) this.socket.write(Buffer.concat(ids.map(ackPacket)));
  }

  ping(): void {
    this.socket.write(pingPacket);
  }

  stopReading(): void {
    this.socket.pause();
  }

  readOn(): void {
    this.socket.resume();
  }

  destroy(): void {
    this.socket.destroy();
  }

  takeId(): number {
    const id = this.nextId;
    this.nextId = id === 65_535 ? 1 : id + 1;
    return id;
  }

  private onData(chunk: Buffer): void {
    const bytes = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    let at = 0;
    let acks: Buffer[] | null = null;
    while (bytes.length - at >= 2) {
      const { length, size } = remainingLength(bytes, at + 1);
      const start = at + 1 + size;
      const end = start + length;
      if (size === 0 || end > bytes.length) break;
      const packetId = this.onPacket(bytes, at, start, end);
      if (packetId > 0) {
        acks ??= [];
        acks.push(ackPacket(packetId));
      }
      at = end;
    }
    this.pending = at === bytes.length ? nothing : Buffer.from(bytes.subarray(at));
    if (acks !== null) this.socket.write(Buffer.concat(acks));
  }

  /** Identifier to acknowledge; 0: none. */
  private onPacket(bytes: Buffer, at: number, start: number, end: number): number {
    const type = bytes[at] >>> 4;
    this.received[type]++;
    if (type === CONNACK) {
      this.sessionPresent = (bytes[start] & 1) === 1;
      this.connackCode = bytes[start + 1];
    }
    if (type === DISCONNECT) this.disconnectCode = end > start ? bytes[start] : 0;
    if (type === PUBACK) this.onPuback?.();
    if (type !== PUBLISH) return 0;
    const qos = (bytes[at] >>> 1) & 3;
    let payloadStart = start + 2 + bytes.readUInt16BE(start);
    const packetId = qos === 0 ? 0 : bytes.readUInt16BE(payloadStart);
    if (qos > 0) payloadStart += 2;
    if (this.isV5) {
      const { length, size } = remainingLength(bytes, payloadStart);
      payloadStart += size + length;
    }
    this.onPublish?.(bytes, payloadStart, end);
    if (qos !== 1) return 0;
    if (this.acknowledges) return packetId;
    this.unacknowledged.push(packetId);
    return 0;
  }
}

/** The variable byte integer at `at`; `size` 0: it is not whole. */
function remainingLength(bytes: Buffer, at: number): { length: number; size: number } {
  let length = 0;
  for (let size = 1; size <= 4 && at + size <= bytes.length; size++) {
    const byte = bytes[at + size - 1];
    length += (byte & 127) * 128 ** (size - 1);
    if (byte < 128) return { length, size };
  }
  return { length: 0, size: 0 };
}
