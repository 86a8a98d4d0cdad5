/** Runs the load generator against a broker and reads its result line. */
import { spawn } from 'node:child_process';
import { BenchError } from '../bench-error.js';
import { loadScript } from '../paths.js';
import { endWithUs } from './children.js';

/** On top of what the run itself takes: connecting, draining. */
const OVERHEAD_MS = 60_000;

export interface LoadRequest {
  readonly port: number;
  readonly brokerPid: number;
  readonly options: readonly string[];
  readonly seconds: number;
  readonly warmupSeconds: number;
}

/** `T` is `LoadResult`, or `IdleResult` with `-i` among the options. */
export async function runLoad<T>(request: LoadRequest): Promise<T> {
  const { port, brokerPid, options, seconds, warmupSeconds } = request;
  const times = ['-d', String(seconds), '-W', String(warmupSeconds)];
  const args = ['-p', String(port), '-k', String(brokerPid), ...options, ...times];
  const child = spawn(process.execPath, [loadScript, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  endWithUs(child);
  const timer = setTimeout(
    () => child.kill('SIGKILL'),
    (seconds + warmupSeconds) * 1000 + OVERHEAD_MS,
  );
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  if (code !== 0) throw new BenchError(`load generator failed: ${errors.trim() || 'timed out'}`);
  return JSON.parse(output.trim().split('\n').at(-1)!) as T;
}
