/** A disk store in a folder of its own, for the contract and the model test. */
import { cpSync, rmSync } from 'node:fs';
import { FakeClock } from '../../../src/base/clock.js';
import { silentLog } from '../../../src/base/log.js';
import { DiskStore, type DiskStoreOptions } from '../../../src/store/disk/disk-store.js';
import { TempFolder } from '../../support/temp.js';
import { until } from '../../support/until.js';
import type { StoreHarness } from './contract.js';
import { Heard, Loaded } from './driver.js';

export interface DiskHarness extends StoreHarness {
  readonly store: DiskStore;
  readonly heard: Heard;
}

export async function createDiskHarness(
  options: Partial<DiskStoreOptions> = {},
): Promise<DiskHarness> {
  const temp = new TempFolder();
  const clock = options.clock ?? new FakeClock();
  const heard = new Heard();
  let count = 0;
  let folder = temp.file(`store-${count}`);
  let loaded = new Loaded();
  const openStore = async () => {
    const opened = new DiskStore({ sync: 'no', log: silentLog, ...options, clock, folder });
    loaded = new Loaded();
    await opened.open(loaded, heard);
    return opened;
  };
  let store = await openStore();
  return {
    heard,
    get store() {
      return store;
    },
    get loaded() {
      return loaded;
    },
    restart: async (how) => {
      const before = store;
      if (how === 'crash') {
        // What is in the files at this moment is what a process that is killed now leaves.
        await until('no checkpoint', () => before.figures().checkpoints_running === 0);
        const old = folder;
        folder = temp.file(`store-${++count}`);
        cpSync(old, folder, { recursive: true, filter: (name) => !/[/\\]lock[^/\\]*$/.test(name) });
        store = await openStore();
        await before.close();
        rmSync(old, { recursive: true });
        return;
      }
      await before.close();
      store = await openStore();
    },
    dispose: async () => {
      await store.close();
      temp.remove();
    },
  };
}
