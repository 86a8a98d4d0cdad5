/** What the disk store does with its files: recovery, trimming, what may be read when. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../src/base/clock.js';
import type { BrokerError } from '../../../src/base/errors.js';
import { silentLog } from '../../../src/base/log.js';
import { Database } from '../../../src/store/disk/database.js';
import { DiskStore, type DiskStoreOptions } from '../../../src/store/disk/disk-store.js';
import { openSegmentFile } from '../../../src/store/disk/segment-file.js';
import { type TempFolder, withTempFolder } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { createDiskHarness } from '../support/disk-harness.js';
import { batchOf, Heard, Loaded, messageOf, noLimits, StoreDriver } from '../support/driver.js';

const KIB = 1024;

const test = suite('files of the disk store');

test('what is not safe is not read: its number may come to mean another message', async () => {
  const gate = new Gate();
  const harness = await createDiskHarness({ openFile: gate.open });
  try {
    const { store } = harness;
    const driver = new StoreDriver(store);
    await driver.claim('c');
    await driver.append('c', ['safe']);
    gate.close();
    const { sessionWrite, outcome } = driver.prepare('c', {
      append: [messageOf('not yet')],
      limits: noLimits,
    });
    store.write(batchOf([sessionWrite]));

    assert.equal(await driver.queue('c'), ['1:safe']);
    gate.release();
    await outcome;
    assert.equal(await driver.queue('c'), ['1:safe', '2:not yet']);
  } finally {
    await harness.dispose();
  }
});

test('turns that come while the disk is busy share the next write', async () => {
  const gate = new Gate();
  const harness = await createDiskHarness({ openFile: gate.open });
  try {
    const driver = new StoreDriver(harness.store);
    await driver.claim('c');
    const before = gate.writes;
    gate.close();
    const outcomes = Array.from({ length: 50 }, () => driver.append('c', ['x']));
    gate.release();
    await Promise.all(outcomes);

    assert.is(gate.writes, before + 2);
  } finally {
    await harness.dispose();
  }
});

test('queues are drained while checkpoints go on, and leave nothing in the database', () =>
  withTempFolder(async (temp) => {
    const store = await openIn(temp, { segmentBytes: 8 * KIB });
    const driver = new StoreDriver(store);
    const { epoch } = await driver.claim('c');
    let endSeq = 1;
    let firstSeq = 1;
    for (let round = 0; round < 120; round++) {
      const texts = Array.from({ length: 10 }, (_, index) => `${endSeq + index}`.repeat(30));
      endSeq = (await driver.append('c', texts)).firstSeq + texts.length;
      if (round % 3 > 0) continue;
      const { records } = await store.read('c', firstSeq, 2 * KIB);
      assert.equal(
        records.map(({ record }) => String(record)),
        records.map(({ seq }) => `${seq}`.repeat(30)),
      );
      assert.is(records[0]?.seq, firstSeq);
      firstSeq = records.at(-1)!.seq + 1;
      await driver.write('c', { epoch, nextSeq: firstSeq, settled: { firstSeq, done: [] } });
    }
    assert.is((await driver.records('c')).length, endSeq - firstSeq);
    const settled = { firstSeq: endSeq, done: [] };
    await driver.write('c', { epoch, nextSeq: endSeq, settled });
    assert.ok(store.figures().checkpoints! > 5);
    await store.close();

    assert.equal(await entriesIn(temp), []);
  }));

test('of a session that ended nothing is left in the database', () =>
  withTempFolder(async (temp) => {
    const store = await openIn(temp, { segmentBytes: 4 * KIB });
    const driver = new StoreDriver(store);
    for (const clientId of ['stays', 'ends', 'starts anew']) {
      const { epoch } = await driver.claim(clientId);
      const subscribed = [{ filter: 'a', options: 0, identifier: 0 }];
      await driver.write(clientId, { epoch, subscribed, held: [{ packetId: 1, number: 1 }] });
      for (let round = 0; round < 10; round++) await driver.append(clientId, ['x'.repeat(KIB)]);
    }
    const { epoch } = await driver.claim('ends');
    await driver.write('ends', { epoch, ends: true });
    await driver.claim('starts anew', { isDurable: false });
    await store.close();

    const database = new Database(temp.file('store/store.mdb'));
    const numbers = new Set<number>();
    database.forEachRecord((key) => numbers.add(key.readUIntBE(0, 6)));
    await database.close();
    assert.equal([...numbers], [1]);
    assert.equal([...new Set((await entriesIn(temp)).map(({ number }) => number))], [1]);
  }));

test('messages that gave way leave the database, also behind one that is in flight', () =>
  withTempFolder(async (temp) => {
    const store = await openIn(temp, { segmentBytes: 4 * KIB });
    const driver = new StoreDriver(store);
    const { epoch } = await driver.claim('c');
    const limits = { messagesMax: 5, bytesMax: 0, dropsOldest: true };
    const append = Array.from({ length: 4 }, () => messageOf('x'.repeat(KIB)));
    await driver.write('c', { append, limits });
    await driver.write('c', { epoch, nextSeq: 2 });
    for (let round = 0; round < 100; round++) await driver.write('c', { append, limits });
    assert.equal(
      (await driver.records('c')).map(({ seq }) => seq),
      [1, 401, 402, 403, 404],
    );
    await store.close();

    const left = (await entriesIn(temp)).length;
    assert.ok(left > 0 && left <= 12, `${left} entries are left`);
  }));

test('the folder does not grow with what passes through it', () =>
  withTempFolder(async (temp) => {
    const store = await openIn(temp, { segmentBytes: 64 * KIB });
    const driver = new StoreDriver(store);
    const { epoch } = await driver.claim('c');
    const text = 'x'.repeat(4 * KIB);
    for (let round = 0; round < 300; round++) {
      const { firstSeq } = await driver.append('c', [text, text, text, text]);
      const settled = { firstSeq: Math.max(1, firstSeq - 20), done: [] };
      await driver.write('c', { epoch, nextSeq: firstSeq, settled });
    }
    await store.close();

    const bytes = readdirSync(temp.file('store'))
      .map((name) => statSync(join(temp.file('store'), name)).size)
      .reduce((sum, size) => sum + size, 0);
    assert.ok(bytes < 4 * KIB * KIB, `${bytes} bytes of some 4 915 200 that passed`);
  }));

test('a journal that is damaged in the middle is refused, and left as it is', () =>
  withTempFolder(async (temp) => {
    await (await openIn(temp, {})).close();
    const path = (segment: string) => temp.file(`store/journal-${segment}.log`);
    writeFileSync(path('00000001'), 'of no use');
    writeFileSync(path('00000002'), '');
    const error = await openIn(temp, {}).then(
      () => null,
      (one: BrokerError) => one,
    );

    assert.is(error?.code, 'STORE_DAMAGED');
    assert.ok(error?.message.includes('00000001.log is damaged or missing'), error?.message);
    assert.is(readFileSync(path('00000001'), 'utf8'), 'of no use');
  }));

test('a store that is closed has put everything into the database', () =>
  withTempFolder(async (temp) => {
    const store = await openIn(temp, {});
    const driver = new StoreDriver(store);
    await driver.claim('c');
    await driver.append('c', ['x']);
    await store.close();
    for (const name of readdirSync(temp.file('store'))) {
      if (name.startsWith('journal')) writeFileSync(join(temp.file('store'), name), '');
    }

    const again = await openIn(temp, {});
    assert.equal(await new StoreDriver(again).queue('c'), ['1:x']);
    await again.close();
  }));

test('a checkpoint that is behind holds up what comes, and loses nothing', async () => {
  const harness = await createDiskHarness({ segmentBytes: KIB });
  try {
    const driver = new StoreDriver(harness.store);
    await driver.claim('c');
    const outcomes = Array.from({ length: 400 }, (_, index) =>
      driver.append('c', [`${index + 1}`.repeat(100)]),
    );
    await Promise.all(outcomes);
    await until('checkpoints', () => harness.store.figures().checkpoints! > 0);

    const records = await driver.records('c');
    assert.is(records.length, 400);
    for (const { seq, record } of records) assert.is(String(record), `${seq}`.repeat(100));
  } finally {
    await harness.dispose();
  }
});

/** Segment files whose writes wait while the gate is closed. */
class Gate {
  writes = 0;
  private waiting: (() => void)[] | null = null;

