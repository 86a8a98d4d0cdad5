/** SASLprep: the examples of RFC 4013 section 3, and what must not be lost. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { preparePassword, saslprep } from '../../src/access/saslprep.js';

const test = suite('saslprep');

const examples: readonly [input: string, output: string | null][] = [
  ['I\u00adX', 'IX'],
  ['user', 'user'],
  ['USER', 'USER'],
  ['\u00aa', 'a'],
  ['\u2168', 'IX'],
  ['\u0007', null],
  ['', ''],
  ['a\u00a0b\u3000c', 'a b c'],
  ['e\u0301', 'é'],
  ['\u{1f600}', '\u{1f600}'],
  ['\u{e0001}', null],
  ['\ufdd0', null],
  ['\ue000', null],
];

for (const [input, output] of examples) {
  test(`prepares ${JSON.stringify(input)}`, () => {
    assert.is(saslprep(input), output);
  });
}

test('a password that cannot be prepared is taken as it is', () => {
  for (const bytes of [Buffer.from([0xff, 0x00]), Buffer.from('a\u0007b')]) {
    assert.equal(preparePassword(bytes), bytes);
  }
  assert.equal(preparePassword(Buffer.from('\u2168')), Buffer.from('IX'));
});

test.run();
