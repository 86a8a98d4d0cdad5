/** Command line of `npm run bench`. */
import { BenchError } from './bench-error.js';

export interface BenchOptions {
  readonly isQuick: boolean;
  /** Only workloads and micro benchmarks whose name matches; null: all. */
  readonly only: RegExp | null;
  readonly micro: boolean;
  readonly endToEnd: boolean;
  readonly scale: boolean;
  readonly durable: boolean;
  readonly cluster: boolean;
  readonly writeBaseline: boolean;
  /** Of the end-to-end part; null: as many as it has by itself. */
  readonly rounds: number | null;
  /** A load generator for the end-to-end part, instead of ours; null: ours. */
  readonly generator: string | null;
  readonly help: boolean;
}

export const usage = `npm run bench -- [options]
  --micro, --e2e, --durable, --cluster, --scale
                           only these parts (default: all of them)
  --only PATTERN           only what matches this regular expression (of the durable part also
                           latency, drain, start; of the cluster's latency, subscription, join,
                           resume);
                           nothing is written to files
  --rounds N               so many rounds of the end-to-end part instead of 3
  --generator FILE         the end-to-end part, with this load generator instead of ours: a program
                           with the same options and the same line of results
  --quick                  one short round, to see that it works; nothing is written to files
  --write-baseline         measure the guard's ratios anew and write bench/baseline.json
`;

const ROUNDS_MAX = 100;
const parts = ['--micro', '--e2e', '--durable', '--cluster', '--scale'];
const flagNames = ['--quick', ...parts, '--write-baseline', '--help'];

export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const flags = new Set<string>();
  let only: RegExp | null = null;
  let generator: string | null = null;
  let rounds: number | null = null;
  for (let i = 0; i < args.length; i++) {
    if (flagNames.includes(args[i])) flags.add(args[i]);
    else if (args[i] === '--only') only = parsePattern(args[++i]);
    else if (args[i] === '--rounds') rounds = parseRounds(args[++i]);
    else if (args[i] === '--generator') generator = parseFile(args[++i]);
    else throw new BenchError(`unknown argument ${args[i]}\n${usage}`);
  }
  const wantsBaseline = flags.has('--write-baseline');
  const namesParts = parts.some((part) => flags.has(part));
  if (generator !== null && (namesParts || wantsBaseline)) {
    throw new BenchError('--generator is for the end-to-end part alone: name no other');
  }
  const isAll = !wantsBaseline && !namesParts && generator === null;
  return {
    isQuick: flags.has('--quick'),
    only,
    micro: isAll || flags.has('--micro'),
    endToEnd: isAll || generator !== null || flags.has('--e2e'),
    scale: isAll || flags.has('--scale'),
    durable: isAll || flags.has('--durable'),
    cluster: isAll || flags.has('--cluster'),
    writeBaseline: wantsBaseline,
    rounds,
    generator,
    help: flags.has('--help'),
  };
}

function parseFile(text: string | undefined): string {
  if (text === undefined) throw new BenchError('--generator needs the path of a program');
  return text;
}

function parseRounds(text: string | undefined): number {
  const rounds = Number(text ?? '');
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= ROUNDS_MAX) return rounds;
  throw new BenchError(`--rounds ${text ?? ''}: give a whole number from 1 to ${ROUNDS_MAX}`);
}

function parsePattern(text: string | undefined): RegExp {
  if (text === undefined) throw new BenchError('--only needs a pattern');
  try {
    return new RegExp(text, 'i');
  } catch (error) {
    throw new BenchError(`--only ${text}: ${(error as Error).message}`);
  }
}
