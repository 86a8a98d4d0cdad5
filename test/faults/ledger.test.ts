/** A checker that finds nothing proves nothing: each thing it looks for is shown to it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Anomaly, Ledger } from './ledger.js';
import { payloadOf, readPayload } from './payload.js';

const test = suite('ledger of the fault suite');

/** One publisher with a stream of each QoS and a subscriber at QoS 2. */
function setup() {
  const ledger = new Ledger();
  const atLeastOnce = ledger.addStream('publisher', 'a', 1);
  const exactlyOnce = ledger.addStream('publisher', 'b', 2);
  const reader = ledger.addReader('subscriber', 2);
  reader.join();
  const lost = (): Anomaly[] => {
    const found: Anomaly[] = [];
    assert.is(
      reader.lost((one) => found.push(one)),
      found.length,
    );
    return found;
  };
  return { ledger, atLeastOnce, exactlyOnce, reader, lost };
}

test('finds a message that was acknowledged and never came', () => {
  const { ledger, exactlyOnce, reader, lost } = setup();
  for (let count = 0; count < 3; count++) {
    ledger.acknowledge(exactlyOnce, exactlyOnce.take());
  }
  reader.onMessage(exactlyOnce.index, 0, 1);
  reader.onMessage(exactlyOnce.index, 2, 2);

  assert.equal(
    lost().map(({ number }) => number),
    [1],
  );
  assert.is(reader.behind, 1);
});

test('does not miss what was never acknowledged', () => {
  const { exactlyOnce, lost } = setup();
  exactlyOnce.take();

  assert.equal(lost(), []);
});

test('finds a repeat at QoS 2, and only counts one at QoS 1', () => {
  const { atLeastOnce, exactlyOnce, reader } = setup();
  for (const stream of [atLeastOnce, exactlyOnce]) {
    const number = stream.take();
    reader.onMessage(stream.index, number, 1);
    reader.onMessage(stream.index, number, 2);
  }

  assert.is(reader.repeatedQos1, 1);
  assert.is(reader.repeatedQos2, 1);
  assert.equal(
    reader.anomalies.map(({ kind, stream }) => [kind, stream]),
    [['repeated', exactlyOnce]],
  );
});

test('finds a first delivery that comes after a later message, but not a late repeat', () => {
  const { atLeastOnce: stream, reader } = setup();
  for (let count = 0; count < 4; count++) stream.take();
  for (const number of [0, 1, 0, 3]) reader.onMessage(stream.index, number, 1);
  assert.is(reader.orderBroken, 0);

  reader.onMessage(stream.index, 2, 1);

  assert.is(reader.orderBroken, 1);
});

test('of a QoS 1 repeat from before SUBACK no order is expected, of all else it is', () => {
  const { ledger, atLeastOnce, exactlyOnce } = setup();
  const joiner = ledger.addReader('joiner', 1);
  for (const stream of [atLeastOnce, exactlyOnce]) for (let n = 0; n < 3; n++) stream.take();
  joiner.onMessage(atLeastOnce.index, 1, 1);
  joiner.onMessage(atLeastOnce.index, 0, 2);
  joiner.join();
  joiner.onMessage(atLeastOnce.index, 2, 3);
  assert.is(joiner.orderBroken, 0);

  for (const stream of [atLeastOnce, exactlyOnce]) for (let n = 0; n < 2; n++) stream.take();
  joiner.onMessage(atLeastOnce.index, 4, 4);
  joiner.onMessage(atLeastOnce.index, 3, 5);
  assert.is(joiner.orderBroken, 1);
  joiner.onMessage(exactlyOnce.index, 2, 6);
  joiner.onMessage(exactlyOnce.index, 1, 7);
  assert.is(joiner.orderBroken, 2);
});

test('finds what was never sent', () => {
  const { exactlyOnce, reader } = setup();
  reader.onMessage(exactlyOnce.index, 0, 1);
  reader.onMessage(99, 0, 1);

  assert.is(reader.unknown, 2);
});

test('expects of a subscriber only what was sent after its SUBACK', () => {
  const { ledger, exactlyOnce: stream } = setup();
  ledger.acknowledge(stream, stream.take());
  const late = ledger.addReader('late', 1);
  assert.is(late.behind, 0);
  late.join();
  ledger.acknowledge(stream, stream.take());

  const numbers: number[] = [];
  late.lost(({ number }) => numbers.push(number));

  assert.equal(numbers, [1]);
  assert.is(late.behind, 1);
});

test('tells a payload that was changed or cut', () => {
  for (const number of [0, 60, 996, 5_000]) {
    const payload = payloadOf(3, number);
    assert.equal(readPayload(payload), { streamIndex: 3, number });
    assert.is(readPayload(payload.subarray(1)), null);
    assert.is(readPayload(payload.subarray(0, payload.length - 1)), null);
    if (payload.length > 8) {
      payload[8] ^= 1;
      assert.is(readPayload(payload), null);
    }
  }
});

test.run();
