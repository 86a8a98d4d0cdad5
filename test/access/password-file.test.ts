/** password_file: names, errors by line, decoys, and what mosquitto_passwd writes. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PasswordFile } from '../../src/access/password-file.js';
import { formatHash, hashPassword, verifyPassword } from '../../src/access/password-hash.js';
import { BrokerError } from '../../src/base/errors.js';
import { silentLog } from '../../src/base/log.js';
import { run } from '../support/process.js';
import { withTempFolder } from '../support/temp.js';
import { errorOf, KeptLog } from './clients.js';
import { hasMosquitto } from './mosquitto.js';

const test = suite('password file');
const text = formatHash(await hashPassword('sha512-pbkdf2', Buffer.from('x'), 5));
const otherText = formatHash(await hashPassword('sha512', Buffer.from('y'), 1));
const scramText = formatHash(await hashPassword('scram-sha-256', Buffer.from('z'), 9));

function parse(content: string): Promise<PasswordFile> {
  return withTempFolder((folder) => PasswordFile.load(folder.write('pw', content), silentLog));
}

test('skips comments and blank lines', async () => {
  const file = await parse(`# a comment\n\nbob:${text}\r\n  \n#alice:${text}\n`);

  assert.is(file.size, 1);
  assert.is(file.has('bob'), true);
  assert.is(file.has('alice'), false);
});

test('a name may hold anything but a colon', async () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((it) => !/[:\n\r]/.test(it) && !it.startsWith('#') && it.trim() !== '');
  await fc.assert(
    fc.asyncProperty(name, async (it) => {
      const file = await parse(`${it}:${text}\n`);

      assert.is(file.has(it), true);
      assert.is(file.size, 1);
    }),
    { numRuns: 30 },
  );
});

test('the last line of a name counts, with a warning', async () => {
  await withTempFolder(async (folder) => {
    const log = new KeptLog();
    const path = folder.write('pw', `bob:${text}\nbob:${otherText}\n`);

    const hash = PasswordFile.load(path, log).hashOf('bob');

    assert.ok(hash !== null && (await verifyPassword(hash, Buffer.from('y'))));
    assert.equal(log.entries.at(-1)?.fields, { file: path, line: 2, earlierLine: 1 });
  });
});

const badLines: readonly [line: string, message: RegExp][] = [
  ['bob:plain', /not hashed; set it again with "tidewire passwd", or convert plain text with -U/],
  ['bob:', /not hashed/],
  ['bob', /expected user:hash/],
  [`:${text}`, /expected user:hash/],
  ['bob:$argon2id$x', /unknown hash/],
];

for (const [line, message] of badLines) {
  test(`refuses the file with its line: ${line.slice(0, 12)}`, async () => {
    await withTempFolder(async (folder) => {
      const path = folder.write('pw', `alice:${text}\n${line}\n`);

      const error = await errorOf(() => PasswordFile.load(path, silentLog));

      assert.instance(error, BrokerError);
      assert.is((error as BrokerError).code, 'PASSWORD_FILE');
      assert.ok(error.message.startsWith(`${path}:2: `), error.message);
      assert.match(error.message, message);
      assert.not.match(error.message, /plain;|\$7\$5/, 'no secret is quoted');
    });
  });
}

test('an unknown name costs what some user costs, always the same one', async () => {
  const file = await parse(`a:${text}\nb:${otherText}\nc:${scramText}\n`);
  const kinds = new Set<string | undefined>();
  for (let index = 0; index < 100; index++) {
    const decoy = file.decoyFor(`nobody${index}`);
    assert.is(file.decoyFor(`nobody${index}`), decoy);
    kinds.add(decoy?.kind);
  }

  assert.equal([...kinds].sort(), ['scram-sha-256', 'sha512', 'sha512-pbkdf2']);
  assert.is((await parse('')).decoyFor('nobody'), null);
});

test('a SCRAM decoy looks like a verifier of the file and stays the same', async () => {
  const file = await parse(`a:${text}\nc:${scramText}\n`);
  const real = file.scramOf('c');
  const decoy = file.scramDecoyFor('nobody');

  assert.ok(real !== null && decoy !== null);
  assert.is(decoy.iterations, real.iterations);
  assert.is(decoy.salt.length, real.salt.length);
  assert.equal(file.scramDecoyFor('nobody'), decoy);
  assert.not.equal(file.scramDecoyFor('somebody')?.salt, decoy.salt);
  assert.equal((await parse(`c:${scramText}\n`)).scramDecoyFor('nobody'), decoy);
});

test('SCRAM needs a SCRAM line', async () => {
  const file = await parse(`a:${text}\n`);

  assert.is(file.hasScram, false);
  assert.is(file.scramOf('a'), null);
  assert.is(file.scramDecoyFor('a'), null);
});

test('sees who changed and who went', async () => {
  const before = await parse(`a:${text}\nb:${text}\nc:${text}\n`);
  const after = await parse(`c:${text}\na:${otherText}\nnew:${text}\n`);

  assert.equal([...before.changedUsers(after)].sort(), ['a', 'b']);
});

const withMosquitto = hasMosquitto ? test : test.skip;

withMosquitto('reads the files of mosquitto_passwd', async () => {
  await withTempFolder(async (folder) => {
    const path = folder.file('pw');
    const users = [
      { name: 'plain', password: 'secret', options: ['-c'] },
      { name: 'sp ace $7$', password: '$6$ü:🙂 "x"', options: [] },
      { name: '-', password: 'p'.repeat(200), options: ['-H', 'sha512'] },
      { name: 'many', password: 'x', options: ['-I', '2000'] },
    ];
    for (const { name, password, options } of users) {
      const { code, output } = await run('mosquitto_passwd', [
        ...options,
        '-b',
        path,
        name,
        password,
      ]);
      assert.is(code, 0, output);
    }

    const file = PasswordFile.load(path, silentLog);

    assert.is(file.size, users.length);
    for (const { name, password } of users) {
      const hash = file.hashOf(name);
      assert.ok(hash !== null, name);
      assert.is(await verifyPassword(hash, Buffer.from(password)), true, name);
      assert.is(await verifyPassword(hash, Buffer.from(`${password} `)), false, name);
    }
  });
});

test.run();
