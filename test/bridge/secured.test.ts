// slow
/** TLS, pre-shared keys, logins and rules of a bridge. */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatHash, hashPassword } from '../../src/access/password-hash.js';
import { freePort } from '../support/port.js';
import { projectRoot } from '../support/root.js';
import { TempFolder } from '../support/temp.js';
import { BrokerHere } from './support/broker-here.js';

const test = suite('a bridge and who it is');

const folder = new TempFolder();
const running: BrokerHere[] = [];

test.after.each(async () => {
  for (const broker of running.reverse()) await broker.stop();
  running.length = 0;
});
test.after(() => folder.remove());

async function started(name: string, lines: readonly string[] = []): Promise<BrokerHere> {
  const broker = await BrokerHere.start(name, lines);
  running.push(broker);
  return broker;
}

function tls(name: string): string {
  return join(projectRoot, 'test', 'fixtures', 'tls', name);
}

function bridgeTo(host: string, port: number, ...lines: string[]): string[] {
  return [
    ...['connection b', `address ${host}:${port}`, 'restart_timeout 1', 'topic # both 1'],
    ...['notifications false', ...lines],
  ];
}

/** A password file with these users. */
async function passwordFile(
  name: string,
  users: Readonly<Record<string, string>>,
): Promise<string> {
  const lines = Object.entries(users).map(async ([user, password]) => {
    const hash = await hashPassword('sha512-pbkdf2', Buffer.from(password), 100);
    return `${user}:${formatHash(hash)}\n`;
  });
  return folder.write(name, (await Promise.all(lines)).join(''));
}

/** A message goes over. */
async function works(near: BrokerHere, far: BrokerHere): Promise<void> {
  await near.untilLogged('bridge connected');
  const there = await far.subscriber('t', 1);
  await (await near.connect()).publish('t', 'x', { qos: 1 });
  await there.untilMessages(1);
}

test('TLS with a certificate of its own, checked by both sides', async () => {
  const port = await freePort();
  const far = await started('far', [
    ...[`listener ${port} 127.0.0.1`, `certfile ${tls('server.crt')}`],
    ...[`keyfile ${tls('server.key')}`, `cafile ${tls('ca.crt')}`, 'require_certificate true'],
  ]);
  const own = [`bridge_certfile ${tls('client.crt')}`, `bridge_keyfile ${tls('client.key')}`];
  const near = await started('near', [
    ...bridgeTo('localhost', port, `bridge_cafile ${tls('ca.crt')}`, ...own),
    'bridge_tls_version tlsv1.3',
  ]);

  await works(near, far);
});

test('a remote broker that cannot be trusted gets nothing', async () => {
  const port = await freePort();
  await started('far', [
    ...[`listener ${port} 127.0.0.1`, `certfile ${tls('server.crt')}`],
    `keyfile ${tls('server.key')}`,
  ]);
  const near = await started(
    'near',
    bridgeTo('localhost', port, `bridge_cafile ${tls('other-ca.crt')}`),
  );
  const { fields } = await near.untilLogged('bridge cannot connect', 2);

  assert.match(`${fields.reason}`, /certificate|signature/);
  assert.is(near.count('bridge connected'), 0);
});

test('a certificate for another host is no use, unless that is accepted', async () => {
  const port = await freePort();
  const far = await started('far', [
    ...[`listener ${port} 127.0.0.1`, `certfile ${tls('named.crt')}`],
    `keyfile ${tls('named.key')}`,
  ]);
  const strict = await started(
    'strict',
    bridgeTo('127.0.0.1', port, `bridge_cafile ${tls('ca.crt')}`),
  );
  const { fields } = await strict.untilLogged('bridge cannot connect');
  assert.match(`${fields.reason}`, 'does not match');

  const near = await started(
    'near',
    bridgeTo('127.0.0.1', port, `bridge_cafile ${tls('ca.crt')}`, 'bridge_insecure true'),
  );
  await works(near, far);
});

