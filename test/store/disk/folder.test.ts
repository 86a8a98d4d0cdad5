/** The folder of a disk store: one process at a time, one layout, and it must be writable. */
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../src/base/clock.js';
import type { BrokerError } from '../../../src/base/errors.js';
import { silentLog } from '../../../src/base/log.js';
import { DiskStore } from '../../../src/store/disk/disk-store.js';
import { FolderLock } from '../../../src/store/disk/folder-lock.js';
import { Child } from '../../support/process.js';
import { type TempFolder, withTempFolder } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { Heard, Loaded, StoreDriver } from '../support/driver.js';

const program = fileURLToPath(new URL('./crash-child.js', import.meta.url));

const test = suite('folder of the disk store');

test('a second process is refused, and told which one has the folder', () =>
  withTempFolder(async (temp) => {
    const folder = temp.file('store');
    const child = await Child.start(process.execPath, [program, folder, 'no', '1']);
    await child.untilLine('open', { deadlineMs: 20_000 });

    const error = await openError(folder);

    assert.is(error?.code, 'STORE_LOCKED');
    assert.ok(error?.message.includes(`process ${child.pid} on ${hostname()}`), error?.message);
    await child.stop('SIGKILL');
    assert.is(await openError(folder), null);
  }));

test('two stores of one process do not share a folder', () =>
  withTempFolder(async (temp) => {
    const store = storeIn(temp.file('store'));
    await store.open(new Loaded(), new Heard());

    assert.is((await openError(temp.file('store')))?.code, 'STORE_LOCKED');
    await store.close();
    assert.is(await openError(temp.file('store')), null);
  }));

test('of several that find a dead lock, one takes it', () =>
  withTempFolder(async (temp) => {
    await deadLock(temp);
    const taken = await Promise.allSettled(
      Array.from({ length: 8 }, () => FolderLock.take(temp.path)),
    );

    const locks = taken.filter((one) => one.status === 'fulfilled');
    assert.is(locks.length, 1);
    for (const { value } of locks) value.release();
    assert.equal(readdirSync(temp.path), []);
  }));

for (const [name, change] of [
  ['a process number that another process has now', { started: '1' }],
  ['an earlier start of the machine', { boot: 'another' }],
  ['a process that is gone', { pid: 2 ** 22 + 1 }],
] as const) {
  test(`a lock of ${name} is dead`, () =>
    withTempFolder(async (temp) => {
      const lock = await FolderLock.take(temp.path);
      const holder: unknown = JSON.parse(readFileSync(temp.file('lock'), 'utf8'));
      lock.release();
      temp.write('lock', JSON.stringify(Object.assign(holder as object, change)));

      (await FolderLock.take(temp.path)).release();
    }));
}

test('a lock that was cut off when it was written is dead', () =>
  withTempFolder(async (temp) => {
    temp.write('lock', '{"pid":');

    (await FolderLock.take(temp.path)).release();
  }));

test('a lock of another host is watched: it holds while it is refreshed', () =>
  withTempFolder(async (temp) => {
    const foreign = JSON.stringify({ pid: 1, host: 'elsewhere', boot: '', started: '' });
    temp.write('lock', foreign);
    const refreshing = setInterval(() => {
      const { mtimeMs } = statSync(temp.file('lock'));
      utimesSync(temp.file('lock'), mtimeMs / 1000 + 1, mtimeMs / 1000 + 1);
    }, 5);
    const error = await FolderLock.take(temp.path, 100).then(
      () => null,
      (one: BrokerError) => one,
    );
    clearInterval(refreshing);

    assert.is(error?.code, 'STORE_LOCKED');
    assert.ok(error?.message.includes('process 1 on elsewhere'), error?.message);
    (await FolderLock.take(temp.path, 100)).release();
  }));

test('a lock is refreshed while it is held', () =>
  withTempFolder(async (temp) => {
    const lock = await FolderLock.take(temp.path);
    utimesSync(temp.file('lock'), 1, 1);

    await until('a refresh', () => statSync(temp.file('lock')).mtimeMs > 1_000);
    lock.release();
  }));

