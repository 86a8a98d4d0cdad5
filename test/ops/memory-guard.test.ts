import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemoryGuard, MemoryState } from '../../src/ops/memory-guard.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { FakeBroker } from '../broker/support/fake-broker.js';
import { RecordingLog } from './support.js';

const test = suite('memory guard');

const LIMIT = 1_000;

function rig(memoryBytesMax = LIMIT) {
  const broker = new FakeBroker({ limits: { memoryBytesMax } });
  const log = new RecordingLog();
  const accepting: boolean[] = [];
  const usage = { rss: 100, heapUsed: 0, external: 0 };
  const collector: { collect: () => void } = { collect: () => undefined };
  const guard = new MemoryGuard(broker.core, {
    clock: broker.clock,
    log,
    memory: () => usage,
    collect: () => collector.collect(),
    heapBytesMax: LIMIT,
    setAccepting: (isAccepting) => accepting.push(isAccepting),
  });
  /** The process has this much resident memory, all of it in use. */
  const resident = (bytes: number): void => {
    usage.rss = bytes;
    usage.external = bytes;
    tick();
  };
  const heap = (bytes: number): void => {
    usage.heapUsed = bytes;
    tick();
  };
  const tick = (): void => {
    broker.clock.advance(1_000);
    guard.tick();
    broker.settle();
  };
  return { broker, guard, log, accepting, collector, usage, resident, heap, tick };
}

const { Normal, Tight, Paused } = MemoryState;

test('refuses new clients from 90 % of memory_limit on, and takes them again below 85 %', () => {
  const { broker, guard, accepting, resident } = rig();
  const known = { clientId: 'known', clean: false };
  broker.connect({ ...known, version: 4 }).drop();

  resident(899);
  assert.is(guard.state, Normal);
  resident(900);
  assert.is(guard.state, Tight);
  const { reasonCode } = broker.request().takeFirst('connack');
  assert.is(reasonCode, ReasonCode.QuotaExceeded);
  assert.ok(broker.connect({ ...known, version: 4 }).isOpen, 'who has a session may drain it');
  resident(850);
  assert.is(guard.state, Tight);
  resident(849);
  assert.is(guard.state, Normal);
  broker.connect();

  assert.equal(accepting, [], 'listeners go on');
  resident(1_000);
  resident(849);
  assert.equal(accepting, [false, true], 'but not while publishers are paused');
});

test('pauses publishers at 100 % and releases them below 85 % only', () => {
  const { broker, guard, resident } = rig();
  const subscriber = broker.connect();
  subscriber.subscribe('a');
  const publisher = broker.connect();
  publisher.publish('a', 'before');

  resident(1_000);
  assert.is(guard.state, Paused);
  publisher.publish('a', 'held');
  assert.equal(subscriber.takePayloads(), ['before']);
  assert.ok(publisher.transport.isPaused);
  resident(900);
  assert.is(guard.state, Paused);
  publisher.publish('a', 'held too');
  assert.equal(subscriber.takePayloads(), []);
  resident(800);

  assert.is(guard.state, Normal);
  assert.equal(subscriber.takePayloads(), ['held', 'held too']);
  assert.not(publisher.transport.isPaused);
});

test('reads the acknowledgements of pure subscribers all the while', () => {
  const { broker, resident } = rig();
  const subscriber = broker.connect();
  subscriber.subscribe('a', { qos: 1 });
  const publisher = broker.connect();
  publisher.publish('a', 'x', { qos: 1, messageId: 1 });
  const { messageId } = subscriber.takeFirst('publish');
  resident(1_000);

  subscriber.acknowledge('puback', messageId!);

  broker.core.refreshGauges();
  assert.is(broker.core.metrics.messagesQueued, 0);
  assert.not(subscriber.transport.isPaused);
});

test('holds also who begins to publish while it lasts', () => {
  const { broker, guard, resident, tick } = rig();
  const silent = broker.connect();
  resident(1_000);
  assert.is(guard.heldConnections, 0);

  silent.publish('a', 'first');
  tick();
  assert.is(guard.heldConnections, 1);
  assert.ok(silent.transport.isPaused);
  resident(800);

  assert.not(silent.transport.isPaused);
});

