import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LoadAverage } from '../../src/ops/load-average.js';

const test = suite('load average');

test('is what Mosquitto showed for 60 messages in its first two seconds', () => {
  const load = new LoadAverage(0);

  load.update(60, 2_000);

  assert.equal(
    load.averages.map((average) => average.toFixed(2)),
    ['59.01', '11.96', '4.00'],
  );
});

test('tends to the rate per minute, the shorter average first', () => {
  const load = new LoadAverage(1_000);
  for (let second = 1; second <= 60; second++) load.update(1_000 + second * 10, 1_000);
  const [one, five, fifteen] = load.averages as [number, number, number];

  assert.ok(Math.abs(one - 600 * (1 - Math.exp(-1))) < 0.001);
  assert.ok(Math.abs(five - 600 * (1 - Math.exp(-1 / 5))) < 0.001);
  assert.ok(Math.abs(fifteen - 600 * (1 - Math.exp(-1 / 15))) < 0.001);
});

test('does not depend on how often it is updated', () => {
  const often = new LoadAverage(0);
  const seldom = new LoadAverage(0);
  for (let second = 1; second <= 30; second++) often.update(second, 1_000);
  seldom.update(30, 30_000);

  often.averages.forEach((average, index) => {
    assert.ok(Math.abs(average - seldom.averages[index]!) < 1e-9);
  });
});

test('falls to nothing when nothing happens', () => {
  const load = new LoadAverage(0);
  load.update(100, 1_000);
  load.update(100, 3_600_000 * 5);

  load.averages.forEach((average) => {
    assert.ok(average < 0.001);
  });
});

test.run();
