/**
 * The test runner: `node build/test/run.js [--unit] [part of a file name …]`. Each test file runs
 * in a process of its own, two at a time. A file that passes is one line, one that fails is shown
 * in full. The last line is `tests: N passed, N failed`.
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { projectRoot } from './support/root.js';
import { findTestFiles, select, type TestFile } from './support/runner/plan.js';
import { type FileResult, killRunning, runFile } from './support/runner/run-file.js';

const filesAtOnce = 2;

await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      killRunning();
      process.exit(1);
    });
  }
  const buildRoot = dirname(dirname(fileURLToPath(import.meta.url)));
  const files = select(findTestFiles(projectRoot, buildRoot), args);
  const results = await runAll(files);
  const total = (key: 'passed' | 'failed' | 'skipped') =>
    results.reduce((sum, result) => sum + result[key], 0);

  if (files.length === 0) print(`FAIL no test file matches: ${args.join(' ')}`);
  for (const { file, problem } of results) if (problem) print(`FAIL ${file.name}: ${problem}`);
  if (total('skipped') > 0) print(`${total('skipped')} skipped`);
  const failed = total('failed') + (files.length === 0 ? 1 : 0);
  print(`tests: ${total('passed')} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

async function runAll(files: readonly TestFile[]): Promise<FileResult[]> {
  const env: NodeJS.ProcessEnv = { ...process.env, FORCE_COLOR: '0' };
  // Node warns about the two together.
  delete env.NO_COLOR;
  const results: FileResult[] = [];
  const queue = [...files];
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runFile(file, env);
      report(result);
      results.push(result);
    }
  };
  await Promise.all(Array.from({ length: filesAtOnce }, worker));
  return results;
}

function report({ file, passed, skipped, problem, seconds, output }: FileResult): void {
  const time = `${seconds.toFixed(1)} s`;
  if (problem !== null) {
    print(`FAIL ${file.name} (${time}): ${problem}\n${output.trimEnd()}\n`);
    return;
  }
  const skips = skipped > 0 ? `, ${skipped} skipped` : '';
  print(`ok   ${file.name} (${time}): ${passed} passed${skips}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
