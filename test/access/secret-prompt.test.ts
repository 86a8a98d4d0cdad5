/** Asking for a password: on a raw terminal and from a pipe. */
import { PassThrough } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  SECRET_LENGTH_MAX,
  SecretReader,
  type SecretSource,
} from '../../src/access/secret-prompt.js';
import { within } from '../support/until.js';

const test = suite('secret prompt');

class FakeTerminal extends PassThrough {
  isTTY = true;
  readonly modes: boolean[] = [];

  setRawMode(isRaw: boolean): void {
    this.modes.push(isRaw);
  }
}

function reader(source: SecretSource): { reader: SecretReader; shown: () => string } {
  let shown = '';
  const secret = new SecretReader(source, (text) => {
    shown += text;
  });
  return { reader: secret, shown: () => shown };
}

const typed: readonly [keys: string, answer: string | null][] = [
  ['secret\r', 'secret'],
  ['secret\n', 'secret'],
  ['\r', ''],
  ['sex\x7fcrot\b\bet\r', 'secret'],
  ['\x7f\x7fa\r', 'a'],
  ['ü🙂\x7fx\r', 'üx'],
  ['wrong\x15secret\r', 'secret'],
  ['sec\x04ret\r', 'sec\x04ret'],
  ['secret\x03', null],
  ['\x04', null],
  [`${'x'.repeat(SECRET_LENGTH_MAX + 1)}`, null],
];

for (const [keys, answer] of typed) {
  test(`a terminal's ${JSON.stringify(keys.slice(0, 20))} is ${answer}`, async () => {
    const terminal = new FakeTerminal();
    const { reader: secret, shown } = reader(terminal);
    const asked = secret.read('Password: ');
    // Key by key, as people type.
    for (const key of keys.length > 100 ? [keys] : keys) terminal.write(key);

    assert.is(await within('the answer', asked), answer);
    assert.is(shown(), 'Password: \n', 'no key is shown');
    assert.equal(terminal.modes, [true, false], 'the terminal is as it was');
  });
}

test('two answers may come in one piece', async () => {
  for (const source of [new PassThrough(), new FakeTerminal()]) {
    const { reader: secret } = reader(source);
    source.end('one\ntwo\n');

    assert.is(await within('the first', secret.read('1')), 'one');
    assert.is(await within('the second', secret.read('2')), 'two');
    assert.is(await within('the end', secret.read('3')), null);
    assert.is(await within('the end', secret.read('4')), null);
  }
});

test('a pipe’s line may end with CR LF, in pieces, or with the pipe', async () => {
  const pipe = new PassThrough();
  const { reader: secret } = reader(pipe);
  const first = secret.read('');
  for (const piece of ['on', 'e\r', '\n']) pipe.write(piece);
  assert.is(await within('the first', first), 'one');

  const second = secret.read('');
  pipe.end('\x7ftwo');
  assert.is(await within('the second', second), '\x7ftwo', 'a pipe has no editing keys');
});

test('an error of the input is passed on', async () => {
  const pipe = new PassThrough();
  const asked = reader(pipe).reader.read('');

  pipe.destroy(new Error('gone'));

  const outcome = await within(
    'the error',
    asked.catch((error: Error) => error.message),
  );
  assert.is(outcome, 'gone');
});

test.run();
