import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../src/base/clock.js';
import { DropReason, dropReasonNames } from '../../src/broker/metrics.js';
import { LoopDelay } from '../../src/ops/loop-delay.js';
import { dumpState } from '../../src/ops/state-dump.js';
import { FakeBroker } from '../broker/support/fake-broker.js';
import { RecordingLog } from './support.js';

const test = suite('state dump');

test('is one event with counts, and without client ids or topics', () => {
  const broker = new FakeBroker();
  const properties = { sessionExpiryInterval: 60 };
  const durable = broker.connect({ clientId: 'private', clean: false, properties });
  durable.subscribe('secret/#', { qos: 1 });
  durable.disconnect();
  const publisher = broker.connect();
  publisher.publish('secret/a', 'queued', { qos: 1, messageId: 1 });
  publisher.publish('secret/a', 'dropped');
  publisher.publish('secret/b', 'kept', { retain: true });
  const log = new RecordingLog();
  const clock = new FakeClock();
  const loopDelay = new LoopDelay(clock, 1_000);
  clock.advance(1_007);
  loopDelay.tick();
  broker.core.refreshGauges();

  const memory = () => ({ rss: 4, heapUsed: 1, heapTotal: 2, external: 3 });
  dumpState(broker.core, { memory, loopDelay }, log);

  assert.is(log.events.length, 1);
  const { level, event, fields } = log.events[0]!;
  assert.is(level, 'notice');
  assert.is(event, 'state');
  const expected = {
    connections: 1,
    clients: 1,
    sessions: 2,
    connectionsAccepted: 2,
    subscriptions: 1,
    retainedMessages: 1,
    retainedBytes: 4,
    queuedMessages: 1,
    queuedBytes: 6,
    publishReceived: 3,
    dropped: 2,
    dropped_offline_qos0: 2,
    dropped_queue_full: 0,
    residentBytes: 4,
    heapBytes: 1,
    heapTotalBytes: 2,
    externalBytes: 3,
    isMemoryTight: false,
    isShuttingDown: false,
    loopDelayMs: 7,
    loopDelayMaxMs: 7,
  };
  for (const [name, value] of Object.entries(expected)) assert.is(fields[name], value, name);
  assert.not.match(JSON.stringify(fields), /private|secret/);
});

test('names every reason of drops', () => {
  const broker = new FakeBroker();
  broker.core.metrics.dropped[DropReason.Refused] = 5;
  const log = new RecordingLog();
  const memory = () => ({ rss: 0, heapUsed: 0, heapTotal: 0, external: 0 });

  dumpState(broker.core, { memory, loopDelay: new LoopDelay(new FakeClock(), 1) }, log);

  const names = Object.keys(log.events[0]!.fields).filter((name) => name.startsWith('dropped_'));
  assert.equal(
    names,
    dropReasonNames.map((name) => `dropped_${name}`),
  );
  assert.is(log.events[0]!.fields.dropped_refused, 5);
});

test.run();
