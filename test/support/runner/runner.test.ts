// slow
/** The test runner: what it takes for a success, and that it leaves nothing behind. */
import { existsSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TempFolder } from '../temp.js';
import { until } from '../until.js';
import { readHeader, select, type TestFile } from './plan.js';
import { type FileResult, runFile } from './run-file.js';

const test = suite('test runner');

const uvu = import.meta.resolve('uvu');
const env = { ...process.env, FORCE_COLOR: '0' };

/** Runs a test file with this body, in which `test` is a suite. */
async function runBody(body: string, deadlineMs = 20_000): Promise<FileResult> {
  const folder = new TempFolder();
  const text = `import { suite } from '${uvu}';\nconst test = suite('inner');\n${body}\n`;
  const script = folder.write('inner.test.mjs', text);
  return runFile({ name: 'inner', script, deadlineMs, isSlow: false }, env);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    assert.is((error as NodeJS.ErrnoException).code, 'ESRCH');
    return false;
  }
}

test('counts the tests of a file that passes', async () => {
  const body = `test('a', () => {});\ntest('b', () => {});\ntest.skip('c', () => {});\ntest.run();`;

  const { passed, failed, skipped, problem } = await runBody(body);

  assert.equal(
    { passed, failed, skipped, problem },
    {
      passed: 2,
      failed: 0,
      skipped: 1,
      problem: null,
    },
  );
});

test('counts the tests that fail and keeps their output', async () => {
  const body = `test('a', () => {});\ntest('b', () => { throw new Error('my b'); });\ntest.run();`;

  const result = await runBody(body);

  assert.is(result.passed, 1);
  assert.is(result.failed, 1);
  assert.is(result.problem, '1 of 2 tests failed');
  assert.match(result.output, 'my b');
});

test('fails a file without a test', async () => {
  const result = await runBody('test.run();');

  assert.is(result.failed, 1);
  assert.is(result.problem, 'ran no test: is .run() missing?');
});

test('fails a file that never runs its suite', async () => {
  const result = await runBody(`test('a', () => {});`);

  assert.is(result.failed, 1);
  assert.is(result.problem, 'ended without a summary, exit code 0');
});

test('fails a file that exits early with success', async () => {
  const result = await runBody(`test('a', () => process.exit(0));\ntest.run();`);

  assert.is(result.failed, 1);
  assert.match(result.problem as string, 'ended without a summary');
});

test('fails a file whose test never settles', async () => {
  const result = await runBody(`test('a', () => new Promise(() => {}));\ntest.run();`);

  assert.is(result.failed, 1);
  assert.match(result.problem as string, 'ended without a summary');
});

test('fails a file that throws after its tests have passed', async () => {
  const late = `process.on('beforeExit', () => { throw new Error('late'); });`;

  const result = await runBody(`test('a', () => {});\ntest.run();\n${late}`);

  assert.is(result.failed, 1);
  assert.match(result.problem as string, /^exit code [1-9]\d* though all tests passed$/);
});

test('fails a file that does not exist', async () => {
  const script = '/nonexistent/x.test.js';

  const result = await runFile({ name: 'x', script, deadlineMs: 20_000, isSlow: false }, env);

  assert.is(result.failed, 1);
  assert.match(result.output, 'Cannot find module');
});

test('ends a file at its deadline, with its children and its temporary folder', async () => {
  const folder = new TempFolder();
  const note = folder.file('note.json');
  const body = `
    import { spawn } from 'node:child_process';
    import { writeFileSync } from 'node:fs';
    import { tmpdir } from 'node:os';
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    writeFileSync('${note}', JSON.stringify({ pid: child.pid, tmp: tmpdir() }));
    test('a', () => new Promise(() => {}));
    test.run();`;

  const result = await runBody(body, 5_000);

  assert.is(result.failed, 1);
  assert.is(result.problem, 'took longer than its deadline of 5 s');
  const { pid, tmp } = JSON.parse(readFileSync(note, 'utf8')) as { pid: number; tmp: string };
  assert.is.not(tmp, process.env.TMPDIR);
  assert.is(existsSync(tmp), false);
  await until('the end of the child', () => !isAlive(pid));
});

test('reads the remarks in the first 15 lines only', () => {
  const pad = '\n'.repeat(14);

  assert.equal(readHeader(''), { deadlineMs: 120_000, isSlow: false });
  assert.equal(readHeader('/** x */\n// deadline: 300 s\n// slow: starts brokers\n'), {
    deadlineMs: 300_000,
    isSlow: true,
  });
  assert.equal(readHeader(`${pad}// slow`), { deadlineMs: 120_000, isSlow: true });
  assert.equal(readHeader(`${pad}\n// slow`), { deadlineMs: 120_000, isSlow: false });
});

test('selects files by parts of their names and by --unit', () => {
  const file = (name: string, isSlow: boolean): TestFile => {
    return { name, script: '', deadlineMs: 1, isSlow };
  };
  const files = [file('test/a/x.test.ts', false), file('test/b/x.test.ts', true)];
  const names = (...args: string[]) => select(files, args).map(({ name }) => name);

  assert.equal(names(), ['test/a/x.test.ts', 'test/b/x.test.ts']);
  assert.equal(names('--unit'), ['test/a/x.test.ts']);
  assert.equal(names('b/x'), ['test/b/x.test.ts']);
  assert.equal(names('--unit', 'b/x'), []);
  assert.equal(names('a/', 'test/b'), ['test/a/x.test.ts', 'test/b/x.test.ts']);
});

test.run();
