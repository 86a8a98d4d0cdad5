/** What the checker of transient subscribers finds, and what it does not ask for. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Ledger, type Stream } from '../ledger.js';
import { LiveReader } from './live-reader.js';
import { QuickStream } from './quick.js';

const test = suite('what transient subscribers must get');

function setup(qos: 0 | 1 | 2 = 2) {
  const ledger = new Ledger();
  const atLeastOnce = ledger.addStream('publisher', 'a', 1);
  const exactlyOnce = ledger.addStream('publisher', 'b', 2);
  const quick = new QuickStream('publisher', 'c');
  const reader = new LiveReader('reader', qos, () => [...ledger.streams, quick]);
  const kinds = () => reader.anomalies.map(({ kind, number }) => `${kind} ${number}`);
  return { atLeastOnce, exactlyOnce, quick, reader, kinds };
}

/** Sends messages, and has them acknowledged. */
function send(stream: Stream, count: number): void {
  for (let left = count; left > 0; left--) stream.acknowledge(stream.take(), 0);
}

test('a hole before something that came is a loss, also when the connection ends', () => {
  const { atLeastOnce, exactlyOnce, kinds, reader } = setup();
  reader.join();
  send(atLeastOnce, 3);
  send(exactlyOnce, 3);
  reader.onMessage(atLeastOnce, 0, 1);
  reader.onMessage(atLeastOnce, 2, 1);
  reader.onMessage(exactlyOnce, 1, 1);
  reader.end(2);
  assert.equal(kinds(), ['lost 1', 'lost 0']);
  assert.is(reader.lost, 2);
});

test('what was on its way when the connection ended is no loss', () => {
  const { exactlyOnce, kinds, reader } = setup();
  reader.join();
  send(exactlyOnce, 5);
  reader.onMessage(exactlyOnce, 0, 1);
  assert.is(reader.behind, 4);
  reader.end(2);
  assert.is(reader.behind, 0);
  reader.judge(3);
  assert.equal(kinds(), []);
});

test('at the end a connection that stands must have had all that was acknowledged', () => {
  const { atLeastOnce, exactlyOnce, kinds, reader } = setup();
  send(exactlyOnce, 2);
  reader.join();
  send(exactlyOnce, 2);
  atLeastOnce.take();
  assert.is(reader.behind, 3);
  reader.judge(3);
  assert.equal(kinds(), ['lost 2', 'lost 3']);
});

test('what was acknowledged and does not come for a minute is lost, once', () => {
  const { exactlyOnce, kinds, reader } = setup();
  reader.join();
  send(exactlyOnce, 2);
  reader.look(0);
  reader.look(59_000);
  assert.equal(kinds(), []);
  reader.onMessage(exactlyOnce, 0, 1);
  reader.look(61_000);
  reader.look(62_000);
  assert.equal(kinds(), ['lost 1']);

  const served = setup();
  served.reader.join();
  send(served.exactlyOnce, 1);
  served.reader.look(0);
  served.reader.onMessage(served.exactlyOnce, 0, 1);
  served.reader.look(61_000);
  assert.equal(served.kinds(), []);
});

test('QoS 0 and 2 come once in a life, QoS 1 may come again', () => {
  const { atLeastOnce, exactlyOnce, kinds, quick, reader } = setup(1);
  reader.join();
  send(atLeastOnce, 1);
  send(exactlyOnce, 1);
  quick.take(1);
  for (const stream of [atLeastOnce, exactlyOnce, quick]) {
    reader.onMessage(stream, 0, 1);
    reader.onMessage(stream, 0, 2);
  }
  assert.equal(kinds(), ['repeated 0', 'repeated 0']);
  assert.is(reader.repeatedQos1, 1);
  reader.end(3);
  reader.onMessage(exactlyOnce, 0, 4);
  assert.is(reader.repeatedQos2, 2);
});

test('first deliveries are in order, but for QoS 1 of before SUBACK', () => {
  const { atLeastOnce, exactlyOnce, kinds, reader } = setup(1);
  send(atLeastOnce, 2);
  send(exactlyOnce, 2);
  reader.onMessage(atLeastOnce, 1, 1);
  reader.onMessage(atLeastOnce, 0, 1);
  reader.join();
  assert.equal(kinds(), []);
  reader.onMessage(exactlyOnce, 1, 1);
  reader.onMessage(exactlyOnce, 0, 1);
  send(atLeastOnce, 2);
  reader.onMessage(atLeastOnce, 3, 1);
  reader.onMessage(atLeastOnce, 2, 1);
  assert.equal(kinds(), ['order 0', 'order 2']);
});

test('QoS 0 has holes, and an order on each connection of its publisher', () => {
  const { kinds, quick, reader } = setup();
  reader.join();
  for (const line of [1, 1, 1, 2, 2]) quick.take(line);
  for (const number of [0, 3, 2]) reader.onMessage(quick, number, 1);
  assert.equal(kinds(), []);
  reader.onMessage(quick, 1, 1);
  assert.equal(kinds(), ['order 1']);
  reader.judge(2);
  assert.is(reader.lost, 0);
});

test('a subscription at QoS 0 is owed nothing', () => {
  const { exactlyOnce, kinds, reader } = setup(0);
  reader.join();
  send(exactlyOnce, 3);
  reader.onMessage(exactlyOnce, 2, 1);
  reader.look(0);
  reader.look(100_000);
  reader.judge(2);
  assert.equal(kinds(), []);
});

test('finds what was never sent', () => {
  const { exactlyOnce, kinds, reader } = setup();
  reader.onMessage(exactlyOnce, 0, 1);
  reader.onMessage(undefined, 7, 1);
  assert.equal(kinds(), ['unknown 0', 'unknown 7']);
});

test.run();
