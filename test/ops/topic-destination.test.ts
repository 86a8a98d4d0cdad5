import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { QUEUED_LINES_MAX, TopicDestination } from '../../src/ops/topic-destination.js';
import { entry } from './support.js';

const test = suite('log destination topic');

function rig() {
  const published: [string, string][] = [];
  const troubles: string[] = [];
  const deferred: (() => void)[] = [];
  const rigged = {
    published,
    troubles,
    deferred,
    onPublish: (): void => undefined,
    runDeferred: (): void => {
      for (const run of deferred.splice(0)) run();
    },
  };
  const destination = new TopicDestination({
    publish: (topic, line) => {
      published.push([topic, line]);
      rigged.onPublish();
    },
    defer: (run) => deferred.push(run),
    onTrouble: (message) => troubles.push(message),
  });
  return Object.assign(rigged, { destination });
}

for (const [level, name] of [
  ['error', 'E'],
  ['warning', 'W'],
  ['notice', 'N'],
  ['information', 'I'],
  ['subscribe', 'M/subscribe'],
  ['unsubscribe', 'M/unsubscribe'],
  ['websockets', 'WS'],
] as const) {
  test(`publishes ${level} to ${name} as Mosquitto does`, () => {
    const { destination, published, runDeferred } = rig();

    assert.ok(destination.accepts(level));
    destination.write(entry(level, 'something happened', { clientId: 'a' }));
    runDeferred();

    assert.equal(published, [[`$SYS/broker/log/${name}`, 'something happened clientId=a']]);
  });
}

test('publishes no debug lines, as Mosquitto', () => {
  const { destination, deferred } = rig();

  assert.not(destination.accepts('debug'));
  destination.write(entry('debug', 'publish denied'));

  assert.is(deferred.length, 0);
});

test('publishes after the work that logged, in order', () => {
  const { destination, published, runDeferred, deferred } = rig();

  destination.write(entry('notice', 'one'));
  destination.write(entry('notice', 'two'));
  assert.equal(published, []);
  assert.is(deferred.length, 1);
  runDeferred();

  assert.equal(
    published.map(([, line]) => line),
    ['one', 'two'],
  );
});

test('does not publish what publishing causes', () => {
  const rigged = rig();
  const { destination, published, runDeferred, deferred } = rigged;
  rigged.onPublish = () => destination.write(entry('warning', 'messages dropped'));

  destination.write(entry('notice', 'one'));
  runDeferred();

  assert.is(published.length, 1);
  assert.is(deferred.length, 0);
});

test('does not publish what is about log topics', () => {
  const { destination, deferred } = rig();

  destination.write(entry('warning', 'messages dropped', { topic: '$SYS/broker/log/W' }));

  assert.is(deferred.length, 0);
});

test('keeps a bounded number of lines and tells how many were lost', () => {
  const { destination, published, runDeferred } = rig();

  for (let count = 0; count < QUEUED_LINES_MAX + 5; count++) destination.write(entry('error', 'e'));
  runDeferred();

  assert.is(published.length, QUEUED_LINES_MAX + 1);
  assert.equal(published.at(-1), ['$SYS/broker/log/W', 'log lines lost count=5']);
});

test('reports a failure to publish and goes on', () => {
  const rigged = rig();
  const { destination, troubles, published, runDeferred } = rigged;
  rigged.onPublish = () => {
    throw new Error('no');
  };

  destination.write(entry('notice', 'one'));
  runDeferred();
  rigged.onPublish = () => undefined;
  destination.write(entry('notice', 'two'));
  runDeferred();

  assert.equal(troubles, ['no']);
  assert.is(published.length, 2);
});

test('publishes what waits when it is closed, and nothing afterwards', async () => {
  const { destination, published, runDeferred } = rig();

  destination.write(entry('notice', 'one'));
  await destination.close();
  destination.write(entry('notice', 'two'));
  runDeferred();

  assert.is(published.length, 1);
});

test.run();
