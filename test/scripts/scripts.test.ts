// slow: compiles small projects
/** `npm start` and `npm test` as scripts: what they install, build, run and pass on. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Child, run } from '../support/process.js';
import { projectRoot } from '../support/root.js';
import { TempFolder } from '../support/temp.js';

const test = suite('scripts');

const packages = ['typescript', '@typescript', '@types', 'undici-types'];
const deadline = { deadlineMs: 60_000 };
const broker = `#!/usr/bin/env node
import { name } from './name.js';
if (process.argv.includes('--stay')) {
  const timer = setInterval(() => undefined, 1000);
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR1']) {
    process.on(signal, () => console.log('got', signal));
  }
  process.on('SIGTERM', () => {
    clearInterval(timer);
    process.exitCode = 7;
  });
}
console.log(name, ...process.argv.slice(2));
`;

/** A project with our scripts and settings, a broker that only echoes, and nothing else. */
class Project {
  readonly root = new TempFolder().path;

  constructor() {
    const names = ['scripts', 'package.json', 'package-lock.json', 'biome.json', '.gitignore'];
    for (const name of [...names, ...['', '.test', '.scripts'].map((s) => `tsconfig${s}.json`)]) {
      cpSync(join(projectRoot, name), this.path(name), { recursive: true });
    }
    this.write('src/broker.ts', broker);
    this.write('src/name.ts', `export const name = 'echo';\n`);
    this.write('test/a.test.ts', `export const a = 1;\n`);
    this.install();
    this.write('npm-cli.js', `throw new Error('npm is not expected to run');`);
  }

  /** A node_modules of its own, with links to the compiler and its types. */
  install(): void {
    mkdirSync(this.path('node_modules'));
    for (const name of packages) {
      symlinkSync(join(projectRoot, 'node_modules', name), this.path(`node_modules/${name}`));
    }
    cpSync(this.path('package-lock.json'), this.path('node_modules/.package-lock.json'));
  }

  get env() {
    return { npm_execpath: this.path('npm-cli.js') };
  }

  path(name: string): string {
    return join(this.root, name);
  }

