/** QoS 2 messages that come again, from whichever broker. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SeenMarks } from '../../src/cluster/seen-marks.js';

const test = suite('seen marks');

const mark = (publisherId: string, birth: number, number: number) => ({
  publisherId,
  birth,
  number,
});

test('a message is seen from its first time on, and so are all before it', () => {
  const seen = new SeenMarks();
  assert.not(seen.isRepeated(mark('p', 1, 1)));
  assert.not(seen.isRepeated(mark('p', 1, 3)));
  assert.ok(seen.isRepeated(mark('p', 1, 3)));
  assert.ok(seen.isRepeated(mark('p', 1, 2)));
  assert.not(seen.isRepeated(mark('p', 1, 4)));
});

test('publishers count by themselves', () => {
  const seen = new SeenMarks();
  assert.not(seen.isRepeated(mark('p', 1, 5)));
  assert.not(seen.isRepeated(mark('q', 1, 5)));
});

test('a session that began anew counts from one; what is left of the one before does not', () => {
  const seen = new SeenMarks();
  assert.not(seen.isRepeated(mark('p', 1, 9)));
  assert.not(seen.isRepeated(mark('p', 2, 1)));
  assert.ok(seen.isRepeated(mark('p', 1, 10)));
});

test('memory is bounded: the publisher longest silent is forgotten first', () => {
  const seen = new SeenMarks();
  seen.isRepeated(mark('silent', 1, 1));
  seen.isRepeated(mark('busy', 1, 1));
  for (let index = 0; index < 65_534; index++) seen.isRepeated(mark(`p${index}`, 1, 1));
  seen.isRepeated(mark('busy', 1, 2));
  seen.isRepeated(mark('one more', 1, 1));
  assert.not(seen.isRepeated(mark('silent', 1, 1)), 'forgotten');
  assert.ok(seen.isRepeated(mark('busy', 1, 2)), 'known');
});

test.run();
