/** Contract: messages that gave way although their client may have been sent them. */
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { SENT_AHEAD_MAX } from '../../../src/store/store.js';
import { restarted, restarts, type WithStore } from './contract.js';
import { messageOf, noLimits, type StoreDriver } from './driver.js';

const exact = {
  expiresAtMs: Number.POSITIVE_INFINITY,
  will: null,
  willAtMs: Number.POSITIVE_INFINITY,
  isUnsure: false,
  inFlight: [],
};

export function addLapsedContract(test: Test, withStore: WithStore): void {
  addConnectedTests(test, withStore);
  addDoneTests(test, withStore);
  addDisconnectTests(test, withStore);
  addOfflineTests(test, withStore);
  addBoundTests(test, withStore);
}

/** Appends texts; all but the last three give way, unless they were sent. */
async function push(driver: StoreDriver, ...texts: string[]): Promise<readonly number[]> {
  const limits = { ...noLimits, messagesMax: 3, dropsOldest: true };
  return (await driver.write('c', { append: texts.map(messageOf), limits })).dropped;
}

async function lapsedOf(driver: StoreDriver): Promise<readonly number[]> {
  return (await driver.claim('c')).lapsed;
}

function addConnectedTests(test: Test, withStore: WithStore): void {
  for (const [name, how] of restarts) {
    test(
      `what gives way while the client is connected has lapsed, after ${name} too`,
      withStore(async (driver, harness) => {
        const { epoch, lapsed } = await driver.claim('c');
        assert.equal(lapsed, []);
        await push(driver, 'a', 'b', 'c');
        await driver.write('c', { epoch, nextSeq: 2 });
        const dropped = await push(driver, 'd', 'e');

        const again = await restarted(harness, how);

        assert.equal(dropped, [2, 3]);
        assert.equal(await lapsedOf(again), [2, 3]);
        assert.equal(await again.queue('c'), ['1:a', '4:d', '5:e']);
      }),
    );
  }
}

function addDoneTests(test: Test, withStore: WithStore): void {
  test(
    'it counts as lapsed until it is done, wherever the queue begins by then',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      await push(driver, 'a', 'b', 'c');
      await push(driver, 'd', 'e', 'f');
      // PUBREC of the second one.
      await driver.write('c', { epoch, nextSeq: 4, released: [2] });
      const { firstSeq, lapsed, released } = await driver.claim('c');
      assert.equal([firstSeq, lapsed, released], [4, [1, 2, 3], []]);

      const second = await driver.claim('c');
      await driver.write('c', { epoch: second.epoch, settled: { firstSeq: 2, done: [3] } });
      const third = await driver.claim('c');
      assert.equal(third.lapsed, [2]);
      await driver.write('c', { epoch: third.epoch, settled: { firstSeq: 4, done: [] } });
      assert.equal(await lapsedOf(driver), []);
      assert.equal(await driver.queue('c'), ['4:d', '5:e', '6:f']);
    }),
  );

  test(
    'a read tells which of the numbers that it passes have lapsed',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      await push(driver, 'a', 'b', 'c');
      await driver.write('c', { epoch, nextSeq: 2 });
      await push(driver, 'd', 'e');

      const first = await driver.store.read('c', 1, 1);
      const rest = await driver.store.read('c', first.nextSeq, 1_000);

      assert.equal([...first.lapsed, ...rest.lapsed], [2, 3]);
      assert.equal((await driver.store.read('c', 4, 1_000)).lapsed, []);
      assert.equal((await driver.store.read('nobody', 1, 1_000)).lapsed, []);
    }),
  );

  test(
    'with the session, what lapsed in it is gone',
    withStore(async (driver) => {
      await driver.claim('c');
      await push(driver, 'a', 'b', 'c');
      await push(driver, 'd', 'e', 'f');

      assert.equal((await driver.claim('c', { cleanStart: true })).lapsed, []);
      assert.equal(await lapsedOf(driver), []);
    }),
  );
}

function addDisconnectTests(test: Test, withStore: WithStore): void {
  for (const [name, how] of restarts) {
    test(
      `the end of a connection says what of it is with the client, after ${name} too`,
      withStore(async (driver, harness) => {
        const { epoch } = await driver.claim('c');
        await push(driver, 'a', 'b', 'c');
        await push(driver, 'd', 'e', 'f');
        const disconnect = { ...exact, inFlight: [1, 3, 4] };
        await driver.write('c', { epoch, nextSeq: 5, disconnect });

        const again = await restarted(harness, how);

        assert.equal(await lapsedOf(again), [1, 3]);
      }),
    );
  }

  test(
    'one that is not sure of what was sent before says nothing',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      await push(driver, 'a', 'b', 'c');
      await push(driver, 'd', 'e');
      await driver.write('c', { epoch, disconnect: { ...exact, isUnsure: true, inFlight: [1] } });

      assert.equal(await lapsedOf(driver), [1, 2]);
    }),
  );
}

function addOfflineTests(test: Test, withStore: WithStore): void {
  test(
    'what gives way when the end of the connection is known has not lapsed',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      await push(driver, 'a', 'b', 'c');
      await driver.write('c', { epoch, disconnect: exact });
      assert.equal(await push(driver, 'd', 'e'), [1, 2]);

      assert.equal(await lapsedOf(driver), []);
    }),
  );

  for (const [name, how] of restarts) {
    test(
      `after a crash, what was in the queue by then has, and what came later has not: ${name}`,
      withStore(async (driver, harness) => {
        await driver.claim('c');
        await push(driver, 'a', 'b', 'c');
        const lost = await restarted(harness, how);
        assert.equal(await push(lost, 'd', 'e'), [1, 2]);
        assert.equal(await push(lost, 'f', 'g'), [3, 4]);

        assert.equal(await lapsedOf(lost), [1, 2, 3]);
      }),
    );
  }
}

function addBoundTests(test: Test, withStore: WithStore): void {
  test(
    'a message that gives way for a later one of its own write was not sent',
    withStore(async (driver) => {
      await driver.claim('c');
      assert.equal(await push(driver, 'a', 'b', 'c', 'd', 'e'), [1, 2]);

      assert.equal(await lapsedOf(driver), []);
    }),
  );

  test(
    'what is too far beyond what is known to be sent was not sent either',
    withStore(async (driver) => {
      const count = SENT_AHEAD_MAX + 20;
      const texts = Array.from({ length: count }, (_, index) => String(index));
      const { epoch } = await driver.claim('c');
      await driver.write('c', { append: texts.map(messageOf), limits: noLimits });
      await driver.write('c', { epoch, nextSeq: 4 });
      const limits = { ...noLimits, messagesMax: count, dropsOldest: true };
      const append = texts.slice(8).map(messageOf);
      const { dropped } = await driver.write('c', { append, limits });

      const lapsed = await lapsedOf(driver);
      assert.equal([dropped[0], dropped.at(-1)], [4, count - 5]);
      assert.equal([lapsed[0], lapsed.at(-1)], [4, SENT_AHEAD_MAX + 3]);
      assert.is(lapsed.length, SENT_AHEAD_MAX);
    }),
  );
}
