/** A client that comes back waits until its wills are in the store, but not for ever. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../src/base/clock.js';
import { DeadlineHeap } from '../../src/base/deadline-heap.js';
import { BrokerError } from '../../src/base/errors.js';
import type { PendingWill } from '../../src/broker/will.js';
import { WillsUnderway } from '../../src/broker/wills-underway.js';

const test = suite('wills underway');

function setUp() {
  const clock = new FakeClock();
  const deadlines = new DeadlineHeap();
  const safe: (() => void)[] = [];
  const wills = new WillsUnderway(clock, deadlines, (_, then) => safe.push(then));
  let published = 0;
  const publish = (clientId: string): void => {
    wills.publish({ identity: { clientId } } as PendingWill, () => published++);
  };
  return { clock, deadlines, safe, wills, publish, published: () => published };
}

test('whoever comes back waits for all wills of its own, and for nobody else’s', async () => {
  const { publish, published, safe, wills } = setUp();
  publish('one');
  publish('one');
  publish('other');
  let isOut = false;
  const out = wills.whenOut('one')!.then(() => {
    isOut = true;
  });
  assert.is(wills.whenOut('nobody'), null);
  safe[0]!();
  await Promise.resolve();
  assert.not.ok(isOut);
  safe[1]!();
  await out;
  assert.ok(isOut);
  assert.is(published(), 2);
  assert.is(wills.whenOut('one'), null);
  assert.is.not(wills.whenOut('other'), null);
});

test('a store that does not answer for 3 s is away', async () => {
  const { clock, deadlines, publish, safe, wills } = setUp();
  publish('one');
  const out = wills.whenOut('one')!;
  clock.advance(3_000);
  deadlines.advance(clock.nowMs());
  const error = await out.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.instance(error, BrokerError);
  assert.is((error as BrokerError).code, 'STORE_AWAY');
  safe[0]!();
  assert.is(deadlines.size, 0);
});

test.run();
