import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerError } from '../../src/base/errors.js';
import { PidFile } from '../../src/ops/pid-file.js';
import { withTempFolder } from '../support/temp.js';

const test = suite('pid file');

test('has the number of the process, and is gone afterwards', async () => {
  await withTempFolder((folder) => {
    const path = folder.write('pid', 'left by another one');
    const file = new PidFile(path, 4_711);

    assert.is(readFileSync(path, 'utf8'), '4711\n');
    assert.is(file.remove(), null);
    assert.not(existsSync(path));
  });
});

test('can be read by everybody', async () => {
  await withTempFolder((folder) => {
    const file = new PidFile(folder.file('pid'), 1);

    assert.is(statSync(folder.file('pid')).mode & 0o444, 0o444);
    file.remove();
  });
});

test('stays when another process has put its number there', async () => {
  await withTempFolder((folder) => {
    const file = new PidFile(folder.file('pid'), 1);
    folder.write('pid', '2\n');

    assert.is(file.remove(), null);
    assert.ok(existsSync(folder.file('pid')));
  });
});

test('says in one line what cannot be written', async () => {
  await withTempFolder((folder) => {
    const path = folder.file('missing/pid');

    assert.throws(
      () => new PidFile(path, 1),
      (error: unknown) =>
        error instanceof BrokerError &&
        error.code === 'PID_FILE' &&
        error.message.startsWith(`pid_file: cannot write ${path}: ENOENT`),
    );
  });
});

test('does not mind that it was removed already', async () => {
  await withTempFolder((folder) => {
    const file = new PidFile(folder.file('pid'), 1);
    rmSync(folder.file('pid'));

    assert.is(file.remove(), null);
  });
});

test('says why it cannot be removed', async () => {
  await withTempFolder((folder) => {
    const path = folder.file('pid');
    const file = new PidFile(path, 1);
    rmSync(path);
    mkdirSync(path);

    assert.match(file.remove()?.message ?? '', `pid_file: cannot remove ${path}: EISDIR`);
  });
});

test.run();
