/**
 * Accepts `net.Socket`s for one listener and takes them through what it demands, in this order:
 *
 *   admission ──▶ PROXY header ──▶ per-address limit ──▶ TLS ──▶ HTTP upgrade ──▶ broker core
 *
 * One deadline covers the whole way. Whatever fails on it closes the connection and is counted
 * once, by reason.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import type { PeerInfo } from '../broker/transport.js';
import type { RefusalReason } from './admission.js';
import type { BufferedTransport } from './buffered-transport.js';
import { type EdgeContext, reportRefusal } from './edge.js';
import { plainAddress, plainPeer } from './peer.js';
import { certificateOwner } from './peer-certificate.js';
import { proxiedPeer, readProxyHeader } from './proxy-gate.js';
import type { ProxyHeader } from './proxy-protocol.js';
import { StreamTransport } from './stream-transport.js';
import type { TlsGate } from './tls-gate.js';
import { HttpEdge } from './websocket.js';

/** A connection that the core does not know yet. */
interface Arrival {
  readonly socket: Socket;
  readonly acceptedAtMs: number;
  peer: PeerInfo;
  countedAddress: string | null;
  timer: NodeJS.Timeout | null;
  /** Handed over or refused: nothing more is counted. */
  isSettled: boolean;
}

export class StreamEdge {
  private readonly context: EdgeContext;
  private readonly tls: TlsGate | null;
  private readonly http: HttpEdge | null;
  private readonly waiting = new Set<Arrival>();
  /** By the TCP socket, and by the TLS socket above it. */
  private readonly arrivals = new WeakMap<Duplex, Arrival>();

  constructor(context: EdgeContext, tls: TlsGate | null) {
    this.context = context;
    this.tls = tls;
    if (tls !== null) this.listenTo(tls.server);
    this.http = context.config.protocol === 'websockets' ? this.httpEdge() : null;
  }

  onSocket(socket: Socket): void {
    const { admission, config, options } = this.context;
    const refusal = admission.enter();
    if (refusal !== null) {
      socket.destroy();
      reportRefusal(this.context, refusal, socket.remoteAddress ?? null, null);
      return;
    }
    const address = config.socketPath === null ? socket.remoteAddress : 'unix';
    const arrival: Arrival = {
      socket,
      acceptedAtMs: options.clock.nowMs(),
      peer: plainPeer(plainAddress(address ?? ''), socket.remotePort ?? 0),
      countedAddress: null,
      timer: null,
      isSettled: false,
    };
    socket.on('error', ignore); // 'close' follows, and says what there is to say.
    socket.once('close', () => {
      this.refuse(arrival, this.closedReason(), 'closed by the peer');
      admission.leave(arrival.countedAddress);
    });
    this.arrivals.set(socket, arrival);
    this.waiting.add(arrival);
    const expire = (): void => this.refuse(arrival, 'timeout', 'connect timeout');
    arrival.timer = setTimeout(expire, options.limits().connectTimeoutMs);
    if (address === undefined) this.refuse(arrival, 'accept_error', 'gone before it was accepted');
    else if (config.proxyProtocol === 0) this.onPeer(arrival);
    else readProxyHeader(socket, config.proxyProtocol, (header) => this.onHeader(arrival, header));
  }

  /** Ends the connections that the core does not know yet. */
  close(): void {
    for (const arrival of [...this.waiting]) {
      this.settle(arrival);
      arrival.socket.destroy();
    }
  }

  private onHeader(arrival: Arrival, header: Exclude<ProxyHeader, { kind: 'incomplete' }>): void {
    if (arrival.isSettled) return;
    if (header.kind === 'malformed') {
      this.refuse(arrival, 'proxy_header', header.detail);
      return;
    }
    arrival.peer = proxiedPeer(arrival.peer, header.peer);
    this.onPeer(arrival);
  }

