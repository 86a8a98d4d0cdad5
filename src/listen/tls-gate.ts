/**
 * The TLS side of one listener: a server that never listens itself but is given sockets, its
 * certificates by server name, its pre-shared keys, and the reload of its files.
 */
import type { Socket } from 'node:net';
import {
  createServer,
  type SecureContext,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import type { TlsConfig } from '../config/config.js';
import type { ListenerOptions } from './edge.js';
import { readSniCertificates, readTlsFiles } from './tls.js';

// Never reached: the listener's own deadline is shorter, and a reload may change it.
const handshakeTimeout = 2 ** 31 - 1;

export class TlsGate {
  readonly server: Server;
  private config: TlsConfig;
  private readonly pskKey: ListenerOptions['pskKey'];
  private readonly withPsk: boolean;
  /** By the host names of `sni_certificate`. */
  private contexts: ReadonlyMap<string, SecureContext>;
  private readonly pskIdentities = new WeakMap<TLSSocket, string>();

  /** Throws a BrokerError `TLS` when a file is bad. */
  constructor(config: TlsConfig, { pskKey }: Pick<ListenerOptions, 'pskKey'>) {
    this.config = config;
    this.pskKey = pskKey;
    this.withPsk = config.pskHint !== null && pskKey !== null;
    const files = readTlsFiles(config, this.withPsk);
    this.contexts = readSniCertificates(config, files);
    const server: TlsOptions = {
      ...files,
      requestCert: config.requireCertificate,
      // Without effect unless a certificate is asked for.
      rejectUnauthorized: true,
      handshakeTimeout,
    };
    if (this.withPsk) Object.assign(server, this.pskOptions(config.pskHint ?? ''));
    // Also without certificates by name: a reload may bring some.
    else server.SNICallback = (name, done) => done(null, this.contextFor(name));
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

  /** Reads the files, for new connections. Throws and changes nothing when one is bad. */
  reload(config: TlsConfig = this.config): void {
    const files = readTlsFiles(config, this.withPsk);
    const contexts = readSniCertificates(config, files);
    this.server.setSecureContext(files);
    this.contexts = contexts;
    this.config = config;
  }

  /** A name by itself, or under `*.` in its domain; undefined: the listener's own certificate. */
  private contextFor(serverName: string): SecureContext | undefined {
    const name = serverName.toLowerCase();
    const dot = name.indexOf('.');
    const wildcard = dot < 0 ? null : `*${name.slice(dot)}`;
    return this.contexts.get(name) ?? (wildcard === null ? undefined : this.contexts.get(wildcard));
  }

  private pskOptions(pskIdentityHint: string): TlsOptions {
    const { pskKey } = this;
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
