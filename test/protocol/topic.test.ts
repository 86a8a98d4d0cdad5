import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  hasWildcard,
  isShared,
  isTopicFilter,
  isTopicName,
  matches,
  parseSharedFilter,
  topicLevels,
} from '../../src/protocol/topic.js';
import { forAll } from './support/for-all.js';

const test = suite('topic');

test('a topic name has a character and no wildcard [MQTT-3.3.2-2] [MQTT-4.7.3-1]', () => {
  for (const name of ['a', '/', '//', 'a/b', '/a', 'a/', ' ', '$SYS/x', '$', 'ü/漢', 'A/B c']) {
    assert.is(isTopicName(name), true, name);
  }
  for (const name of ['', '+', '#', 'a/+', 'a+', 'a/#', '#/a', 'a#b', '+/']) {
    assert.is(isTopicName(name), false, name);
  }
});

test('wildcards are found wherever they stand', () => {
  for (const text of ['+', '#', 'a+', '#a', 'a/b/+/c']) assert.is(hasWildcard(text), true, text);
  for (const text of ['', 'a', '/', '$share', 'ÄÖ*?']) assert.is(hasWildcard(text), false, text);
});

const goodFilters = ['a', '/', '//', '+', '#', '+/+', '/+', '+/', '/#', 'a/#', 'a/+/b', '+/a/#'];
const badFilters = ['', 'a+', '+a', 'a/+b', 'a/b+', '##', '#/', '#/a', 'a#', 'a/#b', 'a/#/b', '++'];

test('wildcards are whole levels of a filter, # the last [MQTT-4.7.1-1] [MQTT-4.7.1-2]', () => {
  for (const filter of goodFilters) assert.is(isTopicFilter(filter), true, filter);
  for (const filter of badFilters) assert.is(isTopicFilter(filter), false, filter);
});

test('levels are what stands between slashes, empty or not', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['', 1],
    ['a', 1],
    ['/', 2],
    ['a/b', 2],
    ['/a/', 3],
    ['/'.repeat(65_535), 65_536],
  ];
  for (const [topic, levels] of cases) assert.is(topicLevels(topic), levels);
});

test('shared filters are known by their prefix, in its own letters', () => {
  for (const filter of ['$share/g/a', '$share//', '$share/']) assert.is(isShared(filter), true);
  for (const filter of ['$share', '$shared/g/a', '$SHARE/g/a', 'share/g/a', '/$share/g/a']) {
    assert.is(isShared(filter), false, filter);
  }
});

test('a shared filter is split at the end of its share name [MQTT-4.8.2-1] [MQTT-4.8.2-2]', () => {
  const good: readonly (readonly [string, string, string])[] = [
    ['$share/g/a', 'g', 'a'],
    ['$share/g/#', 'g', '#'],
    ['$share/g//', 'g', '/'],
    ['$share/g//a', 'g', '/a'],
    ['$share/two words/+/b', 'two words', '+/b'],
    ['$share/g/$share/h/a', 'g', '$share/h/a'],
    ['$share/g/$SYS/#', 'g', '$SYS/#'],
  ];
  for (const [text, shareName, filter] of good) {
    assert.equal(parseSharedFilter(text), { shareName, filter }, text);
  }
  const bad = ['$share/', '$share//a', '$share/g', '$share/g/', '$share/+/a', '$share/#/a'];
  for (const text of [...bad, '$share/g+/a', '$share/g/a#', '$share/g/a/#/b', '$share/#']) {
    assert.is(parseSharedFilter(text), null, text);
  }
});

/** The examples of sections 4.7.1 to 4.7.3, and what lies between them. */
const matching: readonly (readonly [string, string, boolean])[] = [
  ['sport/tennis/player1/#', 'sport/tennis/player1', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
  ['sport/#', 'sport', true],
  ['sport/#', 'sports', false],
  ['#', 'anything/at/all', true],
  ['#', '/', true],
  ['sport/tennis/+', 'sport/tennis/player1', true],
  ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
  ['sport/+', 'sport', false],
  ['sport/+', 'sport/', true],
  ['+/+', '/finance', true],
  ['/+', '/finance', true],
  ['+', '/finance', false],
  ['+/tennis/#', 'sport/tennis', true],
  ['a', 'A', false],
  ['a', '/a', false],
  ['a/', 'a', false],
  ['a', 'a/', false],
  ['//', '//', true],
  ['+//', '//', true],
  ['#', '$SYS/uptime', false],
  ['+/uptime', '$SYS/uptime', false],
  ['$SYS/#', '$SYS/uptime', true],
  ['$SYS/#', '$SYS', true],
  ['$SYS/+', '$SYS/uptime', true],
  ['a/+', 'a/$b', true],
  ['a/#', 'a/$b', true],
];

for (const [filter, topic, isMatch] of matching) {
  test(`${filter} ${isMatch ? 'matches' : 'does not match'} ${topic} [MQTT-4.7.2-1]`, () => {
    assert.is(matches(filter, topic), isMatch);
  });
}

const level = fc.constantFrom('a', 'b', 'aa', '', '$a');
const anyTopic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
const anyFilter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, hasHash]) => [...levels, ...(hasHash ? ['#'] : [])].join('/'))
  .filter((filter) => filter !== '');

/** The same by a regular expression; `$` as the first character is for literal filters alone. */
function matchesByPattern(filter: string, topic: string): boolean {
  if (filter === '#') return !topic.startsWith('$');
  if (topic.startsWith('$') && filter.startsWith('+')) return false;
  const withoutHash = filter.replace(/\/#$/, '');
  const pattern = withoutHash
    .split('/')
    .map((part) => (part === '+' ? '[^/]*' : part.replaceAll('$', '\\$')))
    .join('/');
  const rest = filter === withoutHash ? '' : '(/.*)?';
  return new RegExp(`^${pattern}${rest}$`).test(topic);
}

test('any filter matches what its regular expression matches', () => {
  forAll(
    fc.tuple(anyFilter, anyTopic),
    ([filter, topic]) => {
      assert.is(isTopicFilter(filter), true);
      assert.is(matches(filter, topic), matchesByPattern(filter, topic), `${filter} ~ ${topic}`);
    },
    { runs: 5_000 },
  );
});

test('any text is a filter when each level is a wildcard or has none', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '/', '+', '#'), maxLength: 7 });
  forAll(
    text,
    (filter) => {
      const levels = filter.split('/');
      const isGood =
        filter !== '' &&
        levels.every((part) => part === '+' || part === '#' || !/[+#]/.test(part)) &&
        !levels.slice(0, -1).includes('#');
      assert.is(isTopicFilter(filter), isGood, filter);
    },
    { runs: 5_000 },
  );
});

test.run();
