/** The first error of the disk is the last thing that happens; nothing is tried again. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BrokerError } from '../../../src/base/errors.js';
import { emptyWrite } from '../../../src/store/answers.js';
import { openSegmentFile, type SegmentFile } from '../../../src/store/disk/segment-file.js';
import { until } from '../../support/until.js';
import { createDiskHarness } from '../support/disk-harness.js';
import { batchOf, claimOf, messageOf, noLimits, StoreDriver } from '../support/driver.js';

const test = suite('disk store that fails');

/** Segment files that fail when they are told to. */
class Disk {
  failsWrites: string | null = null;
  failsSyncs: string | null = null;
  writes = 0;
  syncs = 0;

  readonly open = async (path: string, syncsWrites: boolean): Promise<SegmentFile> => {
    const file = await openSegmentFile(path, syncsWrites);
    return {
      size: file.size,
      write: (buffers, at) => {
        this.writes++;
        return this.failsWrites === null
          ? file.write(buffers, at)
          : Promise.reject(systemError(this.failsWrites));
      },
      sync: () => {
        this.syncs++;
        return this.failsSyncs === null
          ? file.sync()
          : Promise.reject(systemError(this.failsSyncs));
      },
      close: () => file.close(),
    };
  };
}

for (const [code, expected, remedy] of [
  ['ENOSPC', 'STORE_FULL', 'make room on the disk'],
  ['EIO', 'STORE_FAILED', 'check the disk'],
] as const) {
  test(`a write that fails with ${code} is fatal: nothing is safe from then on`, async () => {
    const disk = new Disk();
    const harness = await createDiskHarness({ sync: 'always', openFile: disk.open });
    const { store, heard } = harness;
    try {
      const driver = new StoreDriver(store);
      await driver.claim('c');
      await driver.append('c', ['safe']);
      disk.failsWrites = code;
      let done = 0;
      const onDone = () => done++;
      const append = [messageOf('lost')];
      const write = { ...emptyWrite('c'), append, limits: noLimits, onDone };
      const retained = [{ topic: 't', record: Buffer.from('x'), onlyExpired: false, onDone }];
      store.write({ sessions: [write], retained });
      const claiming = rejection(store.claim(claimOf('c')));

      assert.is((await claiming)?.code, 'STORE_AWAY');
      const { writes } = disk;
      disk.failsWrites = null;
      store.write(batchOf([write]));
      assert.is((await rejection(store.claim(claimOf('c'))))?.code, 'STORE_AWAY');
      assert.is((await rejection(store.read('c', 1, 1)))?.code, 'STORE_AWAY');
      assert.equal([heard.fatal.length, done, disk.writes], [1, 0, writes]);
      const error = heard.fatal[0] as BrokerError;
      assert.is(error.code, expected);
      assert.ok(error.message.includes(remedy), error.message);

      await harness.restart('close');
      assert.equal(await new StoreDriver(harness.store).queue('c'), ['1:safe']);
    } finally {
      await harness.dispose();
    }
  });
}

test('a sync that fails is fatal, and not tried again', async () => {
  const disk = new Disk();
  const harness = await createDiskHarness({ sync: 'everysec', openFile: disk.open });
  try {
    const driver = new StoreDriver(harness.store);
    await driver.claim('c');
    disk.failsSyncs = 'EIO';
    await driver.append('c', ['safe']);

    await until('the failure', () => harness.heard.fatal.length > 0);

    assert.is((harness.heard.fatal[0] as BrokerError).code, 'STORE_FAILED');
    assert.is((await rejection(harness.store.claim(claimOf('c'))))?.code, 'STORE_AWAY');
    const { syncs } = disk;
    await harness.store.close();
    assert.is(disk.syncs, syncs);
  } finally {
    await harness.dispose();
  }
});

test('a segment that cannot be synced does not go into the database', async () => {
  const disk = new Disk();
  const options = { sync: 'no', segmentBytes: 4 * 1024, openFile: disk.open } as const;
  const harness = await createDiskHarness(options);
  try {
    const driver = new StoreDriver(harness.store);
    await driver.claim('c');
    disk.failsSyncs = 'EIO';
    await driver.append('c', ['x'.repeat(5 * 1024)]);

    await until('the failure', () => harness.heard.fatal.length > 0);

    assert.is(harness.store.figures().checkpoints, 0);
  } finally {
    await harness.dispose();
  }
});

test('everysec syncs about once a second, and only when there is something', async () => {
  const disk = new Disk();
  const harness = await createDiskHarness({ sync: 'everysec', openFile: disk.open });
  try {
    const driver = new StoreDriver(harness.store);
    await driver.claim('c');
    for (let count = 0; count < 20; count++) await driver.append('c', ['x']);
    assert.ok(disk.writes >= 20);
    assert.ok(disk.syncs <= 1, 'writes do not wait for a sync');

    await until('a sync', () => disk.syncs > 0);

    assert.is(disk.syncs, 1);
  } finally {
    await harness.dispose();
  }
});

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

async function rejection(promise: Promise<unknown>): Promise<BrokerError | null> {
  return promise.then(
    () => null,
    (error: BrokerError) => error,
  );
}

test.run();
