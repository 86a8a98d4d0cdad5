/** The plain model as a store for the contract's and the model test's harness. */
import type { FakeClock } from '../../../src/base/clock.js';
import type { StoreHarness } from './contract.js';
import { Loaded } from './driver.js';
import { PlainStore } from './plain-store.js';

export async function createPlainHarness(clock: FakeClock): Promise<StoreHarness> {
  const store = new PlainStore(clock);
  let loaded = new Loaded();
  return {
    store,
    get loaded() {
      return loaded;
    },
    restart: async () => {
      loaded = new Loaded();
      await store.open(loaded);
    },
    dispose: () => store.close(),
  };
}
