/** Who is to be told of what is new in queues, when his broker is known. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Untold } from '../../../../src/store/redis/fabric/untold.js';
import { UNTOLD_MAX } from '../../../../src/store/redis/tuning.js';

const test = suite('untold');

test('the clients of a broker are told of once, and no others', () => {
  const untold = new Untold();
  untold.note('a', 'one');
  untold.note('b', 'two');
  untold.note('a', 'three');
  untold.note('a', 'one');

  assert.equal(untold.takeOf('a').sort(), ['one', 'three']);
  assert.equal(untold.takeOf('a'), []);
  assert.equal(untold.takeOf('b'), ['two']);
});

test('a client that has moved is told of at its last broker', () => {
  const untold = new Untold();
  untold.note('a', 'one');
  untold.note('b', 'one');

  assert.equal(untold.takeOf('a'), []);
  assert.equal(untold.takeOf('b'), ['one']);
});

test('of too many the first ones are forgotten', () => {
  const untold = new Untold();
  for (let number = 0; number <= UNTOLD_MAX; number++) untold.note('a', `${number}`);

  const clientIds = untold.takeOf('a');
  assert.is(clientIds.length, UNTOLD_MAX);
  assert.not.ok(clientIds.includes('0'));
  assert.ok(clientIds.includes(`${UNTOLD_MAX}`));
});

test.run();
