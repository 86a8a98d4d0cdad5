/** Contract: claims, epochs, clean start, subscriptions, ends, client ids, order of completion. */

import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { emptyWrite } from '../../../src/store/answers.js';
import { WriteStatus } from '../../../src/store/store.js';
import { restarted, restarts, type WithStore } from './contract.js';
import { batchOf, claimOf, messageOf, noLimits, type StoreDriver } from './driver.js';

const { Done, Stale, Gone } = WriteStatus;

const oddClientIds: readonly (readonly [name: string, clientId: string])[] = [
  ['a brace', '}'],
  ['braces', 'a{b}c{}{'],
  ['emoji', '👩‍👩‍👧‍👦 🚰'],
  ['a blank', ' '],
  ['65 535 bytes', 'i'.repeat(65_535)],
  ['control characters', '\u0001\t\r\n\u007f'],
  ['what looks like a key', '0'],
  ['slashes and stars', '../*?[a-z]:s'],
];

export function addSessionContract(test: Test, withStore: WithStore): void {
  addClaimTests(test, withStore);
  addEpochTests(test, withStore);
  addOwnerlessTests(test, withStore);
  addSubscriptionTests(test, withStore);
  addOrderTests(test, withStore);
  addClaimOrderTests(test, withStore);
  addClientIdTests(test, withStore);
}

function addClaimTests(test: Test, withStore: WithStore): void {
  test(
    'a first claim finds nothing',
    withStore(async (driver) => {
      const claim = await driver.claim('c');

      assert.ok(claim.epoch > 0);
      assert.is(claim.isPresent, false);
      assert.is(claim.firstSeq, 1);
      assert.is(claim.endSeq, 1);
      assert.is(claim.nextSeq, 1);
      assert.equal([claim.subscriptions, claim.done, claim.released, claim.held], [[], [], [], []]);
    }),
  );

  test(
    'a second claim finds the session, under a higher epoch',
    withStore(async (driver) => {
      const first = await driver.claim('c');

      const second = await driver.claim('c');

      assert.is(second.isPresent, true);
      assert.ok(second.epoch > first.epoch);
    }),
  );

  test(
    'a clean start deletes what was there [MQTT-3.1.2-4]',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      await driver.append('c', ['old']);
      const subscribed = [{ filter: 'a', options: 1, identifier: 0 }];
      await driver.write('c', { epoch, subscribed, held: [{ packetId: 5, number: 1 }] });

      const claim = await driver.claim('c', { cleanStart: true });

      assert.is(claim.isPresent, false);
      assert.ok(claim.epoch > epoch);
      assert.equal([claim.subscriptions, claim.held, claim.endSeq], [[], [], 1]);
      assert.equal(await driver.queue('c'), []);
    }),
  );

  test(
    'a session that is not durable leaves nothing, and deletes what was there',
    withStore(async (driver, harness) => {
      await driver.claim('c');

      const claim = await driver.claim('c', { isDurable: false });

      assert.is(claim.epoch, 0);
      assert.is(claim.isPresent, false);
      assert.is((await driver.append('c', ['x'])).status, Gone);
      await restarted(harness, 'close');
      assert.is(harness.loaded.sessions.size, 0);
    }),
  );
}

function addEpochTests(test: Test, withStore: WithStore): void {
  test(
    'a write of an earlier epoch is stale, and changes nothing but that its messages are taken',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      await driver.claim('c');

      const stale = await driver.write('c', {
        epoch,
        append: [messageOf('x')],
        limits: noLimits,
        subscribed: [{ filter: 'a', options: 0, identifier: 0 }],
        held: [{ packetId: 1, number: 1 }],
        ends: true,
      });

      assert.equal([stale.status, stale.firstSeq], [Stale, 1]);
      const claim = await driver.claim('c');
      assert.is(claim.isPresent, true);
      assert.equal([claim.subscriptions, claim.held, claim.endSeq], [[], [], 2]);
      assert.equal(await driver.queue('c'), ['1:x']);
    }),
  );

  test(
    'an epoch does not come back with a clean start',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      await driver.claim('c', { cleanStart: true });

      assert.is((await driver.write('c', { epoch, ends: true })).status, Stale);
    }),
  );

  test(
    'anybody may append to a session, and nobody to none',
    withStore(async (driver) => {
      await driver.claim('c');

      assert.is((await driver.append('c', ['x'])).status, Done);
      assert.is((await driver.append('nobody', ['x'])).status, Gone);
    }),
  );

  test(
    'what ended is gone, also when it is ended again',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      await driver.append('c', ['x']);

      assert.is((await driver.write('c', { epoch, ends: true })).status, Done);
      assert.is((await driver.write('c', { epoch, ends: true })).status, Gone);
      const claim = await driver.claim('c');
      assert.is(claim.isPresent, false);
      assert.ok(claim.epoch > epoch);
      assert.equal(await driver.queue('c'), []);
    }),
  );
}

