/** Contract: queues: order, limits, what gives way, acknowledgements, reads. */
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { Taken, WriteStatus } from '../../../src/store/store.js';
import { restarted, restarts, type WithStore } from './contract.js';
import { batchOf, messageOf, noLimits, type StoreDriver } from './driver.js';

const { Yes, Full } = Taken;
const KIB = 1024;

export function addQueueContract(test: Test, withStore: WithStore): void {
  addAppendTests(test, withStore);
  addLimitTests(test, withStore);
  addRoomTests(test, withStore);
  addDropOldestTests(test, withStore);
  addGiveWayTests(test, withStore);
  addSettleTests(test, withStore);
  addReadTests(test, withStore);
  addSizeTests(test, withStore);
}

function addAppendTests(test: Test, withStore: WithStore): void {
  test(
    'messages are numbered without gaps, over writes, claims and restarts',
    withStore(async (driver, harness) => {
      await driver.claim('c');
      const first = await driver.append('c', ['a', 'b']);
      const second = await driver.append('c', ['c']);
      await driver.claim('c');
      const again = await restarted(harness, 'crash');
      const third = await again.append('c', ['d']);

      assert.equal([first.firstSeq, second.firstSeq, third.firstSeq], [1, 3, 4]);
      assert.equal([first.taken, first.dropped], [null, []]);
      assert.equal(await again.queue('c'), ['1:a', '2:b', '3:c', '4:d']);
    }),
  );

  test(
    'a batch goes to several sessions, and more than once to one',
    withStore(async (driver) => {
      await driver.claim('a');
      await driver.claim('b');
      const prepared = ['a', 'b', 'gone', 'a'].map((clientId, index) =>
        driver.prepare(clientId, { append: [messageOf(String(index))], limits: noLimits }),
      );
      driver.store.write(batchOf(prepared.map(({ sessionWrite }) => sessionWrite)));

      const outcomes = await Promise.all(prepared.map(({ outcome }) => outcome));

      assert.equal(
        outcomes.map(({ status }) => status),
        [WriteStatus.Done, WriteStatus.Done, WriteStatus.Gone, WriteStatus.Done],
      );
      assert.equal(await driver.queue('a'), ['1:0', '2:3']);
      assert.equal(await driver.queue('b'), ['1:1']);
    }),
  );

  test(
    'a record is kept as it is, whatever its bytes',
    withStore(async (driver, harness) => {
      await driver.claim('c');
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1');
      await driver.append('c', [bytes, '', bytes + bytes]);
      const expected = [`1:${bytes}`, '2:', `3:${bytes}${bytes}`];

      assert.equal(await driver.queue('c'), expected);
      assert.equal(await (await restarted(harness, 'crash')).queue('c'), expected);
    }),
  );
}

function addLimitTests(test: Test, withStore: WithStore): void {
  test(
    'a full queue does not take new messages, and says which',
    withStore(async (driver) => {
      await driver.claim('c');
      const limits = { ...noLimits, messagesMax: 3 };
      const append = ['a', 'b', 'c', 'd', 'e'].map(messageOf);

      const outcome = await driver.write('c', { append, limits });
      const none = await driver.write('c', { append: [messageOf('f')], limits });

      assert.equal(outcome.taken, [Yes, Yes, Yes, Full, Full]);
      assert.is(outcome.firstSeq, 1);
      assert.equal(none.taken, [Full]);
      assert.equal(await driver.queue('c'), ['1:a', '2:b', '3:c']);
    }),
  );

  test(
    'payload bytes are limited too, and a smaller one may still fit',
    withStore(async (driver) => {
      await driver.claim('c');
      const limits = { ...noLimits, bytesMax: 10 };
      const append = ['12345', '123456', '1234', '12', '1'].map(messageOf);

      const outcome = await driver.write('c', { append, limits });

      assert.equal(outcome.taken, [Yes, Full, Yes, Full, Yes]);
      assert.equal(await driver.queue('c'), ['1:12345', '2:1234', '3:1']);
    }),
  );
}

