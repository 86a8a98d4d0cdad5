/** Accepts raw handles for one plain listener: admission, PROXY header, then the broker core. */
import type { Server } from 'node:net';
import type { TransportReceiver } from '../broker/transport.js';
import type { RefusalReason } from './admission.js';
import { type EdgeContext, reportRefusal } from './edge.js';
import { acceptRaw, FastTransport, peerOfHandle, type RawHandle } from './fast-tcp.js';
import { ProxyGate, type ProxyGateEvents, proxiedPeer } from './proxy-gate.js';
import type { ProxiedPeer } from './proxy-protocol.js';

interface Waiting {
  readonly timer: NodeJS.Timeout;
  readonly acceptedAtMs: number;
}

export class FastEdge {
  private readonly context: EdgeContext;
  private readonly onError: (error: Error) => void;
  /** Connections whose PROXY header is not complete. */
  private readonly waiting = new Map<FastTransport, Waiting>();
  private readonly onGone: (transport: FastTransport) => void;
  private readonly gateEvents: ProxyGateEvents;

  constructor(context: EdgeContext, onError: (error: Error) => void) {
    this.context = context;
    this.onError = onError;
    this.onGone = (transport) => context.admission.leave(transport.countedAddress);
    this.gateEvents = {
      onHeader: (transport, proxied) => this.onHeader(transport, proxied),
      onMalformed: (transport, detail) => this.refuse(transport, 'proxy_header', detail),
      onClosed: (transport) => {
        if (this.stopWaiting(transport) !== null) {
          this.refuse(transport, 'proxy_header', 'closed before the PROXY header');
        }
      },
    };
  }

  /** Takes over the connections of a listening server; false: it cannot be done. */
  attach(server: Server): boolean {
    return acceptRaw(server, (handle) => this.onHandle(handle), this.onError);
  }

  /** Ends the connections that the core does not know yet. */
  close(): void {
    for (const transport of [...this.waiting.keys()]) {
      this.stopWaiting(transport);
      transport.destroy();
    }
  }

  private onHandle(handle: RawHandle): void {
    const { admission, config, options } = this.context;
    const refusal = admission.enter();
    if (refusal !== null) {
      handle.close();
      reportRefusal(this.context, refusal, null, null);
      return;
    }
    const peer = peerOfHandle(handle);
    if (peer === null) {
      handle.close();
      admission.leave(null);
      reportRefusal(this.context, 'accept_error', null, 'gone before it was accepted');
      return;
    }
    handle.setNoDelay?.(options.noDelay);
    const transport = new FastTransport(handle, peer, this.onGone);
    const acceptedAtMs = options.clock.nowMs();
    if (config.proxyProtocol === 0) {
      const receiver = this.admit(transport, acceptedAtMs);
      if (receiver !== null) transport.receive(receiver);
      return;
    }
    const timer = setTimeout(() => {
      this.stopWaiting(transport);
      this.refuse(transport, 'timeout', 'no PROXY header in time');
    }, options.limits().connectTimeoutMs);
    this.waiting.set(transport, { timer, acceptedAtMs });
    transport.receive(new ProxyGate(transport, config.proxyProtocol, this.gateEvents));
  }

  private onHeader(
    transport: FastTransport,
    proxied: ProxiedPeer | null,
  ): TransportReceiver | null {
    const acceptedAtMs = this.stopWaiting(transport);
    if (acceptedAtMs === null) return null;
    transport.peer = proxiedPeer(transport.peer, proxied);
    return this.admit(transport, acceptedAtMs);
  }

  /** The address is known: the last gate before the core. */
  private admit(transport: FastTransport, acceptedAtMs: number): TransportReceiver | null {
    const { admission, config, options } = this.context;
    const { remoteAddress } = transport.peer;
    const refusal = admission.enterAddress(remoteAddress);
    if (refusal !== null) {
      this.refuse(transport, refusal, null);
      return null;
    }
    transport.countedAddress = remoteAddress;
    return options.accept(transport, config, acceptedAtMs);
  }

  private refuse(transport: FastTransport, reason: RefusalReason, detail: string | null): void {
    this.stopWaiting(transport);
    transport.destroy();
    reportRefusal(this.context, reason, transport.peer.remoteAddress, detail);
  }

  /** When the connection was accepted; null when nothing was waited for. */
  private stopWaiting(transport: FastTransport): number | null {
    const waiting = this.waiting.get(transport);
    if (waiting === undefined) return null;
    clearTimeout(waiting.timer);
    this.waiting.delete(transport);
    return waiting.acceptedAtMs;
  }
}
