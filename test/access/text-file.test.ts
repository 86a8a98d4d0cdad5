/** Reading of access files: what is refused, what is warned about. */
import { chmodSync, symlinkSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lineError, readTextFile, type TextFileKind } from '../../src/access/text-file.js';
import { BrokerError } from '../../src/base/errors.js';
import { silentLog } from '../../src/base/log.js';
import { withTempFolder } from '../support/temp.js';
import { errorOf, KeptLog } from './clients.js';

const test = suite('access text file');
const secret: TextFileKind = {
  code: 'SECRET',
  key: 'secret_file',
  isSecret: true,
  remedy: 'get one',
};
const rules: TextFileKind = {
  code: 'RULES',
  key: 'rules_file',
  isSecret: false,
  remedy: 'write one',
};

test('reads lines without their ends', async () => {
  await withTempFolder((folder) => {
    const path = folder.write('f', '\ufeffä\r\n\n b \nlast');

    assert.equal(readTextFile(path, secret, silentLog), ['ä', '', ' b ', 'last']);
  });
});

test('an empty file has no lines', async () => {
  await withTempFolder((folder) => {
    assert.equal(readTextFile(folder.write('f', ''), secret, silentLog), []);
    assert.equal(readTextFile(folder.write('g', '\n'), secret, silentLog), ['']);
  });
});

test('says which file is missing', async () => {
  await withTempFolder(async (folder) => {
    const path = folder.file('nowhere');

    const error = await errorOf(() => readTextFile(path, secret, silentLog));

    assert.instance(error, BrokerError);
    assert.is((error as BrokerError).code, 'SECRET');
    assert.is(error.message, `secret_file ${path}: no such file; get one or correct the path`);
  });
});

test('refuses a folder', async () => {
  await withTempFolder(async (folder) => {
    const error = await errorOf(() => readTextFile(folder.path, secret, silentLog));

    assert.match(error.message, /not a regular file/);
  });
});

test('follows a link to a file', async () => {
  await withTempFolder((folder) => {
    symlinkSync(folder.write('f', 'x'), folder.file('link'));

    assert.equal(readTextFile(folder.file('link'), secret, silentLog), ['x']);
  });
});

// Root may read everything.
const asUser = process.getuid?.() === 0 ? test.skip : test;

asUser('says that the broker may not read a file', async () => {
  await withTempFolder(async (folder) => {
    const path = folder.write('f', 'x', 0o000);

    const error = await errorOf(() => readTextFile(path, secret, silentLog));

    assert.match(error.message, /may not read it; check owner and mode/);
  });
});

test('names the line that is not UTF-8', async () => {
  await withTempFolder(async (folder) => {
    const bytes = Buffer.concat([Buffer.from('ok\nö\n'), Buffer.from([0x66, 0xfc, 0x72, 0x0a])]);
    const path = folder.write('f', bytes);

    const error = await errorOf(() => readTextFile(path, secret, silentLog));

    assert.is(error.message, `${path}:3: not valid UTF-8; save the file as UTF-8`);
  });
});

test('warns about secrets that everybody can read', async () => {
  await withTempFolder((folder) => {
    const log = new KeptLog();
    const path = folder.write('f', 'x');
    for (const [mode, kind] of [
      [0o640, secret],
      [0o644, rules],
      [0o644, secret],
    ] as const) {
      chmodSync(path, mode);
      readTextFile(path, kind, log);
    }

    assert.equal(log.events('warning'), ['access file can be read by every user; chmod o-rwx it']);
    assert.equal(log.entries[0].fields, { key: 'secret_file', file: path, mode: '0644' });
  });
});

test('warns about any file that everybody can change', async () => {
  await withTempFolder((folder) => {
    const log = new KeptLog();
    const path = folder.write('f', 'x');
    chmodSync(path, 0o602);
    readTextFile(path, rules, log);

    assert.equal(log.events('warning'), [
      'access file can be changed by every user; chmod o-rwx it',
    ]);
  });
});

test('an error in a line begins with file and line', () => {
  const error = lineError(rules, '/etc/acl', 7, 'no topic');

  assert.is(error.message, '/etc/acl:7: no topic');
  assert.is(error.code, 'RULES');
});

test.run();
