/** Access from files: TLS names, SCRAM, reloads, and that a bad file changes nothing. */
import { writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FileAccess } from '../../src/access/file-access.js';
import { PasswordChecks } from '../../src/access/password-checks.js';
import {
  formatHash,
  type HashKind,
  hashPassword,
  type PasswordHash,
} from '../../src/access/password-hash.js';
import { BrokerError } from '../../src/base/errors.js';
import type { AuthenticationResult, ClientIdentity } from '../../src/broker/access.js';
import { defaultAccess, defaultTls } from '../../src/config/defaults.js';
import { withTempFolder } from '../support/temp.js';
import { aClient, errorOf } from './clients.js';
import { ScramClient } from './scram-client.js';

const test = suite('file access');

async function line(name: string, password: string, kind: HashKind = 'sha512-pbkdf2') {
  return `${name}:${formatHash(await hashPassword(kind, Buffer.from(password), 50))}\n`;
}

const bobLine = await line('bob', 'secret');
const scramLine = await line('eve', 'pencil', 'scram-sha-256');

/** `ok`, with the user name, or the reason code. */
function outcome(result: AuthenticationResult): string {
  return result.ok ? `ok ${result.username}` : `0x${result.reasonCode.toString(16)}`;
}

async function login(
  access: FileAccess,
  username: string | null,
  password: string | null,
  client: Partial<ClientIdentity> = {},
): Promise<string> {
  const bytes = password === null ? null : Buffer.from(password);
  return outcome(await access.authenticate({ ...aClient({ username }), ...client }, bytes));
}

test('a SCRAM line serves plain passwords too', async () => {
  await withTempFolder(async (folder) => {
    const access = new FileAccess(defaultAccess({ passwordFile: folder.write('pw', scramLine) }));

    assert.is(await login(access, 'eve', 'pencil'), 'ok eve');
    assert.is(await login(access, 'eve', 'pen'), '0x87');
  });
});

test('clientid_prefixes keeps others out, whatever they know', async () => {
  await withTempFolder(async (folder) => {
    const access = new FileAccess(
      defaultAccess({
        allowAnonymous: true,
        clientIdPrefixes: 'ok-',
        passwordFile: folder.write('pw', bobLine + scramLine),
      }),
    );

    assert.is(await login(access, 'bob', 'secret', { clientId: 'ok-1' }), 'ok bob');
    assert.is(await login(access, 'bob', 'secret', { clientId: 'no' }), '0x87');
    assert.is(await login(access, null, null, { clientId: 'Ok-1' }), '0x87');
    const exchange = access.beginExchange('SCRAM-SHA-256', aClient({ clientId: 'no' }));
    const step = await exchange?.step(new ScramClient({ username: 'eve', password: '' }).first());
    assert.is(step?.kind, 'failure');
    assert.is(access.mayStay(aClient({ clientId: 'no' })), true, 'it is asked at CONNECT only');
  });
});

test('with the name from a certificate no password is asked', async () => {
  await withTempFolder(async (folder) => {
    const access = new FileAccess(defaultAccess({ passwordFile: folder.write('pw', bobLine) }));
    const byIdentity = { tls: defaultTls(), useIdentityAsUsername: true };
    const bySubject = { tls: defaultTls(), useSubjectAsUsername: true };
    const peer = { identity: 'cn', subject: 'CN=cn,O=x', isTls: true };
    const answer = async (listener: object, username: string | null, of: object = peer) =>
      outcome(await access.authenticate(aClient({ username, listener, peer: of }), null));

    assert.is(await answer(byIdentity, 'cn'), 'ok cn');
    assert.is(await answer(bySubject, 'CN=cn,O=x'), 'ok CN=cn,O=x');
    assert.is(await answer({ ...bySubject, ...byIdentity }, 'cn'), 'ok cn');
    // As Mosquitto: 0x86 (3.1.1: 4) without a certificate.
    assert.is(await answer(byIdentity, null, {}), '0x86');
    assert.is(await answer(byIdentity, 'bob', {}), '0x86');
    assert.is(await answer(byIdentity, 'bob'), '0x86');
    assert.is(await answer(byIdentity, '', { identity: '' }), '0x86');
    // Without TLS the key means nothing and the password counts.
    const plain = aClient({ username: 'bob', listener: { useIdentityAsUsername: true } });
    assert.is(outcome(await access.authenticate(plain, Buffer.from('secret'))), 'ok bob');
    assert.is(access.mayStay(aClient({ username: 'cn', listener: byIdentity, peer })), true);
  });
});

