/**
 * CPU time and resident memory of other processes, from /proc. Where there is no /proc (anything
 * but Linux) they are 0, and rates per CPU second cannot be told.
 */
import { existsSync, readFileSync } from 'node:fs';

/** User-visible clock ticks per second: fixed at 100 by Linux's interface to user space. */
const TICKS_PER_SECOND = 100;

export const hasProcFs = existsSync('/proc/self/stat');

/**
 * User and system CPU seconds of all threads so far, and of children that have ended: Redis writes
 * its append-only file anew in one.
 */
export function cpuSecondsOf(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readProc(pid, 'stat');
    // The command name stands in parentheses and may hold anything, parentheses too.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    for (const field of fields.slice(11, 15)) ticks += Number(field);
  }
  return ticks / TICKS_PER_SECOND;
}

export function residentMiBOf(pids: readonly number[]): number {
  return kibOf(pids, /^VmRSS:\s*(\d+)/m) / 1024;
}

/**
 * Memory of the processes' own: without pages of files that are mapped into them, such as those of
 * a database, which the system takes back when it needs them.
 */
export function ownMiBOf(pids: readonly number[]): number {
  return kibOf(pids, /^RssAnon:\s*(\d+)/m) / 1024;
}

function kibOf(pids: readonly number[], line: RegExp): number {
  let kib = 0;
  for (const pid of pids) kib += Number(line.exec(readProc(pid, 'status'))?.[1] ?? 0);
  return kib;
}

/** The file's text; empty when the process is gone or there is no /proc. */
function readProc(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
