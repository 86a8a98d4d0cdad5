/**
 * Stands between MQTT.js and the bytes of its connection. Messages and their acknowledgements go
 * to the bridge, which must be able to let one wait without holding up those behind it (see ADR
 * 15); CONNACK, SUBACK, UNSUBACK, PINGRESP, DISCONNECT and AUTH go to MQTT.js.
 */
import { Duplex } from 'node:stream';
import { CONNACK, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL } from '../protocol/packet-types.js';
import {
  INCOMPLETE,
  readVariableByteInteger,
  variableByteIntegerSize,
} from '../protocol/variable-byte-integer.js';

/** Gets messages and acknowledgements. */
export interface PacketSink {
  /** The packet that begins with `firstByte` and has the body `bytes[start..end)`. */
  onPacket(firstByte: number, bytes: Buffer, start: number, end: number): void;
}

/** Identifiers that MQTT.js has given to requests of its own. */
export interface OwnIds {
  has(packetId: number): boolean;
}

type Done = (error?: Error | null) => void;

export class PacketTap extends Duplex {
  /** Null: messages that come are left unanswered. */
  sink: PacketSink | null = null;
  private readonly wire: Duplex;
  private readonly ownIds: OwnIds;
  private readonly packetBytesMax: number;
  /** What has come and was not parsed. */
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  /** Of them, how many it takes to go on. */
  private wantedBytes = 2;
  private isHeld = false;
  private isParsing = false;

  constructor(wire: Duplex, ownIds: OwnIds, packetBytesMax: number) {
    super({ allowHalfOpen: false });
    this.wire = wire;
    this.ownIds = ownIds;
    this.packetBytesMax = packetBytesMax;
    wire.on('data', (bytes: Buffer) => this.onData(bytes));
    wire.on('end', () => this.push(null));
    wire.on('error', (error) => this.destroy(error));
    wire.on('close', () => this.destroy());
  }

  /** Bytes that were sent and have not left. */
  get backlog(): number {
    return this.writableLength + this.wire.writableLength;
  }

  /** Nothing more is taken out of what comes, from the next packet on. */
  hold(): void {
    this.isHeld = true;
    this.wire.pause();
  }

  release(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    this.wire.resume();
    if (!this.isParsing && this.pendingBytes >= this.wantedBytes) this.parse();
  }

  override _read(): void {
    // Control packets are few: the wire is not held back for them.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    if (this.wire.write(chunk)) done();
    else this.wire.once('drain', done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.wire.cork();
    let isRoom = true;
    for (const { chunk } of chunks) isRoom = this.wire.write(chunk);
    this.wire.uncork();
    if (isRoom) done();
    else this.wire.once('drain', done);
  }

  override _final(done: Done): void {
    this.wire.end();
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.wire.destroy();
    done(error);
  }

  private onData(bytes: Buffer): void {
    this.pending.push(bytes);
    this.pendingBytes += bytes.length;
    const isNow = !this.isHeld && !this.isParsing;
    if (isNow && this.pendingBytes >= this.wantedBytes) this.parse();
  }

  private parse(): void {
    const bytes = this.pending.length === 1 ? this.pending[0]! : Buffer.concat(this.pending);
    this.pending = [];
    this.pendingBytes = 0;
    this.isParsing = true;
    const at = this.parsePackets(bytes);
    this.isParsing = false;
    if (this.destroyed || at === bytes.length) return;
    this.pending.unshift(bytes.subarray(at));
    this.pendingBytes += bytes.length - at;
  }

  /** @returns where the first packet begins that was not taken */
  private parsePackets(bytes: Buffer): number {
    let at = 0;
    this.wantedBytes = 2;
    while (!this.isHeld && !this.destroyed && bytes.length - at >= 2) {
      const length = readVariableByteInteger(bytes, at + 1, bytes.length);
      if (length === INCOMPLETE) {
        this.wantedBytes = bytes.length - at + 1;
        break;
      }
      const start = at + 1 + variableByteIntegerSize(length);
      const end = start + length;
      if (length < 0 || end - at > this.packetBytesMax) {
        const what = length < 0 ? 'a malformed length' : 'a packet above max_packet_size';
        this.destroy(new Error(`the other side sent ${what}`));
        break;
      }
      if (end > bytes.length) {
        this.wantedBytes = end - at;
        break;
      }
      this.route(bytes, at, start, end);
      at = end;
    }
    return at;
  }

  private route(bytes: Buffer, at: number, start: number, end: number): void {
    const type = bytes[at]! >>> 4;
    if (this.isMessage(type, bytes, start, end)) {
      this.sink?.onPacket(bytes[at]!, bytes, start, end);
      return;
    }
    this.push(bytes.subarray(at, end));
    // Whoever waits for the connection decides what becomes of the messages behind CONNACK.
    if (type === CONNACK) this.hold();
  }

  private isMessage(type: number, bytes: Buffer, start: number, end: number): boolean {
    if (type === PUBLISH || type === PUBREL) return true;
    if (type !== PUBACK && type !== PUBREC && type !== PUBCOMP) return false;
    return end - start < 2 || !this.ownIds.has(bytes.readUInt16BE(start));
  }
}