function addOwnerlessTests(test: Test, withStore: WithStore): void {
  test(
    'who does not own a session does not end it',
    withStore(async (driver) => {
      await driver.claim('c');

      await driver.write('c', { ends: true });

      assert.is((await driver.claim('c')).isPresent, true);
    }),
  );

  for (const [name, how] of restarts) {
    test(
      `a session that nobody claimed since ${name} is ended, and its will dismissed`,
      withStore(async (driver, harness) => {
        const ended = await disconnected(driver, 'ended');
        await disconnected(driver, 'dismissed');
        await driver.claim('dead', { will: Buffer.from('will') });
        await driver.write('ended', { epoch: ended, ends: true });

        let again = await restarted(harness, how);
        const epochOf = (clientId: string) => harness.loaded.sessions.get(clientId)!.epoch;
        assert.is(harness.loaded.sessions.has('ended'), false);
        const dismissesWill = true;
        await again.write('dismissed', { epoch: epochOf('dismissed'), dismissesWill });
        await again.write('dead', { epoch: epochOf('dead'), dismissesWill });

        again = await restarted(harness, how);
        assert.is(harness.loaded.sessions.get('dismissed')!.will, null);
        assert.is(harness.loaded.sessions.get('dead')!.will, null);
        await again.write('dead', { epoch: epochOf('dead'), ends: true });
        await restarted(harness, how);
        assert.equal([...harness.loaded.sessions.keys()], ['dismissed']);
      }),
    );
  }

  test(
    'the epoch that was loaded is stale as soon as somebody claims the session',
    withStore(async (driver, harness) => {
      await disconnected(driver, 'c');
      const again = await restarted(harness, 'crash');
      const { epoch } = harness.loaded.sessions.get('c')!;
      await again.claim('c');

      assert.is((await again.write('c', { epoch, ends: true })).status, Stale);
      assert.is((await again.claim('c')).isPresent, true);
    }),
  );
}

function addSubscriptionTests(test: Test, withStore: WithStore): void {
  test(
    'subscriptions are replaced by filter, removed, and found again',
    withStore(async (driver, harness) => {
      const { epoch } = await driver.claim('c');
      const long = `${'x/'.repeat(32_000)}#`;
      const subscribe = (filter: string, options: number, identifier: number) =>
        driver.write('c', { epoch, subscribed: [{ filter, options, identifier }] });
      await subscribe('a', 0, 0);
      await subscribe('b', 1, 7);
      await subscribe('a', 0b1110, 268_435_455);
      await subscribe('$share/g/é/+', 2, 0);
      await subscribe(long, 1, 0);
      await driver.write('c', { epoch, unsubscribed: ['b', 'never'] });
      const expected = [
        { filter: '$share/g/é/+', options: 2, identifier: 0 },
        { filter: 'a', options: 0b1110, identifier: 268_435_455 },
        { filter: long, options: 1, identifier: 0 },
      ];

      const claim = await driver.claim('c');

      assert.equal(byFilter(claim.subscriptions), expected);
      for (const how of ['crash', 'close'] as const) {
        const again = await restarted(harness, how);
        assert.equal(byFilter(harness.loaded.subscriptions.get('c')), expected);
        assert.equal(byFilter((await again.claim('c')).subscriptions), expected);
      }
    }),
  );

  test(
    'a filter is subscribed to and unsubscribed from again and again',
    withStore(async (driver, harness) => {
      let current = driver;
      for (let round = 0; round < 6; round++) {
        const { epoch, subscriptions } = await current.claim('c');
        assert.is(subscriptions.length, round % 2);
        const one = { filter: 'f', options: 1, identifier: round };
        await current.write('c', { epoch, subscribed: [one] });
        if (round % 2 === 1) await current.write('c', { epoch, unsubscribed: ['f'] });
        await current.write('c', { epoch, disconnect: forEver });
        if (round % 3 === 2) current = await restarted(harness, 'crash');
      }
    }),
  );
}

