// slow
/** The examples as a user would run them: installed package, compiled with its types, started. */
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { brokerPath } from '../integration/support/broker.js';
import { TestClient } from '../integration/support/test-client.js';
import { Child, run } from '../support/process.js';
import { projectRoot } from '../support/root.js';
import { TempFolder } from '../support/temp.js';
import { until } from '../support/until.js';

const test = suite('examples');
const folder = new TempFolder();
const compiled = folder.file('compiled');

/** A project of a user: the examples, and Tidewire and Node's types in node_modules. */
test.before(async () => {
  const modules = folder.file('node_modules');
  mkdirSync(join(modules, 'tidewire'), { recursive: true });
  cpSync(join(projectRoot, 'package.json'), join(modules, 'tidewire', 'package.json'));
  symlinkSync(dirname(brokerPath), join(modules, 'tidewire', 'dist'));
  symlinkSync(join(projectRoot, 'node_modules', '@types'), join(modules, '@types'));
  cpSync(join(projectRoot, 'examples'), folder.file('examples'), { recursive: true });
  writeFileSync(folder.file('package.json'), '{ "type": "module" }\n');
  const tsc = join(projectRoot, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = '--strict --module NodeNext --target ES2022 --types node --allowJs --checkJs';
  const { code, output } = await run(
    process.execPath,
    [
      ...[tsc, ...options.split(' '), '--rootDir', folder.file('examples'), '--outDir', compiled],
      ...readdirSync(folder.file('examples'))
        .filter((name) => /\.m?[jt]s$/.test(name))
        .map((name) => folder.file(`examples/${name}`)),
    ],
    { cwd: folder.path, deadlineMs: 60_000 },
  );
  if (code !== 0) throw new Error(output);
});

async function withExample(
  name: string,
  body: (port: number, child: Child) => Promise<void>,
): Promise<void> {
  const child = await Child.start(process.execPath, [join(compiled, name), '0']);
  try {
    const line = await child.untilLine(/^listening on port \d+$/, { deadlineMs: 20_000 });
    await body(Number(line.split(' ').at(-1)), child);
    const { code } = await child.stop();
    assert.is(code, 0, child.output);
  } finally {
    child.signal('SIGKILL');
  }
}

test('embed.mjs prints temperatures and raises an alarm', async () => {
  await withExample('embed.mjs', async (port, child) => {
    const at = ['-p', `${port}`, '-q', '1'];
    await run('mosquitto_pub', [...at, '-t', 'sensors/kitchen/temperature', '-m', '21.5']);
    await child.untilLine('kitchen: 21.5 °C');
    await run('mosquitto_pub', [...at, '-t', 'sensors/sauna/temperature', '-m', '80']);

    const { stdout } = await run('mosquitto_sub', [...at, '-t', 'alarms/#', '-v', '-C', '1']);

    assert.is(stdout, 'alarms/sauna too hot');
  });
});

test('authorize.ts lets devices in with their tokens, each to its own topics', async () => {
  await withExample('authorize.js', async (port, child) => {
    const device = (name: string, password: string) =>
      TestClient.open({ host: '127.0.0.1', port, clientId: name, username: name, password });
    const stranger = device('pump-1', 'token of pump 2');
    await until('a refusal', () => stranger.errors.length > 0);
    assert.is(stranger.connects, 0);

    const pump = device('pump-1', 'token of pump 1');
    await pump.untilConnected();
    await child.untilLine('pump-1 is here');
    await pump.subscribe('devices/pump-1/#', 1);
    await pump.publish('devices/pump-1/state', 'on', { qos: 1 });
    await pump.untilMessages(1);
    const denied = await pump.publish('devices/pump-2/state', 'off', { qos: 1 }).then(
      () => null,
      (error) => error,
    );
    assert.is(denied?.code, 0x87);
    await pump.end();
    await child.untilLine('pump-1 has left');
  });
});

test('key-value.ts answers requests', async () => {
  await withExample('key-value.js', async (port) => {
    const ask = async (topic: string, ...more: string[]) => {
      const args = ['-p', `${port}`, '-V', '5', '-t', topic, '-e', 'answers/me', ...more];
      const { code, stdout } = await run('mosquitto_rr', args, { deadlineMs: 10_000 });
      assert.is(code, 0);
      return stdout;
    };

    assert.is(await ask('store/get/colour', '-m', '?'), 'unknown');
    assert.is(await ask('store/set/colour', '-m', 'blue'), 'ok');
    assert.is(await ask('store/get/colour', '-m', '?'), 'blue');
  });
});

test.run();
