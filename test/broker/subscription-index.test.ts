/** The index agrees with `matches`, which reads the specification one level after the other. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Session } from '../../src/broker/session.js';
import type { SharedGroup } from '../../src/broker/shared-group.js';
import type { Subscription } from '../../src/broker/subscription.js';
import { MatchResult, SubscriptionIndex } from '../../src/broker/subscription-index.js';
import { matches } from '../../src/protocol/topic.js';
import { sessionOf, subscriptionOf } from './support/builders.js';
import { topicFilter, topicName } from './support/filters.js';

const test = suite('subscription index');

const sessions = Array.from({ length: 6 }, (_, index) => sessionOf(`session-${index}`));

function found(index: SubscriptionIndex, topic: string): MatchResult {
  const result = new MatchResult();
  index.match(topic, result);
  return result;
}

function filtersFor(index: SubscriptionIndex, topic: string): string[] {
  return found(index, topic)
    .subscriptions.map(({ filter }) => filter)
    .sort();
}

/** The private maps and nodes that hold something; 0 when nothing is left. */
function nodesOf(index: SubscriptionIndex): number {
  const { exact, root } = index as unknown as { exact: Map<string, unknown>; root: Tree };
  return exact.size + countNodes(root) - 1;
}

interface Tree {
  readonly onlyChild: Tree | null;
  readonly children: Map<string, Tree> | null;
  readonly plus: Tree | null;
}

function countNodes(node: Tree): number {
  let count = 1;
  for (const child of [node.onlyChild, node.plus, ...(node.children?.values() ?? [])]) {
    if (child !== null) count += countNodes(child);
  }
  return count;
}

test('the examples of the specification [MQTT-4.7.1-1] [MQTT-4.7.2-1]', () => {
  const index = new SubscriptionIndex();
  const filters = [
    '#',
    '+',
    '/+',
    '+/+',
    'sport/#',
    'sport/tennis/+',
    '$SYS/#',
    '+/monitor/Clients',
  ];
  const [session] = sessions;
  for (const filter of filters) index.add(filter, subscriptionOf(session!, filter));

  assert.equal(filtersFor(index, 'sport'), ['#', '+', 'sport/#']);
  assert.equal(filtersFor(index, 'sport/tennis/player1'), ['#', 'sport/#', 'sport/tennis/+']);
  assert.equal(filtersFor(index, 'sport/tennis'), ['#', '+/+', 'sport/#']);
  assert.equal(filtersFor(index, '/finance'), ['#', '+/+', '/+']);
  assert.equal(filtersFor(index, '$SYS/monitor/Clients'), ['$SYS/#']);
  assert.equal(filtersFor(index, '$SYS'), ['$SYS/#']);
});

type Key = `${number} ${string}`;

interface Step {
  readonly session: number;
  readonly filter: string;
  readonly share: string | null;
  readonly isRemoval: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  session: fc.nat(sessions.length - 1),
  filter: topicFilter,
  share: fc.constantFrom(null, null, 'g', 'h'),
  isRemoval: fc.boolean(),
});

/** Subscriptions by session and filter, and members by group: what the index must know. */
class Model {
  readonly plain = new Map<Key, Subscription>();
  readonly shared = new Map<Key, { group: SharedGroup; session: Session }>();
  readonly index = new SubscriptionIndex();

  apply({ session: number, filter, share, isRemoval }: Step): void {
    const { index } = this;
    const session = sessions[number]!;
    const key: Key = `${number} ${share === null ? '' : `$share/${share}/`}${filter}`;
    if (share === null) {
      const subscription = subscriptionOf(session, filter);
      if (isRemoval) index.remove(filter, session);
      else index.add(filter, subscription);
      if (isRemoval) this.plain.delete(key);
      else this.plain.set(key, subscription);
      return;
    }
    const member = this.shared.get(key);
    if (isRemoval) {
      if (member !== undefined) index.removeShared(member.group, session);
      this.shared.delete(key);
      return;
    }
    const group = index.group(filter, share);
    index.addShared(group, subscriptionOf(session, filter, { group }));
    this.shared.set(key, { group, session });
  }

  check(topic: string): void {
    const result = found(this.index, topic);
    const plain = [...this.plain.values()].filter(({ filter }) => matches(filter, topic));
    isSameSet(result.subscriptions, plain);
    const groups = [...this.shared.values()].filter(({ group }) => matches(group.filter, topic));
    isSameSet(result.groups, [...new Set(groups.map(({ group }) => group))]);
    assert.is(this.index.size, this.plain.size + this.shared.size);
  }