test('a store whose folder was taken writes no more', () =>
  withTempFolder(async (temp) => {
    const store = storeIn(temp.file('store'));
    const heard = new Heard();
    await store.open(new Loaded(), heard);
    temp.write('store/lock', '{"pid":1}');

    await until('the failure', () => heard.fatal.length > 0);

    assert.is((heard.fatal[0] as BrokerError).code, 'STORE_LOCKED');
    await store.close();
    assert.is(readFileSync(temp.file('store/lock'), 'utf8'), '{"pid":1}');
  }));

test('an unknown layout is refused, and nothing is overwritten', () =>
  withTempFolder(async (temp) => {
    temp.write('layout', 'tidewire disk store 2\n');
    temp.write('store.mdb', 'of another form');

    const error = await openError(temp.path);

    assert.is(error?.code, 'STORE_LAYOUT');
    assert.ok(error?.message.includes("'tidewire disk store 2'"), error?.message);
    assert.equal(readdirSync(temp.path).sort(), ['layout', 'store.mdb']);
    assert.is(readFileSync(temp.file('store.mdb'), 'utf8'), 'of another form');
  }));

test('a folder with other files is refused', () =>
  withTempFolder(async (temp) => {
    temp.write('letter.txt', 'dear');

    const error = await openError(temp.path);

    assert.is(error?.code, 'STORE_LAYOUT');
    assert.ok(error?.message.includes('letter.txt'), error?.message);
    assert.equal(readdirSync(temp.path), ['letter.txt']);
  }));

test('a file that is no database is refused', () =>
  withTempFolder(async (temp) => {
    const folder = temp.file('store');
    assert.is(await openError(folder), null);
    writeFileSync(`${folder}/store.mdb`, 'x'.repeat(10_000));

    assert.is((await openError(folder))?.code, 'STORE_DAMAGED');
  }));

test('a folder that cannot be made is refused', () =>
  withTempFolder(async (temp) => {
    const file = temp.write('file', '');

    const error = await openError(`${file}/store`);

    assert.is(error?.code, 'STORE_FOLDER');
    assert.ok(error?.message.includes(`${file}/store`), error?.message);
  }));

test('a read-only folder is refused', async () => {
  // Root may write everywhere but here.
  const folder = process.getuid?.() === 0 ? '/proc/self' : '/';
  if (process.platform === 'win32') return;

  const error = await openError(folder);

  assert.is(error?.code, 'STORE_FOLDER');
  assert.ok(error?.message.includes('of its own that it may write'), error?.message);
});

test('nobody else may read the files', () =>
  withTempFolder(async (temp) => {
    if (process.platform === 'win32') return;
    assert.is(await openError(temp.file('store')), null);

    const names = ['', 'layout', 'store.mdb', 'store.mdb-lock'];
    for (const name of names) {
      assert.is(statSync(temp.file(`store/${name}`)).mode & 0o077, 0, name);
    }
  }));

test('a failed opening leaves no lock', () =>
  withTempFolder(async (temp) => {
    temp.write('letter.txt', 'dear');
    await openError(temp.path);

    assert.equal(readdirSync(temp.path), ['letter.txt']);
  }));

function storeIn(folder: string): DiskStore {
  return new DiskStore({ folder, sync: 'no', clock: new FakeClock(), log: silentLog });
}

/** Opens a store, and closes it again when that worked. */
async function openError(folder: string): Promise<BrokerError | null> {
  const store = storeIn(folder);
  try {
    await store.open(new Loaded(), new Heard());
  } catch (error) {
    return error as BrokerError;
  }
  await new StoreDriver(store).claim('c');
  await store.close();
  return null;
}

async function deadLock(temp: TempFolder): Promise<void> {
  const lock = await FolderLock.take(temp.path);
  const holder: unknown = JSON.parse(readFileSync(temp.file('lock'), 'utf8'));
  lock.release();
  temp.write('lock', JSON.stringify(Object.assign(holder as object, { started: '1' })));
}

test.run();
