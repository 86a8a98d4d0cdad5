/** A memory store for the contract. Its data outlive a restart: it is the same instance. */
import { FakeClock } from '../../../src/base/clock.js';
import { MemoryStore } from '../../../src/store/memory/memory-store.js';
import type { StoreHarness } from './contract.js';
import { Loaded } from './driver.js';

export async function createMemoryHarness(clock = new FakeClock()): Promise<StoreHarness> {
  const store = new MemoryStore({ clock });
  let loaded = new Loaded();
  await store.open(loaded);
  return {
    store,
    get loaded() {
      return loaded;
    },
    restart: async (how) => {
      if (how === 'close') await store.close();
      loaded = new Loaded();
      await store.open(loaded);
    },
    dispose: () => store.close(),
  };
}
