/**
 * The store of a program that embeds the broker: its options are read by the parsers of the
 * configuration keys, so that the same is right and wrong in both.
 */
import { assembleStore } from './assemble-store.js';
import type { AckLevel, DiskSync, StoreConfig } from './config.js';
import { newAccessDraft, newListenerDraft, newStoreDraft, type StoreDraft } from './draft.js';
import type { Target } from './key.js';
import { storeKeys } from './keys-store.js';
import { hint } from './nearest.js';
import { failAt, type LineContext, type Place } from './place.js';

export interface MemoryStoreOptions {
  readonly kind: 'memory';
}

export interface DiskStoreOptions {
  readonly kind: 'disk';
  /** As `data_dir`: the folder that it keeps its data in, which no other broker may have open. */
  readonly dataDir: string;
  /** As `disk_sync`. Default: `always`. */
  readonly sync?: DiskSync;
}

export interface RedisTlsOptions {
  readonly caFile?: string;
  readonly caPath?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** True: Redis' certificate is not checked. */
  readonly insecure?: boolean;
}

export interface RedisStoreOptions {
  readonly kind: 'redis';
  /** As `redis_nodes`: `host:port`, of some nodes of a cluster or of one server. */
  readonly nodes: string | readonly string[];
  /** As `node_name`: of this broker alone, and the same after a restart. */
  readonly nodeName: string;
  readonly username?: string;
  readonly password?: string;
  /** True: with the system's certificate authorities. Default: false. */
  readonly tls?: boolean | RedisTlsOptions;
  /** As `redis_prefix`. Default: `tw:`. */
  readonly prefix?: string;
  /** As `ack_level`. Default: `replica` where there are replicas, else `primary`. */
  readonly ackLevel?: AckLevel;
}

/** Where durable sessions and retained messages live. */
export type StoreOptions = MemoryStoreOptions | DiskStoreOptions | RedisStoreOptions;

const keyOf: Readonly<Record<StoreOptions['kind'], Readonly<Record<string, string>>>> = {
  memory: {},
  disk: { dataDir: 'data_dir', sync: 'disk_sync' },
  redis: {
    nodes: 'redis_nodes',
    nodeName: 'node_name',
    username: 'redis_username',
    password: 'redis_password',
    tls: 'redis_tls',
    prefix: 'redis_prefix',
    ackLevel: 'ack_level',
  },
};

const tlsKeyOf: Readonly<Record<string, string>> = {
  caFile: 'redis_tls_cafile',
  caPath: 'redis_tls_capath',
  certFile: 'redis_tls_certfile',
  keyFile: 'redis_tls_keyfile',
  insecure: 'redis_tls_insecure',
};

/**
 * @param warn for what is allowed and perhaps not meant
 * @throws BrokerError `CONFIG`: which option, what is wrong, what to do
 */
export function storeConfigOf(
  options: StoreOptions,
  warn: (option: string, message: string) => void,
): StoreConfig {
  const draft = newStoreDraft();
  const { kind } = options;
  set(draft, 'store.kind', 'store', kind, warn);
  for (const [name, value] of Object.entries(options)) {
    if (name === 'kind' || value === undefined) continue;
    const option = `store.${name}`;
    const key = knownKey(keyOf[kind], name, option);
    if (name === 'tls' && typeof value === 'object' && value !== null) {
      set(draft, option, key, true, warn);
      setTls(draft, value as RedisTlsOptions, warn);
    } else {
      set(draft, option, key, Array.isArray(value) ? value.join(',') : value, warn);
    }
  }
  if (kind === 'redis' && draft.nodeName === null) {
    const advice = 'a name that is this broker’s alone and stays the same across restarts';
    failAt(placeOf('store.nodeName'), `store redis needs ${advice}`);
  }
  return assembleStore(draft, {
    warn: (place, _key, message) => warn(place.file, message),
    nodeName: () => '',
  });
}

function setTls(
  draft: StoreDraft,
  tls: RedisTlsOptions,
  warn: (option: string, message: string) => void,
): void {
  for (const [name, value] of Object.entries(tls)) {
    const option = `store.tls.${name}`;
    const key = knownKey(tlsKeyOf, name, option);
    if (value !== undefined) set(draft, option, key, value, warn);
  }
}

/** Reads one value as if it stood behind its key in a file. */
function set(
  store: StoreDraft,
  option: string,
  name: string,
  value: unknown,
  warn: (option: string, message: string) => void,
): void {
  const place = placeOf(option);
  if (typeof value !== 'string' && typeof value !== 'boolean') {
    failAt(place, 'the value must be text, or true or false');
  }
  const text = String(value);
  if (text.trim() === '') failAt(place, 'the value is empty: give one, or leave the option out');
  const line: LineContext = {
    key: option.slice(option.lastIndexOf('.') + 1),
    place,
    warn: (message) => warn(option, message),
    fail: (message) => failAt(place, message),
  };
  const key = storeKeys.find((one) => one.name === name)!;
  key.read(text, line)(targetOf(store));
}

/** Keys of a store touch nothing else of the draft. */
function targetOf(store: StoreDraft): Target {
  const draft = { store } as Target['draft'];
  return { draft, listener: newListenerDraft(null), access: newAccessDraft(), bridge: null };
}

function knownKey(keys: Readonly<Record<string, string>>, name: string, option: string): string {
  const key = Object.hasOwn(keys, name) ? keys[name] : undefined;
  return key ?? failAt(placeOf(option), `unknown option${hint(name, Object.keys(keys))}`);
}

function placeOf(option: string): Place {
  return { file: option, line: 0 };
}
