// slow
/** What becomes of the will of a connection when its client connects to another broker. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../../src/base/clock.js';
import type { BrokerError } from '../../../src/base/errors.js';
import { claimScript } from '../../../src/store/redis/scripts/claim.js';
import { type Claim, type ClaimRequest, WriteStatus } from '../../../src/store/store.js';
import { redisFor } from '../../support/redis-for.js';
import { until } from '../../support/until.js';
import { claimOf } from '../support/driver.js';
import { type TestBroker, withThree } from './heard-fabric.js';

const NEVER = Number.POSITIVE_INFINITY;
const DELAY_S = 60;
const late = { deadlineMs: 15_000 };
const test = suite('last wills');
const redis = redisFor(test);

const will = Buffer.from('will');
const info = Buffer.from('who');
const delayed = { will, info, willDelay: DELAY_S };
const transient = { will, info, isDurable: false, cleanStart: true, expiryInterval: 0 };

function wills(claims: readonly Claim[]): (string | null)[] {
  return claims.map(({ lastWill }) =>
    lastWill === null ? null : `${lastWill.info} ${lastWill.will}`,
  );
}

/** Claims one client with each request at a broker, and then without one at another. */
async function takeOver(
  from: TestBroker,
  to: TestBroker,
  before: Partial<ClaimRequest>,
  after: Partial<ClaimRequest>,
  end: (clientId: string, epoch: number) => Promise<unknown> = async () => undefined,
): Promise<string | null> {
  const clientId = `c${Math.random()}`;
  const { epoch } = await from.driver.claim(clientId, before);
  await end(clientId, epoch);
  const claim = await to.driver.claim(clientId, after);
  return wills([claim])[0]!;
}

const resumed = {};
const clean = { cleanStart: true };
/** It will be ended, although it is there. */
const ending = { endsSession: true };

test(
  'taken over from a live broker, only what that one does not publish is the other one’s',
  withThree(redis, async ({ a, b, c }) => {
    const expected: [Partial<ClaimRequest>, Partial<ClaimRequest>, string | null][] = [
      [{ info }, clean, null],
      [{ will, info }, resumed, null],
      [{ will, info }, clean, null],
      [delayed, resumed, null],
      [delayed, clean, 'who will'],
      [delayed, ending, 'who will'],
      [delayed, transient, 'who will'],
      // It ends with its connection, and the will with it.
      [{ ...delayed, expiryInterval: 0 }, clean, null],
      [transient, transient, null],
      [{ ...transient, willDelay: DELAY_S }, resumed, null],
    ];
    for (const [before, after, lastWill] of expected) {
      const what = JSON.stringify([before, after]);
      assert.is(await takeOver(a, b, before, after), lastWill, what);
      // Its own core knows.
      assert.is(await takeOver(a, a, before, after), null, what);
    }
    const told = [a, b, c].map(({ heard }) => heard.count('last will'));
    assert.equal(told, [0, 0, 0]);
  }),
);

test(
  'of an offline session, a will that waits goes with the session, or stays with who sees to it',
  withThree(redis, async ({ a, b }) => {
    const from = (broker: TestBroker, willAtMs: number, expiresAtMs = NEVER) => {
      return (clientId: string, epoch: number) => {
        const disconnect = { will, willAtMs, expiresAtMs, isUnsure: false, inFlight: [] };
        return broker.driver.write(clientId, { epoch, disconnect });
      };
    };
    const nowMs = Math.floor(a.store.wallMs());
    const later = nowMs + DELAY_S * 1000;
    // Its delay runs.
    assert.is(await takeOver(a, b, delayed, resumed, from(a, later)), null);
    assert.is(await takeOver(a, b, delayed, clean, from(a, later)), 'who will');
    assert.is(await takeOver(a, b, delayed, ending, from(a, later)), 'who will');
    assert.is(await takeOver(a, b, delayed, transient, from(a, later)), 'who will');
    assert.is(await takeOver(a, a, delayed, clean, from(a, later)), null);
    // It has no delay: who disconnected the client publishes it.
    assert.is(await takeOver(a, b, { will, info }, clean, from(a, nowMs)), null);
    assert.is(await takeOver(a, b, { will, info }, resumed, from(a, nowMs)), null);
    // It is due, and nobody has adopted the session.
    assert.is(await takeOver(a, b, delayed, resumed, from(a, nowMs)), 'who will');
    assert.is(await takeOver(a, a, delayed, resumed, from(a, nowMs)), 'who will');
    // The session is over, and with it the delay.
    assert.is(await takeOver(a, b, delayed, resumed, from(a, later, nowMs)), 'who will');
    // Somebody has adopted it.
    for (const after of [resumed, clean]) {
      const end = async (clientId: string, epoch: number) => {
        await from(a, nowMs)(clientId, epoch);
        assert.ok((await a.store.fabric.adopt(clientId, epoch)) > 0);
      };
      assert.is(await takeOver(a, b, delayed, after, end), null);
    }
    // The client took it back.
    const dismissed = async (clientId: string, epoch: number) => {
      await from(a, later)(clientId, epoch);
      await a.driver.write(clientId, { epoch, dismissesWill: true });
    };
    assert.is(await takeOver(a, b, delayed, clean, dismissed), null);
  }),
);

