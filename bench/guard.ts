/**
 * `node build/bench/guard.js [--write-baseline]`: fails when the publish path is slower than the
 * committed baseline by more than noise. Part of `npm test`.
 */
import { BenchError } from './bench-error.js';
import { runGuard, writeBaseline } from './guard/guard.js';

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const args = process.argv.slice(2);

try {
  if (args.some((arg) => arg !== '--write-baseline')) {
    throw new BenchError(`unknown argument ${args.join(' ')}; known: --write-baseline`);
  }
  if (args.length > 0) await writeBaseline(print);
  else if (!(await runGuard(print))) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  process.stderr.write(`bench guard: ${error.message}\n`);
  process.exitCode = 1;
}
