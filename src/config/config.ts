/**
 * The shape of a configuration: frozen, complete, no optional fields.
 *
 * `parseConfig` in mosquitto-conf.ts makes one from files and flags;
 * `defaultConfig` in defaults.ts makes one without any. Names follow
 * mosquitto.conf(5); units stand last in a name where the spec has none.
 */
import type { BridgeConfig } from './bridge-config.js';
import type { HistoryConfig } from './history-config.js';
import type { Limits } from './limits.js';

export type ProtocolVersion = 3 | 4 | 5;

/** Who may come in. Global, or one per listener with `per_listener_settings true`. */
export interface AccessConfig {
  readonly allowAnonymous: boolean;
  readonly passwordFile: string | null;
  readonly aclFile: string | null;
  readonly pskFile: string | null;
  readonly allowZeroLengthClientId: boolean;
  readonly autoIdPrefix: string;
  /** Empty string: no restriction. */
  readonly clientIdPrefixes: string;
}

/** A certificate for clients that ask for `host`, by SNI. */
export interface SniCertificate {
  /** Lower case; `*.example.org` stands for one label in place of `*`. */
  readonly host: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface TlsConfig {
  readonly caFile: string | null;
  readonly caPath: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
  /** Beside `certFile`, which is for all other names. */
  readonly sniCertificates: readonly SniCertificate[];
  readonly crlFile: string | null;
  readonly ciphers: string | null;
  readonly ciphersTls13: string | null;
  /** The only, or the lowest, TLS version: `tlsv1.2`, `tlsv1.3`; null: Node's default range. */
  readonly tlsVersion: 'tlsv1.2' | 'tlsv1.3' | null;
  readonly dhParamFile: string | null;
  readonly requireCertificate: boolean;
  /** PSK identity hint; with `access.pskFile` it turns the listener into a PSK listener. */
  readonly pskHint: string | null;
}

export interface ListenerConfig {
  /** For logs and errors, and unique: `*:1883`, `[::1]:8883`, `/run/tidewire.sock`. */
  readonly name: string;
  /** TCP port; 0: any free one; ignored with `socketPath`. */
  readonly port: number;
  /** Host name or address to bind; null: all addresses. */
  readonly host: string | null;
  /** Unix socket path; null: TCP. */
  readonly socketPath: string | null;
  readonly bindInterface: string | null;
  readonly socketDomain: 'ipv4' | 'ipv6' | null;
  readonly protocol: 'mqtt' | 'websockets';
  readonly acceptProtocolVersions: readonly ProtocolVersion[];
  /** PROXY protocol version demanded before the first byte; 0: none. */
  readonly proxyProtocol: 0 | 1 | 2;
  /** -1: no limit. */
  readonly maxConnections: number;
  /** Empty: none. Put before every topic of the listener's clients. */
  readonly mountPoint: string;
  readonly maxQos: 0 | 1 | 2;
  /** Highest topic alias that clients may use; 0: none. */
  readonly maxTopicAlias: number;
  /** Highest topic alias that the broker uses towards clients. */
  readonly maxTopicAliasBroker: number;
  readonly tls: TlsConfig | null;
  readonly useIdentityAsUsername: boolean;
  readonly useSubjectAsUsername: boolean;
  readonly useUsernameAsClientId: boolean;
  readonly access: AccessConfig;
  /** Bytes of HTTP headers that an upgrade request may have. */
  readonly websocketsHeadersSize: number;
  /** Origins allowed to upgrade; empty: all. */
  readonly websocketsOrigins: readonly string[];
  /** Folder served over plain HTTP GET on a websockets listener. */
  readonly httpDir: string | null;
}

export interface LogConfig {
  /** `log_dest` lines in order. `dlt` is reported as not supported. */
  readonly destinations: readonly LogDestination[];
  readonly types: readonly LogType[];
  readonly timestamp: boolean;
  /** strftime(3) format; null: ISO 8601. */
  readonly timestampFormat: string | null;
  /** syslog(3) code: 3 is daemon, 16 to 23 are local0 to local7. */
  readonly facility: number;
  /** `connection_messages`: log connects and disconnects. */
  readonly connectionMessages: boolean;
}
export type LogType =
  | 'debug'
  | 'error'
  | 'warning'
  | 'notice'
  | 'information'
  | 'subscribe'
  | 'unsubscribe'
  | 'websockets'
  | 'internal';
export type LogDestination =
  | { readonly kind: 'stdout' }
  | { readonly kind: 'stderr' }
  | { readonly kind: 'syslog' }
  | { readonly kind: 'topic' }
  | { readonly kind: 'file'; readonly path: string };

/** How sessions and deliveries behave. The core reads this, never a file. */
export interface DeliveryConfig {
  /**
   * False: a client with overlapping subscriptions gets one merged delivery with all
   * subscription identifiers. True: one per matching subscription.
   */
  readonly allowDuplicateMessages: boolean;
  readonly queueQos0Messages: boolean;
  readonly retainAvailable: boolean;
  readonly checkRetainSource: boolean;
  readonly upgradeOutgoingQos: boolean;
  /** Seconds that a v3 durable session may stay offline; Infinity: for ever. */
  readonly persistentClientExpirationS: number;
  /** Longest keep-alive in seconds; 0: no limit (v5 clients get Server Keep Alive). */
  readonly maxKeepAlive: number;
  readonly sharedSubscriptionStrategy: SharedStrategy;
  /** What happens to a QoS > 0 message for a session whose queue is full. */
  readonly queueFullPolicy: 'drop_newest' | 'drop_oldest' | 'refuse';
}
export type SharedStrategy =
  | 'round_robin'
  | 'random'
  | 'sticky'
  | 'hash_client'
  | 'hash_topic'
  | 'local';

export interface Config {
  readonly listeners: readonly ListenerConfig[];
  readonly perListenerSettings: boolean;
  readonly delivery: DeliveryConfig;
  readonly limits: Limits;
  readonly log: LogConfig;
  /** `$SYS` interval in seconds; 0: no `$SYS`. */
  readonly sysInterval: number;
  readonly setTcpNodelay: boolean;
  /** Clients per second that are sent away when a broker of a cluster stops; 0: all at once. */
  readonly drainRate: number;
  /** Where they are told to go (MQTT 5.0 Server Reference); null: nowhere in particular. */
  readonly serverReference: string | null;
  readonly store: StoreConfig;
  readonly history: HistoryConfig;
  /** To other brokers, in the file's order. */
  readonly bridges: readonly BridgeConfig[];
  readonly pidFile: string | null;
  /** User to become after binding, when started as root; null: stay. */
  readonly user: string | null;
  /** Path of the file that this came from; null: flags and defaults only. */
  readonly source: string | null;
}

/** Where durable sessions and retained messages are kept, and so what an acknowledgement means. */
export type StoreConfig = MemoryStoreConfig | DiskStoreConfig | RedisStoreConfig;

export interface MemoryStoreConfig {
  readonly kind: 'memory';
}

export interface DiskStoreConfig {
  readonly kind: 'disk';
  /** The broker's alone; made at the start when it is not there. */
  readonly folder: string;
  readonly sync: DiskSync;
}

export interface RedisStoreConfig {
  readonly kind: 'redis';
  /** Some nodes of the cluster, or the one server; never empty. */
  readonly nodes: readonly RedisNode[];
  readonly username: string | null;
  /** In no log, dump or error. */
  readonly password: string | null;
  /** Null: in plain text. */
  readonly tls: RedisTlsConfig | null;
  /** Of all keys; without braces, which would decide the hash slot. */
  readonly prefix: string;
  /** Null: `replica` where the primaries have replicas, else `primary`. */
  readonly ackLevel: AckLevel | null;
  /** The same after a restart, and of no other broker that shares this Redis. */
  readonly nodeName: string;
  /** Seconds that a broker of a cluster is taken for alive after its last word. */
  readonly leaseS: number;
}

export type StoreKind = StoreConfig['kind'];
/** When a write is on the medium: before it is acknowledged, a second later, or some time. */
export type DiskSync = 'always' | 'everysec' | 'no';
/** In the primary's memory, also in a replica's, or in the primary's append-only file, fsynced. */
export type AckLevel = 'primary' | 'replica' | 'aof';

export interface RedisNode {
  /** Name or address; of IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface RedisTlsConfig {
  /** With `caPath` null too: the CAs that Node trusts. */
  readonly caFile: string | null;
  readonly caPath: string | null;
  /** Our certificate, where Redis demands one; null exactly when `keyFile` is. */
  readonly certFile: string | null;
  readonly keyFile: string | null;
  /** True: whoever answers is taken for Redis. */
  readonly insecure: boolean;
}

/** Something in a configuration file that its author should know, but that stops nothing. */
export interface ConfigWarning {
  readonly file: string;
  readonly line: number;
  readonly key: string;
  readonly message: string;
}
