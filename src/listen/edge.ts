/** What the two edges, raw handles and sockets, need of their listener. */
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { Transport, TransportReceiver } from '../broker/transport.js';
import type { ListenerConfig } from '../config/config.js';
import type { Limits } from '../config/limits.js';
import type { Admission, ListenerAdmission, RefusalReason } from './admission.js';

/**
 * `connectTimeoutMs` is for TLS handshake, PROXY header and HTTP upgrade together. The longest
 * WebSocket frame follows from `packetBytesMax`.
 */
export type ListenerLimits = Pick<Limits, 'connectTimeoutMs' | 'packetBytesMax'>;

export interface ListenerOptions {
  /**
   * A connection is ready for MQTT. `acceptedAtMs` is the monotonic time at which it was accepted:
   * TLS handshake and PROXY header have used up a part of the connect timeout already.
   */
  readonly accept: (
    transport: Transport,
    listener: ListenerConfig,
    acceptedAtMs: number,
  ) => TransportReceiver;
  /** One for all listeners of the broker. */
  readonly admission: Admission;
  /** A connection was closed before `accept`. Called once for each. */
  readonly onRefused: (reason: RefusalReason, listener: ListenerConfig) => void;
  readonly clock: Clock;
  readonly log: Log;
  /** As they are now: a reload changes them for new connections. */
  readonly limits: () => ListenerLimits;
  /** TCP_NODELAY; off, the second small packet of a pair may wait 40 ms for the peer. */
  readonly noDelay: boolean;
  /** Key of a PSK identity, null for unknown ones; null: the listener has no PSK. */
  readonly pskKey: ((identity: string) => Buffer | null) | null;
  /** False: plain connections use `net.Socket` too. For tests, and as a way out. */
  readonly fastEdge: boolean;
}

export interface EdgeContext {
  readonly config: ListenerConfig;
  readonly options: ListenerOptions;
  readonly admission: ListenerAdmission;
}

/** Counts a refusal, and tells the log what the counter cannot: who and why. */
export function reportRefusal(
  { config, options }: EdgeContext,
  reason: RefusalReason,
  remoteAddress: string | null,
  detail: string | null,
): void {
  options.onRefused(reason, config);
  if (!options.log.enabled('debug')) return;
  const fields = { listener: config.name, reason, remoteAddress, detail };
  options.log.write('debug', 'connection refused', fields);
}
