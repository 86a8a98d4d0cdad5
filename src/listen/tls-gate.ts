/**
 * The TLS side of one listener: a server that never listens itself but is given sockets, its
 * certificates by server name, its pre-shared keys, and the reload of its files.
 */
import type { Socket } from 'node:net';
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import type { TlsConfig } from '../config/config.js';
import type { ListenerOptions } from './edge.js';
import { readNamedCertificate, readTlsFiles } from './tls.js';

type GateOptions = Pick<ListenerOptions, 'connectTimeoutMs' | 'namedCertificates' | 'pskKey'>;

export class TlsGate {
  readonly server: Server;
  private readonly config: TlsConfig;
  private readonly options: GateOptions;
  private readonly withPsk: boolean;
  private contexts: ReadonlyMap<string, SecureContext>;
  private readonly pskIdentities = new WeakMap<TLSSocket, string>();

  /** Throws a BrokerError `TLS` when a file is bad. */
  constructor(config: TlsConfig, options: GateOptions) {
    this.config = config;
    this.options = options;
    this.withPsk = config.pskHint !== null && options.pskKey !== null;
    const files = readTlsFiles(config, this.withPsk);
    this.contexts = this.namedContexts(files);
    const server: TlsOptions = {
      ...files,
      requestCert: config.requireCertificate,
      // Without effect unless a certificate is asked for.
      rejectUnauthorized: true,
      handshakeTimeout: options.connectTimeoutMs,
    };
    if (options.namedCertificates.length > 0) {
      server.SNICallback = (name, done) => done(null, this.contextFor(name));
    }
    if (this.withPsk) Object.assign(server, this.pskOptions(config.pskHint ?? ''));
    this.server = createServer(server);
  }

  /** Begins the handshake on a connected socket. */
  handle(socket: Socket): void {
    this.server.emit('connection', socket);
  }

  /** The PSK identity that a client used; null when it used a certificate or nothing. */
  identityOf(socket: TLSSocket): string | null {
    return this.pskIdentities.get(socket) ?? null;
  }

  /** Reads the files again, for new connections. Throws and changes nothing when one is bad. */
  reload(): void {
    const files = readTlsFiles(this.config, this.withPsk);
    const contexts = this.namedContexts(files);
    this.server.setSecureContext(files);
    this.contexts = contexts;
  }

  private namedContexts(files: ReturnType<typeof readTlsFiles>): Map<string, SecureContext> {
    const contexts = new Map<string, SecureContext>();
    for (const certificate of this.options.namedCertificates) {
      const { names, options } = readNamedCertificate(files, certificate);
      const context = createSecureContext(options);
      for (const name of names) contexts.set(name, context);
    }
    return contexts;
  }

  /** A name by itself, or under `*.` in its domain; undefined: the listener's own certificate. */
  private contextFor(serverName: string): SecureContext | undefined {
    const name = serverName.toLowerCase();
    const dot = name.indexOf('.');
    const wildcard = dot < 0 ? null : `*${name.slice(dot)}`;
    return this.contexts.get(name) ?? (wildcard === null ? undefined : this.contexts.get(wildcard));
  }

  private pskOptions(pskIdentityHint: string): TlsOptions {
    const { pskKey } = this.options;
    return {
      pskIdentityHint,
      pskCallback: (socket, identity) => {
        const key = pskKey?.(identity) ?? null;
        if (key !== null) this.pskIdentities.set(socket as TLSSocket, identity);
        return key;
      },
    };
  }
}
