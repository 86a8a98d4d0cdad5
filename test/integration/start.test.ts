// slow
// deadline: 300 s
/** What the executable says, in one line and with which exit code, before it serves anybody. */
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../support/port.js';
import { run } from '../support/process.js';
import { type TempFolder, withTempFolder } from '../support/temp.js';
import { untilEvent } from '../support/until.js';
import { brokerPath, tlsFixture } from './support/broker.js';

const test = suite('start');
const isRoot = process.getuid?.() === 0;

async function broker(args: readonly string[]) {
  const { code, signal, output, stdout } = await run(process.execPath, [brokerPath, ...args], {
    deadlineMs: 10_000,
  });
  // Log events are JSON here; what is meant for whoever typed the command is not.
  const lines = output.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  return { code, signal, stdout, lines };
}

/** Starts with `text` as its file and expects one line, about `place`, and exit code 1. */
async function expectRefusal(
  folder: TempFolder,
  text: string,
  parts: readonly (RegExp | string)[],
) {
  const file = folder.write('broker.conf', text.replaceAll('FOLDER', folder.path));
  const { code, signal, stdout, lines } = await broker(['-c', file]);

  assert.is(signal, null);
  assert.is(lines.length, 1, lines.join('\n'));
  for (const part of parts) {
    const wanted = typeof part === 'string' ? part.replaceAll('FOLDER', folder.path) : part;
    assert.ok(
      typeof wanted === 'string' ? lines[0].includes(wanted) : wanted.test(lines[0]),
      `${wanted} is not in: ${lines[0]}`,
    );
  }
  assert.is(stdout, '');
  assert.is(code, 1);
}

test('a port in use', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await untilEvent(server, 'listening');
  const { port } = server.address() as { port: number };
  const other = await freePort();
  try {
    await withTempFolder(async (folder) => {
      const both = `listener ${other} 127.0.0.1\nlistener ${port} 127.0.0.1\n`;
      await expectRefusal(folder, both, [/^tidewire: /, `127.0.0.1:${port}`, /in use/]);
      const { code, lines } = await broker(['-p', `${port}`]);
      assert.is(code, 1);
      assert.is(lines.length, 1, lines.join('\n'));
      assert.match(lines[0], new RegExp(`${port}.*in use`));
    });
  } finally {
    server.close();
  }
});

/** A configuration, after a listener line, and what its one line of complaint names. */
const refusals: readonly (readonly [string, string, ...(RegExp | string)[]])[] = [
  ['an unknown key', 'allow_anonymus true', 'FOLDER/broker.conf:2', 'allow_anonymous'],
  ['a bad number', 'max_packet_size lots', 'FOLDER/broker.conf:2', 'max_packet_size'],
  ['a number out of range', 'max_qos 3', 'FOLDER/broker.conf:2', 'max_qos'],
  ['a bad boolean', 'allow_anonymous maybe', 'FOLDER/broker.conf:2', 'true'],
  ['a bad choice', 'protocol mqtts', 'FOLDER/broker.conf:2', 'websockets'],
  ['a value that is missing', 'password_file', 'FOLDER/broker.conf:2', 'password_file'],
  ['a password_file that is missing', 'password_file FOLDER/none', 'FOLDER/none'],
  ['a password_file that is none', 'password_file FOLDER/broken', 'FOLDER/broken:1'],
  ['an acl_file that is missing', 'acl_file FOLDER/none', 'FOLDER/none'],
  ['an acl_file that is none', 'acl_file FOLDER/broken', 'FOLDER/broken:1'],
  ['a certificate without key', 'certfile FOLDER/cert', 'keyfile'],
  ['a certificate that is missing', 'certfile FOLDER/none\nkeyfile FOLDER/key', 'FOLDER/none'],
  ['a key that is missing', 'certfile FOLDER/cert\nkeyfile FOLDER/none', 'FOLDER/none'],
  ['a certificate that is none', 'certfile FOLDER/broken\nkeyfile FOLDER/key', 'FOLDER/broken'],
  ['a key of another certificate', 'certfile FOLDER/cert\nkeyfile FOLDER/other', /key/],
  ['a store that does not exist', 'store discs', 'FOLDER/broker.conf:2', 'disk'],
  ['store disk without a folder', 'store disk', 'FOLDER/broker.conf:2', 'data_dir'],
  ['store redis without servers', 'store redis', 'FOLDER/broker.conf:2', 'redis_nodes'],
  ['a Redis server without port', 'redis_nodes a', 'FOLDER/broker.conf:2', 'host:port'],
  ['a folder without store disk', 'data_dir FOLDER/d', 'FOLDER/broker.conf:2', '"store disk"'],
  ['a pid_file that cannot be', 'pid_file FOLDER/none/pid', 'FOLDER/none/pid'],
  ['a log file that cannot be', 'log_dest file FOLDER/none/log', 'FOLDER/none/log'],
  ['a user that does not exist', 'user no-such-user-here', 'no-such-user-here'],
];

