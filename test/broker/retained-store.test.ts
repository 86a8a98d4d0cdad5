/** Retained messages agree with a plain map searched by `matches`. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RetainedStore } from '../../src/broker/retained-store.js';
import type { Message } from '../../src/protocol/message.js';
import { matches } from '../../src/protocol/topic.js';
import { messageTo } from './support/builders.js';
import { topicFilter, topicName } from './support/filters.js';

const test = suite('retained store');

function namesFor(store: RetainedStore, filter: string): string[] {
  return store
    .match(filter)
    .map(({ topic }) => topic.name)
    .sort();
}

function isEmpty(store: RetainedStore): boolean {
  const { root } = store as unknown as { root: { children: unknown; message: unknown } };
  return root.children === null && root.message === null;
}

test('the last message of a topic is the one that is kept [MQTT-3.3.1-5]', () => {
  const store = new RetainedStore();
  store.set(messageTo('a/b', 'old one'));
  const newer = messageTo('a/b', 'new');
  store.set(newer);
  assert.is(store.get('a/b'), newer);
  assert.is(store.size, 1);
  assert.is(store.bytes, 3);
  assert.is(store.delete('a/b'), true);
  assert.is(store.delete('a/b'), false);
  assert.is(store.get('a/b'), null);
  assert.equal([store.size, store.bytes], [0, 0]);
});

test('wildcards at the start do not match $ topics [MQTT-4.7.2-1]', () => {
  const store = new RetainedStore();
  for (const name of ['$SYS/uptime', '$SYS', 'a/$SYS', 'a', '/']) store.set(messageTo(name, 'x'));
  assert.equal(namesFor(store, '#'), ['/', 'a', 'a/$SYS']);
  assert.equal(namesFor(store, '+'), ['a']);
  assert.equal(namesFor(store, '+/+'), ['/', 'a/$SYS']);
  assert.equal(namesFor(store, '$SYS/#'), ['$SYS', '$SYS/uptime']);
  assert.equal(namesFor(store, '$SYS/+'), ['$SYS/uptime']);
  assert.equal(namesFor(store, 'a/#'), ['a', 'a/$SYS']);
  assert.equal(namesFor(store, '+/#'), ['/', 'a', 'a/$SYS']);
});

test('random messages are found as the slow reading says, and leave nothing behind', () => {
  const step = fc.tuple(topicName, fc.nat(5));
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60, size: 'max' }),
      fc.array(topicFilter, { minLength: 1, maxLength: 10, size: 'max' }),
      (steps, filters) => {
        const store = new RetainedStore();
        const model = new Map<string, Message>();
        for (const [name, size] of steps) {
          if (size === 0) assert.is(store.delete(name), model.delete(name));
          else {
            const message = messageTo(name, 'x'.repeat(size));
            store.set(message);
            model.set(name, message);
          }
        }
        for (const filter of filters) {
          const expected = [...model.keys()].filter((name) => matches(filter, name)).sort();
          assert.equal(namesFor(store, filter), expected);
        }
        let bytes = 0;
        for (const message of model.values()) bytes += message.payloadLength;
        assert.equal([store.size, store.bytes], [model.size, bytes]);
        for (const [name, message] of model) assert.is(store.get(name), message);
        for (const name of model.keys()) assert.is(store.delete(name), true);
        assert.equal([store.size, store.bytes], [0, 0]);
        assert.ok(isEmpty(store), 'no node is left');
      },
    ),
    { numRuns: 500 },
  );
});

test('a topic as deep as they come is stored, found and deleted', () => {
  const store = new RetainedStore();
  const deep = '/'.repeat(65_535);
  store.set(messageTo(deep, 'x'));
  assert.equal(namesFor(store, '#'), [deep]);
  assert.equal(namesFor(store, '//#'), [deep]);
  assert.equal(namesFor(store, '/+'), []);
  assert.is(store.get(`${deep}/`), null);
  assert.is(store.delete(deep), true);
  assert.ok(isEmpty(store));
});

test('a filter visits what it matches, not all that is stored', () => {
  const store = new RetainedStore();
  for (let count = 0; count < 50_000; count++) store.set(messageTo(`a/${count}/x`, 'x'));
  const costOf = (filter: string, times: number): number => {
    const startMs = performance.now();
    for (let count = 0; count < times; count++) store.match(filter);
    return performance.now() - startMs;
  };
  costOf('a/7/+', 100);
  const one = costOf('a/7/+', 1_000);
  const all = costOf('a/+/x', 10) * 100;
  assert.ok(one * 20 < all, `${one} ms for one, ${all} ms for all`);
});

test.run();
