/**
 * The contract that every store keeps. A test file of a store calls `addStoreContract` with a way
 * to make one; the tests are in the `contract-*.ts` files.
 */
import type { Test } from 'uvu';
import type { Store } from '../../../src/store/store.js';
import { addEndContract } from './contract-ends.js';
import { addLapsedContract } from './contract-lapsed.js';
import { addLoadingContract } from './contract-loading.js';
import { addQos2Contract } from './contract-qos2.js';
import { addQueueContract } from './contract-queues.js';
import { addSessionContract } from './contract-sessions.js';
import { type Loaded, StoreDriver } from './driver.js';

/** A store and the place where its data are, which outlives it. */
export interface StoreHarness {
  /** The store that is open. */
  readonly store: Store;
  /** What the last opening loaded. */
  readonly loaded: Loaded;
  /**
   * Opens another store on the same data; `crash`: without closing the one before.
   * Both are the same to a store that loses nothing on its own.
   */
  restart(how: 'close' | 'crash'): Promise<void>;
  /** Closes the store and removes its data. */
  dispose(): Promise<void>;
}

/** An open store without data. */
export type CreateStore = () => Promise<StoreHarness>;

/** Runs a test's body with a store of its own. */
export type WithStore = (
  body: (driver: StoreDriver, harness: StoreHarness) => Promise<void>,
) => () => Promise<void>;

/** For each way to restart: a name, and the restart, which returns a driver for the new store. */
export const restarts = [
  ['a clean restart', 'close'],
  ['a crash', 'crash'],
] as const;

export function addStoreContract(test: Test, create: CreateStore): void {
  const withStore: WithStore = (body) => async () => {
    const harness = await create();
    try {
      await body(new StoreDriver(harness.store), harness);
    } finally {
      await harness.dispose();
    }
  };
  addSessionContract(test, withStore);
  addQueueContract(test, withStore);
  addQos2Contract(test, withStore);
  addLoadingContract(test, withStore);
  addEndContract(test, withStore);
  addLapsedContract(test, withStore);
}

/** Restarts the store, and returns a driver for the new one. */
export async function restarted(
  harness: StoreHarness,
  how: 'close' | 'crash',
): Promise<StoreDriver> {
  await harness.restart(how);
  return new StoreDriver(harness.store);
}
