/**
 * Which store there is, from keys of ours and Mosquitto's `persistence`, and what contradicts it.
 *
 * Who named a store, and others' keys beside it, is warned of each; who named none, but wrote a
 * line that asks for one, would have acknowledgements that mean less than meant: an error.
 */
import { basename, dirname, join } from 'node:path';
import type {
  DiskStoreConfig,
  RedisNode,
  RedisStoreConfig,
  RedisTlsConfig,
  StoreConfig,
  StoreKind,
} from './config.js';
import type { StoreDraft } from './draft.js';
import { redisNodes } from './keys-store.js';
import { failAt, type Place } from './place.js';

const DEFAULT_PREFIX = 'tw:';
/** Beside Mosquitto's own file, which stays as it is. */
const FOLDER = 'tidewire';
/** mosquitto.conf(5): the default of `persistence_file`. */
const MOSQUITTO_FILE = 'mosquitto.db';

const diskKeys = ['data_dir', 'disk_sync'] as const;
const tlsKeys = [
  'redis_tls_cafile',
  'redis_tls_capath',
  'redis_tls_certfile',
  'redis_tls_keyfile',
  'redis_tls_insecure',
] as const;
const redisKeys = [
  'redis_nodes',
  'redis_username',
  'redis_password',
  'redis_tls',
  ...tlsKeys,
  'redis_prefix',
  'ack_level',
] as const;
const persistenceKeys = ['persistence', 'retained_persistence'] as const;
const locationKeys = ['persistence_location', 'persistence_file'] as const;
const autosaveKeys = ['autosave_interval', 'autosave_on_changes'] as const;

export interface StoreOptions {
  readonly warn: (place: Place, key: string, message: string) => void;
  /** The default of `node_name`. */
  readonly nodeName: () => string;
}

export function assembleStore(draft: StoreDraft, options: StoreOptions): StoreConfig {
  const kind = draft.kind ?? (draft.isPersistent === true ? 'disk' : 'memory');
  failWhenMeantOtherwise(draft, kind);
  warnOfOthers(draft, kind, options);
  warnOfPersistence(draft, kind, options);
  switch (kind) {
    case 'memory':
      return Object.freeze({ kind });
    case 'disk':
      return diskStore(draft);
    case 'redis':
      return redisStore(draft, options);
  }
}

function diskStore(draft: StoreDraft): DiskStoreConfig {
  const folder = draft.dataDir ?? persistenceFolder(draft);
  if (folder === null) {
    fail(draft, 'store', 'store disk needs data_dir: the folder that it keeps its data in');
  }
  return Object.freeze({ kind: 'disk', folder, sync: draft.diskSync ?? 'always' });
}

/** Two files in one location, for two brokers, become two folders. */
function persistenceFolder(draft: StoreDraft): string | null {
  const { persistenceLocation, persistenceFile } = draft;
  const isAsked = persistenceLocation !== null || draft.isPersistent === true;
  if (!isAsked) return null;
  const file = persistenceFile ?? MOSQUITTO_FILE;
  const name = basename(file);
  const own = name === MOSQUITTO_FILE ? FOLDER : `${FOLDER}-${name}`;
  return join(persistenceLocation ?? '.', dirname(file), own);
}

function redisStore(draft: StoreDraft, { warn, nodeName }: StoreOptions): RedisStoreConfig {
  const nodes = nodesOf(draft, warn);
  if (draft.redisUsername !== null && draft.redisPassword === null) {
    fail(draft, 'redis_username', 'redis_username needs redis_password');
  }
  return Object.freeze({
    kind: 'redis',
    nodes,
    username: draft.redisUsername,
    password: draft.redisPassword,
    tls: tlsOf(draft, warn),
    prefix: draft.redisPrefix ?? DEFAULT_PREFIX,
    ackLevel: draft.ackLevel,
    nodeName: draft.nodeName ?? nodeName(),
    leaseS: draft.leaseS,
  });
}

function nodesOf(draft: StoreDraft, warn: StoreOptions['warn']): readonly RedisNode[] {
  const plugin = draft.pluginNodes;
  if (draft.redisNodes !== null) {
    if (plugin !== null) {
      warn(plugin.line.place, plugin.line.key, 'no effect: redis_nodes is there and counts');
    }
    return draft.redisNodes;
  }
  if (plugin !== null) return redisNodes.read(plugin.text, plugin.line);
  const advice = 'such as "redis_nodes 127.0.0.1:6379"';
  return fail(draft, 'store', `store redis needs redis_nodes, ${advice}`);
}

