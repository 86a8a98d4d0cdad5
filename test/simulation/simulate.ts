/**
 * `npm run simulate -- [--histories N] [--seed S] [--brokers N] [--calm] [--trace] [--quiet]`
 *
 * Runs histories one after the other, from seed S on; tells of each that failed with what happened
 * in it. Exit code 1 when one did. With `--trace` all are told, with
 * `--quiet` only what was wrong.
 */
import { parseArgs } from 'node:util';
import { inItsOwnTurn, type Report, runHistory } from './history.js';

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    brokers: { type: 'string' },
    calm: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
  },
});

const first = wholeNumber('--seed', values.seed);
const count = wholeNumber('--histories', values.histories);
const brokers = values.brokers === undefined ? undefined : wholeNumber('--brokers', values.brokers);
const isCalm = values.calm;
const failed: Report[] = [];
let events = 0;
let acknowledged = 0;
const faults: Record<string, number> = {};
const beganMs = performance.now();

for (let seed = first; seed < first + count; seed++) {
  const options = { seed, brokers, isCalm };
  const report = await inItsOwnTurn(() => runHistory({ ...options, isTraced: values.trace }));
  events += report.events;
  acknowledged += report.acknowledged;
  for (const [kind, n] of Object.entries(report.faults)) faults[kind] = (faults[kind] ?? 0) + n;
  if (values.trace) print(report.lines.join('\n'));
  if (report.problems.length === 0) continue;
  failed.push(report);
  if (!values.trace && !values.quiet) {
    const again = await inItsOwnTurn(() => runHistory({ ...options, isTraced: true }));
    print(again.lines.join('\n'));
  }
  print(`FAIL seed ${seed}:\n  ${report.problems.join('\n  ')}`);
}

const seconds = (performance.now() - beganMs) / 1000;
print(`${count} histories in ${seconds.toFixed(1)} s, ${events} events, ${acknowledged} messages`);
print(`faults: ${JSON.stringify(faults)}`);
if (failed.length > 0) {
  print(`FAIL ${failed.length} of ${count}: seeds ${failed.map(({ seed }) => seed).join(' ')}`);
  process.exitCode = 1;
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  process.stderr.write(`simulate: ${name} ${text}: give a whole number, 0 or more\n`);
  return process.exit(2);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
