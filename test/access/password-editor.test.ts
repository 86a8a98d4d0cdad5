/** Changing password files: what stays, and that the file is replaced in one step. */
import { chmodSync, lstatSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PasswordEditor } from '../../src/access/password-editor.js';
import { formatHash, hashPassword } from '../../src/access/password-hash.js';
import { withTempFolder } from '../support/temp.js';
import { errorOf } from './clients.js';

const test = suite('password editor');
const hash = formatHash(await hashPassword('sha512', Buffer.from('x'), 1));

test('keeps lines that are not meant, comments too', async () => {
  await withTempFolder((folder) => {
    const path = folder.write('pw', '# team\n\na:1\nb:2\nc:3\nb:4\n');
    const editor = PasswordEditor.open(path);

    editor.set('b', 'new');
    editor.set('d', 'new');
    assert.is(editor.remove('c'), true);
    assert.is(editor.remove('nobody'), false);
    editor.save();

    assert.is(readFileSync(path, 'utf8'), '# team\n\na:1\nb:new\nd:new\n');
  });
});

test('upgrades plain text and leaves hashes alone', async () => {
  await withTempFolder(async (folder) => {
    const path = folder.write('pw', `# c\na:plain\nb:${hash}\nc:with:colon\n`);
    const editor = PasswordEditor.open(path);

    assert.is(await editor.upgrade(async (password) => `<${password}>`), 2);
    editor.save();

    const upgraded = readFileSync(path, 'utf8');
    assert.is(upgraded, `# c\na:<plain>\nb:${hash}\nc:<with:colon>\n`);
  });
});

test('an empty password cannot be upgraded', async () => {
  await withTempFolder(async (folder) => {
    const path = folder.write('pw', 'a:\n');

    const error = await errorOf(() => PasswordEditor.open(path).upgrade(async () => hash));

    assert.is(error.message, `${path}:1: the password is empty; set one`);
  });
});

test('a line that it cannot keep is an error', async () => {
  await withTempFolder(async (folder) => {
    const path = folder.write('pw', 'a:1\nno colon\n');

    const error = await errorOf(() => PasswordEditor.open(path));

    assert.is(error.message, `${path}:2: expected user:hash; correct the line`);
  });
});

test('a new file is secret, an old one keeps its mode', async () => {
  await withTempFolder((folder) => {
    const path = folder.file('pw');
    PasswordEditor.create(path).save();
    assert.is(statSync(path).mode & 0o777, 0o600);

    for (const mode of [0o640, 0o444]) {
      chmodSync(path, mode);
      PasswordEditor.create(path).save();
      assert.is(statSync(path).mode & 0o777, mode);
    }
    assert.equal(readdirSync(folder.path), ['pw'], 'nothing is left over');
  });
});

test('a link stays a link', async () => {
  await withTempFolder((folder) => {
    const target = folder.write('target', 'a:1\n');
    symlinkSync(target, folder.file('link'));

    const editor = PasswordEditor.open(folder.file('link'));
    editor.set('b', '2');
    editor.save();

    assert.is(lstatSync(folder.file('link')).isSymbolicLink(), true);
    assert.is(readFileSync(target, 'utf8'), 'a:1\nb:2\n');
  });
});

test('the file is another one afterwards: readers of the old one are not disturbed', async () => {
  await withTempFolder((folder) => {
    const path = folder.write('pw', 'a:1\n');
    const before = statSync(path).ino;

    PasswordEditor.open(path).save();

    assert.is.not(statSync(path).ino, before);
  });
});

test('says when it cannot write, and leaves nothing behind', async () => {
  await withTempFolder(async (folder) => {
    const missing = await errorOf(() => PasswordEditor.create(folder.file('no/pw')).save());
    assert.match(missing.message, /no\/pw: cannot be written: /);

    const onFolder = await errorOf(() => PasswordEditor.create(folder.path).save());
    assert.match(onFolder.message, /cannot be written: not a regular file/);
    assert.equal(readdirSync(folder.path), []);
  });
});

test.run();
