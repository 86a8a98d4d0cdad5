/** Contract: QoS 2: what is held of a publisher, what is released to a subscriber, marks. */
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { Taken } from '../../../src/store/store.js';
import { restarted, restarts, type WithStore } from './contract.js';
import { batchOf, messageOf, noLimits } from './driver.js';

export function addQos2Contract(test: Test, withStore: WithStore): void {
  addHeldTests(test, withStore);
  addReleasedTests(test, withStore);
  addMarkTests(test, withStore);
  addPublisherTests(test, withStore);
}

function addHeldTests(test: Test, withStore: WithStore): void {
  for (const [name, how] of restarts) {
    test(
      `what is held is found in order after ${name}, what is forgotten is not`,
      withStore(async (driver, harness) => {
        const { epoch, nextNumber } = await driver.claim('p');
        const held = [65_535, 7, 300, 1].map((packetId, index) => ({
          packetId,
          number: nextNumber + index,
        }));
        await driver.write('p', { epoch, held: held.slice(0, 2) });
        await driver.write('p', { epoch, held: held.slice(2) });
        // Of a packet that came twice, and of one that never came.
        await driver.write('p', { epoch, held: held.slice(3), forgotten: [9] });
        await driver.write('p', { epoch, forgotten: [7, 7] });

        const again = await restarted(harness, how);
        const claim = await again.claim('p');

        assert.equal(claim.held, [held[0], held[2], held[3]]);
        assert.ok(claim.nextNumber > held[3]!.number);
        await again.write('p', { epoch: claim.epoch, forgotten: [65_535, 300, 1] });
        const last = await again.claim('p');
        assert.equal(last.held, []);
        assert.ok(last.nextNumber > held[3]!.number);
      }),
    );
  }

  test(
    'a message and what is held of its publisher are safe together',
    withStore(async (driver, harness) => {
      const publisher = await driver.claim('p');
      await driver.claim('s');
      const held = [{ packetId: 3, number: publisher.nextNumber }];
      const mark = { publisherId: 'p', number: publisher.nextNumber };
      const writes = [
        driver.prepare('p', { epoch: publisher.epoch, held }),
        driver.prepare('s', { append: [{ ...messageOf('x'), mark }], limits: noLimits }),
      ];
      driver.store.write(batchOf(writes.map(({ sessionWrite }) => sessionWrite)));
      await Promise.all(writes.map(({ outcome }) => outcome));

      const again = await restarted(harness, 'crash');

      assert.equal((await again.claim('p')).held, held);
      assert.equal(await again.queue('s'), ['1:x']);
    }),
  );
}

function addReleasedTests(test: Test, withStore: WithStore): void {
  for (const [name, how] of restarts) {
    test(
      `released messages are known after ${name} until they are done`,
      withStore(async (driver, harness) => {
        const { epoch } = await driver.claim('c');
        await driver.append('c', ['a', 'b', 'c', 'd']);
        await driver.write('c', { epoch, nextSeq: 5, released: [3] });
        await driver.write('c', { epoch, released: [2, 4] });
        await driver.write('c', { epoch, released: [2], settled: { firstSeq: 1, done: [4] } });

        const again = await restarted(harness, how);
        const claim = await again.claim('c');

        assert.equal(claim.released, [2, 3]);
        assert.equal([claim.firstSeq, claim.done], [1, [4]]);
        const settled = { firstSeq: 3, done: [4] };
        await again.write('c', { epoch: claim.epoch, settled });
        assert.equal((await again.claim('c')).released, [3]);
        const last = await again.claim('c');
        await again.write('c', { epoch: last.epoch, settled: { firstSeq: 5, done: [] } });
        assert.equal((await again.claim('c')).released, []);
      }),
    );
  }
}

function addMarkTests(test: Test, withStore: WithStore): void {
  test(
    'a repeat is not routed, or its mark is recognised',
    withStore(async (driver, harness) => {
      const { epoch, nextNumber } = await driver.claim('p');
      await driver.claim('s');
      const append = [0, 1].map((index) => ({
        ...messageOf(String(index)),
        mark: { publisherId: 'p', number: nextNumber + index },
      }));
      const held = append.map(({ mark }, index) => ({ packetId: index + 1, number: mark.number }));
      await driver.write('p', { epoch, held });
      await driver.write('s', { append, limits: noLimits });

      const again = await restarted(harness, 'crash');
      const claim = await again.claim('p');

      assert.equal(claim.held, held);
      if (claim.isHeldRouted) return;
      const repeat = await again.write('s', { append, limits: noLimits });
      assert.equal(repeat.taken, [Taken.Repeated, Taken.Repeated]);
      assert.equal(await again.queue('s'), ['1:0', '2:1']);
    }),
  );
}

function addPublisherTests(test: Test, withStore: WithStore): void {
  test(
    'a publisher that starts anew is not taken for a repeat',
    withStore(async (driver) => {
      await driver.claim('s');
      for (let round = 1; round <= 3; round++) {
        const { epoch, nextNumber } = await driver.claim('p', { cleanStart: true });
        const mark = { publisherId: 'p', number: nextNumber };
        await driver.write('p', { epoch, held: [{ packetId: 1, number: nextNumber }] });

        const append = [{ ...messageOf(String(round)), mark }];
        const outcome = await driver.write('s', { append, limits: noLimits });

        assert.is(outcome.taken, null);
      }
      assert.equal(await driver.queue('s'), ['1:1', '2:2', '3:3']);
    }),
  );

  test(
    'the marks of one publisher say nothing of another one',
    withStore(async (driver) => {
      await driver.claim('s');
      const numbers = await Promise.all(
        ['p', 'q'].map(async (publisherId) => {
          const { nextNumber } = await driver.claim(publisherId);
          return { publisherId, number: nextNumber };
        }),
      );
      for (const mark of numbers) {
        const append = [{ ...messageOf(mark.publisherId), mark }];
        assert.is((await driver.write('s', { append, limits: noLimits })).taken, null);
      }
      assert.equal(await driver.queue('s'), ['1:p', '2:q']);
    }),
  );
}
