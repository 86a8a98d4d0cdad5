/**
 * What SIGHUP may change. Compares the running configuration with the re-read one: what can
 * change under running listeners and sessions is taken over, the rest waits for a restart and is
 * named, so that nobody believes in a line that has no effect.
 */
import type { BridgeConfig } from './bridge-config.js';
import type {
  Config,
  DiskStoreConfig,
  ListenerConfig,
  RedisStoreConfig,
  RedisTlsConfig,
  StoreConfig,
  TlsConfig,
} from './config.js';
import { defaultTls } from './defaults.js';
import type { HistoryConfig } from './history-config.js';
import { type Limits, limitDefinitions } from './limits.js';

export interface ReloadPlan {
  /** The configuration to go on with: the new one, but with the old value of all `restart` keys. */
  readonly config: Config;
  /** Keys whose change applies at once. */
  readonly applied: readonly string[];
  /** Keys whose change needs a restart; `listener NAME` for one that was added or removed. */
  readonly restart: readonly string[];
}

export function planReload(running: Config, reread: Config): ReloadPlan {
  const applied = new Set<string>();
  const restart = new Set<string>();
  compare(applied, running.delivery, reread.delivery, deliveryKeys);
  compare(applied, running.limits, reread.limits, limitKeys);
  compare(applied, running.log, reread.log, logKeys);
  compare(applied, running, reread, appliedKeys);
  compare(restart, running, reread, restartKeys);
  compareStores(restart, running.store, reread.store);
  compare(restart, running.history, reread.history, historyKeys);
  compareBridges(applied, running.bridges, reread.bridges);
  const rereadByName = new Map(reread.listeners.map((one) => [one.name, one]));
  const listeners = running.listeners.map((before) => {
    const after = rereadByName.get(before.name);
    rereadByName.delete(before.name);
    if (after !== undefined) return mergeListener(before, after, applied, restart);
    restart.add(`listener ${before.name}`);
    return before;
  });
  for (const name of rereadByName.keys()) restart.add(`listener ${name}`);
  const config: Config = Object.freeze({
    ...reread,
    listeners: Object.freeze(listeners),
    setTcpNodelay: running.setTcpNodelay,
    store: running.store,
    history: running.history,
    pidFile: running.pidFile,
    user: running.user,
  });
  return Object.freeze({
    config,
    applied: Object.freeze([...applied]),
    restart: Object.freeze([...restart]),
  });
}

/** New ones begin and others end; a changed one follows its `bridge_reload_type`. */
function compareBridges(
  applied: Set<string>,
  before: readonly BridgeConfig[],
  after: readonly BridgeConfig[],
): void {
  for (const { name } of [...before, ...after]) {
    const [old, next] = [before, after].map((all) => all.find((one) => one.name === name));
    if (!isSame(old, next)) applied.add(`connection ${name}`);
  }
}

/** Access and certificates change in place; the socket and its protocol do not. */
function mergeListener(
  before: ListenerConfig,
  after: ListenerConfig,
  applied: Set<string>,
  restart: Set<string>,
): ListenerConfig {
  compare(applied, before.access, after.access, accessKeys);
  compare(restart, before, after, listenerKeys);
  const tls = mergeTls(before.tls, after.tls, applied, restart);
  return Object.freeze({ ...before, access: after.access, tls });
}

/**
 * All or nothing: whether client certificates are demanded and where their CA is read from must
 * come from the same file, or a listener might demand them and trust the system's CAs.
 */
function mergeTls(
  before: TlsConfig | null,
  after: TlsConfig | null,
  applied: Set<string>,
  restart: Set<string>,
): TlsConfig | null {
  if (before === null && after === null) return null;
  const none = defaultTls();
  const changed = new Set<string>();
  compare(changed, before ?? none, after ?? none, fixedTlsKeys);
  const isFixed = before === null || after === null || changed.size > 0;
  for (const key of changed) restart.add(key);
  compare(isFixed ? restart : applied, before ?? none, after ?? none, movableTlsKeys);
  return isFixed ? before : after;
}

/** Another kind of store says it all; else what is set differently in the same one. */
function compareStores(restart: Set<string>, before: StoreConfig, after: StoreConfig): void {
  if (before.kind !== after.kind) restart.add('store');
  else if (before.kind === 'disk') compare(restart, before, after as typeof before, diskKeys);
  else if (before.kind === 'redis') {
    const next = after as typeof before;
    compare(restart, before, next, redisKeys);
    // Whether there is TLS at all is `redis_tls`; a part of it, its own key.
    if (before.tls === null || next.tls === null) {
      if (before.tls !== next.tls) restart.add('redis_tls');
    } else compare(restart, before.tls, next.tls, redisTlsKeys);
  }
}

function compare<T extends object>(
  into: Set<string>,
  before: T,
  after: T,
  keys: Readonly<Partial<Record<keyof T, string>>>,
): void {
  for (const [field, key] of Object.entries(keys) as [keyof T, string][]) {
    if (!isSame(before[field], after[field])) into.add(key);
  }
}

function isSame(before: unknown, after: unknown): boolean {
  if (typeof before !== 'object' || before === null) return Object.is(before, after);
  return JSON.stringify(before) === JSON.stringify(after);
}

const limitKeys = Object.fromEntries(
  Object.entries(limitDefinitions).map(([field, definition]) => [field, definition.key]),
) as Record<keyof Limits, string>;

