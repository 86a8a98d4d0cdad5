/** What `tidewire history` is asked to show. */
import { BrokerError } from './base/errors.js';
import type { RedisStoreConfig } from './config/config.js';
import type { Environment } from './config/environment.js';
import { parseTime, timeExpects } from './history/when.js';
import { isShared, isTopicFilter } from './protocol/topic.js';
import {
  configuredRedis,
  givenRedis,
  loginFlags,
  loginValues,
  nodesOf,
} from './redis-check-options.js';

export const historyUsage = `Usage: tidewire history [REDIS] [WHEN] [--json] FILTER...
       tidewire history [REDIS] [WHEN] [--json] --events

Prints messages that brokers with history_filter have kept in Redis, the oldest first: time, topic
and payload. With --events: who connected, disconnected, subscribed and unsubscribed, of brokers
with "presence_stream true". It writes nothing to Redis.

WHEN, by default all:
      --last N       only the last N that match
      --since TIME   from then on; TIME is 2026-11-22T10:00:00Z or an age: -3600, 90s, 15m, 2h, 7d
      --until TIME   up to then

      --events       presence events instead of messages
      --json         one JSON object per line
  -h, --help         print this and exit

REDIS is where they are:
  -c, --config FILE           a broker's configuration, or
      --redis-nodes HOST:PORT[,HOST:PORT]...   with
      --redis-prefix PREFIX   tw: by default
      --user NAME, --password-file FILE, --tls, --cafile FILE, --certfile FILE, --keyfile FILE,
      --insecure              as for tidewire redis-check
Without both the environment counts: TIDEWIRE_STORE=redis, TIDEWIRE_REDIS_NODES, ….

Exit code: 0: all was said; 1: bad usage, or Redis cannot be asked; 2: there is no history.
`;

const LAST_MAX = 100_000_000;
const DEFAULT_PREFIX = 'tw:';
const flagNames = ['--events', '--json', ...loginFlags];
const ownValues = ['-c', '--redis-nodes', '--redis-prefix', '--last', '--since', '--until'];
const valueNames = [...ownValues, ...loginValues];
const longNames: Readonly<Record<string, string>> = { '--config': '-c', '--help': '-h' };

export interface HistoryOptions {
  readonly redis: RedisStoreConfig;
  /** Empty: presence events. */
  readonly filters: readonly string[];
  /** 0: all. */
  readonly last: number;
  readonly sinceMs: number;
  /** Infinity: no end. */
  readonly untilMs: number;
  readonly isJson: boolean;
}

interface Given {
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
  readonly operands: readonly string[];
}

/** Null: help was asked for. @throws BrokerError `USAGE`, or what the configuration says */
export function parseHistory(
  args: readonly string[],
  environment: Environment,
  nowMs: number,
): HistoryOptions | null {
  const given = split(args);
  if (given === null) return null;
  const { flags, operands, values } = given;
  const isEvents = flags.has('--events');
  if (isEvents && operands.length > 0) fail('--events takes no FILTER');
  if (!isEvents && operands.length === 0)
    fail("FILTER is missing, such as 'sensors/#'; see --help");
  for (const filter of operands) checkFilter(filter);
  const timeOf = (name: string): number | null => {
    const text = values.get(name);
    if (text === undefined) return null;
    return (
      parseTime(text, nowMs) ?? fail(`${name} "${text}" is not valid: expected ${timeExpects}`)
    );
  };
  const sinceMs = timeOf('--since') ?? 0;
  const untilMs = timeOf('--until') ?? Number.POSITIVE_INFINITY;
  if (untilMs < sinceMs) fail('--until is before --since');
  return {
    redis: redisOf(given, environment),
    filters: operands,
    last: lastOf(values.get('--last')),
    sinceMs,
    untilMs,
    isJson: flags.has('--json'),
  };
}

function split(args: readonly string[]): Given | null {
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const operands: string[] = [];
  let isOver = false;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at];
    if (isOver || !arg.startsWith('-')) {
      operands.push(arg);
      continue;
    }
    const equals = arg.startsWith('--') ? arg.indexOf('=') : -1;
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const option = Object.hasOwn(longNames, name) ? longNames[name] : name;
    if (option === '-h') return null;
    if (valueNames.includes(option)) {
      const value = equals < 0 ? args[++at] : arg.slice(equals + 1);
      if (value === undefined || value === '') fail(`${name} needs a value; see --help`);
      if (values.has(option)) fail(`${name} was given twice`);
      values.set(option, value);
    } else if (equals < 0 && flagNames.includes(option)) flags.add(option);
    else if (arg === '--') isOver = true;
    else fail(`unknown option ${arg}; see --help`);
  }
  return { flags, values, operands };
}

function redisOf(given: Given, environment: Environment): RedisStoreConfig {
  const { flags, values } = given;
  const nodes = values.get('--redis-nodes');
  const file = values.get('-c') ?? null;
  if (nodes !== undefined && file !== null) fail('-c and --redis-nodes exclude each other');
  if (nodes !== undefined) {
    const redis = givenRedis(given, nodesOf(nodes, '--redis-nodes'));
    return { ...redis, prefix: values.get('--redis-prefix') ?? DEFAULT_PREFIX };
  }
  const extra = ['--redis-prefix', ...loginFlags, ...loginValues].find(
    (option) => flags.has(option) || values.has(option),
  );
  if (extra !== undefined) {
    fail(file === null ? `${extra} needs --redis-nodes` : `${extra}: ${file} says that`);
  }
  return configuredRedis(file, environment, '--redis-nodes HOST:PORT');
}

function lastOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const last = /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 0;
  if (last === 0 || last > LAST_MAX) {
    fail(`--last "${text}" is not valid: expected a whole number from 1 to ${LAST_MAX}`);
  }
  return last;
}

function checkFilter(filter: string): void {
  if (isShared(filter)) fail(`${filter}: a shared subscription has no history: name its filter`);
  if (!isTopicFilter(filter)) fail(`${filter} is no topic filter`);
}

function fail(message: string): never {
  throw new BrokerError('USAGE', message.replace(/[\r\n]+/g, ' '));
}
