/**
 * One TCP connection that speaks MQTT and can be cut half-way: after a number of bytes in either
 * direction nothing passes any more, in the middle of a packet or between two, as if a proxy on
 * the way had died. It can also be left behind: the broker sees a connection that is silent, while
 * the client is long on another one.
 */
import { connect, type Socket } from 'node:net';
import { generate, type Packet, type Parser, parser } from 'mqtt-packet';

export type ProtocolVersion = 4 | 5;

export interface LineEvents {
  readonly onOpen: () => void;
  readonly onPacket: (packet: Packet) => void;
  /** Once; nothing comes after it. */
  readonly onClose: () => void;
  /** The broker sent what no packet is. */
  readonly onMalformed: (error: Error) => void;
}

export class Line {
  private readonly socket: Socket;
  private readonly events: LineEvents;
  private readonly options: { protocolVersion: ProtocolVersion };
  private readonly parser: Parser;
  private isCorked = false;
  private isOver = false;
  /** Bytes that still pass; Infinity: all. */
  private upLeft = Number.POSITIVE_INFINITY;
  private downLeft = Number.POSITIVE_INFINITY;
  private isReset = false;

  constructor(port: number, version: ProtocolVersion, events: LineEvents) {
    this.events = events;
    this.options = { protocolVersion: version };
    this.parser = parser(this.options);
    this.parser.on('packet', (packet) => {
      if (!this.isOver) this.events.onPacket(packet);
    });
    this.parser.on('error', (error: Error) => {
      this.events.onMalformed(error);
      this.destroy();
    });
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('connect', () => {
      if (!this.isOver) this.events.onOpen();
    });
    this.socket.on('data', (bytes) => this.onData(bytes));
    // What it means is in the close that follows.
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => this.end());
  }

  send(packet: Packet): void {
    if (this.isOver || this.upLeft <= 0) return;
    if (!this.isCorked) {
      this.isCorked = true;
      this.socket.cork();
      setImmediate(() => this.uncork());
    }
    const bytes = generate(packet, this.options);
    if (bytes.length < this.upLeft) {
      this.upLeft -= bytes.length;
      this.socket.write(bytes);
      return;
    }
    this.socket.write(bytes.subarray(0, this.upLeft));
    this.upLeft = 0;
    this.uncork();
    this.cut();
  }

  /** Cuts the connection when so many bytes more have passed. */
  cutAfter(bytes: number, isUp: boolean, isReset: boolean): void {
    this.isReset = isReset;
    if (isUp) this.upLeft = Math.max(1, bytes);
    else this.downLeft = bytes;
    if (!isUp && bytes === 0) this.cut();
  }

  /** Leaves the connection open, unread, and is done with it. */
  abandon(): void {
    this.socket.pause();
    this.end();
  }

  /** Closes when all that was sent is on its way. */
  close(): void {
    this.uncork();
    this.socket.end();
    this.end();
  }

  destroy(): void {
    this.socket.destroy();
    this.end();
  }

  private onData(bytes: Buffer): void {
    if (this.isOver) return;
    if (bytes.length < this.downLeft) {
      this.downLeft -= bytes.length;
      this.parser.parse(bytes);
      return;
    }
    this.parser.parse(bytes.subarray(0, this.downLeft));
    this.cut();
  }

  private cut(): void {
    if (this.isReset) this.socket.resetAndDestroy();
    else {
      // What was written still arrives; what the broker sends does not.
      this.socket.end(() => this.socket.destroy());
    }
    this.end();
  }

  private uncork(): void {
    if (!this.isCorked) return;
    this.isCorked = false;
    this.socket.uncork();
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.events.onClose();
  }
}
