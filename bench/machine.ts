/** The machine of a benchmark: no figure means anything without it. */
import { readFileSync } from 'node:fs';
import { cpus, platform, release, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
}

export function describeMachine(): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
  };
}

/** How many files, and so sockets, a process may have open; Infinity where that cannot be told. */
export function openFilesMax(): number {
  // Node raises its soft limit to the hard one as it starts, and its children inherit that.
  const match = /^Max open files\s+(\d+)/m.exec(readLimits());
  return match === null ? Number.POSITIVE_INFINITY : Number(match[1]);
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return ''; // no /proc on this system
  }
}
