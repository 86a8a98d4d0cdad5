/** Contract: how connections and sessions end, and who looks after what is left. */
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { WriteStatus } from '../../../src/store/store.js';
import { restarted, restarts, type WithStore } from './contract.js';
import { messageOf, noLimits } from './driver.js';

const { Done, Stale, Gone } = WriteStatus;

const forEver = {
  expiresAtMs: Number.POSITIVE_INFINITY,
  will: null,
  willAtMs: Number.POSITIVE_INFINITY,
  isUnsure: false,
  inFlight: [],
};

export function addEndContract(test: Test, withStore: WithStore): void {
  addLostClientTests(test, withStore);
  addUnsureTests(test, withStore);
  addLostMessageTests(test, withStore);
  addVisitTests(test, withStore);
}

function addLostClientTests(test: Test, withStore: WithStore): void {
  test(
    'after a connection whose end is written, what was sent is known',
    withStore(async (driver, harness) => {
      const { epoch, unsentSeq } = await driver.claim('c');
      assert.is(unsentSeq, 1);
      await driver.append('c', ['1', '2', '3']);
      await driver.write('c', { epoch, nextSeq: 2, disconnect: forEver });
      await driver.append('c', ['4']);

      const again = await restarted(harness, 'crash');
      const claim = await again.claim('c');

      assert.equal([claim.nextSeq, claim.unsentSeq, claim.endSeq], [2, 2, 5]);
    }),
  );

  for (const [name, how] of restarts) {
    test(
      `of a client that ${name} lost, all that was in the queue by then may have been sent`,
      withStore(async (driver, harness) => {
        const { epoch } = await driver.claim('c');
        await driver.append('c', ['1', '2', '3']);
        await driver.write('c', { epoch, nextSeq: 2 });
        let again = await restarted(harness, how);
        await again.append('c', ['4']);
        again = await restarted(harness, how);
        await again.append('c', ['5']);
        // Only its end is another one: that says nothing of what was sent.
        const loaded = harness.loaded.sessions.get('c')!;
        await again.write('c', { epoch: loaded.epoch, disconnect: forEver });

        const claim = await again.claim('c');

        assert.equal([claim.nextSeq, claim.unsentSeq, claim.endSeq], [2, 4, 6]);
        await again.write('c', { epoch: claim.epoch, nextSeq: 4, disconnect: forEver });
        assert.is((await again.claim('c')).unsentSeq, 4);
      }),
    );
  }

  test(
    'a claim of a connected session may not know either, a new session does',
    withStore(async (driver) => {
      await driver.claim('c');
      await driver.append('c', ['1', '2']);

      const second = await driver.claim('c');
      await driver.append('c', ['3']);
      const third = await driver.claim('c');
      const anew = await driver.claim('c', { cleanStart: true });

      assert.equal([second.unsentSeq, third.unsentSeq, anew.unsentSeq], [3, 4, 1]);
    }),
  );
}

function addUnsureTests(test: Test, withStore: WithStore): void {
  for (const [name, how] of restarts) {
    test(
      `an end that is not sure leaves open after ${name} what was open before`,
      withStore(async (driver, harness) => {
        const first = await driver.claim('c');
        await driver.append('c', ['1', '2', '3']);
        let again = await restarted(harness, 'crash');
        const second = await again.claim('c');
        await again.append('c', ['4']);
        const unsure = { ...forEver, isUnsure: true, inFlight: [] };
        await again.write('c', { epoch: second.epoch, nextSeq: 2, disconnect: unsure });
        again = await restarted(harness, how);
        const third = await again.claim('c');
        await again.write('c', { epoch: third.epoch, disconnect: unsure });
        const fourth = await again.claim('c');
        await again.write('c', { epoch: fourth.epoch, nextSeq: 3, disconnect: forEver });
        const fifth = await again.claim('c');

        const claims = [first, second, third, fourth, fifth];
        assert.equal(
          claims.map(({ nextSeq, unsentSeq }) => [nextSeq, unsentSeq]),
          [
            [1, 1],
            [1, 4],
            [2, 4],
            [2, 4],
            [3, 3],
          ],
        );
      }),
    );
  }
}

