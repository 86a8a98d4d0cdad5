/**
 * Keys of the stores. Which of them count, and which contradict each other, is known only at the
 * end: `assembleStore` decides it.
 */
import { isIPv6 } from 'node:net';
import type { AckLevel, RedisNode, RedisTlsConfig } from './config.js';
import type { StoreDraft } from './draft.js';
import { globalKey, type Key, type KeyOptions } from './key.js';
import type { LineContext } from './place.js';
import { badValue, bool, integer, oneOf, text, type ValueParser } from './values.js';

const once = { again: 'once' } as const;

/** Of `node_name` and `redis_prefix`, which are part of Redis keys. */
const NAME_BYTES_MAX = 200;

type TlsFile = Exclude<keyof RedisTlsConfig, 'insecure'>;

const tlsFileKeys: readonly (readonly [key: string, field: TlsFile])[] = [
  ['redis_tls_cafile', 'caFile'],
  ['redis_tls_capath', 'caPath'],
  ['redis_tls_certfile', 'certFile'],
  ['redis_tls_keyfile', 'keyFile'],
];

/** `host:port,…`; an address of IPv6 stands in brackets. */
export const redisNodes: ValueParser<readonly RedisNode[]> = {
  words: 'rest',
  expects: 'host:port, several separated by commas, such as 10.0.0.1:6379,[fd00::2]:6379',
  read: (value, line) => {
    // Not quoted, since the login in it would be a password.
    if (/@|:\/\//.test(value)) {
      line.fail(
        `${line.key} takes host:port alone: the login belongs in redis_username and ` +
          'redis_password, and rediss:// is "redis_tls true"',
      );
    }
    const words = value.split(',').map((word) => word.trim());
    return Object.freeze(words.map((word) => nodeOf(word) ?? badValue(redisNodes, word, line)));
  },
};

export const ackLevel: ValueParser<AckLevel> = oneOf('primary', 'replica', 'aof');

export const storeKeys: readonly Key[] = [
  storeKey('store', oneOf('memory', 'disk', 'redis'), (store, kind) => {
    store.kind = kind;
  }),
  storeKey(
    'data_dir',
    text,
    (store, folder) => {
      store.dataDir = folder;
    },
    once,
  ),
  storeKey('disk_sync', oneOf('always', 'everysec', 'no'), (store, sync) => {
    store.diskSync = sync;
  }),
  ...['persistence', 'retained_persistence'].map((name) =>
    storeKey(name, bool, (store, isOn) => {
      store.isPersistent = isOn;
    }),
  ),
  storeKey(
    'persistence_location',
    text,
    (store, folder) => {
      store.persistenceLocation = folder;
    },
    once,
  ),
  storeKey(
    'persistence_file',
    fileName(),
    (store, name) => {
      store.persistenceFile = name;
    },
    once,
  ),
  storeKey('autosave_interval', integer(0, 2_147_483_647, { below: 0 }), () => undefined),
  storeKey('autosave_on_changes', bool, () => undefined),
  storeKey(
    'redis_nodes',
    redisNodes,
    (store, nodes) => {
      store.redisNodes = nodes;
    },
    once,
  ),
  storeKey(
    'plugin_opt_redis_nodes',
    { ...text, expects: redisNodes.expects },
    (store, value, line) => {
      store.pluginNodes = { text: value, line };
    },
    once,
  ),
  storeKey(
    'redis_username',
    text,
    (store, name) => {
      store.redisUsername = name;
    },
    once,
  ),
  // Once, too, because a repetition of other keys quotes the value.
  storeKey(
    'redis_password',
    text,
    (store, password) => {
      store.redisPassword = password;
    },
    once,
  ),
  storeKey('redis_tls', bool, (store, isOn) => {
    store.hasRedisTls = isOn;
  }),
  ...tlsFileKeys.map(([key, field]) =>
    storeKey(
      key,
      text,
      (store, path) => {
        store.redisTls[field] = path;
      },
      once,
    ),
  ),
  storeKey('redis_tls_insecure', bool, (store, isInsecure) => {
    store.redisTls.insecure = isInsecure;
  }),
  storeKey(
    'redis_prefix',
    keyPart(),
    (store, prefix) => {
      store.redisPrefix = prefix;
    },
    once,
  ),
  storeKey('ack_level', ackLevel, (store, level) => {
    store.ackLevel = level;
  }),
  storeKey(
    'node_name',
    keyPart(),
    (store, name) => {
      store.nodeName = name;
    },
    once,
  ),
];

/** A global key whose place is kept, for what `assembleStore` has to say about it. */
function storeKey<T>(
  name: string,
  value: ValueParser<T>,
  set: (store: StoreDraft, value: T, line: LineContext) => void,
  options: KeyOptions = {},
): Key {
  return globalKey(
    name,
    value,
    ({ store }, parsed, line) => {
      store.places.set(name, line.place);
      set(store, parsed, line);
    },
    options,
  );
}

const hostAndPort = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]]+)):([1-9][0-9]{0,4})$/i;

function nodeOf(word: string): RedisNode | null {
  const match = hostAndPort.exec(word);
  if (match === null) return null;
  const [, address, name, digits] = match;
  const port = Number(digits);
  if (port > 65_535 || (address !== undefined && !isIPv6(address))) return null;
  return Object.freeze({ host: address ?? name, port });
}

function fileName(): ValueParser<string> {
  const parser: ValueParser<string> = {
    words: 'rest',
    expects: 'the name of a file, such as mosquitto.db',
    read: (value, line) => {
      const name = text.read(value, line);
      return /(^|\/)\.{0,2}$/.test(name) ? badValue(parser, value, line) : name;
    },
  };
  return parser;
}

function keyPart(): ValueParser<string> {
  const parser: ValueParser<string> = {
    words: 'rest',
    expects: `at most ${NAME_BYTES_MAX} bytes without spaces and braces`,
    read: (value, line) => {
      const part = text.read(value, line);
      const isGood = !/[\s{}]/.test(part) && Buffer.byteLength(part) <= NAME_BYTES_MAX;
      return isGood ? part : badValue(parser, value, line);
    },
  };
  return parser;
}
