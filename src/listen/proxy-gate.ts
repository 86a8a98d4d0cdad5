/**
 * Takes the PROXY header off a connection before anything else sees its bytes: `ProxyGate` on the
 * fast socket edge, `readProxyHeader` on a `net.Socket` that TLS or HTTP will take over.
 */
import type { Socket } from 'node:net';
import type { PeerInfo, TransportReceiver } from '../broker/transport.js';
import type { FastTransport } from './fast-tcp.js';
import { type ProxiedPeer, type ProxyHeader, parseProxyHeader } from './proxy-protocol.js';

/** The connection's peer, when a PROXY header was read from `direct`. */
export function proxiedPeer(direct: PeerInfo, proxied: ProxiedPeer | null): PeerInfo {
  if (proxied === null) return direct;
  return {
    remoteAddress: proxied.remoteAddress,
    remotePort: proxied.remotePort,
    identity: proxied.commonName,
    subject: null,
    isTls: proxied.isTls,
  };
}

export interface ProxyGateEvents {
  /** The header is complete. Null: the connection was refused and destroyed. */
  readonly onHeader: (
    transport: FastTransport,
    proxied: ProxiedPeer | null,
  ) => TransportReceiver | null;
  /** Destroys the connection. */
  readonly onMalformed: (transport: FastTransport, detail: string) => void;
  /** The connection closed while the gate was its receiver. */
  readonly onClosed: (transport: FastTransport) => void;
}

export class ProxyGate implements TransportReceiver {
  private readonly transport: FastTransport;
  private readonly version: 1 | 2;
  private readonly events: ProxyGateEvents;
  /** What came so far of a header that is not complete; bounded by the parser. */
  private held: Buffer = Buffer.alloc(0);

  constructor(transport: FastTransport, version: 1 | 2, events: ProxyGateEvents) {
    this.transport = transport;
    this.version = version;
    this.events = events;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    const fresh = bytes.subarray(start, end);
    const heldBytes = this.held.length;
    const all = heldBytes === 0 ? fresh : Buffer.concat([this.held, fresh]);
    const header = parseProxyHeader(this.version, all);
    if (header.kind === 'incomplete') {
      this.held = Buffer.from(all);
      return;
    }
    if (header.kind === 'malformed') {
      this.events.onMalformed(this.transport, header.detail);
      return;
    }
    const receiver = this.events.onHeader(this.transport, header.peer);
    if (receiver === null) return;
    this.transport.receive(receiver);
    // The header ended in these bytes, else it would have been complete before.
    const restAt = start + header.length - heldBytes;
    if (restAt < end) receiver.onData(bytes, restAt, end);
  }

  onWritten(): void {
    // Nothing is written before the header is complete.
  }

  onClose(): void {
    this.events.onClosed(this.transport);
  }
}

/**
 * Reads the header of a fresh socket and calls `done` once; what follows the header is put back
 * into the socket. `done` is not called when the socket closes first.
 */
export function readProxyHeader(
  socket: Socket,
  version: 1 | 2,
  done: (header: Exclude<ProxyHeader, { kind: 'incomplete' }>) => void,
): void {
  let held: Buffer = Buffer.alloc(0);
  const onReadable = (): void => {
    for (;;) {
      const bytes = socket.read() as Buffer | null;
      if (bytes === null) return;
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      const header = parseProxyHeader(version, held);
      if (header.kind === 'incomplete') continue;
      socket.removeListener('readable', onReadable);
      if (header.kind === 'complete' && header.length < held.length) {
        socket.unshift(held.subarray(header.length));
      }
      done(header);
      return;
    }
  };
  socket.on('readable', onReadable);
}