test('a pre-shared key in place of certificates', async () => {
  const port = await freePort();
  const keys = folder.write('keys', 'bridge:abcdef0123456789\n');
  const far = await started('far', [
    ...[`psk_file ${keys}`, `listener ${port} 127.0.0.1`, 'psk_hint far'],
  ]);
  const near = await started(
    'near',
    bridgeTo('127.0.0.1', port, 'bridge_identity bridge', 'bridge_psk abcdef0123456789'),
  );

  await works(near, far);
});

test('files that cannot be used keep the broker from starting', async () => {
  const wrong: readonly (readonly [lines: readonly string[], error: string])[] = [
    [['bridge_cafile nowhere.crt'], 'bridge_cafile nowhere.crt cannot be read'],
    [[`bridge_cafile ${tls('client.key')}`], 'holds no certificate in PEM form'],
    [[`bridge_capath ${folder.path}/none`], 'cannot be read'],
    [
      [
        `bridge_cafile ${tls('ca.crt')}`,
        `bridge_certfile ${tls('client.crt')}`,
        `bridge_keyfile ${tls('server.key')}`,
      ],
      'does not belong to bridge_certfile',
    ],
    [[`bridge_cafile ${tls('ca.crt')}`, 'bridge_ciphers nonsense'], 'are not possible'],
  ];
  for (const [lines, error] of wrong) {
    try {
      await started('near', bridgeTo('127.0.0.1', 1, ...lines));
      assert.unreachable();
    } catch (thrown) {
      assert.match((thrown as Error).message, `bridge "b": `);
      assert.match((thrown as Error).message, error);
    }
  }
});

test('it logs in at the remote broker', async () => {
  const passwords = await passwordFile('far-passwords', { bridge: 'secret' });
  const farLines = ['allow_anonymous false', `password_file ${passwords}`];
  const far = await started('far', farLines);
  const wrong = await started(
    'wrong',
    bridgeTo('127.0.0.1', far.port, 'remote_username bridge', 'remote_password no'),
  );
  const { fields } = await wrong.untilLogged('bridge cannot connect');
  assert.is(fields.reason, 'Connection refused: Not authorized');

  const near = await started(
    'near',
    bridgeTo('127.0.0.1', far.port, 'remote_username bridge', 'remote_password secret'),
  );
  await near.untilLogged('bridge connected');
  assert.not.match(JSON.stringify([near.logged, wrong.logged]), 'secret');
});

test('with local_username the rules here hold for it; without, it may do everything', async () => {
  const rules = folder.write('rules', 'topic write #\nuser bridge\ntopic read open/#\n');
  const acl = `acl_file ${rules}`;
  const far = await started('far');
  const near = await started('near', [
    acl,
    ...bridgeTo('127.0.0.1', far.port, 'local_username bridge'),
  ]);
  const free = await started('free', [acl, ...bridgeTo('127.0.0.1', far.port)]);
  await near.untilLogged('bridge connected');
  await free.untilLogged('bridge connected');
  const there = await far.subscriber('#', 1);
  const [nearClient, freeClient] = [await near.connect(), await free.connect()];
  await nearClient.publish('closed/a', 'no', { qos: 1 });
  await nearClient.publish('open/a', '1', { qos: 1 });
  await there.untilMessages(1);
  await freeClient.publish('closed/b', '2', { qos: 1 });
  await there.untilMessages(2);

  assert.equal(there.payloads, ['1', '2']);
});

test('a local_password is checked', async () => {
  const passwords = await passwordFile('near-passwords', { bridge: 'secret' });
  const far = await started('far');
  const nearLines = [`password_file ${passwords}`, 'allow_anonymous true'];
  const login = ['local_username bridge', 'local_password'];
  const near = await started('near', [
    ...nearLines,
    ...bridgeTo('127.0.0.1', far.port, login[0]!, `${login[1]} secret`),
  ]);
  await near.untilLogged('bridge connected');

  const wrong = await started('wrong', [
    ...nearLines,
    ...bridgeTo('127.0.0.1', far.port, login[0]!, `${login[1]} no`),
  ]);
  const { fields } = await wrong.untilLogged('bridge has no session here');
  assert.match(`${fields.error}`, 'Not authorized');
});

test.run();
