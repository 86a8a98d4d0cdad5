/**
 * Compiles, when sources or settings have changed: `dist` is the product, `build` is everything
 * (sources, tests, conformance suite, benchmarks). The stamp is a hash of every input's content,
 * so switching branches and back costs nothing, and a failed build is never taken for a good one.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { exclusively } from './lock.mjs';
import { root, StepError, say, succeeds } from './project.mjs';

const settings = ['package-lock.json', 'tsconfig.json'];

/** What is compiled from where to where. */
export const targets = /** @type {const} */ ({
  dist: { config: 'tsconfig.json', sourceRoot: 'src', sources: ['src'] },
  build: {
    config: 'tsconfig.test.json',
    sourceRoot: '.',
    sources: ['src', 'test', 'conformance', 'bench'],
  },
});

/**
 * Brings a target up to date; quick when nothing has changed.
 * @param {keyof typeof targets} name
 * @param {{ force?: boolean }} [options] force: compile even when nothing has changed
 */
export function ensureBuilt(name, { force = false } = {}) {
  const target = targets[name];
  if (!force && isFresh(name)) return;
  exclusively(() => {
    const hash = hashInputs(target);
    if (!force && isFresh(name, hash)) return;
    say(`compiling ${name}`);
    rmSync(stampOf(name), { force: true });
    removeOrphans(join(root, name), target.sourceRoot);
    if (!typeCheck(target.config, '--noEmitOnError')) {
      throw new StepError(`${target.config} does not compile: see above`);
    }
    const executable = join(root, 'dist/broker.js');
    if (name === 'dist' && existsSync(executable)) chmodSync(executable, 0o755);
    writeFileSync(stampOf(name), hash);
  });
}

/**
 * Runs the TypeScript compiler.
 * @param {string} config
 * @param {...string} options
 */
export function typeCheck(config, ...options) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  // Said outright, since the compiler takes any FORCE_COLOR, even 0, for a terminal.
  const pretty = String(process.stderr.isTTY === true);
  return succeeds(process.execPath, [compiler, '-p', config, '--pretty', pretty, ...options]);
}

/**
 * @param {keyof typeof targets} name
 * @param {string} [hash]
 */
function isFresh(name, hash) {
  const stamp = stampOf(name);
  if (!existsSync(stamp) || !hasAllOutputs(name)) return false;
  return readFileSync(stamp, 'utf8') === (hash ?? hashInputs(targets[name]));
}

/** @param {keyof typeof targets} name */
function hasAllOutputs(name) {
  const { sourceRoot } = targets[name];
  return sourcesOf(targets[name]).every((file) => {
    if (!file.endsWith('.ts') || file.endsWith('.d.ts')) return true;
    const output = relative(join(root, sourceRoot), file).replace(/ts$/, 'js');
    return existsSync(join(root, name, output));
  });
}

/** @param {string} name */
function stampOf(name) {
  return join(root, '.stamp', name);
}

/** @param {typeof targets[keyof typeof targets]} target */
function hashInputs(target) {
  const inputs = [...settings, target.config].map((name) => join(root, name));
  inputs.push(...sourcesOf(target));
  const hash = createHash('sha256');
  for (const file of inputs.sort()) {
    const content = readFileSync(file);
    hash.update(`${relative(root, file)}\n${content.length}\n`).update(content);
  }
  return hash.digest('hex');
}

/**
 * @param {typeof targets[keyof typeof targets]} target
 * @returns {string[]}
 */
function sourcesOf(target) {
  const files = target.sources.flatMap((folder) => filesBelow(join(root, folder)));
  return files.filter((file) => /\.(ts|json)$/.test(file));
}

/**
 * Deletes what was compiled from sources that are gone: an old test must not run on.
 * @param {string} outDir
 * @param {string} sourceRoot
 */
function removeOrphans(outDir, sourceRoot) {
  for (const file of filesBelow(outDir)) {
    const stem = join(
      root,
      sourceRoot,
      relative(outDir, file).replace(/(\.d)?\.[a-z]+(\.map)?$/, ''),
    );
    if (!existsSync(`${stem}.ts`) && !existsSync(`${stem}.json`)) rmSync(file);
  }
  removeEmptyFolders(outDir);
}

/** @param {string} folder */
function removeEmptyFolders(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmptyFolders(join(folder, entry.name));
  }
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}

/**
 * @param {string} folder
 * @returns {string[]} absolute paths; none when the folder does not exist
 */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}
