/** The disk store keeps the contract, in each way to sync and with small segments. */
import { suite } from 'uvu';
import { addStoreContract } from '../support/contract.js';
import { createDiskHarness } from '../support/disk-harness.js';

const test = suite('disk store');

addStoreContract(test, () => createDiskHarness({ sync: 'no' }));
addStoreContract(test, () => createDiskHarness({ sync: 'always', segmentBytes: 4 * 1024 }));

test.run();
