/**
 * CPU time and resident memory of other processes, from /proc. Where there is no /proc (anything
 * but Linux) they are 0, and rates per CPU second cannot be told.
 */
import { existsSync, readFileSync } from 'node:fs';

/** User-visible clock ticks per second: fixed at 100 by Linux's interface to user space. */
const TICKS_PER_SECOND = 100;

export const hasProcFs = existsSync('/proc/self/stat');

/** User and system CPU seconds of all threads so far. */
export function cpuSecondsOf(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readProc(pid, 'stat');
    // The command name stands in parentheses and may hold anything, parentheses too.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields.length > 12) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

export function residentMiBOf(pids: readonly number[]): number {
  let kib = 0;
  for (const pid of pids) {
    const match = /^VmRSS:\s*(\d+)/m.exec(readProc(pid, 'status'));
    if (match !== null) kib += Number(match[1]);
  }
  return kib / 1024;
}

/** The file's text; empty when the process is gone or there is no /proc. */
function readProc(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
