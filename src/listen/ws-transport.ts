/**
 * A Transport over one WebSocket. MQTT packets may be cut and joined at will by its frames
 * [MQTT-6.0.0-2]; anything but binary frames ends it [MQTT-6.0.0-1].
 *
 * Straight on `ws` rather than on its stream adapter, which would cost a Duplex per connection.
 */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { PeerInfo } from '../broker/transport.js';
import { BufferedTransport } from './buffered-transport.js';

/** Close codes of RFC 6455, section 7.4.1. */
const normalClosure = 1000;
const unsupportedData = 1003;
const textFrameLingerMs = 1_000;
// A peer that pings and does not read would make us buffer pongs without end. RFC 6455, 5.5.3
// lets a pong be left out when an earlier one has not been sent yet.
const pongBacklogMax = 16 * 1024;
const binaryFrame = { binary: true };

export class WsTransport extends BufferedTransport {
  private readonly webSocket: WebSocket;
  private readonly socket: Duplex;

  constructor(webSocket: WebSocket, socket: Duplex, peer: PeerInfo) {
    super(peer);
    this.webSocket = webSocket;
    this.socket = socket;
    // Fragments come as they are: no copy to join them.
    webSocket.binaryType = 'fragments';
    webSocket.on('message', (data, isBinary) => this.onMessage(data as Buffer[], isBinary));
    webSocket.on('ping', (data: Buffer) => {
      if (webSocket.bufferedAmount <= pongBacklogMax) webSocket.pong(data);
    });
    webSocket.on('error', (error) => this.hasFailed(error));
    webSocket.on('close', () => this.hasClosed());
    // `ws` swallows errors of the socket below.
    socket.on('error', (error) => this.hasFailed(error));
  }

  protected override backlog(): number {
    return this.webSocket.bufferedAmount;
  }

  protected override send(bytes: Buffer, onLeft: (() => void) | null): void {
    if (onLeft === null) this.webSocket.send(bytes, binaryFrame);
    else this.webSocket.send(bytes, binaryFrame, onLeft);
  }

  protected override isDestroyed(): boolean {
    return this.socket.destroyed;
  }

  protected override pauseSource(): void {
    this.webSocket.pause();
  }

  protected override resumeSource(): void {
    this.webSocket.resume();
  }

  protected override endSource(): void {
    this.webSocket.close(normalClosure);
  }

  protected override destroySource(): void {
    this.webSocket.terminate();
  }

  private onMessage(fragments: readonly Buffer[], isBinary: boolean): void {
    if (!isBinary) {
      this.hasFailed(new Error('websocket frame is not binary'));
      this.webSocket.close(unsupportedData, 'binary frames only');
      this.end(textFrameLingerMs);
      return;
    }
    for (const bytes of fragments) this.hasRead(bytes);
  }
}