function addRoomTests(test: Test, withStore: WithStore): void {
  for (const [name, how] of restarts) {
    test(
      `limits count what waits from before ${name}`,
      withStore(async (driver, harness) => {
        await driver.claim('c');
        await driver.append('c', ['12345', '678']);
        const again = await restarted(harness, how);

        const byBytes = { ...noLimits, bytesMax: 9 };
        const bytes = await again.write('c', { append: [messageOf('ab')], limits: byBytes });
        const byCount = { ...noLimits, messagesMax: 2 };
        const count = await again.write('c', { append: [messageOf('a')], limits: byCount });

        assert.equal([bytes.taken, count.taken], [[Full], [Full]]);
      }),
    );
  }

  test(
    'what is acknowledged makes room, also in the same write',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      const limits = { messagesMax: 2, bytesMax: 6, dropsOldest: false };
      await driver.write('c', { append: ['abc', 'def'].map(messageOf), limits });
      const settled = { firstSeq: 1, done: [2] };

      const same = await driver.write('c', {
        epoch,
        settled,
        nextSeq: 3,
        append: ['ghi', 'j'].map(messageOf),
        limits,
      });
      await driver.write('c', { epoch, settled: { firstSeq: 3, done: [] }, nextSeq: 3 });
      const later = await driver.write('c', { append: [messageOf('k')], limits });

      assert.equal(same.taken, [Yes, Full]);
      assert.is(later.taken, null);
      assert.equal(await driver.queue('c'), ['3:ghi', '4:k']);
    }),
  );
}

const oldest = { ...noLimits, messagesMax: 3, dropsOldest: true };

function addDropOldestTests(test: Test, withStore: WithStore): void {
  for (const [name, how] of restarts) {
    test(
      `the oldest give way, and stay away over ${name}`,
      withStore(async (driver, harness) => {
        await driver.claim('c');
        await driver.write('c', { append: ['a', 'b', 'c'].map(messageOf), limits: oldest });

        const outcome = await driver.write('c', {
          append: ['d', 'e'].map(messageOf),
          limits: oldest,
        });

        assert.equal([outcome.taken, outcome.dropped, outcome.firstSeq], [null, [1, 2], 4]);
        const expected = ['3:c', '4:d', '5:e'];
        assert.equal(await driver.queue('c'), expected);
        const again = await restarted(harness, how);
        assert.equal(await again.queue('c'), expected);
        const next = await again.write('c', { append: [messageOf('f')], limits: oldest });
        assert.equal(next.dropped, [3]);
      }),
    );
  }

  test(
    'what was sent does not give way',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      await driver.append('c', ['a', 'b', 'c']);
      await driver.write('c', { epoch, nextSeq: 3 });

      const first = await driver.write('c', { append: [messageOf('d')], limits: oldest });
      await driver.write('c', { epoch, nextSeq: 5 });
      const second = await driver.write('c', { append: [messageOf('e')], limits: oldest });

      assert.equal([first.taken, first.dropped], [null, [3]]);
      assert.equal([second.taken, second.dropped], [[Full], []]);
      assert.equal(await driver.queue('c'), ['1:a', '2:b', '4:d']);
    }),
  );
}

function addGiveWayTests(test: Test, withStore: WithStore): void {
  test(
    'new messages push out those of the same write',
    withStore(async (driver) => {
      await driver.claim('c');
      const append = ['a', 'b', 'c', 'd', 'e'].map(messageOf);

      const outcome = await driver.write('c', { append, limits: oldest });

      assert.equal([outcome.taken, outcome.dropped], [null, [1, 2]]);
      assert.equal(await driver.queue('c'), ['3:c', '4:d', '5:e']);
    }),
  );

  test(
    'as many give way as the new one needs, and none for one that never fits',
    withStore(async (driver) => {
      await driver.claim('c');
      const limits = { messagesMax: 0, bytesMax: 6, dropsOldest: true };
      await driver.write('c', { append: ['aa', 'bb', 'cc'].map(messageOf), limits });

      const larger = await driver.write('c', { append: [messageOf('ddd')], limits });
      const tooLarge = await driver.write('c', { append: [messageOf('1234567')], limits });

      assert.equal([larger.taken, larger.dropped], [null, [1, 2]]);
      assert.equal([tooLarge.taken, tooLarge.dropped], [[Full], []]);
      assert.equal(await driver.queue('c'), ['3:cc', '4:ddd']);
    }),
  );
}