test(
  'a will that a dead broker did not publish is that of who claims, unless it is cancelled',
  withThree(redis, async ({ a, b, prefix }) => {
    const before = {
      now: { will, info },
      later: delayed,
      transient,
      offline: { will, info },
    };
    const { epoch } = await a.driver.claim('offline', before.offline);
    for (const [clientId, request] of Object.entries(before)) {
      if (clientId === 'offline') continue;
      for (const end of ['resumed', 'clean']) await a.driver.claim(`${clientId} ${end}`, request);
    }
    const nowMs = Math.floor(a.store.wallMs());
    const disconnect = { will, willAtMs: nowMs, expiresAtMs: NEVER, isUnsure: false, inFlight: [] };
    await a.driver.write('offline', { epoch, disconnect });
    // Or they would be orphaned before they are claimed.
    await redis.server.command('DEL', `${prefix}{node:${a.store.fabric.node}}:own`);
    a.store.abort();
    await until('b to know', () => b.heard.log.includes('left a'), late);

    const claims: Record<string, string | null> = {};
    for (const clientId of Object.keys(before)) {
      if (clientId === 'offline') continue;
      for (const [name, request] of Object.entries({ resumed, clean })) {
        const claim = await b.driver.claim(`${clientId} ${name}`, request);
        claims[`${clientId} ${name}`] = wills([claim])[0]!;
      }
    }
    claims.offline = wills([await b.driver.claim('offline')])[0]!;
    assert.equal(claims, {
      'now resumed': 'who will',
      'now clean': 'who will',
      'later resumed': null,
      'later clean': 'who will',
      'transient resumed': 'who will',
      'transient clean': 'who will',
      offline: 'who will',
    });
    assert.is(b.heard.count('last will'), 0);
  }),
);

test(
  'a will that a broker was to publish which turns out to be dead is published by another, once',
  withThree(redis, async ({ a, b, c }) => {
    const epochs = new Map<string, number>();
    for (const clientId of ['durable', 'adopted']) {
      epochs.set(clientId, (await a.driver.claim(clientId, { will, info })).epoch);
    }
    await a.driver.claim('transient', transient);
    await a.driver.claim('later', delayed);
    const nowMs = Math.floor(a.store.wallMs());
    const disconnect = { will, willAtMs: nowMs, expiresAtMs: NEVER, isUnsure: false, inFlight: [] };
    const epoch = epochs.get('adopted')!;
    await a.driver.write('adopted', { epoch, disconnect });
    assert.ok((await a.store.fabric.adopt('adopted', epoch)) > 0);
    a.store.abort();
    const names = ['durable', 'adopted', 'transient', 'later'];
    const claims: Claim[] = [];
    for (const clientId of names) claims.push(await b.driver.claim(clientId));
    assert.equal(wills(claims), [null, null, null, null]);

    const told = () =>
      [b, c]
        .flatMap(({ heard }) => heard.log)
        .filter(isLastWill)
        .sort();
    await until('the wills', () => told().length >= 3, late);
    await until('the rest to be seen to', () => workedOff(b) + workedOff(c) > 0, late);
    assert.equal(
      told(),
      ['adopted', 'durable', 'transient'].map((name) => `last will of ${name} who will`),
    );
    for (const clientId of names) assert.ok((await c.driver.claim(clientId)).isPresent);
  }),
);