function addLostMessageTests(test: Test, withStore: WithStore): void {
  test(
    'an end says how many messages were lost by it',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      await driver.append('c', ['1', '2', '3', '4', '5']);
      await driver.write('c', { epoch, settled: { firstSeq: 2, done: [4] } });

      const outcome = await driver.write('c', {
        epoch,
        settled: { firstSeq: 3, done: [4] },
        append: [messageOf('6'), messageOf('7')],
        limits: noLimits,
        ends: true,
      });

      assert.equal([outcome.status, outcome.lost], [Done, 4]);
    }),
  );

  test(
    'what gave way is not lost by the end, and nothing else loses any',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      const limits = { messagesMax: 3, bytesMax: 0, dropsOldest: true };
      const append = ['1', '2', '3', '4', '5'].map(messageOf);
      const appended = await driver.write('c', { append, limits });
      assert.equal([appended.dropped, appended.lost], [[1, 2], 0]);

      assert.is((await driver.write('c', { epoch, ends: true })).lost, 3);
      assert.is((await driver.write('c', { epoch, ends: true })).lost, 0);
    }),
  );

  test(
    'the end of an empty queue loses nothing',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      await driver.append('c', ['1', '2']);
      const settled = { firstSeq: 3, done: [] };

      assert.is((await driver.write('c', { epoch, settled, ends: true })).lost, 0);
    }),
  );
}

function addVisitTests(test: Test, withStore: WithStore): void {
  test(
    'who does not connect finds what a session left, although its end is past',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      const subscribed = [{ filter: 'f', options: 1, identifier: 0 }];
      await driver.write('c', { epoch, subscribed });
      await driver.append('c', ['1', '2', '3']);
      const past = { ...forEver, expiresAtMs: driver.store.wallMs() - 1 };
      const settled = { firstSeq: 2, done: [] };
      await driver.write('c', { epoch, settled, nextSeq: 3, released: [2], disconnect: past });

      const visit = await driver.claim('c', { connects: false });

      assert.is(visit.isPresent, true);
      assert.ok(visit.epoch > epoch);
      assert.equal([visit.firstSeq, visit.endSeq, visit.nextSeq, visit.unsentSeq], [2, 4, 3, 3]);
      assert.equal([visit.released, visit.subscriptions], [[2], subscribed]);
      assert.equal(await driver.queue('c'), ['2:2', '3:3']);
      assert.is((await driver.write('c', { epoch, ends: true })).status, Stale);
      assert.is((await driver.write('c', { epoch: visit.epoch, ends: true })).lost, 2);
    }),
  );

  for (const [name, how] of restarts) {
    test(
      `after a visit and ${name} the session is as it was`,
      withStore(async (driver, harness) => {
        const { epoch } = await driver.claim('c', { info: Buffer.from('own') });
        const expiresAtMs = driver.store.wallMs() + 3_600_000;
        const will = Buffer.from('will');
        const disconnect = { ...forEver, expiresAtMs, will, willAtMs: expiresAtMs };
        await driver.write('c', { epoch, disconnect });
        await driver.append('c', ['1']);
        await driver.claim('c', { connects: false, info: Buffer.from('visitor') });

        const again = await restarted(harness, how);

        const loaded = harness.loaded.sessions.get('c')!;
        assert.is(loaded.expiresAtMs, expiresAtMs);
        assert.equal([String(loaded.info), String(loaded.will)], ['own', 'will']);
        const claim = await again.claim('c');
        assert.equal([claim.isPresent, claim.endSeq, claim.unsentSeq], [true, 2, 1]);
      }),
    );
  }

  test(
    'where there is no session a visit makes none',
    withStore(async (driver, harness) => {
      const visit = await driver.claim('c', { connects: false });

      assert.equal([visit.epoch, visit.isPresent, visit.endSeq], [0, false, 1]);
      assert.is((await driver.append('c', ['x'])).status, Gone);
      const again = await restarted(harness, 'close');
      assert.is(harness.loaded.sessions.size, 0);
      assert.is((await again.claim('c')).isPresent, false);
    }),
  );
}
