/**
 * A connection of the fuzzer: bytes out as they are, or in WebSocket frames; bytes in, cut into
 * packets as well as they can be. It never throws at what the broker does.
 */
import { connect, type Socket } from 'node:net';

export type WireKind = 'tcp' | 'websocket';

export interface WireEvents {
  /** A whole packet from the broker. */
  readonly onPacket?: (packet: Buffer) => void;
  readonly onClose?: () => void;
}

const upgradeRequest = [
  'GET /mqtt HTTP/1.1',
  'Host: localhost',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Protocol: mqtt',
  '',
  '',
].join('\r\n');

const BINARY = 2;
const CONTINUATION = 0;
const mask = Buffer.of(0x12, 0x34, 0x56, 0x78);

export class Wire {
  isClosed = false;
  /** Errors other than the broker's own close: a reset is one of those too. */
  connectError: NodeJS.ErrnoException | null = null;
  readonly packets: Buffer[] = [];
  private readonly socket: Socket;
  private readonly kind: WireKind;
  private readonly events: WireEvents;
  private pending: Buffer = Buffer.alloc(0);
  private frames: Buffer = Buffer.alloc(0);
  private isUpgraded = false;

  constructor(kind: WireKind, port: number, events: WireEvents = {}, localAddress?: string) {
    this.kind = kind;
    this.events = events;
    this.socket = connect({
      port,
      host: '127.0.0.1',
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    this.socket.setNoDelay(true);
    let isConnected = false;
    this.socket.on('connect', () => {
      isConnected = true;
    });
    this.socket.on('error', (error) => {
      if (!isConnected) this.connectError = error;
    });
    this.socket.on('data', (bytes) => this.onBytes(bytes));
    this.socket.on('close', () => {
      this.isClosed = true;
      this.events.onClose?.();
    });
    // The frames follow without waiting for the answer: one more thing that a peer may do.
    if (kind === 'websocket') this.socket.write(upgradeRequest);
  }

  get localPort(): number {
    return this.socket.localPort ?? 0;
  }

  /** Sends bytes of MQTT: in one binary frame, or two with `isSplit`, on a WebSocket. */
  send(bytes: Buffer, isSplit = false): void {
    if (this.kind === 'tcp') this.sendRaw(bytes);
    else if (isSplit && bytes.length > 1) {
      const middle = bytes.length >>> 1;
      this.sendRaw(frame(BINARY, bytes.subarray(0, middle), false));
      this.sendRaw(frame(CONTINUATION, bytes.subarray(middle), true));
    } else this.sendRaw(frame(BINARY, bytes, true));
  }

  /** Sends bytes as they are, whatever the kind. */
  sendRaw(bytes: Buffer): void {
    if (this.socket.writable) this.socket.write(bytes);
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.end();
  }

  /** Closes with a reset, which leaves no port waiting. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  private onBytes(bytes: Buffer): void {
    if (this.kind === 'tcp') {
      this.onMqtt(bytes);
      return;
    }
    this.frames = Buffer.concat([this.frames, bytes]);
    if (!this.isUpgraded) {
      const end = this.frames.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.isUpgraded = true;
      this.frames = this.frames.subarray(end + 4);
    }
    for (let payload = this.nextFrame(); payload !== null; payload = this.nextFrame()) {
      this.onMqtt(payload);
    }
  }

  /** The payload of the next data frame; empty for control frames; null: more is needed. */
  private nextFrame(): Buffer | null {
    const { frames } = this;
    if (frames.length < 2) return null;
    const short = frames[1] & 0x7f;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (frames.length < head) return null;
    let length = short;
    if (short === 126) length = frames.readUInt16BE(2);
    if (short === 127) length = Number(frames.readBigUInt64BE(2));
    if (frames.length < head + length) return null;
    this.frames = frames.subarray(head + length);
    const isControl = (frames[0] & 0x08) !== 0;
    return isControl ? Buffer.alloc(0) : frames.subarray(head, head + length);
  }

  private onMqtt(bytes: Buffer): void {
    this.pending = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes]);
    for (let end = packetEnd(this.pending); end > 0; end = packetEnd(this.pending)) {
      const packet = this.pending.subarray(0, end);
      this.pending = this.pending.subarray(end);
      if (this.events.onPacket === undefined) this.packets.push(Buffer.from(packet));
      else this.events.onPacket(packet);
    }
  }
}

/** Index behind the first packet; 0 when it is not whole. */
export function packetEnd(bytes: Buffer): number {
  let length = 0;
  for (let at = 1; at < bytes.length && at < 5; at++) {
    length += (bytes[at] & 0x7f) * 128 ** (at - 1);
    if (bytes[at] < 128) return bytes.length < at + 1 + length ? 0 : at + 1 + length;
  }
  return 0;
}

/** A masked frame, as clients send them. */
export function frame(opcode: number, payload: Buffer, isFinal: boolean): Buffer {
  const { length } = payload;
  const first = (isFinal ? 0x80 : 0) | opcode;
  const masked = Buffer.from(payload.map((byte, at) => byte ^ mask[at & 3]));
  if (length < 126) return Buffer.concat([Buffer.of(first, 0x80 | length), mask, masked]);
  const head = Buffer.alloc(length < 0x10000 ? 4 : 10);
  head[0] = first;
  if (length < 0x10000) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, mask, masked]);
}
