/**
 * The load generator: `node build/bench/load.js -p 1883 -P 4 -S 4 -T 4 -q 1 -k <broker pid>`.
 *
 * It drives a broker in a closed loop: publishers stop while too many deliveries are outstanding,
 * so a broker is measured at the rate that it sustains. The last line of output is one JSON object.
 * It is a process of its own, so that its CPU time and the broker's can be told apart.
 */
import { runClosedLoop } from './load/closed-loop.js';
import { runIdle } from './load/idle.js';
import { LoadError } from './load/load-error.js';
import { parseLoadOptions, usage } from './load/options.js';

try {
  const options = parseLoadOptions(process.argv.slice(2));
  const result = options.isIdle ? await runIdle(options) : await runClosedLoop(options);
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
} catch (error) {
  if (!(error instanceof LoadError)) throw error;
  process.stderr.write(`load: ${error.message}\n${error.isUsage ? `${usage}\n` : ''}`);
  process.exit(error.isUsage ? 2 : 1);
}
