/**
 * The programs of others that the tests talk to: mosquitto and its clients, and redis-server.
 * As root on Debian and Ubuntu they are installed; elsewhere the user is told what is missing.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { StepError, say } from './project.mjs';

/** Program → Debian package. */
const packageOf = /** @type {const} */ ({
  mosquitto: 'mosquitto',
  mosquitto_pub: 'mosquitto-clients',
  mosquitto_sub: 'mosquitto-clients',
  mosquitto_rr: 'mosquitto-clients',
  'redis-server': 'redis-server',
});

// Debian has mosquitto in /usr/sbin, Homebrew keeps it outside PATH too.
const serverFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/opt/homebrew/sbin'];

// Asked by Debian's package scripts before they start a service; 101 forbids it.
const policyFile = '/usr/sbin/policy-rc.d';

/** Adds the folders of servers to PATH, for this process and its children. */
export function extendPath() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const missing = serverFolders.filter((folder) => !folders.includes(folder));
  process.env.PATH = [...folders, ...missing].join(delimiter);
}

/** Makes sure that all programs can be found on PATH. */
export function ensureTools() {
  extendPath();
  const missing = missingPrograms();
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => packageOf[program]))];
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || !existsSync('/usr/bin/apt-get')) throw notFound(missing, packages);
  aptInstall(packages);
  const still = missingPrograms();
  if (still.length > 0) throw notFound(still, packages);
}

function missingPrograms() {
  const programs = /** @type {(keyof typeof packageOf)[]} */ (Object.keys(packageOf));
  return programs.filter((program) => !isOnPath(program));
}

/** @param {string} program */
function isOnPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error) return false;
      throw error;
    }
  });
}

/** @param {readonly string[]} packages */
function aptInstall(packages) {
  say(`installing ${packages.join(', ')} (apt-get)`);
  const hasPolicy = existsSync(policyFile);
  if (!hasPolicy) writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    // Old package lists may still do, so only the installation decides.
    const update = aptGet('update');
    const install = aptGet('install', '-y', '--no-install-recommends', ...packages);
    if (install.status !== 0) {
      throw new StepError(`${update.text}${install.text}apt-get cannot install: see above`);
    }
  } finally {
    if (!hasPolicy) rmSync(policyFile, { force: true });
  }
}

/** @param {...string} args */
function aptGet(...args) {
  const child = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status: child.status, text: `${child.stdout ?? ''}${child.stderr ?? ''}` };
}

/**
 * @param {readonly string[]} programs
 * @param {readonly string[]} packages
 */
function notFound(programs, packages) {
  const debian = `Debian and Ubuntu: apt-get install ${packages.join(' ')}`;
  const others = 'macOS: brew install mosquitto redis';
  return new StepError(
    `the tests need ${programs.join(', ')}: not found on PATH. ${debian}; ${others}`,
  );
}