function isLastWill(line: string): boolean {
  return line.startsWith('last will');
}

function workedOff({ store }: TestBroker): number {
  return store.figures().deadWorkedOff!;
}

test(
  'whoever finds a broker dead that was to publish a will does it',
  withThree(redis, async ({ a, b, c, prefix }) => {
    await a.driver.claim('c', { will, info });
    await redis.server.command('DEL', `${prefix}{node:${a.store.fabric.node}}:alive`);

    assert.equal(wills([await b.driver.claim('c')]), [null]);

    await until('b to hear', () => b.heard.log.includes('last will of c who will'));
    assert.is(a.heard.count('last will') + c.heard.count('last will'), 0);
  }),
);

test(
  'a claim that comes too late for whoever asked does not lose the will that it found',
  withThree(redis, async ({ a, b }) => {
    const { epoch } = await a.driver.claim('c', delayed);
    const willAtMs = a.store.wallMs() + DELAY_S * 1000;
    const disconnect = { will, willAtMs, expiresAtMs: NEVER, isUnsure: false, inFlight: [] };
    await a.driver.write('c', { epoch, disconnect });
    const claiming = b.store.claim(claimOf('c', clean), () => {
      // It goes out now; as when its broker is taken for dead before the answer comes.
      const isMember = systemClock.nowMs() < b.store.fabric.freshUntilMs;
      if (isMember) setImmediate(() => b.store.renewWriter());
      return true;
    });

    const error = await claiming.catch((reason: unknown) => reason);

    assert.is((error as BrokerError).code, 'STORE_AWAY');
    await until('b to hear', () => b.heard.log.includes('last will of c who will'));
  }),
);

test(
  'a claim that has not gone out when its broker is taken for dead does not go out any more',
  withThree(redis, async ({ a, b }) => {
    const { epoch } = await a.driver.claim('c', { expiryInterval: 60 });
    const claiming = b.store.claim(claimOf('c', { expiryInterval: 60 }));
    b.store.renewWriter();

    const error = await claiming.catch((reason: unknown) => reason);

    assert.is((error as BrokerError).code, 'STORE_AWAY');
    assert.is((await a.driver.write('c', { epoch, nextSeq: 1 })).status, WriteStatus.Done);
    assert.is(a.heard.count('claimed'), 0);
  }),
);

test(
  'a claim that is repeated is answered as it was',
  withThree(redis, async ({ a, prefix }) => {
    const keys = ['s', 'q', 'r', 'd'];
    const claim = async (clientId: string, number: number, flags: number, text: string) => {
      const head = Buffer.alloc(15);
      head.write('aWriter8');
      head.writeUIntBE(number, 8, 6);
      head[14] = flags;
      const names = keys.map((key) => `${prefix}{${clientId}}:${key}`);
      const rest = [head, 'x~aWriter8', `info ${text}`, '60', `will ${text}`, '60'];
      const answer = await redis.server.command('EVAL', claimScript.source, 4, ...names, ...rest);
      return JSON.stringify((answer as unknown[]).slice(0, 4));
    };
    const CLEAN = 1;
    const DURABLE_WITH_WILL = 2 + 4;
    for (const [clientId, flags] of Object.entries({ kept: 0, gone: CLEAN })) {
      await a.driver.claim(clientId, { will, info, willDelay: flags === 0 ? 0 : DELAY_S });
      const first = await claim(clientId, 1, DURABLE_WITH_WILL + flags, 'new');
      assert.ok(first.includes('"who","will"'), first);
      assert.is(await claim(clientId, 1, DURABLE_WITH_WILL + flags, 'new'), first);
      const second = await claim(clientId, 2, DURABLE_WITH_WILL + flags, 'newer');
      // It has the client itself by now.
      assert.ok(second.endsWith('"",[]]'), second);
    }
  }),
);

test.run();
