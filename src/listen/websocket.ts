/**
 * HTTP in front of MQTT: upgrades connections to WebSocket, or serves files from `http_dir`.
 * It is fed with sockets that are connected and, where configured, past PROXY header and TLS.
 *
 * Sub-protocols: `mqtt` when offered [MQTT-6.0.0-4], else `mqttv3.1`, which old clients ask for.
 * A client that offers neither is refused, as [MQTT-6.0.0-3] lets it expect, and as by Mosquitto.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { PeerInfo } from '../broker/transport.js';
import type { ListenerConfig } from '../config/config.js';
import type { ListenerLimits } from './edge.js';
import { answer, serveFile } from './static-files.js';
import { WsTransport } from './ws-transport.js';

const subprotocols = ['mqtt', 'mqttv3.1'] as const;
// A frame may hold several packets: small limits for packets must not forbid usual frames.
const frameBytesMin = 64 * 1024;
const protocolPacketMax = 268_435_460;

export interface HttpEdgeOptions {
  readonly config: Pick<ListenerConfig, 'websocketsHeadersSize' | 'websocketsOrigins' | 'httpDir'>;
  /**
   * The longest frame is the longest packet. An HTTP request that is answered, not upgraded, may
   * stall for the connect timeout.
   */
  readonly limits: () => ListenerLimits;
  /** Called for every request that is not upgraded: the deadline of the connect is over. */
  readonly onRequest: (socket: Duplex) => void;
  readonly onRefused: (socket: Duplex, detail: string) => void;
  /** Null: the connection is gone meanwhile. */
  readonly peerOf: (socket: Duplex) => PeerInfo | null;
  readonly onTransport: (transport: WsTransport, socket: Duplex) => void;
}

export class HttpEdge {
  private readonly options: HttpEdgeOptions;
  private readonly http: Server;
  private readonly webSockets: WebSocketServer;

  constructor(options: HttpEdgeOptions) {
    this.options = options;
    const { config } = options;
    this.webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false, // 15 KB of memory per connection, and packets are small.
      autoPong: false, // WsTransport answers, with a bound.
      skipUTF8Validation: true, // Text is refused whatever it says.
      handleProtocols: (offered) => subprotocols.find((name) => offered.has(name)) ?? false,
    });
    // The listener's own deadline covers the whole way to the upgrade.
    const server = { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 1 };
    const { websocketsHeadersSize } = config;
    this.http = createServer(
      websocketsHeadersSize > 0 ? { ...server, maxHeaderSize: websocketsHeadersSize } : server,
    );
    this.http.on('upgrade', (request, socket, head) =>
      this.onUpgrade(request, socket as Socket, head),
    );
    this.http.on('request', (request, response) => {
      const { socket } = request;
      options.onRequest(socket);
      socket.setTimeout(options.limits().connectTimeoutMs, () => socket.destroy());
      if (config.httpDir !== null) {
        serveFile(config.httpDir, request, response).catch(() => socket.destroy());
      } else {
        response.setHeader('Upgrade', 'websocket');
        answer(response, 426, 'this port speaks MQTT over WebSocket');
      }
    });
  }

  /** Takes over a connected socket. */
  handle(socket: Socket): void {
    this.http.emit('connection', socket);
  }

  private onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const { websocketsOrigins } = this.options.config;
    const { origin } = request.headers;
    if (websocketsOrigins.length > 0 && !websocketsOrigins.includes(origin ?? '')) {
      this.refuse(socket, '403 Forbidden', 'origin is not allowed');
      return;
    }
    if (!offersMqtt(request.headers['sec-websocket-protocol'])) {
      this.refuse(socket, '400 Bad Request', 'offer the WebSocket sub-protocol mqtt');
      return;
    }
    this.webSockets.options.maxPayload = this.frameBytesMax();
    this.webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const peer = this.options.peerOf(socket);
      if (peer === null) webSocket.terminate();
      else this.options.onTransport(new WsTransport(webSocket, socket, peer), socket);
    });
  }

  private frameBytesMax(): number {
    const { packetBytesMax } = this.options.limits();
    return packetBytesMax === 0 ? protocolPacketMax : Math.max(packetBytesMax, frameBytesMin);
  }

  private refuse(socket: Socket, status: string, detail: string): void {
    this.options.onRefused(socket, detail);
    socket.on('error', () => socket.destroy());
    socket.write(
      `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
        `Content-Length: ${detail.length + 1}\r\n\r\n${detail}\n`,
    );
    socket.destroySoon(); // `end` would wait for a peer that need not ever close.
  }
}

function offersMqtt(header: string | undefined): boolean {
  if (header === undefined) return false;
  const offered = header.split(',').map((name) => name.trim());
  return subprotocols.some((name) => offered.includes(name));
}
