// slow
// deadline: 300 s
/** SIGHUP: what changes for clients that are there, and what a bad file does not change. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../support/process.js';
import type { TempFolder } from '../support/temp.js';
import { until, untilEvent } from '../support/until.js';
import { type RunningBroker, tlsFixture, withBroker } from './support/broker.js';

const test = suite('reload');
const notAuthorized = 0x87;

/** Sends SIGHUP and waits for what the log says of it. */
async function reload(broker: RunningBroker, answer = 'configuration reloaded'): Promise<string[]> {
  const before = broker.child.lines.length;
  const news = () => broker.child.lines.slice(before);
  broker.child.signal('SIGHUP');
  await until(answer, () => news().some((line) => line.includes(answer)));
  return news();
}

function errorsIn(lines: readonly string[]): string[] {
  return lines.filter((line) => line.includes('"level":"error"'));
}

async function addUser(folder: TempFolder, name: string, password: string): Promise<void> {
  const { code, output } = await run('mosquitto_passwd', [
    ...['-b', folder.file('passwords'), name, password],
  ]);
  assert.is(code, 0, output);
}

/** A broker with the users `alice` and `bob` and an ACL for them. */
function withUsers(body: (broker: RunningBroker) => Promise<void>): Promise<void> {
  const prepare = async (folder: TempFolder): Promise<void> => {
    folder.write('passwords', '');
    await addUser(folder, 'alice', 'a');
    await addUser(folder, 'bob', 'b');
    folder.write('acl', 'topic readwrite #\n\nuser alice\ntopic readwrite #\nuser bob\ntopic #\n');
  };
  const access = ['password_file FOLDER/passwords', 'acl_file FOLDER/acl'];
  return withBroker({ global: ['allow_anonymous false', ...access], prepare }, body);
}

test('a user that was removed is disconnected, the others stay', async () => {
  await withUsers(async (broker) => {
    const alice = await broker.connect({ username: 'alice', password: 'a' });
    const bob = await broker.connect({ username: 'bob', password: 'b' });
    const file = broker.folder.file('passwords');
    const kept = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => !line.startsWith('bob:'));
    writeFileSync(file, kept.join('\n'));

    await reload(broker);

    await bob.untilClosed();
    assert.equal(bob.disconnects, [notAuthorized]);
    await alice.publish('x', 'still here', { qos: 1 });
    const again = broker.open({ username: 'bob', password: 'b' });
    await until('a refusal', () => again.errors.length > 0);
    assert.is(again.connects, 0);
  });
});

test('a new password counts for the next CONNECT', async () => {
  await withUsers(async (broker) => {
    await addUser(broker.folder, 'alice', 'new');
    const early = broker.open({ username: 'alice', password: 'new' });
    await until('a refusal', () => early.errors.length > 0);

    await reload(broker);

    await broker.connect({ username: 'alice', password: 'new' });
    const old = broker.open({ username: 'alice', password: 'a' });
    await until('a refusal', () => old.errors.length > 0);
    assert.is(old.connects, 0);
  });
});

test('a new ACL holds for what connected clients publish and get', async () => {
  await withUsers(async (broker) => {
    const alice = await broker.connect({ username: 'alice', password: 'a' });
    const bob = await broker.connect({ username: 'bob', password: 'b' });
    await bob.subscribe('news/#', 1);
    await alice.publish('news/open', '1', { qos: 1 });
    await bob.untilMessages(1);

    broker.folder.write('acl', 'user alice\ntopic write news/#\nuser bob\ntopic read news/open\n');
    await reload(broker);

    await alice.publish('news/secret', '2', { qos: 1 });
    await alice.publish('news/open', '3', { qos: 1 });
    const denied = await bob.publish('news/open', 'no', { qos: 1 }).catch((error) => error);
    assert.is(denied?.code, notAuthorized);
    await bob.untilMessages(2);
    assert.equal(bob.payloads, ['1', '3']);

    broker.folder.write(
      'acl',
      'user alice\ntopic write news/#\nuser bob\ntopic readwrite news/#\n',
    );
    await reload(broker);

    await alice.publish('news/secret', '4', { qos: 1 });
    await bob.publish('news/mine', '5', { qos: 1 });
    await bob.untilMessages(4);
    assert.equal(bob.payloads, ['1', '3', '4', '5']);
  });
});

