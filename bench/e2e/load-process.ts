/** Runs the load generator against a broker and reads its result line. */
import { spawn } from 'node:child_process';
import { BenchError } from '../bench-error.js';
import { loadScript } from '../paths.js';
import { endWithUs } from './children.js';

/** On top of what the run itself takes: connecting, draining. */
const OVERHEAD_MS = 60_000;

export interface LoadRequest {
  /** Of several, publisher `i` connects to the one at `i` modulo their number. */
  readonly port: number | readonly number[];
  /** Those of the subscribers, likewise; left out: the publishers'. Our generator alone. */
  readonly subscriberPorts?: readonly number[];
  /** Of all brokers. */
  readonly brokerPid: number | readonly number[];
  /** Processes whose CPU time counts with the broker's. */
  readonly storePids?: readonly number[];
  readonly options: readonly string[];
  /** Path of another load generator; null or left out: ours. */
  readonly generator?: string | null;
  /** Hears `measuring` when the measured time begins and `measured` when it is over. */
  readonly onPhase?: (phase: string) => void;
  /** On top of the two below; default: a minute. */
  readonly overheadMs?: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
}

/** `T` is `LoadResult`; with `-i` among the options `IdleResult`, with `-B` `BacklogResult`. */
export async function runLoad<T>(request: LoadRequest): Promise<T> {
  const { seconds, warmupSeconds, onPhase = () => undefined } = request;
  const { overheadMs = OVERHEAD_MS } = request;
  const own = request.generator ?? null;
  const [program, first] = own === null ? [process.execPath, [loadScript]] : [own, []];
  const child = spawn(program, [...first, ...argumentsOf(request)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  endWithUs(child);
  let problem = '';
  child.once('error', ({ message }) => {
    problem = message;
  });
  const timer = setTimeout(
    () => child.kill('SIGKILL'),
    (seconds + warmupSeconds) * 1000 + overheadMs,
  );
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    for (const line of text.split('\n')) if (/^measur(ing|ed)$/.test(line)) onPhase(line);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  if (code !== 0) {
    throw new BenchError(`load generator failed: ${problem || errors.trim() || 'timed out'}`);
  }
  return JSON.parse(output.trim().split('\n').at(-1)!) as T;
}

function argumentsOf(request: LoadRequest): string[] {
  const { port, brokerPid, subscriberPorts, storePids = [], options } = request;
  const { seconds, warmupSeconds } = request;
  const others = subscriberPorts === undefined ? [] : ['-o', subscriberPorts.join(',')];
  const stores = storePids.length === 0 ? [] : ['-K', storePids.join(',')];
  const times = ['-d', String(seconds), '-W', String(warmupSeconds)];
  return ['-p', String(port), ...others, '-k', String(brokerPid), ...stores, ...options, ...times];
}