test('forgets held publishers that are gone', () => {
  const { broker, guard, resident, tick } = rig();
  const publisher = broker.connect();
  publisher.publish('a', 'x');
  resident(1_000);
  assert.is(guard.heldConnections, 1);

  publisher.drop();
  tick();
  assert.is(guard.heldConnections, 0);
  resident(800);

  assert.is(guard.state, Normal);
});

test('goes by the JavaScript heap when there is no memory_limit', () => {
  const { guard, resident, heap } = rig(0);

  resident(1_000_000);
  assert.is(guard.state, Normal);
  heap(900);
  assert.is(guard.state, Tight);
  heap(949);
  assert.is(guard.state, Tight);
  heap(950);
  assert.is(guard.state, Paused);
  heap(850);
  assert.is(guard.state, Paused);
  heap(849);

  assert.is(guard.state, Normal);
});

test('goes by the heap beside memory_limit', () => {
  const { guard, heap, resident } = rig();

  heap(950);
  resident(100);
  assert.is(guard.state, Paused);
  heap(100);

  assert.is(guard.state, Normal);
});

test('ends the pause when memory was freed, though the process keeps it', () => {
  const { guard, usage, tick } = rig();
  usage.rss = 1_000;
  usage.external = 800;
  tick();
  assert.is(guard.state, Paused);

  usage.external = 600;
  tick();
  assert.is(guard.state, Normal);
  tick();

  assert.is(guard.state, Normal);
});

test('follows a memory_limit that a reload has changed', () => {
  const { broker, guard, resident, tick } = rig();
  resident(1_000);
  assert.is(guard.state, Paused);

  broker.core.limits = { ...broker.core.limits, memoryBytesMax: 2_000 };
  tick();

  assert.is(guard.state, Normal);
});

test('logs and counts each change once', () => {
  const { guard, log, resident, tick } = rig();

  resident(900);
  tick();
  resident(1_000);
  tick();
  resident(100);
  tick();
  resident(1_000);

  assert.equal(
    log.events.map(({ level, event, fields }) => [level, event, fields.before]),
    [
      ['warning', 'memory is tight: new connections are refused', 'normal'],
      ['warning', 'memory is full: publishers are paused', 'tight'],
      ['notice', 'memory is sufficient again', 'paused'],
      ['warning', 'memory is full: publishers are paused', 'normal'],
    ],
  );
  assert.equal(guard.figures(), {
    'memory/state': Paused,
    'memory/tight': 1,
    'memory/paused': 2,
    'memory/publishers_held': 0,
  });
});

test('asks for a collection while it is not normal, and goes by what that leaves', () => {
  const { broker, collector, guard, resident, tick, usage } = rig();
  let garbage = 300;
  collector.collect = () => {
    usage.external -= garbage;
    garbage = 0;
  };
  resident(899);
  assert.is(guard.state, Normal);
  assert.is(garbage, 300, 'nobody asks while there is room');

  resident(1_000);
  assert.is(guard.state, Paused);
  tick();
  assert.equal([garbage, guard.state], [0, Normal]);
  broker.connect();
});

test('a collection that takes long is seldom asked for', () => {
  const { broker, collector, guard, resident, tick } = rig();
  let collections = 0;
  collector.collect = () => {
    collections++;
    broker.clock.advance(100);
  };
  resident(950);
  assert.is(guard.state, Tight);
  for (let second = 0; second < 20; second++) tick();
  assert.is(collections, 4);
});

test('reads the memory ten times a second at most', () => {
  const broker = new FakeBroker();
  let reads = 0;
  const guard = new MemoryGuard(broker.core, {
    clock: broker.clock,
    log: new RecordingLog(),
    memory: () => {
      reads++;
      return { rss: 1, heapUsed: 1, external: 1 };
    },
    collect: () => undefined,
    heapBytesMax: LIMIT,
    setAccepting: () => undefined,
  });
  for (let tick = 0; tick < 100; tick++) {
    guard.tick();
    broker.clock.advance(10);
  }

  assert.is(reads, 10);
});

test.run();