function addSettleTests(test: Test, withStore: WithStore): void {
  for (const [name, how] of restarts) {
    test(
      `acknowledgements come in any order, and last over ${name}`,
      withStore(async (driver, harness) => {
        const { epoch } = await driver.claim('c');
        await driver.append('c', ['a', 'b', 'c', 'd', 'e', 'f']);
        const settle = (firstSeq: number, done: number[]) =>
          driver.write('c', { epoch, nextSeq: 6, settled: { firstSeq, done } });

        await settle(1, [3]);
        await settle(1, [3, 5]);
        await settle(1, [3, 5]);
        assert.equal(await driver.queue('c'), ['1:a', '2:b', '4:d', '6:f']);
        await settle(2, [3, 5]);
        assert.equal(await driver.queue('c'), ['2:b', '4:d', '6:f']);

        const again = await restarted(harness, how);
        assert.equal(await again.queue('c'), ['2:b', '4:d', '6:f']);
        const claim = await again.claim('c');
        assert.is(claim.firstSeq, 2);
        assert.equal(claim.done, [3, 5]);
        assert.equal([claim.nextSeq, claim.endSeq], [6, 7]);
        const settled = { firstSeq: 7, done: [] };
        await again.write('c', { epoch: claim.epoch, nextSeq: 7, settled });
        assert.equal(await again.queue('c'), []);
        assert.is((await again.claim('c')).firstSeq, 7);
        assert.is((await again.append('c', ['g'])).firstSeq, 7);
      }),
    );
  }

  test(
    'numbers never go back',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      await driver.append('c', ['a', 'b', 'c', 'd']);
      await driver.write('c', { epoch, nextSeq: 4, settled: { firstSeq: 3, done: [] } });
      await driver.write('c', { epoch, nextSeq: 2, settled: { firstSeq: 2, done: [] } });

      const claim = await driver.claim('c');

      assert.equal([claim.firstSeq, claim.nextSeq, claim.endSeq], [3, 4, 5]);
      assert.equal(await driver.queue('c'), ['3:c', '4:d']);
    }),
  );
}

function addReadTests(test: Test, withStore: WithStore): void {
  test(
    'a read takes what its budget allows and one more, and says where it goes on',
    withStore(async (driver) => {
      await driver.claim('c');
      await driver.append('c', ['aaaa', 'bbbb']);
      await driver.append('c', ['cccc', 'dddd']);
      const read = async (fromSeq: number, bytesMax: number) => {
        const { records, nextSeq } = await driver.store.read('c', fromSeq, bytesMax);
        return [records.map(({ seq }) => seq), nextSeq];
      };

      assert.equal(await read(1, 1), [[1], 2]);
      assert.equal(await read(2, 5), [[2, 3], 4]);
      assert.equal(await read(1, 8), [[1, 2], 3]);
      assert.equal(await read(1, 1_000), [[1, 2, 3, 4], 5]);
      assert.equal(await read(5, 1_000), [[], 5]);
      assert.equal((await driver.store.read('nobody', 1, 1_000)).records, []);
    }),
  );

  test(
    'a read goes over what is done, and begins behind it',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      const texts = Array.from({ length: 300 }, (_, index) => String(index + 1));
      for (let at = 0; at < texts.length; at += 10) {
        await driver.append('c', texts.slice(at, at + 10));
      }
      const done = texts.map(Number).filter((seq) => seq > 120 && seq < 250 && seq % 7 > 0);
      await driver.write('c', { epoch, nextSeq: 300, settled: { firstSeq: 95, done } });
      const skipped = new Set(done);
      const expected = texts.map(Number).filter((seq) => seq >= 95 && !skipped.has(seq));

      assert.equal(
        await driver.queue('c', 1, 20),
        expected.map((seq) => `${seq}:${seq}`),
      );
      const { records } = await driver.store.read('c', 1, 1);
      assert.equal(
        records.map(({ seq }) => seq),
        [95],
      );
    }),
  );
}

function addSizeTests(test: Test, withStore: WithStore): void {
  test(
    'payloads have up to megabytes, alone or with small ones in one write',
    withStore(async (driver, harness) => {
      await driver.claim('c');
      const sizes = [10, 3 * KIB * KIB, 0, 70 * KIB, 5, 33 * KIB, 1];
      const texts = sizes.map((size, index) => String(index).repeat(size));
      await driver.append('c', texts);
      await driver.append('c', texts.slice(0, 2));

      await sameQueue(driver, [...texts, ...texts.slice(0, 2)]);
      await sameQueue(await restarted(harness, 'crash'), [...texts, ...texts.slice(0, 2)]);
      await sameQueue(await restarted(harness, 'close'), [...texts, ...texts.slice(0, 2)]);
    }),
  );

  test(
    'a write has thousands of messages',
    withStore(async (driver, harness) => {
      await driver.claim('c');
      const texts = Array.from({ length: 5_000 }, (_, index) => `message ${index}`);

      const outcome = await driver.append('c', texts);

      assert.equal([outcome.firstSeq, outcome.taken], [1, null]);
      await sameQueue(driver, texts);
      await sameQueue(await restarted(harness, 'crash'), texts);
    }),
  );
}

/** Compares without printing megabytes when it fails. */
async function sameQueue(driver: StoreDriver, texts: readonly string[]): Promise<void> {
  const records = await driver.records('c', 1, 100 * KIB);
  assert.is(records.length, texts.length);
  records.forEach(({ seq, record }, index) => {
    assert.is(seq, index + 1);
    assert.ok(record.equals(Buffer.from(texts[index]!, 'latin1')), `message ${seq} is the same`);
  });
}