  readonly open: typeof openSegmentFile = async (path, syncsWrites) => {
    const file = await openSegmentFile(path, syncsWrites);
    return {
      size: file.size,
      write: async (buffers, at) => {
        this.writes++;
        const { waiting } = this;
        if (waiting !== null) await new Promise<void>((resolve) => waiting.push(resolve));
        await file.write(buffers, at);
      },
      sync: () => file.sync(),
      close: () => file.close(),
    };
  };

  close(): void {
    this.waiting = [];
  }

  release(): void {
    const { waiting } = this;
    this.waiting = null;
    for (const go of waiting ?? []) go();
  }
}

async function openIn(temp: TempFolder, options: Partial<DiskStoreOptions>): Promise<DiskStore> {
  const folder = temp.file('store');
  const clock = new FakeClock();
  const store = new DiskStore({ folder, sync: 'no', clock, log: silentLog, ...options });
  await store.open(new Loaded(), new Heard());
  return store;
}

/** The entries of all queues in the database of a store that is closed. */
async function entriesIn(temp: TempFolder): Promise<{ number: number; seq: number }[]> {
  const database = new Database(temp.file('store/store.mdb'));
  const found: { number: number; seq: number }[] = [];
  for (let number = 1; number < 10; number++) {
    for (const seq of database.entrySeqs(number, 0, 2 ** 40)) found.push({ number, seq });
  }
  await database.close();
  return found;
}

test.run();
