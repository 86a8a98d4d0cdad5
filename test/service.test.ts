/** What the log says of a reload: what was applied, what was kept, what needs a restart. */
import { copyFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SocketClient } from './listen/support/clients.js';
import { fixture } from './listen/support/rig.js';
import { passwordLine } from './reload/access-keys.js';
import { RunningService } from './reload/running-service.js';
import type { TempFolder } from './support/temp.js';
import { until } from './support/until.js';

const test = suite('service');

const listener = 'listener PORT 127.0.0.1';
const open = [listener, 'allow_anonymous true'];

interface Said {
  readonly event: string;
  readonly level: string;
  readonly applied?: string;
  readonly kept?: string;
  readonly keys?: string;
  readonly error?: string;
}

/** What a reload with `lines` says. */
async function reload(running: RunningService, lines: readonly string[]): Promise<Said[]> {
  const before = running.logged('').length;
  const news = (): Said[] =>
    running
      .logged('')
      .slice(before)
      .map((line) => JSON.parse(line));
  running.reload(lines);
  await until('an answer', () => news().some(({ event }) => event.includes('reloaded')));
  return news();
}

test('a reload names the keys that it applied', () =>
  RunningService.with(open, async (running) => {
    const [applied, ...more] = await reload(running, [...open, 'max_keepalive 60']);
    assert.is(more.length, 0);
    assert.is(applied.event, 'configuration reloaded');
    assert.is(applied.level, 'notice');
    assert.is(applied.applied, 'max_keepalive');
    const [nothing] = await reload(running, [...open, 'max_keepalive 60']);
    assert.is(nothing.applied, 'nothing');
  }));

test('all keys that need a restart are in one warning', () =>
  RunningService.with(open, async (running) => {
    const lines = [...open, 'mount_point a/', 'set_tcp_nodelay false', 'max_keepalive 60'];
    const said = await reload(running, lines);
    assert.equal(
      said.map(({ event, level }) => [level, event]),
      [
        ['warning', 'these changes need a restart'],
        ['notice', 'configuration reloaded'],
      ],
    );
    assert.is(said[0].keys, 'set_tcp_nodelay, mount_point');
    assert.is(said[1].applied, 'max_keepalive');
  }));

const passwords = { 'FOLDER/passwords': passwordLine('alice', 'a') };
const withUsers = [listener, 'password_file FOLDER/passwords'];

test('a refused file is named, with what goes on as before and what was applied', () =>
  RunningService.with(
    withUsers,
    async (running) => {
      running.folder.write('acl', 'nonsense\n');
      const changed = [...withUsers, 'allow_anonymous true', 'acl_file FOLDER/acl'];

      const said = await reload(running, [...changed, 'max_keepalive 60']);

      assert.equal(
        said.map(({ level, event }) => [level, event]),
        [
          ['error', 'refused at reload'],
          ['warning', 'configuration reloaded in part'],
        ],
      );
      assert.match(said[0].error ?? '', `${running.folder.file('acl')}:1`);
      assert.is(said[1].applied, 'max_keepalive');
      assert.is(said[1].kept, `access rules of listener 127.0.0.1:${running.port}`);
      assert.is(await running.accepts(), false, 'anonymous clients stay out');
      assert.is(await running.accepts({ username: 'alice', password: 'a' }), true);

      running.folder.write('acl', 'topic read #\n');
      const [good] = await reload(running, [...changed, 'max_keepalive 60']);
      assert.is(good.applied, 'allow_anonymous, acl_file', 'only now');
      assert.is(await running.accepts(), true);
    },
    passwords,
  ));

function install(folder: TempFolder, name: string): void {
  copyFileSync(fixture(`${name}.crt`), folder.file('cert'));
  copyFileSync(fixture(`${name}.key`), folder.file('key'));
}

test('a refused certificate keeps all of TLS, and the rest is applied', () => {
  const plain = ['listener 0 FOLDER/socket'];
  const tls = [...open, `certfile ${fixture('server.crt')}`, `keyfile ${fixture('server.key')}`];
  return RunningService.with([...tls, ...plain], async (running) => {
    install(running.folder, 'renewed');
    running.folder.write('cert', 'nothing\n');
    const lines = [...open, 'certfile FOLDER/cert', 'keyfile FOLDER/key', 'ciphers AES256-SHA'];

    const said = await reload(running, [...lines, ...plain, 'sys_interval 5']);

    assert.is(said[0].event, 'refused at reload');
    assert.match(said[0].error ?? '', `certfile ${running.folder.file('cert')} holds no`);
    assert.is(said[1].applied, 'sys_interval');
    assert.is(said[1].kept, `certificates of listener 127.0.0.1:${running.port}`);
    assert.is(said.length, 2);
    assert.ok(await running.tls());

    install(running.folder, 'renewed');
    const good = await reload(running, [...lines, ...plain, 'sys_interval 5']);
    assert.is(good[0].applied, 'certfile, keyfile, ciphers');
  });
});

test('one bad file of several listeners is one error, and all of them are named', () => {
  const lines = [...withUsers, 'listener 0 FOLDER/socket'];
  return RunningService.with(
    lines,
    async (running) => {
      running.folder.write('passwords', 'alice:plain\n');
      const said = await reload(running, lines);
      assert.equal(
        said.map(({ level }) => level),
        ['error', 'warning'],
      );
      const names = [`127.0.0.1:${running.port}`, running.folder.file('socket')];
      assert.is(said[1].kept, names.map((name) => `access rules of listener ${name}`).join(', '));
      assert.is(said[1].applied, 'nothing');
    },
    passwords,
  );
});

test('a file with an error changes nothing, and the log says so', () =>
  RunningService.with(open, async (running) => {
    const said = await reload(running, [...open, 'max_keepalive soon']);
    assert.is(said.length, 1);
    assert.is(said[0].event, 'configuration not reloaded, the old one stays in force');
    assert.match(said[0].error ?? '', /broker\.conf:4: max_keepalive "soon"/);
  }));

test('$SYS counts what is published below it under any max_topic_levels', () =>
  RunningService.with([...open, 'max_topic_levels 2'], async (running) => {
    const client = await running.connect();
    await client.subscribe('$SYS/#', 0);
    await client.untilMessages(50);
  }));

test('a connect timeout counts as such also where the core has not seen the connection', () =>
  RunningService.with(
    [...open, 'connect_timeout_ms 100', 'sys_interval 1', 'listener 0 FOLDER/socket'].concat(
      'enable_proxy_protocol 1',
    ),
    async (running) => {
      const silent = await SocketClient.tcp({ path: running.folder.file('socket') });
      await silent.untilOver();
      silent.destroy();
      const client = await running.connect();
      const names = ['connect_timeouts', 'refused'].map(
        (name) => `$SYS/broker/connections/${name}`,
      );
      await client.subscribe(names, 0);
      const counts = (): string[] =>
        names.map((name) => `${client.packets.findLast(({ topic }) => topic === name)?.payload}`);
      await until('both counters', () => counts().join() === '1,1');
    },
  ));

test.run();
