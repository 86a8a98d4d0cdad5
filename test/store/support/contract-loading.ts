/** Contract: what is loaded at the start: fates of sessions, wills, retained messages. */
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Store } from '../../../src/store/store.js';
import { restarted, restarts, type WithStore } from './contract.js';
import { expiringAt } from './driver.js';

const NEVER = 0xffff_ffff;
const HOUR_MS = 3_600_000;

/** The end of a connection of which all is known. */
const exact = { isUnsure: false, inFlight: [] };

export function addLoadingContract(test: Test, withStore: WithStore): void {
  addFateTests(test, withStore);
  addDeadlineTests(test, withStore);
  addWillTests(test, withStore);
  addRetainedTests(test, withStore);
}

function addFateTests(test: Test, withStore: WithStore): void {
  for (const [name, how] of restarts) {
    test(
      `whoever was connected was disconnected by ${name}`,
      withStore(async (driver, harness) => {
        const info = Buffer.from([0, 255, 13, 10]);
        await driver.claim('soon', { expiryInterval: 60, info });
        await driver.claim('never', { expiryInterval: NEVER });
        await driver.claim('at once', { expiryInterval: 0 });

        const before = driver.store.wallMs() - clockErrorMs(driver.store);
        await restarted(harness, how);
        const after = harness.store.wallMs() + clockErrorMs(harness.store);

        const { sessions } = harness.loaded;
        assert.equal([...sessions.keys()].sort(), ['at once', 'never', 'soon']);
        const soon = sessions.get('soon')!;
        assert.ok(soon.info.equals(info));
        assert.is(soon.will, null);
        between(soon.expiresAtMs, before + 60_000, after + 60_000);
        between(sessions.get('at once')!.expiresAtMs, before, after);
        assert.is(sessions.get('never')!.expiresAtMs, Number.POSITIVE_INFINITY);
      }),
    );
  }
}

function addDeadlineTests(test: Test, withStore: WithStore): void {
  test(
    'a deadline stays where it is, however often the broker is started',
    withStore(async (driver, harness) => {
      const claim = await driver.claim('c', { expiryInterval: 60 });
      const expiresAtMs = driver.store.wallMs() + HOUR_MS;
      const willAtMs = Number.POSITIVE_INFINITY;
      const disconnect = { expiresAtMs, will: null, willAtMs, ...exact };
      await driver.write('c', { epoch: claim.epoch, disconnect });
      await driver.claim('d', { expiryInterval: 60 });

      await restarted(harness, 'crash');
      const ofDead = harness.loaded.sessions.get('d')!.expiresAtMs;
      await restarted(harness, 'crash');
      await restarted(harness, 'close');

      assert.is(harness.loaded.sessions.get('c')!.expiresAtMs, expiresAtMs);
      assert.is(harness.loaded.sessions.get('d')!.expiresAtMs, ofDead);
    }),
  );

  test(
    'a session that ended is not loaded',
    withStore(async (driver, harness) => {
      const { epoch } = await driver.claim('c');
      const subscribed = [{ filter: 'a', options: 0, identifier: 0 }];
      await driver.write('c', { epoch, subscribed });
      await driver.append('c', ['x']);
      const again = await restarted(harness, 'close');
      const claim = await again.claim('c');
      await again.write('c', { epoch: claim.epoch, ends: true });

      await restarted(harness, 'crash');

      assert.is(harness.loaded.sessions.size, 0);
      assert.is(harness.loaded.subscriptions.size, 0);
    }),
  );

  test(
    'the newest info of a client counts',
    withStore(async (driver, harness) => {
      await driver.claim('c', { info: Buffer.from('old') });
      await driver.claim('c', { info: Buffer.from('new') });

      await restarted(harness, 'crash');

      assert.is(String(harness.loaded.sessions.get('c')?.info), 'new');
    }),
  );
}