  private onPeer(arrival: Arrival): void {
    const { remoteAddress } = arrival.peer;
    const refusal = this.context.admission.enterAddress(remoteAddress);
    if (refusal !== null) {
      this.refuse(arrival, refusal, null);
      return;
    }
    arrival.countedAddress = remoteAddress;
    if (this.tls !== null) this.tls.handle(arrival.socket);
    else this.onStream(arrival, arrival.socket);
  }

  /** The byte stream to the client is there. */
  private onStream(arrival: Arrival, socket: Socket): void {
    if (this.http !== null) this.http.handle(socket);
    else this.handOver(arrival, new StreamTransport(socket, arrival.peer));
  }

  private handOver(arrival: Arrival, transport: BufferedTransport): void {
    this.settle(arrival);
    const { config, options } = this.context;
    transport.receive(options.accept(transport, config, arrival.acceptedAtMs));
  }

  private listenTo(server: TlsServer): void {
    const tls = this.tls;
    server.on('secureConnection', (socket: TLSSocket) => {
      const arrival = this.arrivalOf(socket);
      if (tls === null || arrival === null || arrival.isSettled) {
        socket.destroy();
        return;
      }
      const pskIdentity = tls.identityOf(socket);
      const owner = socket.authorized ? certificateOwner(socket) : null;
      arrival.peer = {
        ...arrival.peer,
        isTls: true,
        identity: pskIdentity ?? owner?.identity ?? arrival.peer.identity,
        subject: pskIdentity === null ? (owner?.subject ?? null) : null,
      };
      this.arrivals.set(socket, arrival);
      this.onStream(arrival, socket);
    });
    server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
      const arrival = this.arrivalOf(socket);
      const detail = String(socket.authorizationError ?? error.message);
      if (arrival === null) socket.destroy();
      else this.refuse(arrival, 'tls_handshake', detail);
    });
  }

  /** Node has no public way from a TLS socket to the socket that it was given. */
  private arrivalOf(socket: TLSSocket): Arrival | null {
    const { _parent: parent } = socket as unknown as { readonly _parent?: Duplex };
    return (parent && this.arrivals.get(parent)) ?? null;
  }

  private httpEdge(): HttpEdge {
    const { config, options } = this.context;
    const of = (socket: Duplex): Arrival | undefined => this.arrivals.get(socket);
    return new HttpEdge({
      config,
      limits: options.limits,
      onRequest: (socket) => {
        const arrival = of(socket);
        if (arrival !== undefined) this.settle(arrival);
      },
      onRefused: (socket, detail) => {
        const arrival = of(socket);
        if (arrival !== undefined) this.report(arrival, 'http_request', detail);
      },
      peerOf: (socket) => {
        const arrival = of(socket);
        return arrival === undefined || arrival.isSettled ? null : arrival.peer;
      },
      onTransport: (transport, socket) => {
        const arrival = of(socket);
        if (arrival === undefined) transport.destroy();
        else this.handOver(arrival, transport);
      },
    });
  }

  private closedReason(): RefusalReason {
    if (this.http !== null) return 'http_request';
    return this.tls !== null ? 'tls_handshake' : 'proxy_header';
  }

  /** Once per arrival; nothing happens after it was handed over. */
  private refuse(arrival: Arrival, reason: RefusalReason, detail: string | null): void {
    if (this.report(arrival, reason, detail)) arrival.socket.destroy();
  }

  private report(arrival: Arrival, reason: RefusalReason, detail: string | null): boolean {
    if (arrival.isSettled) return false;
    this.settle(arrival);
    reportRefusal(this.context, reason, arrival.peer.remoteAddress, detail);
    return true;
  }

  private settle(arrival: Arrival): void {
    arrival.isSettled = true;
    this.waiting.delete(arrival);
    if (arrival.timer !== null) clearTimeout(arrival.timer);
    arrival.timer = null;
  }
}

function ignore(): void {
  // Listened to only because an 'error' without listener ends the process.
}
