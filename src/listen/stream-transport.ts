/**
 * A Transport over a Node stream: a TLS socket, or a plain socket where the fast socket edge is
 * not available.
 */
import type { Socket } from 'node:net';
import type { PeerInfo } from '../broker/transport.js';
import { BufferedTransport } from './buffered-transport.js';

export class StreamTransport extends BufferedTransport {
  private readonly socket: Socket;

  constructor(socket: Socket, peer: PeerInfo) {
    super(peer);
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => this.hasRead(bytes));
    // Bytes flow only once there is a receiver; a 'data' listener alone would start them.
    socket.pause();
    socket.on('end', () => this.hasEnded());
    socket.on('error', (error) => this.hasFailed(error));
    socket.on('close', () => this.hasClosed());
  }

  protected override backlog(): number {
    return this.socket.writableLength;
  }

  protected override send(bytes: Buffer, onLeft: (() => void) | null): void {
    if (onLeft === null) this.socket.write(bytes);
    else this.socket.write(bytes, onLeft);
  }

  protected override isDestroyed(): boolean {
    return this.socket.destroyed;
  }

  protected override pauseSource(): void {
    this.socket.pause();
  }

  protected override resumeSource(): void {
    this.socket.resume();
  }

  protected override endSource(): void {
    this.socket.end();
  }

  protected override destroySource(): void {
    this.socket.destroy();
  }
}
