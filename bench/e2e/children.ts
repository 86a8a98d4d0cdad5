/** No child process outlives the benchmark, however the benchmark ends. */
import type { ChildProcess } from 'node:child_process';

const children = new Set<ChildProcess>();
let isArmed = false;

export function endWithUs(child: ChildProcess): void {
  exitOnSignals();
  children.add(child);
  child.once('exit', () => children.delete(child));
}

/** SIGINT and SIGTERM end the process in such a way that its `exit` handlers run. */
export function exitOnSignals(): void {
  if (isArmed) return;
  isArmed = true;
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL');
  });
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
}
