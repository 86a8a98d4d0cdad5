import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { includedFiles } from '../../src/config/files.js';
import { parseConfig } from '../../src/config/mosquitto-conf.js';
import { brokerError } from './support.js';

const test = suite('configuration files on disk');

let folder = '';

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidewire-config-'));
});

test.after.each(() => {
  rmSync(folder, { recursive: true });
});

test('included files come in the order that mosquitto.conf(5) gives', () => {
  const names = ['b.conf', 'A.conf', '01.conf', 'a.conf', 'B.conf', '00.conf', 'x.txt', 'conf'];

  assert.equal(includedFiles(names), [
    ...['00.conf', '01.conf', 'A.conf', 'a.conf', 'B.conf', 'b.conf'],
  ]);
  assert.equal(includedFiles(['ab.conf', 'a.conf', 'A1.conf']), ['A1.conf', 'a.conf', 'ab.conf']);
});

test('a file and its include_dir are read from disk', () => {
  const main = join(folder, 'main.conf');
  mkdirSync(join(folder, 'conf.d'));
  writeFileSync(join(folder, 'conf.d', 'a.conf'), 'listener 1884\n');
  writeFileSync(main, `include_dir ${join(folder, 'conf.d')}\n`);

  const { config } = parseConfig({ file: main });

  assert.is(config.source, main);
  assert.equal(
    config.listeners.map((one) => one.name),
    ['*:1884'],
  );
});

test('what cannot be read is an error that says why', () => {
  const main = join(folder, 'main.conf');
  const read = (file: string) => brokerError('CONFIG', () => parseConfig({ file }));

  assert.is(read(main), `${main}: does not exist`);
  assert.is(read(folder), `${folder}: is a folder, not a file`);
  writeFileSync(main, `include_dir ${main}\n`);
  assert.ok(read(main).endsWith(' is not a folder'), read(main));
  mkdirSync(join(folder, 'd'));
  mkdirSync(join(folder, 'd', 'x.conf'));
  writeFileSync(main, `include_dir ${join(folder, 'd')}\n`);
  assert.is(read(main), `${join(folder, 'd', 'x.conf')}: is a folder, not a file`);
});

test.run();
