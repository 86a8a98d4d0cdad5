/** The shape of a bridge's configuration: frozen and complete, like the rest of `Config`. */
import type { ProtocolVersion } from './config.js';

export interface BridgeConfig {
  /** For logs, and unique; part of the default client identifiers. */
  readonly name: string;
  /** Of the remote broker, the main one first; never empty. */
  readonly addresses: readonly BridgeAddress[];
  /** True: all addresses are equal. False: the first one is gone back to. */
  readonly roundRobin: boolean;
  readonly topics: readonly BridgeTopic[];
  readonly protocolVersion: ProtocolVersion;
  readonly remoteClientId: string;
  readonly remoteUsername: string | null;
  /** In no log, dump or error. */
  readonly remotePassword: string | null;
  readonly localClientId: string;
  /** Null: the bridge may do everything here. */
  readonly localUsername: string | null;
  /** In no log, dump or error. */
  readonly localPassword: string | null;
  /** True: the remote session ends with the connection. */
  readonly cleanSession: boolean;
  /** True: the session here does, and nothing is queued while there is no connection. */
  readonly localCleanSession: boolean;
  readonly keepAliveS: number;
  readonly startType: BridgeStart;
  /** Of `lazy`: seconds without a message until the connection is closed. */
  readonly idleTimeoutS: number;
  /** Of `lazy`: queued messages that open the connection. */
  readonly threshold: number;
  readonly restart: RestartDelay;
  /** True: the remote broker is told that this is a bridge (MQTT 3.x). */
  readonly tryPrivate: boolean;
  readonly notifications: 'both' | 'local' | 'none';
  readonly notificationTopic: string;
  /** Null: in plain text. */
  readonly tls: BridgeTlsConfig | null;
  /** True: topics that only go out are unsubscribed from at the remote broker. */
  readonly attemptUnsubscribe: boolean;
  /** False: RETAIN is taken off what goes out. */
  readonly outgoingRetain: boolean;
  /** Local address of the connection; null: any. */
  readonly bindAddress: string | null;
  /** Bytes of a packet to the remote broker; 0: no limit of ours. */
  readonly maxPacketSize: number;
  /** QoS 1 and 2 messages that an MQTT 5.0 remote broker may have in flight; 0: our own limit. */
  readonly receiveMaximum: number;
  /** Seconds that an MQTT 5.0 remote broker keeps the session; `EXPIRY_NEVER`: for ever. */
  readonly sessionExpiryS: number;
  /** When a changed configuration counts: at the next connection, or at once by a new one. */
  readonly reloadType: 'lazy' | 'immediate';
}

export type BridgeStart = 'automatic' | 'lazy' | 'once';

export interface BridgeAddress {
  /** Name or address; of IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** One `topic` line. */
export interface BridgeTopic {
  readonly direction: 'out' | 'in' | 'both';
  readonly qos: 0 | 1 | 2;
  readonly localPrefix: string;
  readonly remotePrefix: string;
  /** What local topic names match, prefix included. */
  readonly localFilter: string;
  /** What remote topic names match, prefix included. */
  readonly remoteFilter: string;
  /** Of a shared subscription; null: none. */
  readonly shareName: string | null;
}

/** Seconds before the next try. */
export interface RestartDelay {
  readonly baseS: number;
  /** Null: always `baseS`. Else it grows from there, with chance in it, up to here. */
  readonly capS: number | null;
}

export interface BridgeTlsConfig {
  /** With `caPath` null too: the CAs that Node trusts. */
  readonly caFile: string | null;
  readonly caPath: string | null;
  /** Null exactly when `keyFile` is. */
  readonly certFile: string | null;
  readonly keyFile: string | null;
  /** True: the certificate may be for another host. */
  readonly insecure: boolean;
  readonly alpn: string | null;
  /** With `psk`: a pre-shared key instead of certificates. */
  readonly identity: string | null;
  /** Hexadecimal. In no log, dump or error. */
  readonly psk: string | null;
  /** The only version; null: Node's default range. */
  readonly version: 'tlsv1.2' | 'tlsv1.3' | null;
  readonly ciphers: string | null;
  readonly ciphersTls13: string | null;
}

/** Session Expiry Interval that never ends [MQTT-3.1.2.11.2]. */
export const EXPIRY_NEVER = 0xffffffff;
export const DEFAULT_BRIDGE_PORT = 1883;
