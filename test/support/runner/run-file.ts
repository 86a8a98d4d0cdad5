/**
 * Runs one test file in a process, process group and temporary folder of its own. When it ends,
 * in whatever way, nothing of the three is left.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestFile } from './plan.js';
import { type Ending, judge, type Verdict } from './verdict.js';

// A file that prints without end must not take the runner's memory; its end is what matters.
const outputCharsMax = 2_000_000;
// Output that a process which left the group holds open is not waited for.
const closeDeadlineMs = 2_000;

export interface FileResult extends Verdict {
  readonly file: TestFile;
  readonly seconds: number;
  readonly output: string;
}

export async function runFile(file: TestFile, env: NodeJS.ProcessEnv): Promise<FileResult> {
  const startMs = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'tw-'));
  try {
    const ending = await spawnFile(file, env, folder);
    const seconds = (performance.now() - startMs) / 1000;
    return { file, seconds, output: ending.output, ...judge(ending) };
  } finally {
    removeFolder(folder);
  }
}

/** Ends every test file that is still running, with its children and its temporary folder. */
export function killRunning(): void {
  for (const [child, folder] of running) {
    killGroup(child);
    removeFolder(folder);
  }
}

const running = new Map<ChildProcess, string>();

async function spawnFile(file: TestFile, env: NodeJS.ProcessEnv, folder: string): Promise<Ending> {
  const child = spawn(process.execPath, ['--enable-source-maps', file.script], {
    env: { ...env, TMPDIR: folder },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.set(child, folder);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      output = (output + text).slice(-outputCharsMax);
    });
  }
  const { exitCode, signal, isLate } = await untilExit(child, file.deadlineMs);
  running.delete(child);
  return { output, exitCode, signal, deadlineMsMissed: isLate ? file.deadlineMs : null };
}

function untilExit(
  child: ChildProcess,
  deadlineMs: number,
): Promise<{ exitCode: number | null; signal: NodeJS.Signals | null; isLate: boolean }> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const deadline = setTimeout(() => {
      isLate = true;
      killGroup(child);
    }, deadlineMs);
    child.once('error', reject);
    child.once('exit', (exitCode, signal) => {
      clearTimeout(deadline);
      killGroup(child);
      const done = () => resolve({ exitCode, signal, isLate });
      const giveUp = setTimeout(done, closeDeadlineMs);
      child.once('close', () => {
        clearTimeout(giveUp);
        done();
      });
    });
  });
}

function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** The child leads its group, so the group outlives it as long as it has left children behind. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