  clear(): void {
    for (const [key, { session, filter }] of this.plain) {
      this.index.remove(filter, session);
      this.plain.delete(key);
    }
    for (const { group, session } of this.shared.values()) this.index.removeShared(group, session);
    this.shared.clear();
  }
}

function isSameSet<T>(actual: readonly T[], expected: readonly T[]): void {
  assert.is(actual.length, expected.length);
  const set = new Set(actual);
  assert.ok(expected.every((item) => set.has(item)));
}

test('random subscriptions match as the slow reading says, and leave nothing behind', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60, size: 'max' }),
      fc.array(topicName, { minLength: 1, maxLength: 20, size: 'max' }),
      (steps, topics) => {
        const model = new Model();
        for (const one of steps) {
          model.apply(one);
          for (const topic of topics.slice(0, 3)) model.check(topic);
        }
        for (const topic of topics) model.check(topic);
        model.clear();
        for (const topic of topics) model.check(topic);
        assert.is(model.index.size, 0);
        assert.is(nodesOf(model.index), 0, 'no node is left');
      },
    ),
    { numRuns: 500 },
  );
});

test('the version goes up with every change, and with nothing else', () => {
  const index = new SubscriptionIndex();
  const [session] = sessions;
  const versions = [index.version];
  const note = (act: () => void): void => {
    act();
    versions.push(index.version);
  };
  note(() => index.add('a/+', subscriptionOf(session!, 'a/+')));
  note(() => index.add('a/+', subscriptionOf(session!, 'a/+', { qos: 2 })));
  const group = index.group('a', 'g');
  note(() => index.addShared(group, subscriptionOf(session!, 'a', { group })));
  note(() => index.removeShared(group, session!));
  note(() => index.remove('a/+', session!));
  assert.is(new Set(versions).size, versions.length);
  found(index, 'a/b');
  assert.is(index.version, versions.at(-1));
});

test('the newer of two subscriptions to one filter holds [MQTT-3.8.4-3]', () => {
  const index = new SubscriptionIndex();
  const [first, second] = sessions;
  for (const filter of ['a', 'a/+']) {
    index.add(filter, subscriptionOf(first!, filter));
    const newer = subscriptionOf(first!, filter, { qos: 2 });
    index.add(filter, newer);
    index.add(filter, subscriptionOf(second!, filter));
    const newest = subscriptionOf(first!, filter, { qos: 1 });
    index.add(filter, newest);
    assert.is(index.size, filter === 'a' ? 2 : 4);
    const { subscriptions } = found(index, filter === 'a' ? 'a' : 'a/x');
    assert.equal(subscriptions.length, 2);
    assert.ok(subscriptions.includes(newest));
  }
});

test('removing what is not there changes nothing', () => {
  const index = new SubscriptionIndex();
  const [first, second] = sessions;
  index.add('a/#', subscriptionOf(first!, 'a/#'));
  for (const filter of ['a/#', 'a', 'a/+', 'b/#', '#', 'a/b/c/+']) index.remove(filter, second!);
  assert.is(index.size, 1);
  assert.equal(filtersFor(index, 'a/b'), ['a/#']);
  index.remove('a/#', first!);
  assert.is(nodesOf(index), 0);
});

test('a topic of 65 535 slashes costs nothing special', () => {
  const index = new SubscriptionIndex();
  const [session] = sessions;
  for (const filter of ['#', '+/#', '/+/x', '//+', 'a/+/c', '/'.repeat(199)]) {
    index.add(filter, subscriptionOf(session!, filter));
  }
  const long = '/'.repeat(65_535);
  assert.equal(filtersFor(index, long), ['#', '+/#']);
  const short = '/'.repeat(199);
  const costOf = (topic: string): number => {
    const result = new MatchResult();
    const startMs = performance.now();
    for (let count = 0; count < 2_000; count++) {
      result.clear();
      index.match(topic, result);
    }
    return performance.now() - startMs;
  };
  costOf(short);
  const shortMs = costOf(short);
  const longMs = costOf(long);
  assert.ok(
    longMs < shortMs * 10 + 50,
    `${longMs} ms for the long one, ${shortMs} ms for the short`,
  );
});

test.run();
