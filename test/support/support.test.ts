/** The tests' own tools: temporary folders, waiting, child processes, ports. */
import { EventEmitter } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from './port.js';
import { Child, run } from './process.js';
import { type TempFolder, withTempFolder } from './temp.js';
import { until, untilEvent, within } from './until.js';

const test = suite('test support');

const node = process.execPath;

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, Error);
    return error as Error;
  }
  throw new Error('was not rejected');
}

test('a temporary folder is gone after use, also when its body throws', async () => {
  let path = '';
  const body = (folder: TempFolder) => {
    path = folder.path;
    assert.is(readFileSync(folder.write('a.txt', 'hello'), 'utf8'), 'hello');
    throw new Error('mine');
  };

  assert.is((await rejection(withTempFolder(body))).message, 'mine');
  assert.is(existsSync(path), false);
});

test('a temporary folder is gone when its process has exited', async () => {
  const temp = new URL('./temp.js', import.meta.url).href;
  const script = `import { TempFolder } from '${temp}'; console.log(new TempFolder().path);`;

  const { stdout, code } = await run(node, ['--input-type=module', '-e', script]);

  assert.is(code, 0);
  assert.match(stdout, /tw-/);
  assert.is(existsSync(stdout), false);
});

test('until() gives the first truthy value', async () => {
  let asked = 0;

  assert.is(await until('three', () => (++asked >= 3 ? `asked ${asked}` : null)), 'asked 3');
});

test('until() and within() say what they waited for', async () => {
  const never = new Promise<void>(() => undefined);
  const options = { deadlineMs: 20 };

  assert.is(
    (await rejection(until('the moon', () => false, options))).message,
    'waited 20 ms for the moon',
  );
  assert.is(
    (await rejection(within('the sun', never, options))).message,
    'waited 20 ms for the sun',
  );
  assert.is(
    (await rejection(untilEvent(new EventEmitter(), 'rain', options))).message,
    "waited 20 ms for the event 'rain'",
  );
});

test('untilEvent() gives the arguments and rejects on an error', async () => {
  const emitter = new EventEmitter();
  const rain = untilEvent(emitter, 'rain');
  emitter.emit('rain', 1, 'two');
  assert.equal(await rain, [1, 'two']);

  const snow = untilEvent(emitter, 'snow');
  emitter.emit('error', new Error('too warm'));
  assert.is((await rejection(snow)).message, 'too warm');
});

test('a child is talked to, waited for and stopped', async () => {
  const script = `
    process.stdin.on('data', (text) => console.log('heard ' + text));
    process.on('SIGTERM', () => process.exit(3));
    console.error('ready');`;
  const child = await Child.start(node, ['-e', script], { env: { TIDEWIRE_TEST: '1' } });
  await child.untilLine('ready');
  child.write('hello');

  assert.is(await child.untilLine(/^heard/), 'heard hello');
  assert.equal(child.stdoutLines, ['heard hello']);
  assert.equal(child.lines, ['ready', 'heard hello']);
  assert.is(child.isRunning, true);
  assert.equal(await child.stop(), { code: 3, signal: null });
  assert.is(child.isRunning, false);
  assert.equal(await child.stop(), { code: 3, signal: null });
});

test('a child that ends without the line, or is silent, fails with its output', async () => {
  const brief = await Child.start(node, ['-e', 'console.log("bad port")']);
  assert.match((await rejection(brief.untilLine('ready'))).message, /without a line ready.*\nbad/);

  const silent = await Child.start(node, ['-e', 'setInterval(() => {}, 1000)']);
  const options = { deadlineMs: 20 };
  assert.match((await rejection(silent.untilLine('ready', options))).message, /no line with ready/);
  assert.equal(await silent.stop('SIGKILL'), { code: null, signal: 'SIGKILL' });
});

test('a child that does not obey is killed and reported', async () => {
  const script = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up');`;
  const child = await Child.start(node, ['-e', script]);
  await child.untilLine('up');

  const error = await rejection(child.stop('SIGTERM', { deadlineMs: 50 }));

  assert.match(error.message, 'did not end after SIGTERM');
  assert.is(child.isRunning, false);
});

test('a command that does not exist is named', async () => {
  const error = await rejection(Child.start('no-such-command'));

  assert.is(error.message, 'cannot start no-such-command');
});

test('a free port can be listened on', async () => {
  const port = await freePort();
  const server = createServer().listen(port, '127.0.0.1');
  await untilEvent(server, 'listening');

  const socket = connect(port, '127.0.0.1');
  await untilEvent(socket, 'connect');

  socket.destroy();
  server.close();
  await untilEvent(server, 'close');
});

test.run();
