/** The flags that the executable gives to V8. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { engineFlags, tuneEngine } from '../src/engine.js';
import { run } from './support/process.js';

const test = suite('engine');

test('this version of Node knows every flag', async () => {
  const { code, output } = await run(process.execPath, ['--v8-options']);
  assert.is(code, 0);
  for (const flag of engineFlags) {
    const name = flag.replace(/^--(no-)?/, '').replace(/=.*/, '');
    assert.match(output, new RegExp(`^ +--(\\[no-\\])?${name} `, 'm'), flag);
  }
});

test('they may be set while the program runs', () => {
  assert.not.throws(() => tuneEngine());
});

test.run();
