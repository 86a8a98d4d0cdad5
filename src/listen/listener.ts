/**
 * One listener of the configuration: binds its addresses and turns what connects there into
 * transports for the broker core. Bind errors are BrokerErrors `LISTEN`, bad certificates `TLS`,
 * each with one line that says what, where and what to do.
 */
import { type AddressInfo, createServer, type Server } from 'node:net';
import { BrokerError, messageOf } from '../base/errors.js';
import type { ListenerConfig } from '../config/config.js';
import { ListenerAdmission } from './admission.js';
import { bind, isFamilyMissing, placesOf } from './bind.js';
import { type EdgeContext, type ListenerOptions, reportRefusal } from './edge.js';
import { FastEdge } from './fast-edge.js';
import { isFastTcpUsable } from './fast-tcp-check.js';
import { StreamEdge } from './stream-edge.js';
import { TlsGate } from './tls-gate.js';

export type { ListenerOptions } from './edge.js';

export interface Listener {
  readonly config: ListenerConfig;
  /** Connections that count towards `maxConnections` now. */
  readonly connections: number;
  /** Reads the certificates and binds. Once. */
  listen(): Promise<void>;
  /** What it is bound to; a path for a Unix socket. Several for a host with several addresses. */
  addresses(): readonly (AddressInfo | string)[];
  /** False: new connections are closed at once (memory is short). */
  setAccepting(isAccepting: boolean): void;
  /**
   * Reads the certificates again, those of `config` when it is given, for new connections. A bad
   * one changes nothing and is returned.
   */
  reload(config?: ListenerConfig): BrokerError | null;
  /** Stops listening and drops connections that the core does not know yet; the rest stay. */
  close(): Promise<void>;
}

// Out of file descriptors, say: the same error thousands of times a second.
const acceptErrorLogEveryMs = 10_000;

export function createListener(config: ListenerConfig, options: ListenerOptions): Listener {
  return new BoundListener(config, options);
}

class BoundListener implements Listener {
  readonly config: ListenerConfig;
  private readonly options: ListenerOptions;
  private readonly context: EdgeContext;
  private readonly admission: ListenerAdmission;
  private servers: Server[] = [];
  private tls: TlsGate | null = null;
  private fastEdge: FastEdge | null = null;
  private streamEdge: StreamEdge | null = null;
  private acceptErrorLoggedAtMs = Number.NEGATIVE_INFINITY;

  constructor(config: ListenerConfig, options: ListenerOptions) {
    this.config = config;
    this.options = options;
    this.admission = new ListenerAdmission(options.admission, config.maxConnections);
    this.context = { config, options, admission: this.admission };
  }

  get connections(): number {
    return this.admission.connections;
  }

  async listen(): Promise<void> {
    const { config, options } = this;
    this.tls = this.createTls();
    this.streamEdge = new StreamEdge(this.context, this.tls);
    const isPlain = config.tls === null && config.protocol === 'mqtt';
    if (isPlain && options.fastEdge && (await isFastTcpUsable(options.log))) {
      this.fastEdge = new FastEdge(this.context, (error) => this.onAcceptError(error));
    }
    try {
      await this.bindAll();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  addresses(): readonly (AddressInfo | string)[] {
    return this.servers.map((server) => server.address()).filter((address) => address !== null);
  }

  setAccepting(isAccepting: boolean): void {
    this.admission.setPaused(!isAccepting);
  }

  reload(config?: ListenerConfig): BrokerError | null {
    try {
      this.tls?.reload(config?.tls ?? undefined);
      return null;
    } catch (cause) {
      return this.named(cause);
    }
  }

  async close(): Promise<void> {
    const { servers } = this;
    this.servers = [];
    // Not waited for: `net.Server` calls back only when all its connections have ended too.
    for (const server of servers) server.close();
    this.fastEdge?.close();
    this.streamEdge?.close();
    await new Promise((resolve) => setImmediate(resolve));
  }

  private createTls(): TlsGate | null {
    if (this.config.tls === null) return null;
    try {
      return new TlsGate(this.config.tls, this.options);
    } catch (cause) {
      throw this.named(cause);
    }
  }

  private named(cause: unknown): BrokerError {
    const text = `listener ${this.config.name}: ${messageOf(cause)}`;
    return new BrokerError(cause instanceof BrokerError ? cause.code : 'TLS', text, { cause });
  }

  /** All addresses; one that the machine has no support for is left out if another one works. */
  private async bindAll(): Promise<void> {
    let { port } = this.config;
    let missing: unknown = null;
    for (const place of await placesOf(this.config)) {
      const server = this.createServer();
      try {
        await bind(server, place, port, this.config);
      } catch (error) {
        if (!isFamilyMissing(error)) throw error;
        missing = error;
        continue;
      }
      this.servers.push(server);
      server.on('error', (error) => this.onAcceptError(error));
      if (this.fastEdge?.attach(server) === false) {
        this.options.log.write('debug', 'fast socket edge is off', { listener: this.config.name });
      }
      // With port 0 the first address chooses for all.
      const address = server.address();
      if (port === 0 && typeof address === 'object' && address !== null) port = address.port;
    }
    if (this.servers.length === 0) throw missing;
  }

  private createServer(): Server {
    // Whatever the fast edge does not take over comes as a socket.
    return createServer({ noDelay: this.options.noDelay }, (socket) =>
      this.streamEdge?.onSocket(socket),
    );
  }

  private onAcceptError(error: Error): void {
    reportRefusal(this.context, 'accept_error', null, error.message);
    const nowMs = this.options.clock.nowMs();
    if (nowMs - this.acceptErrorLoggedAtMs < acceptErrorLogEveryMs) return;
    this.acceptErrorLoggedAtMs = nowMs;
    const fields = { listener: this.config.name, reason: error.message };
    this.options.log.write('warning', 'connections cannot be accepted', fields);
  }
}
