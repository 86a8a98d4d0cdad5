/** Overlapping subscriptions of one session, merged into one delivery. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mergeSubscriptions, type Subscription } from '../../src/broker/subscription.js';
import { sessionOf, subscriptionOf } from './support/builders.js';

const test = suite('merged subscriptions');

const session = sessionOf('one');

test('a merge has the highest QoS and all identifiers [MQTT-3.3.4-2] [MQTT-3.3.4-4]', () => {
  const merged = mergeSubscriptions([
    subscriptionOf(session, 'a', { qos: 1, ids: [3] }),
    subscriptionOf(session, '+', { qos: 2 }),
    subscriptionOf(session, '#', { qos: 0, ids: [1] }),
  ]);
  assert.is(merged.qos, 2);
  assert.equal(merged.ids, [3, 1]);
  assert.is(merged.ownVariant, null);
});

test('for any mix, foreign and own messages see what the single subscriptions say', () => {
  const options = fc.record({
    qos: fc.nat(2),
    noLocal: fc.boolean(),
    retainAsPublished: fc.boolean(),
    ids: fc.constantFrom(null, [1], [2], [3]),
  });
  fc.assert(
    fc.property(fc.array(options, { minLength: 2, maxLength: 5 }), (list) => {
      const all = list.map((one) => subscriptionOf(session, 'a', one));
      const merged = mergeSubscriptions(all);
      isMergeOf(merged, all);
      const own = all.filter(({ noLocal }) => !noLocal);
      // As the router reads it.
      const forOwn = merged.noLocal ? null : (merged.ownVariant ?? merged);
      if (own.length === 0) assert.is(forOwn, null);
      else isMergeOf(forOwn!, own);
    }),
  );
});

function isMergeOf(merged: Subscription, parts: readonly Subscription[]): void {
  assert.is(merged.qos, Math.max(...parts.map(({ qos }) => qos)));
  assert.equal(
    merged.ids ?? [],
    parts.flatMap(({ ids }) => ids ?? []),
  );
  assert.is(
    merged.retainAsPublished,
    parts.some(({ retainAsPublished }) => retainAsPublished),
  );
}

test.run();
