/** The scale report: match time and memory with a million and ten million subscriptions. */
import { spawn } from 'node:child_process';
import { totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { BenchError } from '../bench-error.js';
import { endWithUs } from '../e2e/children.js';
import type { ScaleRow } from '../report/results.js';

const measureScript = fileURLToPath(new URL('./measure.js', import.meta.url));
const LIMIT_MS = 300_000;
/** Heap that a subscription may take at most in this process, garbage included. */
const HEAP_BYTES_EACH = 1000;
const HEAP_MIB_MIN = 2048;

/** Sizes that the machine's memory does not allow are left out, and `progress` says so. */
export async function measureScale(
  sizes: readonly number[],
  progress: (line: string) => void,
): Promise<ScaleRow[]> {
  const rows: ScaleRow[] = [];
  for (const size of sizes) {
    const heapMiB = Math.max(HEAP_MIB_MIN, Math.ceil((size * HEAP_BYTES_EACH) / 2 ** 20));
    const count = size.toLocaleString('en');
    if (heapMiB * 2 ** 20 > totalmem() * 0.75) {
      progress(`scale: ${count} subscriptions left out: needs ${heapMiB} MiB`);
      continue;
    }
    const row = await measureSize(size, heapMiB);
    const match = row.matches.map(({ name, ns }) => `${name} ${Math.round(ns)} ns`).join(', ');
    progress(`scale: ${count}: ${Math.round(row.bytesPerSubscription)} B each, ${match}`);
    rows.push(row);
  }
  return rows;
}

async function measureSize(size: number, heapMiB: number): Promise<ScaleRow> {
  const nodeOptions = ['--expose-gc', `--max-old-space-size=${heapMiB}`];
  const child = spawn(process.execPath, [...nodeOptions, measureScript, String(size)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  endWithUs(child);
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  if (code !== 0) throw new BenchError(`scale run with ${size} subscriptions failed or timed out`);
  return JSON.parse(output) as ScaleRow;
}
