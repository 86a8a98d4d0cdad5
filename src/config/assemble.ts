/**
 * Turns a draft into the frozen `Config`: which listeners there are, what they inherit, and what
 * does not fit together. Everything that no single line can know is checked here.
 */
import { assembleBridges } from './assemble-bridges.js';
import { assembleStore } from './assemble-store.js';
import type { AccessConfig, Config, ListenerConfig, LogConfig, TlsConfig } from './config.js';
import {
  allLogTypes,
  DEFAULT_PORT,
  defaultAccess,
  defaultConfig,
  defaultListener,
  defaultLog,
  listenerName,
} from './defaults.js';
import type { AccessDraft, Draft, ListenerDraft } from './draft.js';
import { assembleHistory } from './keys-history.js';
import { defaultNodeName, type ProcessIdentity } from './node-name.js';
import { failAt, type Place, where } from './place.js';

export interface AssembleOptions {
  readonly source: string | null;
  readonly ports: readonly number[];
  readonly isVerbose: boolean;
  readonly isQuiet: boolean;
  readonly hasIpv6Loopback: boolean;
  readonly process: ProcessIdentity;
  readonly warn: (place: Place, key: string, message: string) => void;
}

export function assemble(draft: Draft, options: AssembleOptions): Config {
  const drafts = listenersOf(draft, options);
  const isLocalOnly = drafts.includes(draft.defaultListener) && !draft.isDefaultListenerOpened;
  const whole = (listener: ListenerDraft) =>
    assembleListener(draft, listener, isLocalOnly, options);
  const listeners = isLocalOnly
    ? localAddresses(options).map((address) => whole({ ...draft.defaultListener, ...address }))
    : drafts.map(whole);
  warnWithoutEffect(draft, listeners, isLocalOnly, options);
  const { hostName } = options.process;
  const store = assembleStore(draft.store, {
    warn: options.warn,
    nodeName: () => defaultNodeName(listeners[0]!, options.process),
  });
  return defaultConfig({
    listeners: Object.freeze(listeners),
    perListenerSettings: draft.perListenerSettings,
    delivery: Object.freeze({ ...draft.delivery }),
    limits: Object.freeze({ ...draft.limits }),
    log: assembleLog(draft, options),
    sysInterval: draft.sysInterval,
    setTcpNodelay: draft.setTcpNodelay,
    drainRate: draft.drainRate,
    serverReference: draft.serverReference,
    store,
    history: assembleHistory(draft.history, {
      isRedis: store.kind === 'redis',
      warn: options.warn,
    }),
    bridges: assembleBridges(draft.bridges, { hostName, store, warn: options.warn }),
    pidFile: draft.pidFile,
    user: draft.user,
    source: options.source,
  });
}

/** The default listener stands alone, for the local-only mode, when nothing opens another one. */
function listenersOf(draft: Draft, options: AssembleOptions): ListenerDraft[] {
  const opened = draft.isDefaultListenerOpened
    ? [draft.defaultListener, ...draft.listeners]
    : draft.listeners;
  const wanted = opened.length === 0 ? [draft.defaultListener] : opened;
  const left = wanted.filter((listener) => !listener.isSkipped);
  if (left.length === 0) {
    failAt(
      placeOf(wanted[0], options),
      'no listener is left: "protocol http_api" is not supported',
    );
  }
  const addresses = new Map<string, Place>();
  for (const listener of left) {
    const address = listenerName(listener);
    const place = placeOf(listener, options);
    const first = addresses.get(address);
    if (first !== undefined)
      failAt(place, `this listener is the same as the one at ${where(first)}`);
    addresses.set(address, place);
  }
  return left;
}

/** `-p 0`, for tests: any free port, and only one, since two would differ. */
function localAddresses(options: AssembleOptions): { port: number; host: string }[] {
  const ports = options.ports.length === 0 ? [DEFAULT_PORT] : options.ports;
  return ports.flatMap((port) => {
    const hasIpv6 = options.hasIpv6Loopback && port !== 0;
    const hosts = hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
    return hosts.map((host) => ({ port, host }));
  });
}

function assembleListener(
  draft: Draft,
  listener: ListenerDraft,
  isLocalOnly: boolean,
  options: AssembleOptions,
): ListenerConfig {
  const access = assembleAccess(draft, listener, isLocalOnly);
  const tls = assembleTls(listener, access, options);
  return defaultListener({
    port: listener.port,
    host: listener.host,
    socketPath: listener.socketPath,
    bindInterface: listener.bindInterface,
    socketDomain: listener.socketDomain,
    protocol: listener.protocol,
    acceptProtocolVersions: listener.acceptProtocolVersions,
    proxyProtocol: listener.proxyProtocol,
    maxConnections: listener.maxConnections,
    mountPoint: listener.mountPoint,
    maxQos: listener.maxQos,
    maxTopicAlias: listener.maxTopicAlias,
    maxTopicAliasBroker: listener.maxTopicAliasBroker,
    tls,
    useIdentityAsUsername: listener.useIdentityAsUsername,
    useSubjectAsUsername: listener.useSubjectAsUsername,
    useUsernameAsClientId: listener.useUsernameAsClientId,
    access,
    websocketsHeadersSize: draft.websocketsHeadersSize,
    websocketsOrigins: Object.freeze([...listener.websocketsOrigins]),
    httpDir: listener.httpDir,
  });
}

