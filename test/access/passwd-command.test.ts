/** tidewire passwd: its options, its errors, and files that Mosquitto reads. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type PasswdIo, runPasswdCommand } from '../../src/access/passwd-command.js';
import { PasswordFile } from '../../src/access/password-file.js';
import { type HashKind, verifyPassword } from '../../src/access/password-hash.js';
import { silentLog } from '../../src/base/log.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { run } from '../support/process.js';
import { withTempFolder } from '../support/temp.js';
import { hasMosquitto, startMosquitto } from './mosquitto.js';

const test = suite('passwd command');

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
  readonly prompts: readonly string[];
}

async function passwd(args: readonly string[], answers: (string | null)[] = []): Promise<Outcome> {
  let out = '';
  let errors = '';
  const prompts: string[] = [];
  const io: PasswdIo = {
    out: (text) => {
      out += text;
    },
    error: (text) => {
      errors += text;
    },
    readSecret: async (prompt) => {
      prompts.push(prompt);
      return answers.shift() ?? null;
    },
  };
  const code = await runPasswdCommand(args, io);
  return { code, out, errors, prompts };
}

async function assertOk(outcome: Promise<Outcome>): Promise<void> {
  const { code, errors } = await outcome;
  assert.is(errors, '');
  assert.is(code, 0);
}

async function opens(path: string, username: string, password: string): Promise<boolean> {
  const hash = PasswordFile.load(path, silentLog).hashOf(username);
  return hash !== null && verifyPassword(hash, Buffer.from(password));
}

test('creates a file, adds, changes and deletes users', async () => {
  await withTempFolder(async (folder) => {
    const path = folder.file('pw');

    await assertOk(passwd(['-c', '-b', path, 'bob', 'one']));
    await assertOk(passwd(['-b', path, 'eve', 'two']));
    await assertOk(passwd(['-b', path, 'bob', '-three']));
    assert.is(await opens(path, 'bob', '-three'), true);
    assert.is(await opens(path, 'bob', 'one'), false);
    assert.is(await opens(path, 'eve', 'two'), true);

    await assertOk(passwd(['-D', path, 'bob']));
    assert.is(PasswordFile.load(path, silentLog).has('bob'), false);
    assert.is(await opens(path, 'eve', 'two'), true);

    await assertOk(passwd(['-b', '-c', path, 'new', 'four']));
    assert.is(PasswordFile.load(path, silentLog).size, 1);
  });
});

test('asks twice when there is no -b', async () => {
  await withTempFolder(async (folder) => {
    const path = folder.file('pw');

    const outcome = await passwd(['-c', path, 'bob'], ['sécret', 'sécret']);

    assert.equal(outcome.prompts, ['Password: ', 'Reenter password: ']);
    assert.is(outcome.code, 0);
    assert.is(await opens(path, 'bob', 'sécret'), true);
  });
});

const hashes: readonly [options: string[], kind: HashKind, prefix: RegExp][] = [
  [[], 'sha512-pbkdf2', /^bob:\$7\$10000\$/],
  [['-I', '123'], 'sha512-pbkdf2', /^bob:\$7\$123\$/],
  [['-H', 'sha512-pbkdf2'], 'sha512-pbkdf2', /^bob:\$7\$10000\$/],
  [['-H', 'sha512'], 'sha512', /^bob:\$6\$/],
  [['-H', 'scram-sha-256'], 'scram-sha-256', /^bob:\$scram-sha-256\$10000\$/],
  [['-H', 'scram-sha-256', '-I', '4096'], 'scram-sha-256', /^bob:\$scram-sha-256\$4096\$/],
];

for (const [options, kind, prefix] of hashes) {
  test(`${options.join(' ') || 'no option'} writes ${prefix.source}`, async () => {
    await withTempFolder(async (folder) => {
      const path = folder.file('pw');

      await assertOk(passwd([...options, '-c', '-b', path, 'bob', 'x']));

      assert.match(readFileSync(path, 'utf8'), prefix);
      assert.is(PasswordFile.load(path, silentLog).hashOf('bob')?.kind, kind);
      assert.is(await opens(path, 'bob', 'x'), true);
    });
  });
}

test('upgrades a plain-text file', async () => {
  await withTempFolder(async (folder) => {
    const path = folder.write('pw', '# c\nbob:one\neve:t:wo\n');

    await assertOk(passwd(['-U', '-H', 'sha512', path]));
    const once = readFileSync(path, 'utf8');
    await assertOk(passwd(['-U', path]));

    assert.is(readFileSync(path, 'utf8'), once, 'a second time changes nothing');
    assert.match(once, /^# c\nbob:\$6\$/);
    assert.is(await opens(path, 'bob', 'one'), true);
    assert.is(await opens(path, 'eve', 't:wo'), true);
  });
});

test('everything behind -- is an operand', async () => {
  await withTempFolder(async (folder) => {
    const path = folder.file('pw');

    await assertOk(passwd(['-c', '-b', '--', path, '-D', '--help']));

    assert.is(await opens(path, '-D', '--help'), true);
  });
});

test('--help explains and changes nothing', async () => {
  for (const option of ['--help', '-h']) {
    const { code, out, errors } = await passwd([option]);

    assert.is(code, 0);
    assert.is(errors, '');
    for (const part of ['-b', '-c', '-D', '-H', '-I', '-U', 'scram-sha-256']) {
      assert.ok(out.includes(part), part);
    }
  }
});

const mistakes: readonly [args: string[], message: RegExp, answers?: string[]][] = [
  [[], /FILE is missing/],
  [['-U'], /FILE is missing/],
  [['FILE'], /USER is missing/],
  [['-b', 'FILE', 'bob'], /PASSWORD is missing/],
  [['FILE', 'bob', 'x'], /FILE USER is all that is expected/],
  [['-U', 'FILE', 'bob'], /FILE is all that is expected/],
  [['-x', 'FILE', 'bob'], /unknown option -x/],
  [['-cb', 'FILE', 'bob', 'x'], /unknown option -cb/],
  [['-H'], /-H needs a value/],
  [['-H', 'md5', 'FILE', 'bob'], /unknown hash "md5" for -H; one of sha512-pbkdf2, /],
  [['-I', '0', 'FILE', 'bob'], /-I 0: expected a whole number/],
  [['-I', '1.5', 'FILE', 'bob'], /-I 1.5: expected a whole number/],
  [['-I', '99999999999', 'FILE', 'bob'], /expected a whole number/],
  [['-H', 'sha512', '-I', '5', 'FILE', 'bob'], /sha512 has no iterations/],
  [['-c', '-D', 'FILE', 'bob'], /-D goes with no other option/],
  [['-H', 'sha512', '-D', 'FILE', 'bob'], /-D goes with no other option/],
  [['-U', '-c', 'FILE'], /-U goes with -H and -I only/],
  [['-b', 'FILE', 'a:b', 'x'], /must not contain ":"/],
  [['-b', 'FILE', '#a', 'x'], /must not start with "#"/],
  [['-b', 'FILE', 'a\nb', 'x'], /control characters/],
  [['-b', 'FILE', '', 'x'], /user name is empty/],
  [['-b', 'FILE', ' ', 'x'], /must not be blank/],
  [['-b', 'FILE', 'n'.repeat(65_536), 'x'], /user name is longer than 65535 bytes/],
  [['-b', 'FILE', 'bob', ''], /password is empty/],
  [['-b', 'FILE', 'bob', 'ü'.repeat(32_768)], /password is longer than 65535 bytes/],
  [['-D', 'FILE', 'nobody'], /no user "nobody"/],
  [['-D', 'MISSING', 'bob'], /no such file/],
  [['-b', 'MISSING', 'bob', 'x'], /no such file/],
  [['-U', 'MISSING'], /no such file/],
  [['FILE', 'bob'], /no password was given/],
  [['FILE', 'bob'], /no password was given/, ['', '']],
  [['FILE', 'bob'], /do not match/, ['a', 'b']],
  [['FILE', 'bob'], /do not match/, ['a']],
];

for (const [args, message, answers] of mistakes) {
  const shown = args.map((it) => (it.length > 20 ? '…' : JSON.stringify(it))).join(' ');
  test(`one line, exit code 1, nothing changed: ${shown} ${message.source}`, async () => {
    await withTempFolder(async (folder) => {
      const path = folder.write('pw', 'bob:x\n');
      const real = args.map((it) =>
        it === 'FILE' ? path : it === 'MISSING' ? folder.file('missing') : it,
      );

      const { code, out, errors } = await passwd(real, [...(answers ?? [])]);

      assert.is(code, 1);
      assert.is(out, '');
      assert.match(errors, /^Error: [^\n]+\n$/);
      assert.match(errors, message);
      assert.is(readFileSync(path, 'utf8'), 'bob:x\n');
    });
  });
}

const withMosquitto = hasMosquitto ? test : test.skip;

withMosquitto('Mosquitto reads the file, also behind a line of mosquitto_passwd', async () => {
  await withTempFolder(async (folder) => {
    const path = folder.file('pw');
    const users = [
      ['bob', 'secret', []],
      ['sha', 'sécret $6$', ['-H', 'sha512']],
      ['few', 'x', ['-I', '1']],
    ] as const;
    await run('mosquitto_passwd', ['-c', '-b', path, 'theirs', 'one']);
    for (const [name, password, options] of users) {
      await assertOk(passwd([...options, '-b', path, name, password]));
    }
    const { broker, ports } = await startMosquitto(folder, [[`password_file ${path}`]]);
    const publish = async (username: string, password: string) => {
      const login = ['-u', username, '-P', password];
      const where = ['-V', '5', '-p', `${ports[0]}`, '-t', 't', '-m', 'x'];
      return (await run('mosquitto_pub', [...where, ...login])).code;
    };
    try {
      assert.is(await publish('theirs', 'one'), 0);
      for (const [name, password] of users) {
        assert.is(await publish(name, password), 0, name);
        assert.is(await publish(name, `${password}!`), ReasonCode.NotAuthorized, name);
      }
    } finally {
      await broker.stop();
    }
  });
});

test.run();
