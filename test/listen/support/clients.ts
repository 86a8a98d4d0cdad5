/** Clients of every kind behind one face, so that one contract can be held against all. */

import { readFileSync } from 'node:fs';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import WebSocket from 'ws';
import { until, untilEvent } from '../../support/until.js';
import { fixture } from './rig.js';

// Far below the longest frame that a listener takes, and out of step with every buffer.
const frameBytes = 50_001;

export interface Client {
  /** All bytes that came so far. */
  readonly received: Buffer;
  /** The other side has ended its stream, or the connection is gone. */
  readonly isOver: boolean;
  send(bytes: Uint8Array): void;
  stopReading(): void;
  readOn(): void;
  /** Ends this side in the orderly way. */
  end(): void;
  /** Cuts the connection with a TCP reset, where there is TCP. */
  reset(): void;
  destroy(): void;
  untilReceived(count: number): Promise<unknown>;
  untilOver(): Promise<unknown>;
}

abstract class BaseClient implements Client {
  isOver = false;
  private chunks: Buffer[] = [];
  private count = 0;

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  abstract send(bytes: Uint8Array): void;
  abstract stopReading(): void;
  abstract readOn(): void;
  abstract end(): void;
  abstract reset(): void;
  abstract destroy(): void;

  untilReceived(count: number): Promise<unknown> {
    return until(`${count} bytes at the client`, () => this.count >= count);
  }

  untilOver(): Promise<unknown> {
    return until('the end at the client', () => this.isOver);
  }

  protected hasRead(bytes: Buffer): void {
    this.chunks.push(bytes);
    this.count += bytes.length;
  }
}

export class SocketClient extends BaseClient {
  readonly socket: Socket;
  private readonly tcp: Socket;

  /** `tcp` is the socket below `socket`, or `socket` itself. */
  constructor(socket: Socket, tcp: Socket = socket) {
    super();
    this.socket = socket;
    this.tcp = tcp;
    socket.on('data', (bytes: Buffer) => this.hasRead(bytes));
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.isOver = true;
      });
    }
    tcp.on('error', () => {
      this.isOver = true;
    });
  }

  static async tcp(options: NetConnectOpts): Promise<SocketClient> {
    const client = new SocketClient(connect(options));
    await untilEvent(client.socket, 'connect');
    return client;
  }

  static async tls(port: number, options: ConnectionOptions = {}): Promise<SocketClient> {
    const client = SocketClient.tlsPending(port, options);
    await untilEvent(client.socket, 'secureConnect');
    return client;
  }

  /** Without waiting for the handshake; `prelude` goes out before it, in the clear. */
  static tlsPending(port: number, options: ConnectionOptions, prelude?: Buffer): SocketClient {
    const tcp = connect({ port, host: '127.0.0.1' });
    if (prelude !== undefined) tcp.write(prelude);
    const ca = readFileSync(fixture('ca.crt'));
    return new SocketClient(
      connectTls({ socket: tcp, servername: 'localhost', ca, ...options }),
      tcp,
    );
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  stopReading(): void {
    this.socket.pause();
  }

  readOn(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.end();
  }

  reset(): void {
    this.tcp.resetAndDestroy();
  }

  destroy(): void {
    this.socket.destroy();
    this.tcp.destroy();
  }
}

export class WsClient extends BaseClient {
  readonly webSocket: WebSocket;
  /** Of a close frame; null without one. */
  closeCode: number | null = null;

  constructor(webSocket: WebSocket) {
    super();
    this.webSocket = webSocket;
    webSocket.on('message', (data) => this.hasRead(data as Buffer));
    webSocket.on('close', (code) => {
      this.closeCode = code;
      this.isOver = true;
    });
    webSocket.on('error', () => undefined); // 'close' follows.
  }

  static async open(
    url: string,
    protocols: string[] = ['mqtt'],
    options: WebSocket.ClientOptions = {},
  ): Promise<WsClient> {
    const client = WsClient.pending(url, protocols, options);
    await untilEvent(client.webSocket, 'open');
    return client;
  }

  /** Without waiting for the upgrade. */
  static pending(
    url: string,
    protocols: string[] = ['mqtt'],
    options: WebSocket.ClientOptions = {},
  ): WsClient {
    const ca = readFileSync(fixture('ca.crt'));
    return new WsClient(
      new WebSocket(url, protocols, { perMessageDeflate: false, ca, ...options }),
    );
  }

  /** As several messages, the first of two fragments when there are enough bytes for both. */
  send(bytes: Uint8Array): void {
    const { length } = bytes;
    const first = bytes.subarray(0, frameBytes);
    this.webSocket.send(first.subarray(0, length >>> 1), { binary: true, fin: false });
    this.webSocket.send(first.subarray(length >>> 1), { binary: true, fin: true });
    for (let at = frameBytes; at < length; at += frameBytes) {
      this.webSocket.send(bytes.subarray(at, at + frameBytes));
    }
  }

  stopReading(): void {
    this.webSocket.pause();
  }

  readOn(): void {
    this.webSocket.resume();
  }

  end(): void {
    this.webSocket.close(1000);
  }

  reset(): void {
    this.tcp.resetAndDestroy();
  }

  destroy(): void {
    this.webSocket.terminate();
  }

  /** The socket below; `ws` has no public way to it. */
  get tcp(): Socket {
    return (this.webSocket as unknown as { readonly _socket: Socket })._socket;
  }
}