const deliveryKeys = {
  allowDuplicateMessages: 'allow_duplicate_messages',
  queueQos0Messages: 'queue_qos0_messages',
  retainAvailable: 'retain_available',
  checkRetainSource: 'check_retain_source',
  upgradeOutgoingQos: 'upgrade_outgoing_qos',
  persistentClientExpirationS: 'persistent_client_expiration',
  maxKeepAlive: 'max_keepalive',
  sharedSubscriptionStrategy: 'shared_subscription_strategy',
  queueFullPolicy: 'queue_full_policy',
} as const satisfies Record<keyof Config['delivery'], string>;

const logKeys = {
  destinations: 'log_dest',
  types: 'log_type',
  timestamp: 'log_timestamp',
  timestampFormat: 'log_timestamp_format',
  facility: 'log_facility',
  connectionMessages: 'connection_messages',
} as const satisfies Record<keyof Config['log'], string>;

/** Compared by themselves, or, like `source`, no setting. */
type Parts =
  | 'listeners'
  | 'delivery'
  | 'limits'
  | 'log'
  | 'store'
  | 'history'
  | 'bridges'
  | 'source';

const appliedKeys = {
  sysInterval: 'sys_interval',
  perListenerSettings: 'per_listener_settings',
  drainRate: 'drain_rate',
  serverReference: 'server_reference',
} as const;

const restartKeys = {
  setTcpNodelay: 'set_tcp_nodelay',
  pidFile: 'pid_file',
  user: 'user',
} as const satisfies Record<Exclude<keyof Config, Parts | keyof typeof appliedKeys>, string>;

const diskKeys = {
  folder: 'data_dir',
  sync: 'disk_sync',
} as const satisfies Record<Exclude<keyof DiskStoreConfig, 'kind'>, string>;

/** TLS is compared by itself. */
const redisKeys = {
  nodes: 'redis_nodes',
  username: 'redis_username',
  password: 'redis_password',
  prefix: 'redis_prefix',
  ackLevel: 'ack_level',
  nodeName: 'node_name',
  leaseS: 'cluster_lease',
} as const satisfies Record<Exclude<keyof RedisStoreConfig, 'kind' | 'tls'>, string>;

const historyKeys = {
  filters: 'history_filter',
  maxAgeQos0S: 'history_max_age_qos0',
  maxAgeQos1S: 'history_max_age_qos1',
  maxAgeQos2S: 'history_max_age_qos2',
  maxBytes: 'history_max_bytes',
  maxMessages: 'history_max_messages',
  partitions: 'history_partitions',
  isAcknowledged: 'history_acknowledged',
  bufferBytes: 'history_buffer_bytes',
  hasPresence: 'presence_stream',
  presenceMaxEvents: 'presence_max_events',
} as const satisfies Record<keyof HistoryConfig, string>;

const redisTlsKeys = {
  caFile: 'redis_tls_cafile',
  caPath: 'redis_tls_capath',
  certFile: 'redis_tls_certfile',
  keyFile: 'redis_tls_keyfile',
  insecure: 'redis_tls_insecure',
} as const satisfies Record<keyof RedisTlsConfig, string>;

const accessKeys = {
  allowAnonymous: 'allow_anonymous',
  passwordFile: 'password_file',
  aclFile: 'acl_file',
  pskFile: 'psk_file',
  allowZeroLengthClientId: 'allow_zero_length_clientid',
  autoIdPrefix: 'auto_id_prefix',
  clientIdPrefixes: 'clientid_prefixes',
} as const satisfies Record<keyof ListenerConfig['access'], string>;

/** The first four say which listener it is; the last two are compared by themselves. */
type Address = 'name' | 'port' | 'host' | 'socketPath' | 'tls' | 'access';

const listenerKeys = {
  bindInterface: 'bind_interface',
  socketDomain: 'socket_domain',
  protocol: 'protocol',
  acceptProtocolVersions: 'accept_protocol_versions',
  proxyProtocol: 'enable_proxy_protocol',
  maxConnections: 'max_connections',
  mountPoint: 'mount_point',
  maxQos: 'max_qos',
  maxTopicAlias: 'max_topic_alias',
  maxTopicAliasBroker: 'max_topic_alias_broker',
  useIdentityAsUsername: 'use_identity_as_username',
  useSubjectAsUsername: 'use_subject_as_username',
  useUsernameAsClientId: 'use_username_as_clientid',
  websocketsHeadersSize: 'websockets_headers_size',
  websocketsOrigins: 'websockets_origin',
  httpDir: 'http_dir',
} as const satisfies Record<Exclude<keyof ListenerConfig, Address>, string>;

const fixedTlsKeys = {
  requireCertificate: 'require_certificate',
  pskHint: 'psk_hint',
} as const;

const movableTlsKeys = {
  caFile: 'cafile',
  caPath: 'capath',
  certFile: 'certfile',
  keyFile: 'keyfile',
  sniCertificates: 'sni_certificate',
  crlFile: 'crlfile',
  ciphers: 'ciphers',
  ciphersTls13: 'ciphers_tls1.3',
  tlsVersion: 'tls_version',
  dhParamFile: 'dhparamfile',
} as const satisfies Record<Exclude<keyof TlsConfig, keyof typeof fixedTlsKeys>, string>;

/** Every key that SIGHUP changes; those of TLS unless `require_certificate` changed with them. */
export const reloadableKeys: readonly string[] = Object.freeze(
  [deliveryKeys, limitKeys, logKeys, appliedKeys, accessKeys, movableTlsKeys].flatMap((keys) =>
    Object.values<string>(keys),
  ),
);
