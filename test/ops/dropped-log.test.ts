import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../src/base/clock.js';
import { DropReason, dropReasonNames } from '../../src/broker/metrics.js';
import { DROPPED_PAIRS_MAX, DROPPED_WINDOW_MS, DroppedLog } from '../../src/ops/dropped-log.js';
import { FakeBroker } from '../broker/support/fake-broker.js';
import { RecordingLog } from './support.js';

const test = suite('dropped log');

const { QueueFull, SlowSubscriber, OfflineQos0 } = DropReason;

function rig() {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const dropped = new DroppedLog(log, clock);
  const pass = (ms: number): void => {
    clock.advance(ms);
    dropped.tick();
  };
  return { log, dropped, pass };
}

test('writes the first drop of a session at once', () => {
  const { log, dropped } = rig();

  dropped.dropped(QueueFull, 'a', 't/1');

  assert.equal(log.events, [
    {
      level: 'warning',
      event: 'messages dropped',
      fields: { reason: 'queue_full', clientId: 'a', count: 1, topic: 't/1' },
    },
  ]);
});

test('writes one line per window with the count since and the last topic', () => {
  const { log, dropped, pass } = rig();
  for (let count = 0; count < 1_000; count++) dropped.dropped(QueueFull, 'a', `t/${count}`);
  assert.is(log.take().length, 1);

  pass(DROPPED_WINDOW_MS - 1);
  assert.equal(log.take(), []);
  pass(1_000);

  const fields = { reason: 'queue_full', clientId: 'a', count: 999, topic: 't/999' };
  assert.equal(
    log.take().map((event) => event.fields),
    [fields],
  );
});

test('keeps at most one line per window while it goes on', () => {
  const { log, dropped, pass } = rig();

  for (let second = 0; second < 100; second++) {
    dropped.dropped(QueueFull, 'a', 't');
    pass(1_000);
  }

  assert.is(log.events.length, 11);
  const total = log.events.reduce((sum, { fields }) => sum + Number(fields.count), 0);
  assert.is(total, 100);
});

test('begins anew after a window without drops', () => {
  const { log, dropped, pass } = rig();

  dropped.dropped(QueueFull, 'a', 't');
  pass(DROPPED_WINDOW_MS);
  log.take();
  dropped.dropped(QueueFull, 'a', 't');

  assert.is(log.take().length, 1);
});

test('keeps reasons and sessions apart', () => {
  const { log, dropped } = rig();

  dropped.dropped(QueueFull, 'a', 't');
  dropped.dropped(SlowSubscriber, 'a', 't');
  dropped.dropped(QueueFull, 'b', 't');
  dropped.dropped(QueueFull, null, 't');
  dropped.dropped(QueueFull, null, 't');

  assert.equal(
    log.events.map(({ fields }) => [fields.reason, fields.clientId]),
    [
      ['queue_full', 'a'],
      ['slow_subscriber', 'a'],
      ['queue_full', 'b'],
      ['queue_full', null],
    ],
  );
});

test('has a line for every reason, and warns of those that are a surprise', () => {
  const { log, dropped } = rig();

  dropReasonNames.forEach((_, reason) => {
    dropped.dropped(reason, 'a', 't');
  });

  assert.equal(
    log.events.map(({ fields }) => fields.reason),
    dropReasonNames,
  );
  const warned = log.events.filter(({ level }) => level === 'warning');
  assert.equal(
    warned.map(({ fields }) => fields.reason),
    [
      'queue_full',
      'too_large_for_receiver',
      'slow_subscriber',
      'too_large',
      'retained_full',
      'refused',
      'unreadable',
    ],
  );
});

test('gives further sessions one line per reason together, and counts all', () => {
  const { log, dropped, pass } = rig();
  for (let id = 0; id < DROPPED_PAIRS_MAX; id++) dropped.dropped(OfflineQos0, `c${id}`, 't');
  log.take();

  for (let id = 0; id < 50; id++) dropped.dropped(QueueFull, `d${id}`, 't');
  const [first, ...more] = log.take();
  assert.equal(more, []);
  assert.equal(first?.event, 'messages of further clients dropped');
  assert.equal(first?.fields, { reason: 'queue_full', count: 1 });
  pass(DROPPED_WINDOW_MS);
  assert.equal(
    log.take().map(({ fields }) => fields),
    [{ reason: 'queue_full', count: 49 }],
  );
  pass(DROPPED_WINDOW_MS);
  dropped.dropped(QueueFull, 'again', 't');

  assert.is(log.take()[0]?.event, 'messages dropped');
});

test('hears of the drops of a broker', () => {
  const { log, dropped } = rig();
  const broker = new FakeBroker({
    observer: { dropped: (reason, clientId, topic) => dropped.dropped(reason, clientId, topic) },
  });
  const properties = { sessionExpiryInterval: 60 };
  const subscriber = broker.connect({ clientId: 'sub', clean: false, properties });
  subscriber.subscribe('a', { qos: 1 });
  subscriber.disconnect();

  broker.connect().publish('a', 'x');

  assert.equal(log.events, [
    {
      level: 'information',
      event: 'messages dropped',
      fields: { reason: 'offline_qos0', clientId: 'sub', count: 1, topic: 'a' },
    },
  ]);
});

test.run();