class KeptChecks extends PasswordChecks {
  readonly kinds: HashKind[] = [];

  override verify(hash: PasswordHash, password: Uint8Array): Promise<boolean> | null {
    this.kinds.push(hash.kind);
    return super.verify(hash, password);
  }
}

test('an unknown user costs one check like a known one, and cannot pass it', async () => {
  await withTempFolder(async (folder) => {
    const checks = new KeptChecks();
    const access = new FileAccess(defaultAccess({ passwordFile: folder.write('pw', bobLine) }), {
      checks,
    });

    // Of the only user's password: the check of the decoy succeeds, the login does not.
    assert.is(await login(access, 'nobody', 'secret'), '0x87');
    assert.is(await login(access, 'bob', 'wrong'), '0x87');

    assert.equal(checks.kinds, ['sha512-pbkdf2', 'sha512-pbkdf2']);
  });
});

test('too many logins at once are refused as busy', async () => {
  await withTempFolder(async (folder) => {
    const passwordFile = folder.write('pw', bobLine);
    const checks = new PasswordChecks({ runningMax: 1, waitingMax: 0 });
    const access = new FileAccess(defaultAccess({ passwordFile }), { checks });

    const answers = await Promise.all([1, 2].map(() => login(access, 'bob', 'secret')));

    assert.equal(answers, ['ok bob', '0x89']);
  });
});

test('SCRAM-SHA-256 logs in, unknown methods and files without SCRAM do not', async () => {
  await withTempFolder(async (folder) => {
    const passwordFile = folder.write('pw', bobLine + scramLine);
    const access = new FileAccess(defaultAccess({ passwordFile }));

    assert.equal(await scram(access, 'eve', 'pencil'), 'ok eve');
    assert.equal(await scram(access, 'eve', 'wrong'), '0x87');
    assert.equal(await scram(access, 'bob', 'secret'), '0x87', 'bob has no SCRAM line');
    assert.equal(await scram(access, 'eve', 'pencil', 'bob'), '0x87', 'another user');
    assert.is(access.beginExchange('SCRAM-SHA-1', aClient()), null);
    const without = new FileAccess(defaultAccess({ passwordFile: folder.write('b', bobLine) }));
    assert.is(without.beginExchange('SCRAM-SHA-256', aClient()), null);
    assert.is(new FileAccess(defaultAccess()).beginExchange('SCRAM-SHA-256', aClient()), null);
  });
});

async function scram(
  access: FileAccess,
  username: string,
  password: string,
  before: string | null = null,
): Promise<string> {
  const client = new ScramClient({ username, password });
  const exchange = access.beginExchange('SCRAM-SHA-256', aClient({ username: before }));
  const challenge = await exchange?.step(client.first());
  assert.ok(exchange && challenge?.kind === 'continue');
  const last = await exchange.step(client.final(challenge.data));
  if (last.kind === 'failure') return `0x${last.reasonCode.toString(16)}`;
  assert.ok(last.kind === 'success' && client.accepts(last.data));
  return `ok ${last.username}`;
}

test('asks the ACL only when there is one', async () => {
  await withTempFolder((folder) => {
    const open = new FileAccess(defaultAccess({ allowAnonymous: true }));
    const aclFile = folder.write('acl', 'topic read r\ntopic write w\ntopic subscribe s\n');
    const restricted = new FileAccess(defaultAccess({ aclFile }));
    const asked = (access: FileAccess) => [
      access.restrictsPublish,
      access.restrictsRead,
      access.restrictsSubscribe,
      access.mayPublish(aClient(), 'w'),
      access.mayPublish(aClient(), 'r'),
      access.mayRead(aClient(), 'r'),
      access.mayRead(aClient(), 'w'),
      access.maySubscribe(aClient(), 's'),
      access.maySubscribe(aClient(), 'r'),
    ];

    assert.equal(asked(open), [false, false, false, true, true, true, true, true, true]);
    assert.equal(asked(restricted), [true, true, true, true, false, true, false, true, false]);
    assert.is(restricted.publishAnswersLast, true);
  });
});

