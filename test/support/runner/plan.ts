/**
 * Which test files there are, and what each one says about itself in its first lines:
 *
 *     // deadline: 300 s        how long the whole file may take; 120 s when it does not say
 *     // slow                   not part of `npm run test:unit`
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

const headerLines = 15;
const defaultDeadlineMs = 120_000;

export interface TestFile {
  /** Path from the project's root, as people type it: `test/broker/trie.test.ts`. */
  readonly name: string;
  /** Absolute path of the compiled file. */
  readonly script: string;
  readonly deadlineMs: number;
  readonly isSlow: boolean;
}

/**
 * All test files below `sourceRoot`/test, slow ones first, since they decide when all is done.
 * The sources are listed, not the compiled files: one that was not compiled fails, loudly.
 */
export function findTestFiles(sourceRoot: string, buildRoot: string): TestFile[] {
  const files = filesBelow(join(sourceRoot, 'test')).filter((file) => file.endsWith('.test.ts'));
  const found = files.map((file) => {
    const name = relative(sourceRoot, file).split(sep).join('/');
    const script = join(buildRoot, name.replace(/ts$/, 'js'));
    return { name, script, ...readHeader(readFileSync(file, 'utf8')) };
  });
  return found.sort((a, b) => Number(b.isSlow) - Number(a.isSlow) || (a.name < b.name ? -1 : 1));
}

/** The remarks in a test file's first lines. */
export function readHeader(source: string): Pick<TestFile, 'deadlineMs' | 'isSlow'> {
  const header = source.split('\n', headerLines).join('\n');
  const seconds = /^\/\/ deadline: (\d+) s$/m.exec(header)?.[1];
  return {
    deadlineMs: seconds === undefined ? defaultDeadlineMs : Number(seconds) * 1000,
    isSlow: /^\/\/ slow\b/m.test(header),
  };
}

/** The files that `--unit` and the patterns, parts of names, leave. */
export function select(files: readonly TestFile[], args: readonly string[]): TestFile[] {
  const patterns = args.filter((argument) => argument !== '--unit');
  const isUnit = args.includes('--unit');
  return files.filter((file) => {
    if (isUnit && file.isSlow) return false;
    return patterns.length === 0 || patterns.some((pattern) => file.name.includes(pattern));
  });
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}
