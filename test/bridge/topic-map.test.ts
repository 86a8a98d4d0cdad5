import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  localSubscriptions,
  remoteSubscriptions,
  remoteUnsubscriptions,
  TopicMap,
} from '../../src/bridge/topic-map.js';
import type { BridgeTopic } from '../../src/config/bridge-config.js';
import { configOf } from '../config/support.js';

const test = suite('topics of a bridge');

function topicsOf(...lines: string[]): readonly BridgeTopic[] {
  const text = lines.map((line) => `topic ${line}\n`).join('');
  return configOf(`connection b\naddress a\n${text}`).bridges[0]!.topics;
}

test('what goes out loses the local prefix and gets the remote one', () => {
  const map = new TopicMap(topicsOf('# out 0 local/ remote/site/'), 'out');

  assert.is(map.map('local/a/b'), 'remote/site/a/b');
  assert.is(map.map('local/'), 'remote/site/');
  assert.is(map.map('elsewhere/a'), null);
});

test('what comes in loses the remote prefix and gets the local one', () => {
  const map = new TopicMap(topicsOf('clients/+ in 0 test/ $SYS/broker/'), 'in');

  assert.is(map.map('$SYS/broker/clients/total'), 'test/clients/total');
  assert.is(map.map('$SYS/broker/uptime'), null);
});

test('an empty pattern maps one name to another', () => {
  const topics = topicsOf('"" both 0 here there');

  assert.is(new TopicMap(topics, 'out').map('here'), 'there');
  assert.is(new TopicMap(topics, 'in').map('there'), 'here');
  assert.is(new TopicMap(topics, 'in').map('here'), null);
});

test('the first line that matches decides, and only lines of that direction', () => {
  const topics = topicsOf('a/# in 0 in/ ""', 'a/b out 0 "" first/', 'a/# both 0 "" second/');

  assert.is(new TopicMap(topics, 'out').map('a/b'), 'first/a/b');
  assert.is(new TopicMap(topics, 'out').map('a/c'), 'second/a/c');
  assert.is(new TopicMap(topics, 'in').map('a/b'), 'in/a/b');
});

test('a wildcard does not match what begins with $', () => {
  assert.is(new TopicMap(topicsOf('# out'), 'out').map('$SYS/broker/uptime'), null);
});

test('more names than are remembered are mapped all the same', () => {
  const map = new TopicMap(topicsOf('# out 0 "" x/'), 'out');

  for (let n = 0; n < 10_000; n++) assert.is(map.map(`t/${n}`), `x/t/${n}`);
  assert.is(map.map('t/0'), 'x/t/0');
});

test('each side is subscribed to once per filter, with the highest QoS', () => {
  const topics = topicsOf('a both 0', 'a out 2', 'a in 1', 'b in 1 l/ r/', 'c out 0 l/ r/');

  assert.equal(localSubscriptions(topics), [
    { filter: 'a', qos: 2, isShared: false },
    { filter: 'l/c', qos: 0, isShared: false },
  ]);
  assert.equal(remoteSubscriptions(topics), [
    { filter: 'a', qos: 1, isShared: false },
    { filter: 'r/b', qos: 1, isShared: false },
  ]);
});

test('a shared subscription is one on the side that it is read from', () => {
  const topics = topicsOf('$share/g/x/# in 1 l/ r/');

  assert.equal(remoteSubscriptions(topics), [{ filter: '$share/g/r/x/#', qos: 1, isShared: true }]);
  assert.is(new TopicMap(topics, 'in').map('r/x/1'), 'l/x/1');
});

test('what only goes out is unsubscribed from at the remote broker', () => {
  const topics = topicsOf('a out 0 l/ r/', 'b out', 'b in', 'c both');

  assert.equal(remoteUnsubscriptions(topics), ['r/a']);
});

test.run();