/** `listener_allow_anonymous` and `listener_auto_id_prefix` count in either mode. */
function assembleAccess(draft: Draft, listener: ListenerDraft, isLocalOnly: boolean): AccessConfig {
  const own: AccessDraft = listener.access;
  const wide = draft.perListenerSettings ? own : draft.access;
  return defaultAccess({
    allowAnonymous: own.allowAnonymous ?? wide.allowAnonymous ?? isLocalOnly,
    passwordFile: wide.passwordFile,
    aclFile: wide.aclFile,
    pskFile: wide.pskFile,
    allowZeroLengthClientId: wide.allowZeroLengthClientId ?? true,
    autoIdPrefix: own.autoIdPrefix ?? wide.autoIdPrefix ?? 'auto-',
    clientIdPrefixes: draft.clientIdPrefixes,
  });
}

/** A listener that was meant to be encrypted must never open in plain text: all are errors. */
function assembleTls(
  listener: ListenerDraft,
  access: AccessConfig,
  options: AssembleOptions,
): TlsConfig | null {
  const tls = listener.tls;
  const lineOf = (key: string) =>
    listener.lines.find((line) => line.key === key)?.place ?? placeOf(listener, options);
  const hasCertificate = tls.certFile !== null;
  if (hasCertificate && tls.keyFile === null) failAt(lineOf('certfile'), 'keyfile is missing');
  if (!hasCertificate && tls.keyFile !== null) failAt(lineOf('keyfile'), 'certfile is missing');
  const hasSni = tls.sniCertificates.length > 0;
  if (tls.pskHint !== null) {
    if (hasCertificate || hasSni || tls.caFile !== null || tls.caPath !== null) {
      failAt(lineOf('psk_hint'), 'a listener has either certificates or psk_hint, not both');
    }
    if (access.pskFile === null) failAt(lineOf('psk_hint'), 'psk_hint needs psk_file');
    return Object.freeze({ ...tls });
  }
  if (hasCertificate) {
    checkClientCertificates(tls, lineOf);
    return Object.freeze({ ...tls });
  }
  const needing: readonly (readonly [key: string, isGiven: boolean])[] = [
    ['cafile', tls.caFile !== null],
    ['capath', tls.caPath !== null],
    ['crlfile', tls.crlFile !== null],
    ['require_certificate', tls.requireCertificate],
    ['sni_certificate', hasSni],
  ];
  const first = needing.find(([, isGiven]) => isGiven)?.[0];
  if (first === undefined) return null;
  return failAt(lineOf(first), `${first} needs certfile and keyfile in the same listener`);
}

function checkClientCertificates(tls: TlsConfig, lineOf: (key: string) => Place): void {
  if (!tls.requireCertificate || tls.caFile !== null || tls.caPath !== null) return;
  failAt(lineOf('require_certificate'), 'require_certificate needs cafile or capath');
}

function assembleLog(draft: Draft, options: AssembleOptions): LogConfig {
  const types = options.isVerbose ? allLogTypes : draft.logTypes;
  return defaultLog({
    ...(draft.logDestinations === null
      ? {}
      : { destinations: Object.freeze(draft.logDestinations.map((one) => Object.freeze(one))) }),
    ...(types === null ? {} : { types: Object.freeze([...types]) }),
    ...(options.isQuiet ? { types: Object.freeze([]) } : {}),
    timestamp: draft.logTimestamp,
    timestampFormat: draft.logTimestampFormat,
    facility: draft.logFacility,
    connectionMessages: draft.connectionMessages,
  });
}

/** Lines that are right by themselves and change nothing where they stand. */
function warnWithoutEffect(
  draft: Draft,
  listeners: readonly ListenerConfig[],
  isLocalOnly: boolean,
  options: AssembleOptions,
): void {
  if (options.ports.length > 0 && !isLocalOnly) {
    const place = { file: options.source ?? 'environment', line: 0 };
    options.warn(place, 'port', '-p has no effect beside listeners of the configuration');
  }
  if (!isLocalOnly && !draft.isDefaultListenerOpened) {
    for (const { place, key } of draft.defaultListener.lines) {
      options.warn(place, key, 'no effect: it stands before the first listener; move it below one');
    }
  }
  const all = isLocalOnly ? [draft.defaultListener] : [draft.defaultListener, ...draft.listeners];
  for (const listener of all) warnListener(listener, options);
  if (listeners.every((one) => one.tls?.pskHint == null) && draft.access.pskFile !== null) {
    const place = { file: options.source ?? 'environment', line: 0 };
    options.warn(place, 'psk_file', 'no effect: no listener has psk_hint');
  }
}

const tlsOnly = new Set([
  'ciphers',
  'ciphers_tls1.3',
  'dhparamfile',
  'tls_version',
  'use_identity_as_username',
  'use_subject_as_username',
]);
const websocketsOnly = new Set(['websockets_origin', 'http_dir']);
const tcpOnly = new Set(['bind_interface', 'socket_domain']);

function warnListener(listener: ListenerDraft, options: AssembleOptions): void {
  // A proxy may name the client's certificate, so TLS may be in front of the listener.
  const isPlain =
    listener.tls.certFile === null && listener.tls.pskHint === null && listener.proxyProtocol !== 2;
  for (const { place, key } of listener.lines) {
    if (isPlain && tlsOnly.has(key)) {
      options.warn(place, key, 'no effect: this listener has no certfile and keyfile');
    }
    if (listener.protocol !== 'websockets' && websocketsOnly.has(key)) {
      options.warn(place, key, 'no effect: this listener has no "protocol websockets"');
    }
    if (listener.socketPath !== null && tcpOnly.has(key)) {
      options.warn(place, key, 'no effect: this listener is a Unix socket');
    }
  }
}

function placeOf(listener: ListenerDraft, options: AssembleOptions): Place {
  const first = listener.lines[0]?.place;
  return listener.place ?? first ?? { file: options.source ?? 'environment', line: 0 };
}
