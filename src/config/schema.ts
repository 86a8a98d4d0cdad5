/** Every key that a configuration may have, by name. */

import { type Key, type KeyScope, makeKey } from './key.js';
import { accessKeys } from './keys-access.js';
import { bridgeKeys } from './keys-bridge.js';
import { clusterKeys } from './keys-cluster.js';
import { deliveryKeys, limitKeys } from './keys-delivery.js';
import { historyKeys } from './keys-history.js';
import { listenerKeys } from './keys-listener.js';
import { logKeys } from './keys-log.js';
import { processKeys } from './keys-process.js';
import { storeKeys } from './keys-store.js';
import { tlsKeys } from './keys-tls.js';
import { pluginOption, unsupportedKeys } from './keys-unsupported.js';
import { hint } from './nearest.js';
import { bool, text } from './values.js';

/** The reader itself acts on these: they change what other lines mean. */
export const structureKeys = {
  listener: structure('listener', 'PORT [ADDRESS], or 0 and the path of a Unix socket'),
  connection: structure('connection', 'a name for the bridge'),
  includeDir: structure('include_dir', 'a folder'),
  perListenerSettings: makeKey('per_listener_settings', 'structure', bool, {}, (target, isOn) => {
    target.draft.perListenerSettings = isOn;
  }),
} as const;

const allKeys: readonly Key[] = [
  ...Object.values(structureKeys),
  ...listenerKeys,
  ...tlsKeys,
  ...accessKeys,
  ...deliveryKeys,
  ...limitKeys,
  ...logKeys,
  ...processKeys,
  ...storeKeys,
  ...clusterKeys,
  ...historyKeys,
  ...bridgeKeys,
  ...unsupportedKeys,
];

const byName: ReadonlyMap<string, Key> = new Map(allKeys.map((key) => [key.name, key]));

/** Null when there is no such key. */
export function findKey(name: string): Key | null {
  return byName.get(name) ?? pluginOption(name);
}

/** Names in the order of the tables; for documentation, tests and guesses. */
export function keyNames(...scopes: readonly KeyScope[]): string[] {
  const isWanted = (key: Key) => scopes.length === 0 || scopes.includes(key.scope);
  return allKeys.filter(isWanted).map((key) => key.name);
}

const supportedNames = keyNames('global', 'access', 'listener', 'bridge', 'structure');

/** What to say about a key that nobody knows. */
export function unknownKey(name: string): string {
  const bare = name.split(/[=:]/, 1)[0];
  if (bare !== name && findKey(bare) !== null) {
    return `write "${bare} VALUE", without "${name[bare.length]}"`;
  }
  const lower = name.toLowerCase();
  if (lower !== name && findKey(lower) !== null) return `keys are lower-case: write "${lower}"`;
  // Without what follows "=": it may be a password.
  return `unknown key "${bare.slice(0, 64)}"${hint(bare, supportedNames)}`;
}

function structure(name: string, expects: string): Key {
  const value = { ...text, expects };
  return makeKey(name, 'structure', value, { again: 'append' }, () => undefined);
}
