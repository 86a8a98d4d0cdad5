/**
 * `npm run fuzz -- [--minutes N] [--seed N] [--connections N] [--replay I,J,…]`
 *
 * Attacks a broker process of its own until the time is over, and says what it found. Exit code 1
 * when the broker crashed, hung, leaked or sent what no server may send.
 * TIDEWIRE_BROKER names another broker.js.
 *
 * The same seed draws the same attacks; how they interleave is up to the machine. `--replay` sends
 * the attacks of these numbers, as a report names them, one after the other.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type FuzzReport, fuzz, megabytes } from './fuzzer.js';

const defaultMinutes = 10;
const defaultConnections = 32;
const seedMax = 2 ** 31 - 1;
const msPerMinute = 60_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: `${defaultMinutes}` },
    seed: { type: 'string', default: `${randomInt(seedMax)}` },
    connections: { type: 'string', default: `${defaultConnections}` },
    replay: { type: 'string' },
  },
});

const seed = positive('--seed', values.seed);
const durationMs = positive('--minutes', values.minutes) * msPerMinute;
const connections = positive('--connections', values.connections);
const replay = values.replay?.split(',').map((index) => positive('--replay', index));

print(`seed ${seed}, ${connections} connections, ${durationMs / msPerMinute} minutes`);
const options = { seed, durationMs, connections, onProgress: print };
const report = await fuzz(replay === undefined ? options : { ...options, replay });
describe(report);
process.exitCode = report.problems.length + report.breaches.length > 0 ? 1 : 0;

function describe(found: FuzzReport): void {
  print(`attacks: ${found.attacks}, ${found.closedByBroker} of them closed by the broker`);
  print(`packets from the broker: ${found.packets}`);
  print(`watch: ${found.delivered} delivered, slowest ${found.slowestMs.toFixed(0)} ms`);
  if (found.start !== null && found.end !== null) {
    print(`live memory: ${megabytes(found.start.live)} → ${megabytes(found.end.live)}`);
    const resident = [found.start.resident, found.residentMaxBytes, found.end.resident];
    print(`resident memory, start, most, end: ${resident.map(megabytes).join(', ')}`);
  }
  if (found.socketsLeft !== null) print(`sockets left open: ${found.socketsLeft}`);
  for (const breach of found.breaches) print(`FAIL the broker sent ${breach}`);
  for (const problem of found.problems) print(`FAIL ${problem}`);
  if (found.problems.length === 0) return;
  print(`the last attacks; replay with --seed ${found.seed} --replay NUMBER,…`);
  for (const suspect of found.suspects) print(suspect);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  process.stderr.write(`fuzz: ${name} ${text}: give a number, 0 or more\n`);
  process.exit(2);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
