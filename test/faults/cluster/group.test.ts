/** What the checker of shared subscriptions finds. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Anomaly, Ledger } from '../ledger.js';
import { Group } from './group.js';

const test = suite('what the members of a shared subscription must get');

function setup(hasTransient = false) {
  const ledger = new Ledger();
  const atLeastOnce = ledger.addStream('publisher', 'a', 1);
  const exactlyOnce = ledger.addStream('publisher', 'b', 2);
  const group = new Group('group', ledger, hasTransient);
  const lost = (): string[] => {
    const found: Anomaly[] = [];
    group.lost((one) => found.push(one));
    return found.map(({ stream, number }) => `${stream?.topic} ${number}`);
  };
  return { ledger, atLeastOnce, exactlyOnce, group, lost };
}

test('what was acknowledged after the first SUBACK comes to somebody', () => {
  const { atLeastOnce, exactlyOnce, group, ledger, lost } = setup();
  ledger.acknowledge(exactlyOnce, exactlyOnce.take());
  group.join();
  for (let count = 0; count < 3; count++) ledger.acknowledge(exactlyOnce, exactlyOnce.take());
  atLeastOnce.take();
  group.onMessage('x', 'at 1', exactlyOnce.index, 1, 1);
  group.onMessage('y', 'at 1', exactlyOnce.index, 3, 1);
  assert.is(group.behind, 1);
  assert.equal(lost(), ['b 2']);
  group.onMessage('y', 'at 1', exactlyOnce.index, 2, 1);
  assert.equal(lost(), []);
  assert.equal(
    [...group.byMember],
    [
      ['x', 1],
      ['y', 2],
    ],
  );
});

test('nobody gets a QoS 2 message that somebody has had; QoS 1 may come again', () => {
  const { atLeastOnce, exactlyOnce, group } = setup();
  group.join();
  for (const stream of [atLeastOnce, exactlyOnce]) {
    stream.onSent(stream.take(), '0.1.0');
    stream.onSent(0, '0.1.0');
    group.onMessage('x', 'at 1', stream.index, 0, 1);
    group.onMessage('y', 'at 1', stream.index, 0, 2);
  }
  assert.is(group.repeatedQos1, 1);
  assert.is(group.repeatedQos2, 1);
  assert.equal(
    group.anomalies.map(({ kind, reader }) => `${kind} ${reader}`),
    ['repeated group, y at 1 after x at 1 at 1 ms, sent to 0.1.0 and 0.1.0'],
  );
});

test('what its publisher repeated through another broker is counted apart', () => {
  const { exactlyOnce, group } = setup();
  group.join();
  exactlyOnce.onSent(exactlyOnce.take(), '0.1.0');
  exactlyOnce.onSent(0, '1.1.0');
  group.onMessage('x', 'at 1', exactlyOnce.index, 0, 1);
  group.onMessage('y', 'at 1', exactlyOnce.index, 0, 2);
  assert.is(group.repeatedQos2, 0);
  assert.is(group.repeatedElsewhere, 1);
});

test('of a group with transient members QoS 1 must have come', () => {
  const { atLeastOnce, exactlyOnce, group, ledger, lost } = setup(true);
  group.join();
  for (const stream of [atLeastOnce, exactlyOnce]) ledger.acknowledge(stream, stream.take());
  assert.equal(lost(), ['a 0']);
});

test('finds what was never sent', () => {
  const { exactlyOnce, group } = setup();
  group.onMessage('x', 'at 1', exactlyOnce.index, 0, 1);
  group.onMessage('x', 'at 1', 99, 0, 1);
  assert.is(group.unknown, 2);
});

test.run();