for (const [name, text, ...parts] of refusals) {
  if (text.startsWith('user ') && !isRoot) continue;
  test(name, async () => {
    await withTempFolder(async (folder) => {
      folder.write('broken', 'bob:secret\nnot a line of any such file\n');
      for (const [file, fixture] of [
        ['cert', 'server.crt'],
        ['key', 'server.key'],
        ['other', 'stranger.key'],
      ]) {
        folder.write(file, readFileSync(tlsFixture(fixture)));
      }
      const port = await freePort();
      await expectRefusal(folder, `listener ${port} 127.0.0.1\n${text}\n`, [
        /^tidewire: /,
        ...parts,
      ]);
    });
  });
}

test('a configuration file that is missing, or a folder', async () => {
  await withTempFolder(async (folder) => {
    mkdirSync(folder.file('folder'));
    for (const name of ['none.conf', 'folder']) {
      const { code, lines } = await broker(['-c', folder.file(name)]);
      assert.is(code, 1);
      assert.is(lines.length, 1, lines.join('\n'));
      assert.ok(lines[0].includes(folder.file(name)), lines[0]);
    }
  });
});

for (const [args, expected] of [
  [['-d'], /^tidewire: -d: .*systemd/],
  [['--daemon'], /^tidewire: --daemon: .*systemd/],
  [['--confg', 'x'], /--confg.*--config/],
  [['-p', 'mqtt'], /-p mqtt.*0 to 65535/],
  [['-p'], /-p needs/],
  [['-c'], /-c needs/],
  [['stray'], /stray/],
] as const) {
  test(`${args.join(' ')} is refused`, async () => {
    const { code, lines, stdout } = await broker(args);
    assert.is(code, 1);
    assert.is(stdout, '');
    assert.is(lines.length, 1, lines.join('\n'));
    assert.match(lines[0], expected);
  });
}

test('--version and --help go to standard output', async () => {
  const version = await broker(['--version']);
  assert.is(version.code, 0);
  assert.match(version.stdout, /^tidewire \d+\.\d+\.\d+$/);
  const help = await broker(['--help']);
  assert.is(help.code, 0);
  assert.match(help.stdout, /Usage: tidewire/);
  for (const flag of ['-c', '-p', '-v', '--config-test', '--version']) {
    assert.ok(help.stdout.includes(flag), flag);
  }
});

test('--config-test says whether a file is good and starts nothing', async () => {
  await withTempFolder(async (folder) => {
    const port = await freePort();
    const good = folder.write('good.conf', `listener ${port} 127.0.0.1\nallow_anonymous true\n`);
    const bad = folder.write('bad.conf', `listener ${port} 127.0.0.1\n\nmax_keepalive x\n`);

    const first = await broker(['--config-test', '-c', good]);
    const second = await broker(['-c', bad, '--config-test']);

    assert.is(first.code, 0, first.lines.join('\n'));
    assert.is(second.code, 1);
    assert.is(second.lines.length, 1);
    assert.ok(second.lines[0].includes(`${bad}:3`), second.lines[0]);
  });
});

test('--config-test tells of keys that have no effect here, with file and line', async () => {
  await withTempFolder(async (folder) => {
    const file = folder.write('warn.conf', 'listener 1883 127.0.0.1\nplugin /lib/some.so\n');

    const { code, lines } = await broker(['--config-test', '-c', file]);

    assert.is(code, 0);
    assert.is(lines.length, 1, lines.join('\n'));
    assert.ok(lines[0].includes(`${file}:2`) && lines[0].includes('plugin'), lines[0]);
  });
});

test.run();
