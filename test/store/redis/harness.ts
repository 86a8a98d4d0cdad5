/** A Redis store with a prefix of its own on a server that the test file has started. */
import { type Clock, systemClock } from '../../../src/base/clock.js';
import { type Log, silentLog } from '../../../src/base/log.js';
import type { RedisStoreOptions } from '../../../src/store/redis/options.js';
import { RedisStore } from '../../../src/store/redis/redis-store.js';
import type { StoreHarness } from '../support/contract.js';
import { Heard, Loaded } from '../support/driver.js';

export interface RedisHarness extends StoreHarness {
  readonly store: RedisStore;
  readonly heard: Heard;
  readonly prefix: string;
}

let prefixes = 0;

export function optionsFor(
  nodes: RedisStoreOptions['nodes'],
  more: Partial<RedisStoreOptions> = {},
): RedisStoreOptions {
  const clock: Clock = systemClock;
  const log: Log = silentLog;
  return {
    nodes,
    username: null,
    password: null,
    tls: null,
    prefix: `t${++prefixes}:`,
    ackLevel: null,
    nodeName: 'node',
    clock,
    log,
    ...more,
  };
}

export async function createRedisHarness(
  nodes: RedisStoreOptions['nodes'],
  more: Partial<RedisStoreOptions> = {},
): Promise<RedisHarness> {
  const options = optionsFor(nodes, more);
  const heard = new Heard();
  let loaded = new Loaded();
  const openStore = async () => {
    const store = new RedisStore(options);
    loaded = new Loaded();
    await store.open(loaded, heard);
    return store;
  };
  let store = await openStore();
  return {
    heard,
    prefix: options.prefix,
    get store() {
      return store;
    },
    get loaded() {
      return loaded;
    },
    restart: async (how) => {
      if (how === 'close') await store.close();
      else store.abort();
      store = await openStore();
    },
    dispose: () => store.close(),
  };
}
