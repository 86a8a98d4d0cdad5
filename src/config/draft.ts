/**
 * A configuration while it is being read: mutable, with what is not known yet as null.
 * `assemble` turns it into the frozen `Config`.
 */
import type { BridgeDraft } from './bridge-draft.js';
import type {
  AckLevel,
  DeliveryConfig,
  DiskSync,
  ListenerConfig,
  LogDestination,
  LogType,
  RedisNode,
  RedisTlsConfig,
  StoreKind,
  TlsConfig,
} from './config.js';
import {
  DEFAULT_DRAIN_RATE,
  DEFAULT_LEASE_S,
  DEFAULT_PORT,
  DEFAULT_WEBSOCKETS_HEADERS_SIZE,
  defaultDelivery,
  defaultListener,
  defaultTls,
  SYSLOG_DAEMON,
} from './defaults.js';
import { type HistoryDraft, newHistoryDraft } from './keys-history.js';
import { defaultLimits, type Limits } from './limits.js';
import type { LineContext, Place } from './place.js';

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

export interface KeyLine {
  readonly key: string;
  readonly place: Place;
}

/** Null: not given, so the wider scope or the default decides. */
export interface AccessDraft {
  allowAnonymous: boolean | null;
  passwordFile: string | null;
  aclFile: string | null;
  pskFile: string | null;
  allowZeroLengthClientId: boolean | null;
  autoIdPrefix: string | null;
}

type PlainListenerFields = Omit<
  ListenerConfig,
  'name' | 'tls' | 'access' | 'websocketsHeadersSize' | 'websocketsOrigins'
>;

export interface ListenerDraft extends Mutable<PlainListenerFields> {
  /** The `listener` line; null for the default listener. */
  readonly place: Place | null;
  /** `protocol http_api`: known, but not opened. */
  isSkipped: boolean;
  /** The lines that were attached to it. */
  readonly lines: KeyLine[];
  websocketsOrigins: string[];
  tls: Mutable<TlsConfig>;
  access: AccessDraft;
}

/** Null: not given. */
export interface StoreDraft {
  kind: StoreKind | null;
  dataDir: string | null;
  diskSync: DiskSync | null;
  /** Mosquitto's `persistence`, and where it would write. */
  isPersistent: boolean | null;
  persistenceLocation: string | null;
  persistenceFile: string | null;
  redisNodes: readonly RedisNode[] | null;
  /** `plugin_opt_redis_nodes`, read only once it is used: another broker's plugin wrote it. */
  pluginNodes: { readonly text: string; readonly line: LineContext } | null;
  redisUsername: string | null;
  redisPassword: string | null;
  hasRedisTls: boolean | null;
  redisTls: Mutable<RedisTlsConfig>;
  redisPrefix: string | null;
  ackLevel: AckLevel | null;
  nodeName: string | null;
  leaseS: number;
  /** Where each key that belongs to a store was given last. */
  readonly places: Map<string, Place>;
}

export interface Draft {
  perListenerSettings: boolean;
  /** Global access settings; with `per_listener_settings true` nothing sets them. */
  access: AccessDraft;
  clientIdPrefixes: string;
  delivery: Mutable<DeliveryConfig>;
  limits: Mutable<Limits>;
  /** Null: no `log_dest` or `log_type` line so far. */
  logDestinations: LogDestination[] | null;
  logTypes: LogType[] | null;
  logTimestamp: boolean;
  logTimestampFormat: string | null;
  logFacility: number;
  connectionMessages: boolean;
  sysInterval: number;
  setTcpNodelay: boolean;
  drainRate: number;
  serverReference: string | null;
  pidFile: string | null;
  user: string | null;
  websocketsHeadersSize: number;
  store: StoreDraft;
  readonly history: HistoryDraft;
  bridges: BridgeDraft[];
  /** Takes the keys before the first `listener`; opened by `port` or `bind_address`. */
  defaultListener: ListenerDraft;
  isDefaultListenerOpened: boolean;
  listeners: ListenerDraft[];
}

export function newAccessDraft(): AccessDraft {
  return {
    allowAnonymous: null,
    passwordFile: null,
    aclFile: null,
    pskFile: null,
    allowZeroLengthClientId: null,
    autoIdPrefix: null,
  };
}

export function newListenerDraft(place: Place | null): ListenerDraft {
  return {
    ...defaultListener({ port: DEFAULT_PORT }),
    place,
    isSkipped: false,
    lines: [],
    websocketsOrigins: [],
    tls: { ...defaultTls() },
    access: newAccessDraft(),
  };
}

export function newStoreDraft(): StoreDraft {
  return {
    kind: null,
    dataDir: null,
    diskSync: null,
    isPersistent: null,
    persistenceLocation: null,
    persistenceFile: null,
    redisNodes: null,
    pluginNodes: null,
    redisUsername: null,
    redisPassword: null,
    hasRedisTls: null,
    redisTls: { caFile: null, caPath: null, certFile: null, keyFile: null, insecure: false },
    redisPrefix: null,
    ackLevel: null,
    nodeName: null,
    leaseS: DEFAULT_LEASE_S,
    places: new Map(),
  };
}

export function newDraft(): Draft {
  return {
    perListenerSettings: false,
    access: newAccessDraft(),
    clientIdPrefixes: '',
    delivery: { ...defaultDelivery() },
    limits: { ...defaultLimits() },
    logDestinations: null,
    logTypes: null,
    logTimestamp: true,
    logTimestampFormat: null,
    logFacility: SYSLOG_DAEMON,
    connectionMessages: true,
    sysInterval: 10,
    setTcpNodelay: true,
    drainRate: DEFAULT_DRAIN_RATE,
    serverReference: null,
    pidFile: null,
    user: null,
    websocketsHeadersSize: DEFAULT_WEBSOCKETS_HEADERS_SIZE,
    store: newStoreDraft(),
    history: newHistoryDraft(),
    bridges: [],
    defaultListener: newListenerDraft(null),
    isDefaultListenerOpened: false,
    listeners: [],
  };
}