test('a reload reads everything again and raises the version', async () => {
  await withTempFolder(async (folder) => {
    const passwordFile = folder.write('pw', bobLine);
    const aclFile = folder.write('acl', 'user bob\ntopic a\n');
    const pskFile = folder.write('psk', 'dev:01\n');
    const access = new FileAccess(defaultAccess({ passwordFile, aclFile, pskFile }));
    const bob = aClient({ username: 'bob' });
    const before = access.version;
    assert.is(access.mayPublish(bob, 'a'), true);
    assert.equal(access.pskOf('dev'), Buffer.from([1]));

    writeFileSync(passwordFile, await line('bob', 'changed'));
    writeFileSync(aclFile, 'user bob\ntopic b\n');
    writeFileSync(pskFile, 'other:02\n');
    access.reload();

    assert.ok(access.version > before);
    assert.is(access.mayPublish(bob, 'a'), false);
    assert.is(access.mayPublish(bob, 'b'), true);
    assert.is(access.pskOf('dev'), null);
    assert.is(await login(access, 'bob', 'secret'), '0x87');
    assert.is(await login(access, 'bob', 'changed'), 'ok bob');
  });
});

test('a bad file keeps all the old rules in force', async () => {
  await withTempFolder(async (folder) => {
    const passwordFile = folder.write('pw', bobLine);
    const aclFile = folder.write('acl', 'user bob\ntopic a\n');
    const access = new FileAccess(defaultAccess({ passwordFile, aclFile }));
    const bob = aClient({ username: 'bob' });
    const before = access.version;

    writeFileSync(passwordFile, await line('eve', 'x'));
    writeFileSync(aclFile, 'user bob\ntopic b\nnonsense\n');
    const error = await errorOf(() => access.reload());

    assert.instance(error, BrokerError);
    assert.match(error.message, /acl:3: unknown keyword/);
    assert.is(access.version, before);
    assert.is(access.mayPublish(bob, 'a'), true);
    assert.is(access.mayStay(bob), true);
    assert.is(await login(access, 'bob', 'secret'), 'ok bob');
    assert.is(await login(access, 'eve', 'x'), '0x87');
  });
});

test('a missing file is an error at start', async () => {
  const config = defaultAccess({ passwordFile: '/nowhere/pw' });

  const error = await errorOf(() => new FileAccess(config));

  assert.match(error.message, /^password_file \/nowhere\/pw: no such file/);
});

test('after a reload those may stay whose login would still count', async () => {
  await withTempFolder(async (folder) => {
    const passwordFile = folder.write('pw', (await line('gone', 'x')) + bobLine + scramLine);
    const access = new FileAccess(defaultAccess({ passwordFile, allowAnonymous: true }));
    const stays = () =>
      ['bob', 'eve', 'gone', null].map((username) => access.mayStay(aClient({ username })));
    assert.equal(stays(), [true, true, true, true]);

    const newBob = await line('bob', 'changed');
    writeFileSync(passwordFile, newBob + scramLine);
    access.reload(defaultAccess({ passwordFile }));
    assert.equal(stays(), [false, true, false, false], 'bob has another password now');

    await login(access, 'bob', 'secret');
    assert.is(access.mayStay(aClient({ username: 'bob' })), false);
    await login(access, 'bob', 'changed');
    assert.equal(stays(), [true, true, false, false], 'bob came in with it');

    writeFileSync(passwordFile, newBob + (await line('eve', 'pencil', 'scram-sha-256')));
    access.reload();
    assert.equal(stays(), [true, false, false, false]);
    assert.is(await scram(access, 'eve', 'pencil'), 'ok eve');
    assert.equal(stays(), [true, true, false, false]);
  });
});

test('without a password file, allow_anonymous decides who may stay', async () => {
  const access = new FileAccess(defaultAccess({ allowAnonymous: true }));
  assert.is(access.mayStay(aClient({ username: 'bob' })), true);

  access.reload(defaultAccess());

  assert.is(access.mayStay(aClient({ username: 'bob' })), false);
  assert.is(access.mayStay(aClient()), false);
});

test('a reload during a check is taken into account', async () => {
  await withTempFolder(async (folder) => {
    const passwordFile = folder.write('pw', bobLine);
    const access = new FileAccess(defaultAccess({ passwordFile }));
    const changedLine = await line('bob', 'changed');

    const [old, changed] = [login(access, 'bob', 'secret'), login(access, 'bob', 'changed')];
    writeFileSync(passwordFile, changedLine);
    access.reload();

    assert.is(await old, '0x87');
    assert.is(await changed, 'ok bob');
  });
});

test('the password may be overwritten by the caller at once', async () => {
  await withTempFolder(async (folder) => {
    const access = new FileAccess(defaultAccess({ passwordFile: folder.write('pw', bobLine) }));
    const password = Buffer.from('secret');

    const answer = access.authenticate(aClient({ username: 'bob' }), password);
    password.fill(0);

    assert.is(outcome(await answer), 'ok bob');
  });
});

test.run();
