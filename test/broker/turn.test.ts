/** The turn: once begun it ends once, and what is dirty is flushed once. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../src/base/clock.js';
import { Turn } from '../../src/broker/turn.js';
import { FakeBroker } from './support/fake-broker.js';

const test = suite('turn');

function setup(): { clock: FakeClock; turn: Turn; ends: (() => void)[] } {
  const clock = new FakeClock();
  const ends: (() => void)[] = [];
  return { clock, turn: new Turn(clock, (end) => ends.push(end)), ends };
}

test('its time is read when it begins, and stands still until it ends', () => {
  const { clock, turn, ends } = setup();
  clock.advance(5);
  turn.begin();
  const beganMs = clock.nowMs();
  clock.advance(5);
  turn.begin();
  assert.is(turn.nowMs, beganMs);
  assert.is(ends.length, 1);
  ends.pop()!();
  turn.begin();
  assert.is(turn.nowMs, beganMs + 5);
  assert.is(ends.length, 1);
});

test('a turn that took so long that its time is out of date is told of before a flush', () => {
  const clock = new FakeClock();
  const ends: (() => void)[] = [];
  const heard: unknown[] = [];
  const onLong = (beganMs: number, endedMs: number): void => {
    heard.push([beganMs, endedMs]);
  };
  const turn = new Turn(clock, (end) => ends.push(end), onLong);
  const beganMs = clock.nowMs();
  turn.markDirty({ flush: () => void heard.push('flushed') });
  clock.advance(2_000);
  ends.pop()!();
  turn.begin();
  clock.advance(20);
  ends.pop()!();
  // Not a turn: nothing has begun.
  clock.advance(2_000);
  turn.end();
  assert.equal(heard, [[beganMs, beganMs + 2_000], 'flushed']);
});

test('what is dirty is flushed in order, once; what becomes so meanwhile, in the next turn', () => {
  const { turn, ends } = setup();
  const flushed: string[] = [];
  const item = (name: string, then?: () => void) => ({
    flush: () => {
      flushed.push(name);
      then?.();
    },
  });
  turn.markDirty(item('one', () => turn.markDirty(item('three'))));
  turn.markDirty(item('two'));
  assert.is(ends.length, 1);
  ends.pop()!();
  assert.equal(flushed, ['one', 'two']);
  assert.is(ends.length, 1);
  ends.pop()!();
  assert.equal(flushed, ['one', 'two', 'three']);
  assert.is(ends.length, 0);
});

test('an end by hand does not make the scheduled one flush again', () => {
  const { turn, ends } = setup();
  let count = 0;
  turn.markDirty({ flush: () => void count++ });
  turn.end();
  ends.pop()!();
  assert.is(count, 1);
});

/** Says when it is flushed. */
function named(name: string, flushed: string[], then: () => void = () => undefined) {
  return {
    flush: () => {
      flushed.push(name);
      then();
    },
  };
}

test('what need not wait for the end is flushed every 16 reads, the rest at the end', () => {
  const { turn, ends } = setup();
  const flushed: string[] = [];
  turn.markDirty(named('late', flushed));
  turn.markEarly(named('early', flushed));
  for (let read = 0; read < 15; read++) turn.afterRead();
  assert.equal(flushed, []);
  turn.afterRead();
  assert.equal(flushed, ['early']);
  turn.markEarly(named('early too', flushed));
  ends.pop()!();
  assert.equal(flushed, ['early', 'early too', 'late']);
});

test('nothing is flushed early while the turn is held, nor by what a flush reads', () => {
  const { turn } = setup();
  const flushed: string[] = [];
  const readALot = (): void => {
    for (let read = 0; read < 40; read++) turn.afterRead();
  };
  turn.hold();
  turn.markEarly(
    named('one', flushed, () => {
      turn.markEarly(named('three', flushed));
      readALot();
    }),
  );
  turn.markEarly(named('two', flushed));
  readALot();
  assert.equal(flushed, []);
  turn.go();
  assert.equal(flushed, ['one', 'two']);
  turn.end();
  assert.equal(flushed, ['one', 'two', 'three']);
});

test('an output on which nothing comes together does not wait for the end of the turn', () => {
  const broker = new FakeBroker();
  const pairs = Array.from({ length: 20 }, (_, index) => {
    const subscriber = broker.connect();
    subscriber.subscribe(`a/${index}`);
    return { subscriber, publisher: broker.connect(), topic: `a/${index}` };
  });
  const post = ({ publisher, topic }: (typeof pairs)[0], payload: string): void => {
    publisher.post({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false });
    publisher.transport.step();
  };
  const got = () => pairs.map(({ subscriber }) => subscriber.takePayloads().length);
  for (const pair of pairs) post(pair, 'first');
  broker.settle();
  assert.equal(got(), new Array(20).fill(1));
  for (const pair of pairs) post(pair, 'second');
  // Those of the first 16 reads, before the turn is over.
  assert.equal(got(), [...new Array(16).fill(1), 0, 0, 0, 0]);
  broker.settle();
  assert.equal(got(), [...new Array(16).fill(0), 1, 1, 1, 1]);
  // Two in one turn: from now on they wait for each other.
  for (const payload of ['third', 'fourth'])
    for (const pair of pairs.slice(0, 8)) post(pair, payload);
  broker.settle();
  got();
  for (const payload of ['fifth', 'sixth'])
    for (const pair of pairs.slice(0, 8)) post(pair, payload);
  assert.equal(got(), new Array(20).fill(0));
  broker.settle();
  assert.equal(got(), [...new Array(8).fill(2), ...new Array(12).fill(0)]);
});

test.run();
