/** Who gets in with which file and password: one table, which Mosquitto itself is asked too. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FileAccess } from '../../src/access/file-access.js';
import { formatHash, hashPassword } from '../../src/access/password-hash.js';
import type { AccessConfig } from '../../src/config/config.js';
import { defaultAccess } from '../../src/config/defaults.js';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { run } from '../support/process.js';
import { withTempFolder } from '../support/temp.js';
import { aClient } from './clients.js';
import { hasMosquitto, startMosquitto } from './mosquitto.js';

const test = suite('logins');

const bobHash = await hashPassword('sha512-pbkdf2', Buffer.from('secret'), 50);
const bobLine = `bob:${formatHash(bobHash)}\n`;

/** `ok`, with the user name, or the reason code. */
async function login(
  access: FileAccess,
  username: string | null,
  password: string | null,
): Promise<string> {
  const bytes = password === null ? null : Buffer.from(password);
  const result = await access.authenticate(aClient({ username }), bytes);
  return result.ok ? `ok ${result.username}` : `0x${result.reasonCode.toString(16)}`;
}

/** One line per way to log in, as Mosquitto 2.0 answers: every refusal is 0x87. */
const logins: readonly {
  readonly name: string;
  readonly config: Partial<AccessConfig>;
  readonly hasFile: boolean;
  readonly answers: readonly [username: string | null, password: string | null, isIn: boolean][];
}[] = [
  {
    name: 'nothing configured',
    config: {},
    hasFile: false,
    answers: [
      [null, null, false],
      ['bob', 'secret', false],
      ['bob', null, false],
    ],
  },
  {
    name: 'allow_anonymous alone',
    config: { allowAnonymous: true },
    hasFile: false,
    answers: [
      [null, null, true],
      ['bob', 'any', true],
      ['bob', null, true],
    ],
  },
  {
    name: 'password_file alone',
    config: {},
    hasFile: true,
    answers: [
      [null, null, false],
      ['bob', 'secret', true],
      ['bob', 'Secret', false],
      ['bob', '', false],
      ['bob', null, false],
      ['Bob', 'secret', false],
      ['nobody', 'secret', false],
    ],
  },
  {
    name: 'password_file and allow_anonymous',
    config: { allowAnonymous: true },
    hasFile: true,
    answers: [
      [null, null, true],
      ['bob', 'secret', true],
      ['bob', 'x', false],
      ['x', null, false],
    ],
  },
];

for (const { name, config, hasFile, answers } of logins) {
  test(`${name}: lets in whom it should`, async () => {
    await withTempFolder(async (folder) => {
      const passwordFile = hasFile ? folder.write('pw', bobLine) : null;
      const access = new FileAccess(defaultAccess({ ...config, passwordFile }));

      for (const [username, password, isIn] of answers) {
        const expected = isIn ? `ok ${username}` : '0x87';
        assert.is(await login(access, username, password), expected, `${username} ${password}`);
      }
    });
  });
}

const withMosquitto = hasMosquitto ? test : test.skip;

withMosquitto('Mosquitto lets in the same clients, and refuses with the same codes', async () => {
  await withTempFolder(async (folder) => {
    const passwordFile = folder.write('pw', bobLine);
    const { broker, ports } = await startMosquitto(
      folder,
      logins.map(({ config, hasFile }) => [
        `allow_anonymous ${config.allowAnonymous ?? false}`,
        ...(hasFile ? [`password_file ${passwordFile}`] : []),
      ]),
    );
    try {
      for (const [index, { name, answers }] of logins.entries()) {
        for (const [username, password, isIn] of answers) {
          const user = username === null ? [] : ['-u', username];
          const login = [...user, ...(password === null ? [] : ['-P', password])];
          const { code } = await run('mosquitto_pub', [
            ...['-V', '5', '-p', `${ports[index]}`, '-t', 't', '-m', 'x'],
            ...login,
          ]);
          assert.is(code, isIn ? 0 : ReasonCode.NotAuthorized, `${name}: ${login.join(' ')}`);
        }
      }
    } finally {
      await broker.stop();
    }
  });
});

test.run();