  write(name: string, text: string): void {
    mkdirSync(join(this.path(name), '..'), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  /** Runs a script as npm would, but with a stand-in for npm itself. */
  script(name: string, ...args: string[]) {
    return this.scriptWith({}, name, ...args);
  }

  /** `env` is added to the environment. */
  scriptWith(env: Readonly<Record<string, string>>, name: string, ...args: string[]) {
    const file = this.path(`scripts/${name}.mjs`);
    return run(process.execPath, [file, ...args], { ...deadline, env: { ...this.env, ...env } });
  }
}

test('npm start compiles, once, and passes arguments and the exit code on', async () => {
  const project = new Project();

  const first = await project.script('start', '-p', '1884');
  const second = await project.script('start');
  appendFileSync(project.path('src/broker.ts'), 'process.exit(3);\n');
  const third = await project.script('start');

  assert.equal([first.stdout, first.output.includes('compiling dist')], ['echo -p 1884', true]);
  assert.equal([second.output, second.code], ['echo', 0]);
  assert.equal([third.output.includes('compiling dist'), third.code], [true, 3]);
});

test('npm start keeps what it has in data/, unless something else is said', async () => {
  const project = new Project();
  const names = ['TIDEWIRE_STORE', 'TIDEWIRE_DATA_DIR'];
  const show = names.map((name) => `process.env.${name} ?? ''`).join(', ');
  project.write('src/broker.ts', `console.log([${show}].join('|'));\n`);
  const said = async (env: Readonly<Record<string, string>>, ...args: string[]) =>
    (await project.scriptWith(env, 'start', ...args)).stdout;
  const folder = project.path('data');
  const { root } = project;
  const unset = { TIDEWIRE_STORE: '', TIDEWIRE_DATA_DIR: '' };

  assert.is(await said(unset), `disk|${folder}`);
  assert.is(await said(unset, '-p', '1884', '-v'), `disk|${folder}`);
  assert.is(await said({ ...unset, TIDEWIRE_DATA_DIR: root }), `disk|${root}`);
  assert.is(await said({ ...unset, TIDEWIRE_STORE: 'disk' }), `disk|${folder}`);
  assert.is(await said({ ...unset, TIDEWIRE_STORE: 'memory' }), 'memory|');
  for (const name of ['REDIS_NODES', 'REDIS_TLS', 'ACK_LEVEL', 'PERSISTENCE']) {
    assert.is(await said({ ...unset, [`TIDEWIRE_${name}`]: 'x' }), '|', name);
  }
  assert.is(await said({ ...unset, TIDEWIRE_REDIS_SERVICE_HOST: 'x' }), `disk|${folder}`);
  for (const flag of ['-c', '--config', '--config=x', '--config-file=x', '--config-file']) {
    assert.is(await said(unset, flag, 'x'), '|', flag);
  }
  assert.is(await said(unset, '--config-test'), `disk|${folder}`);
});

test('npm start makes dist of src alone, without what is gone', async () => {
  const project = new Project();
  project.write('src/old/gone.ts', 'export const gone = 1;\n');
  await project.script('start');
  assert.is(existsSync(project.path('dist/old/gone.js')), true);

  rmSync(project.path('src/old'), { recursive: true });
  await project.script('start');

  assert.is(existsSync(project.path('dist/broker.js')), true);
  assert.is(existsSync(project.path('dist/old')), false);
  assert.is(existsSync(project.path('dist/test')), false);
  assert.is(existsSync(project.path('dist/src')), false);
});

test('npm start repairs a dist from which a file was deleted', async () => {
  const project = new Project();
  await project.script('start');
  rmSync(project.path('dist/name.js'));

  assert.is((await project.script('start')).stdout, 'echo');
});

test('npm start hands signals to the broker', async () => {
  const project = new Project();
  const args = [project.path('scripts/start.mjs'), '--stay'];
  const child = await Child.start(process.execPath, args, { env: project.env });
  await child.untilLine('echo --stay', deadline);

  for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR1'] as const) {
    child.signal(signal);
    await child.untilLine(`got ${signal}`);
  }
  assert.equal(await child.stop('SIGTERM'), { code: 7, signal: null });
});

test('npm itself, when it is stopped, stops the broker and passes its exit code on', async () => {
  const project = new Project();
  const child = await Child.start('npm', ['start', '--', '--stay'], { cwd: project.root });
  await child.untilLine('echo --stay', deadline);

  const exit = await child.stop('SIGTERM');

  assert.equal(exit, { code: 7, signal: null });
});

test('two starts at once do not build over each other', async () => {
  const project = new Project();

  const both = await Promise.all([project.script('start', 'a'), project.script('start', 'b')]);

  assert.equal(
    both.map(({ stdout }) => stdout),
    ['echo a', 'echo b'],
  );
  const compiled = both.filter(({ output }) => output.includes('compiling dist'));
  assert.is(compiled.length, 1);
});

test('a lock that a dead process left is no obstacle', async () => {
  const project = new Project();
  const dead = await run(process.execPath, ['-e', 'console.log(process.pid)']);
  project.write('.stamp/lock', dead.stdout);

  assert.is((await project.script('start')).stdout, 'echo');
});

test('npm start does not start what does not compile', async () => {
  const project = new Project();
  await project.script('start');
  project.write('src/name.ts', `export const name: number = 'echo';\n`);

  const { stdout, output, code } = await project.script('start');

  assert.is(stdout, '');
  assert.match(output, 'src/name.ts(1,14): error');
  assert.match(output, 'tsconfig.json does not compile');
  assert.is(code, 1);
});

test('npm start installs when node_modules is missing or the lock file has changed', async () => {
  const project = new Project();
  // Stands in for npm: notes its arguments, and is done when what it finds is called installed.
  project.write(
    'npm-cli.js',
    `import { appendFileSync, copyFileSync, existsSync, renameSync } from 'node:fs';
    appendFileSync('npm.log', process.argv.slice(2).join(' ') + '\\n');
    if (!existsSync('node_modules')) renameSync('node_modules.away', 'node_modules');
    copyFileSync('package-lock.json', 'node_modules/.package-lock.json');`,
  );
  const lockFile = project.path('package-lock.json');

  renameSync(project.path('node_modules'), project.path('node_modules.away'));
  const first = await project.script('start');
  const second = await project.script('start');
  writeFileSync(lockFile, readFileSync(lockFile, 'utf8').replace(/"sha512-./, '"sha512-_'));
  const third = await project.script('start');

  const results = [first, second, third];
  assert.equal(
    results.map(({ stdout }) => stdout),
    ['echo', 'echo', 'echo'],
  );
  assert.equal(
    results.map(({ output }) => output.includes('npm ci')),
    [true, false, true],
  );
  const call = 'ci --include=dev --no-audit --no-fund';
  assert.is(readFileSync(project.path('npm.log'), 'utf8'), `${call}\n${call}\n`);
});

test('npm run names a program that the tree does not have', async () => {
  const project = new Project();

  const { output, code } = await project.script('run', 'bench/run.js');

  assert.match(output, 'build/bench/run.js does not exist');
  assert.is(code, 1);
});

test('npm run test:unit adds up what the test runner says and fails with it', async () => {
  const project = new Project();
  const runner = (line: string, code: number) =>
    project.write('test/run.ts', `console.log('${line}');\nprocess.exitCode = ${code};\n`);
  const outcome = async () => {
    const { stdout, code } = await project.script('test', '--unit');
    return [stdout.split('\n').at(-1), code];
  };

  runner('tests: 3 passed, 0 failed', 0);
  assert.equal(await outcome(), ['3 passed, 0 failed', 0]);
  runner('tests: 3 passed, 2 failed', 1);
  assert.equal(await outcome(), ['3 passed, 2 failed', 1]);
  runner('tests: 3 passed, 0 failed', 1);
  assert.equal(await outcome(), ['3 passed, 1 failed', 1]);
  runner('all is well', 0);
  assert.equal(await outcome(), ['0 passed, 1 failed', 1]);
  rmSync(project.path('test/run.ts'));
  assert.equal(await outcome(), ['0 passed, 1 failed', 1]);
});

test.run();