/** What was meant to be encrypted must never go out in plain text. */
function tlsOf(draft: StoreDraft, warn: StoreOptions['warn']): RedisTlsConfig | null {
  const given = tlsKeys.filter((key) => draft.places.has(key));
  if (draft.hasRedisTls !== true) {
    for (const key of given) {
      const place = placeOf(draft, key);
      if (draft.hasRedisTls === null) failAt(place, `${key} needs "redis_tls true"`);
      warn(place, key, 'no effect: redis_tls is false');
    }
    return null;
  }
  const { certFile, keyFile, insecure } = draft.redisTls;
  if (certFile !== null && keyFile === null) {
    fail(draft, 'redis_tls_certfile', 'redis_tls_keyfile is missing');
  }
  if (keyFile !== null && certFile === null) {
    fail(draft, 'redis_tls_keyfile', 'redis_tls_certfile is missing');
  }
  if (insecure) {
    const message = 'Redis’ certificate is not checked: whoever answers in its place gets all data';
    warn(placeOf(draft, 'redis_tls_insecure'), 'redis_tls_insecure', message);
  }
  return Object.freeze({ ...draft.redisTls });
}

/** Keys of a store, and no line that says which store there is. */
function failWhenMeantOtherwise(draft: StoreDraft, kind: StoreKind): void {
  if (draft.kind !== null) return;
  const isOf = (keys: readonly string[], key: string) => keys.includes(key);
  for (const [key, place] of draft.places) {
    const isOfDisk = kind !== 'disk' && isOf(diskKeys, key);
    if (!isOfDisk && !isOf(redisKeys, key)) continue;
    const store = isOfDisk ? 'disk' : 'redis';
    const remedy = place.line === 0 ? `set TIDEWIRE_STORE=${store}` : `add "store ${store}"`;
    failAt(place, `${key} has no effect without "store ${store}": ${remedy}, or remove ${key}`);
  }
}

/** Keys of stores that are not in use. */
function warnOfOthers(draft: StoreDraft, kind: StoreKind, { warn }: StoreOptions): void {
  if (kind !== 'disk') warnEach(draft, diskKeys, `no effect: the store is ${kind}, not disk`, warn);
  if (kind === 'redis') return;
  const other = `no effect: the store is ${kind}, not redis`;
  warnEach(draft, redisKeys, other, warn);
  warnEach(draft, ['node_name'], other, warn);
  const advice = 'no effect yet: add "store redis" to keep sessions and messages there';
  warnEach(draft, ['plugin_opt_redis_nodes'], draft.kind === null ? advice : other, warn);
}

/** Mosquitto's keys; they mean nothing without `persistence true`, there as here. */
function warnOfPersistence(draft: StoreDraft, kind: StoreKind, { warn }: StoreOptions): void {
  if (kind === 'memory') {
    if (draft.isPersistent !== true) return;
    const all = [...persistenceKeys, ...locationKeys, ...autosaveKeys];
    warnEach(draft, all, 'no effect: "store memory" keeps nothing over a restart', warn);
    return;
  }
  if (draft.isPersistent === false) {
    const message = `no effect: "store ${kind}" keeps everything over a restart`;
    warnEach(draft, persistenceKeys, message, warn);
  }
  const message = 'not needed: whatever is acknowledged is stored already';
  warnEach(draft, autosaveKeys, message, warn);
  if (kind === 'redis') {
    warnEach(draft, locationKeys, 'no effect: the store is redis, not disk', warn);
  } else if (draft.dataDir !== null) {
    warnEach(draft, locationKeys, 'no effect: data_dir is there and counts', warn);
  }
}

function warnEach(
  draft: StoreDraft,
  keys: readonly string[],
  message: string,
  warn: StoreOptions['warn'],
): void {
  for (const key of keys) {
    const place = draft.places.get(key);
    if (place !== undefined) warn(place, key, message);
  }
}

function placeOf(draft: StoreDraft, key: string): Place {
  return draft.places.get(key)!;
}

function fail(draft: StoreDraft, key: string, message: string): never {
  return failAt(placeOf(draft, key), message);
}