test('a new certificate is shown to new clients; old connections go on', async () => {
  const use = (folder: TempFolder, name: string): void => {
    copyFileSync(tlsFixture(`${name}.crt`), folder.file('cert'));
    copyFileSync(tlsFixture(`${name}.key`), folder.file('key'));
  };
  const listeners = [['certfile FOLDER/cert', 'keyfile FOLDER/key']];
  await withBroker({ listeners, prepare: (folder) => use(folder, 'server') }, async (broker) => {
    const ca = readFileSync(tlsFixture('ca.crt'));
    const options = { protocol: 'mqtts', host: 'localhost', ca } as const;
    const before = await broker.connect(options);
    assert.is(await commonName(broker.ports[0]), 'localhost');

    use(broker.folder, 'renewed');
    await reload(broker);

    assert.is(await commonName(broker.ports[0]), 'renewed');
    await before.subscribe('t', 1);
    await before.publish('t', 'still here', { qos: 1 });
    await before.untilMessages(1);

    broker.folder.write('cert', 'not a certificate\n');
    const errors = errorsIn(await reload(broker));
    assert.is(errors.length, 1, errors.join('\n'));
    assert.ok(errors[0].includes(broker.folder.file('cert')), errors[0]);
    assert.is(await commonName(broker.ports[0]), 'renewed');
  });
});

async function commonName(port: number): Promise<string> {
  const ca = readFileSync(tlsFixture('ca.crt'));
  const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca });
  await untilEvent(socket, 'secureConnect');
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return `${subject.CN}`;
}

for (const [name, file, text] of [
  ['password_file', 'passwords', 'alice:plain text\n'],
  ['acl_file', 'acl', 'topic read\nuser bob\n'],
] as const) {
  test(`a bad ${name} keeps the old rules and logs one line`, async () => {
    await withUsers(async (broker) => {
      const bob = await broker.connect({ username: 'bob', password: 'b' });
      broker.folder.write(file, text);

      const errors = errorsIn(await reload(broker));

      assert.is(errors.length, 1, errors.join('\n'));
      assert.ok(errors[0].includes(`${broker.folder.file(file)}:1`), errors[0]);
      await bob.publish('x', 'still allowed', { qos: 1 });
      await broker.connect({ username: 'alice', password: 'a' });
      assert.is(bob.client.connected, true);
    });
  });
}

test('a bad configuration file changes nothing and logs one line', async () => {
  await withBroker({ global: ['max_packet_size 1000'] }, async (broker) => {
    const text = readFileSync(broker.configFile, 'utf8');
    writeFileSync(broker.configFile, text.replace('1000', '5000\nmax_keepalive soon'));

    const errors = errorsIn(await reload(broker, 'not reloaded'));

    assert.is(errors.length, 1, errors.join('\n'));
    assert.match(errors[0], /broker\.conf:3: .*max_keepalive/);
    const client = await broker.connect();
    client.client.publish('t', Buffer.alloc(1_001));
    await client.untilClosed();
    assert.equal(client.disconnects, [0x95]);
  });
});

test('a configuration file that is gone changes nothing', async () => {
  await withBroker({}, async (broker) => {
    const path = broker.folder.file('elsewhere');
    copyFileSync(broker.configFile, path);
    await run('rm', [broker.configFile]);

    const errors = errorsIn(await reload(broker, 'not reloaded'));

    assert.is(errors.length, 1, errors.join('\n'));
    await broker.connect();
  });
});

test('limits change at once, what needs a restart is named', async () => {
  await withBroker({ global: ['max_packet_size 1000', 'sys_interval 0'] }, async (broker) => {
    const text = readFileSync(broker.configFile, 'utf8');
    const changed = text.replace('1000', '5000').replace('sys_interval 0', 'pid_file /nowhere/x');
    writeFileSync(broker.configFile, changed);

    const news = await reload(broker);

    const warnings = news.filter((line) => line.includes('restart'));
    assert.is(warnings.length, 1, news.join('\n'));
    assert.match(warnings[0], /pid_file/);
    const client = await broker.connect();
    await client.subscribe('t', 1);
    await client.publish('t', Buffer.alloc(4_000), { qos: 1 });
    await client.untilMessages(1);
    assert.is(client.packets[0].payload.length, 4_000);
  });
});

test('anonymous clients leave when they are no longer let in', async () => {
  await withUsers(async (broker) => {
    const text = readFileSync(broker.configFile, 'utf8');
    writeFileSync(broker.configFile, text.replace('allow_anonymous false', 'allow_anonymous true'));
    await reload(broker);
    const nobody = await broker.connect();

    writeFileSync(broker.configFile, text);
    await reload(broker);

    await nobody.untilClosed();
    assert.equal(nobody.disconnects, [notAuthorized]);
  });
});

test('many reloads in a row are all well', async () => {
  await withUsers(async (broker) => {
    const alice = await broker.connect({ username: 'alice', password: 'a' });
    await alice.subscribe('t', 1);
    for (let n = 1; n <= 20; n++) {
      await reload(broker);
      await alice.publish('t', `${n}`, { qos: 1 });
    }
    await alice.untilMessages(20);
  });
});

test.run();
