/**
 * `npm ci`, when it is needed. npm writes what it has installed to node_modules/.package-lock.json
 * as its last step; that file is compared with package-lock.json, so an installation by hand, a
 * changed lock file and an interrupted installation are all seen.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exclusively } from './lock.mjs';
import { root, StepError, say, succeeds } from './project.mjs';

/**
 * @typedef {object} Locked a package in a lock file
 * @property {string} [version]
 * @property {string} [integrity]
 * @property {boolean} [optional]
 * @property {boolean} [devOptional]
 */

/** Installs what package-lock.json names, unless it is there. */
export function ensureInstalled() {
  if (isInstalled()) return;
  exclusively(() => {
    if (isInstalled()) return;
    say('installing the dependencies (npm ci)');
    const [command, ...args] = npm();
    const options = ['ci', '--include=dev', '--no-audit', '--no-fund'];
    // The caller builds what it needs, so the package's own `prepare` would only cost time.
    if (!succeeds(command, [...args, ...options], { TIDEWIRE_SKIP_PREPARE: '1' })) {
      throw new StepError('npm ci failed: see above; is the npm registry reachable?');
    }
  });
}

function isInstalled() {
  const installed = packages('node_modules/.package-lock.json');
  if (installed === null) return false;
  const wanted = packages('package-lock.json');
  if (wanted === null) throw new StepError('package-lock.json is missing: is the clone complete?');
  return Object.entries(wanted).every(([path, locked]) => {
    if (path === '') return true;
    const found = installed[path];
    // Optional packages for other platforms are in the lock file but never installed.
    if (found === undefined) return locked.optional === true || locked.devOptional === true;
    return found.version === locked.version && found.integrity === locked.integrity;
  });
}

/**
 * @param {string} file
 * @returns {Record<string, Locked> | null}
 */
function packages(file) {
  const path = join(root, file);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : null;
}

/**
 * The npm that runs this script, else the one on PATH.
 * @returns {[string, ...string[]]}
 */
function npm() {
  const self = process.env.npm_execpath;
  return self?.endsWith('npm-cli.js') ? [process.execPath, self] : ['npm'];
}
