/**
 * What holds when nothing is configured, and the functions that complete a partial configuration.
 *
 * They serve the parser, the library API and tests: each fills in what is not given and freezes
 * the result, so that a new field needs one default here and nothing elsewhere.
 */
import type {
  AccessConfig,
  Config,
  DeliveryConfig,
  ListenerConfig,
  LogConfig,
  LogType,
  TlsConfig,
} from './config.js';
import { defaultHistory } from './history-config.js';
import { defaultLimits } from './limits.js';

/** mosquitto.conf(5): `log_type` when it is not given. */
export const defaultLogTypes: readonly LogType[] = Object.freeze([
  'error',
  'warning',
  'notice',
  'information',
]);

/** `log_type all`, and the flag `-v`. */
export const allLogTypes: readonly LogType[] = Object.freeze([
  'error',
  'warning',
  'notice',
  'information',
  'debug',
  'subscribe',
  'unsubscribe',
  'websockets',
  'internal',
]);

/** syslog(3) codes: `daemon` is the default; `log_facility N` means local0 + N. */
export const SYSLOG_DAEMON = 3;
export const SYSLOG_LOCAL0 = 16;

export const DEFAULT_PORT = 1883;
/** Clients per second: 9 000 in nine seconds. */
export const DEFAULT_DRAIN_RATE = 1_000;
/** Seconds: longer than Redis takes for a failover. */
export const DEFAULT_LEASE_S = 15;
export const DEFAULT_WEBSOCKETS_HEADERS_SIZE = 4096;

export function defaultAccess(overrides: Partial<AccessConfig> = {}): AccessConfig {
  return Object.freeze({
    allowAnonymous: false,
    passwordFile: null,
    aclFile: null,
    pskFile: null,
    allowZeroLengthClientId: true,
    autoIdPrefix: 'auto-',
    clientIdPrefixes: '',
    ...overrides,
  });
}

export function defaultTls(overrides: Partial<TlsConfig> = {}): TlsConfig {
  return Object.freeze({
    caFile: null,
    caPath: null,
    certFile: null,
    keyFile: null,
    sniCertificates: Object.freeze([]),
    crlFile: null,
    ciphers: null,
    ciphersTls13: null,
    tlsVersion: null,
    dhParamFile: null,
    requireCertificate: false,
    pskHint: null,
    ...overrides,
  });
}

/** One listener; `name` follows from the address unless it is given. Anonymous is off. */
export function defaultListener(overrides: Partial<ListenerConfig> = {}): ListenerConfig {
  const listener = {
    port: DEFAULT_PORT,
    host: null,
    socketPath: null,
    bindInterface: null,
    socketDomain: null,
    protocol: 'mqtt' as const,
    acceptProtocolVersions: Object.freeze([3, 4, 5] as const),
    proxyProtocol: 0 as const,
    maxConnections: -1,
    mountPoint: '',
    maxQos: 2 as const,
    maxTopicAlias: 10,
    maxTopicAliasBroker: 10,
    tls: null,
    useIdentityAsUsername: false,
    useSubjectAsUsername: false,
    useUsernameAsClientId: false,
    access: defaultAccess(),
    websocketsHeadersSize: DEFAULT_WEBSOCKETS_HEADERS_SIZE,
    websocketsOrigins: Object.freeze([]),
    httpDir: null,
    ...overrides,
  };
  return Object.freeze({ name: listenerName(listener), ...listener });
}

type Address = Pick<
  ListenerConfig,
  'port' | 'host' | 'socketPath' | 'bindInterface' | 'socketDomain'
>;

/** How logs and errors call a listener; two listeners with one name could not both open. */
export function listenerName(address: Address): string {
  if (address.socketPath !== null) return address.socketPath;
  const host = hostName(address);
  return `${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}

/** As in Mosquitto, the interface goes before the host. */
function hostName(address: Address): string {
  const domain = address.socketDomain;
  if (address.bindInterface !== null) {
    return domain === null ? address.bindInterface : `${address.bindInterface}/${domain}`;
  }
  if (address.host !== null) return address.host;
  return domain === 'ipv4' ? '0.0.0.0' : domain === 'ipv6' ? '::' : '*';
}

export function defaultDelivery(overrides: Partial<DeliveryConfig> = {}): DeliveryConfig {
  return Object.freeze({
    allowDuplicateMessages: false,
    queueQos0Messages: false,
    retainAvailable: true,
    checkRetainSource: true,
    upgradeOutgoingQos: false,
    persistentClientExpirationS: Number.POSITIVE_INFINITY,
    maxKeepAlive: 65_535,
    sharedSubscriptionStrategy: 'round_robin' as const,
    queueFullPolicy: 'drop_newest' as const,
    ...overrides,
  });
}

export function defaultLog(overrides: Partial<LogConfig> = {}): LogConfig {
  return Object.freeze({
    destinations: Object.freeze([Object.freeze({ kind: 'stderr' as const })]),
    types: defaultLogTypes,
    timestamp: true,
    timestampFormat: null,
    facility: SYSLOG_DAEMON,
    connectionMessages: true,
    ...overrides,
  });
}

/** The two loopback listeners of Mosquitto's local-only mode, anonymous. */
export function localListeners(port: number, hasIpv6Loopback: boolean): ListenerConfig[] {
  const access = defaultAccess({ allowAnonymous: true });
  const hosts = hasIpv6Loopback ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
  return hosts.map((host) => defaultListener({ port, host, access }));
}

/** A complete configuration: by default one anonymous listener on 127.0.0.1:1883, in memory. */
export function defaultConfig(overrides: Partial<Config> = {}): Config {
  return Object.freeze({
    listeners: Object.freeze(localListeners(DEFAULT_PORT, false)),
    perListenerSettings: false,
    delivery: defaultDelivery(),
    limits: defaultLimits(),
    log: defaultLog(),
    sysInterval: 10,
    setTcpNodelay: true,
    drainRate: DEFAULT_DRAIN_RATE,
    serverReference: null,
    store: Object.freeze({ kind: 'memory' as const }),
    history: defaultHistory(),
    bridges: Object.freeze([]),
    pidFile: null,
    user: null,
    source: null,
    ...overrides,
  });
}