function addWillTests(test: Test, withStore: WithStore): void {
  for (const [name, how] of restarts) {
    test(
      `a will that was waiting is loaded after ${name}, with its time`,
      withStore(async (driver, harness) => {
        const claim = await driver.claim('c', { will: Buffer.from('of the claim') });
        const expiresAtMs = driver.store.wallMs() + 2 * HOUR_MS;
        const willAtMs = driver.store.wallMs() + HOUR_MS;
        const will = Buffer.from('later');
        const disconnect = { expiresAtMs, will, willAtMs, ...exact };
        await driver.write('c', { epoch: claim.epoch, disconnect });

        await restarted(harness, how);

        const session = harness.loaded.sessions.get('c')!;
        assert.is(String(session.will), 'later');
        assert.equal([session.expiresAtMs, session.willAtMs], [expiresAtMs, willAtMs]);
      }),
    );

    test(
      `the will of a client that was connected waits its delay after ${name}`,
      withStore(async (driver, harness) => {
        await driver.claim('c', { will: Buffer.from('will'), willDelay: 30 });
        const before = driver.store.wallMs() - clockErrorMs(driver.store);

        await restarted(harness, how);

        const after = harness.store.wallMs() + clockErrorMs(harness.store);
        const session = harness.loaded.sessions.get('c')!;
        assert.is(String(session.will), 'will');
        between(session.willAtMs, before + 30_000, after + 30_000);
      }),
    );
  }

  test(
    'a will that was published, or taken back, is not loaded',
    withStore(async (driver, harness) => {
      const will = Buffer.from('will');
      const published = await driver.claim('published', { will });
      await driver.write('published', { epoch: published.epoch, dismissesWill: true });
      const left = await driver.claim('left', { will });
      const never = Number.POSITIVE_INFINITY;
      const disconnect = { expiresAtMs: never, will: null, willAtMs: never, ...exact };
      await driver.write('left', { epoch: left.epoch, disconnect });
      await driver.claim('replaced', { will });
      await driver.claim('replaced', { will: null });

      await restarted(harness, 'crash');

      for (const session of harness.loaded.sessions.values()) assert.is(session.will, null);
      assert.is(harness.loaded.sessions.size, 3);
    }),
  );
}

function addRetainedTests(test: Test, withStore: WithStore): void {
  for (const [name, how] of restarts) {
    test(
      `retained messages are loaded after ${name}`,
      withStore(async (driver, harness) => {
        const long = `long/${'t'.repeat(65_000)}`;
        const other = `${long.slice(0, -1)}u`;
        await driver.retain('a', 'first');
        await driver.retain('a', 'second');
        await driver.retain('b', 'gone');
        await driver.retain('b', null);
        await driver.retain('never', null);
        await driver.retain('é/👋/{}', '');
        await driver.retain(long, 'long');
        await driver.retain(other, 'other');

        const again = await restarted(harness, how);
        const expected = { a: 'second', 'é/👋/{}': '', [long]: 'long', [other]: 'other' };
        assert.equal(Object.fromEntries(harness.loaded.retained), expected);

        await again.retain('a', null);
        await again.retain(long, null);
        await restarted(harness, how);
        const left = { 'é/👋/{}': '', [other]: 'other' };
        assert.equal(Object.fromEntries(harness.loaded.retained), left);
      }),
    );

    test(
      `a retained message that has expired is gone after ${name}, one stored after it is not`,
      withStore(async (driver, harness) => {
        const wallMs = driver.store.wallMs();
        const [expired, fresh] = [expiringAt(wallMs - 2_000), expiringAt(wallMs + 60_000)];
        for (const topic of ['a', 'b']) await driver.retain(topic, expired);
        const writes = ['a', 'b', 'never'].map((topic) => driver.expire(topic));
        await Promise.all([...writes, driver.retain('b', fresh)]);

        await restarted(harness, how);
        assert.equal(Object.fromEntries(harness.loaded.retained), { b: fresh });
      }),
    );
  }
}

/** How far the clock of a store may be off: one that is elsewhere is read from here. */
function clockErrorMs(store: Store): number {
  return store.figures().clockErrorMs ?? 0;
}

function between(value: number, low: number, high: number): void {
  assert.ok(value >= low && value <= high, `${value} is between ${low} and ${high}`);
}
