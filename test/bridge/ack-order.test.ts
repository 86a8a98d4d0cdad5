import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AckOrder } from '../../src/bridge/ack-order.js';

const test = suite('order of acknowledgements');

function ordered(): { order: AckOrder; sent: string[] } {
  const sent: string[] = [];
  return { order: new AckOrder((id, code) => sent.push(`${id}:${code}`)), sent };
}

test('an acknowledgement waits for those of earlier messages [MQTT-4.6.0-2]', () => {
  const { order, sent } = ordered();
  for (const id of [7, 8, 9]) order.add(id);

  order.settle(8, 0);
  order.settle(9, 0x97);
  assert.equal(sent, []);
  order.settle(7, 0);

  assert.equal(sent, ['7:0', '8:0', '9:151']);
  assert.is(order.has(8), false);
});

test('a repeated message keeps its place, and an unknown one has none', () => {
  const { order, sent } = ordered();
  order.add(1);
  order.add(2);
  order.add(1);

  order.settle(3, 0);
  order.settle(1, 0);
  order.settle(1, 0);

  assert.equal(sent, ['1:0']);
});

test.run();
