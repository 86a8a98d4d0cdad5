/**
 * One installation or build at a time: two brokers that are started together in a fresh clone
 * must not install and compile over each other.
 */
import { mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { root, StepError, say } from './project.mjs';

const folder = join(root, '.stamp');
const file = join(folder, 'lock');
const pollEveryMs = 50;
const deadlineMs = 10 * 60_000;

/**
 * Runs `body` while nobody else runs theirs.
 * @param {() => void} body
 */
export function exclusively(body) {
  const endMs = Date.now() + deadlineMs;
  for (let waits = 0; !acquire(); waits++) {
    const holder = holderPid();
    if (holder !== null && !isAlive(holder)) {
      rmSync(file, { force: true });
      continue;
    }
    if (waits === 20) say(`waiting for process ${holder ?? '?'}, which installs or builds`);
    if (Date.now() > endMs) throw new StepError(`still locked: remove ${file} and try again`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pollEveryMs);
  }
  try {
    body();
  } finally {
    rmSync(file, { force: true });
  }
}

function acquire() {
  mkdirSync(folder, { recursive: true });
  try {
    writeSync(openSync(file, 'wx'), String(process.pid));
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Null while the holder has not written its pid yet, or has just gone. */
function holderPid() {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10) || null;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? error.code : null;
}