function addOrderTests(test: Test, withStore: WithStore): void {
  test(
    'completions come later, once each, in the order of the writes',
    withStore(async (driver) => {
      const order: string[] = [];
      const note = (name: string) => () => order.push(name);
      await driver.claim('c');
      const last = driver.prepare('c', { append: [messageOf('2')], limits: noLimits });

      driver.store.write(batchOf([{ ...emptyWrite('c'), onDone: note('1') }]));
      const record = Buffer.from('x');
      driver.store.write({
        sessions: [],
        retained: [{ topic: 't', record, onlyExpired: false, onDone: note('retained') }],
      });
      const claim = driver.store.claim(claimOf('c')).then(note('claim'));
      const { sessionWrite } = last;
      const onDone: typeof sessionWrite.onDone = (outcome) => {
        order.push('2');
        sessionWrite.onDone(outcome);
      };
      driver.store.write(batchOf([{ ...sessionWrite, onDone }]));

      assert.equal(order, []);
      await Promise.all([claim, last.outcome]);
      const ofSession = order.filter((name) => name !== 'retained');
      assert.equal(ofSession, ['1', 'claim', '2']);
      assert.is(order.filter((name) => name === 'retained').length, 1);
    }),
  );
}

function addClaimOrderTests(test: Test, withStore: WithStore): void {
  test(
    'of two stale writes only the one with messages has a number',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      await driver.claim('c');

      const empty = driver.write('c', { epoch });
      const full = driver.write('c', { epoch, append: [messageOf('x')], limits: noLimits });

      assert.equal([(await empty).status, (await empty).firstSeq], [Stale, 0]);
      assert.equal([(await full).status, (await full).firstSeq], [Stale, 1]);
    }),
  );

  test(
    'a write before a claim is in it, a write after it is not',
    withStore(async (driver) => {
      await driver.claim('c');
      const before = driver.append('c', ['a', 'b']);
      const claiming = driver.claim('c');
      const after = driver.append('c', ['c']);

      assert.is((await claiming).endSeq, 3);
      assert.is((await before).firstSeq, 1);
      assert.is((await after).firstSeq, 3);
      assert.equal(await driver.queue('c'), ['1:a', '2:b', '3:c']);
    }),
  );

  test(
    'writes of the owner before, given before a claim, still count; after it they are stale',
    withStore(async (driver) => {
      const { epoch } = await driver.claim('c');
      const subscribed = (filter: string) => [{ filter, options: 0, identifier: 0 }];
      const before = driver.write('c', { epoch, subscribed: subscribed('before') });
      const claiming = driver.claim('c');
      const after = driver.write('c', { epoch, subscribed: subscribed('after') });

      const { subscriptions } = await claiming;
      assert.equal(byFilter(subscriptions), subscribed('before'));
      assert.is((await before).status, Done);
      assert.is((await after).status, Stale);
    }),
  );
}

function addClientIdTests(test: Test, withStore: WithStore): void {
  for (const [name, clientId] of oddClientIds) {
    test(
      `a client id may be ${name}`,
      withStore(async (driver, harness) => {
        await driver.claim('other');
        const { epoch } = await driver.claim(clientId);
        await driver.append(clientId, ['x']);
        const subscribed = [{ filter: 'a', options: 0, identifier: 0 }];
        await driver.write(clientId, { epoch, subscribed });

        const again = await restarted(harness, 'crash');

        assert.ok(harness.loaded.sessions.has(clientId));
        assert.equal(await again.queue(clientId), ['1:x']);
        assert.equal((await again.claim(clientId)).subscriptions, subscribed);
        assert.equal(await again.queue('other'), []);
      }),
    );
  }
}

const forEver = {
  expiresAtMs: Number.POSITIVE_INFINITY,
  will: null,
  willAtMs: Number.POSITIVE_INFINITY,
  isUnsure: false,
  inFlight: [],
};

/** A session without a connection, and with a will; returns its epoch. */
async function disconnected(driver: StoreDriver, clientId: string): Promise<number> {
  const { epoch } = await driver.claim(clientId);
  const expiresAtMs = driver.store.wallMs() + 3_600_000;
  const will = Buffer.from('will');
  const disconnect = { expiresAtMs, will, willAtMs: expiresAtMs, isUnsure: false, inFlight: [] };
  await driver.write(clientId, { epoch, disconnect });
  return epoch;
}

function byFilter<T extends { readonly filter: string }>(found: readonly T[] | undefined): T[] {
  return [...(found ?? [])].sort((a, b) => (a.filter < b.filter ? -1 : 1));
}
