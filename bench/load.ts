/**
 * The load generator: `node build/bench/load.js -p 1883 -P 4 -S 4 -T 4 -q 1 -k <broker pid>`.
 *
 * It drives a broker in a closed loop: publishers stop while too many deliveries are outstanding,
 * so a broker is measured at the rate that it sustains. The last line of output is one JSON object;
 * the lines `measuring` and `measured` before it say when the measured time begins and ends. It is
 * a process of its own, so that its CPU time and the broker's can be told apart.
 */
import { runBacklog } from './load/backlog.js';
import { runClosedLoop } from './load/closed-loop.js';
import { runIdle } from './load/idle.js';
import { LoadError } from './load/load-error.js';
import { type LoadOptions, parseLoadOptions, usage } from './load/options.js';

try {
  const result = await run(parseLoadOptions(process.argv.slice(2)));
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
} catch (error) {
  if (!(error instanceof LoadError)) throw error;
  process.stderr.write(`load: ${error.message}\n${error.isUsage ? `${usage}\n` : ''}`);
  process.exit(error.isUsage ? 2 : 1);
}

function run(options: LoadOptions): Promise<object> {
  if (options.isIdle) return runIdle(options);
  if (options.backlog > 0) return runBacklog(options);
  return runClosedLoop(options, (phase) => process.stdout.write(`${phase}\n`));
}
