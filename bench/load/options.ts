/**
 * Options of the load generator. The letters are those of the C generator that the project's first
 * figures came from, so that a command line works with both.
 */
import { LoadError } from './load-error.js';

export interface LoadOptions {
  readonly host: string;
  /** Publisher `i` connects to the one at `i` modulo their number. */
  readonly ports: readonly number[];
  /** Subscribers likewise. */
  readonly subscriberPorts: readonly number[];
  readonly publishers: number;
  readonly subscribers: number;
  /** Client `i` uses topic `<prefix>/<i mod topics>`. */
  readonly topics: number;
  readonly publishQos: number;
  readonly subscribeQos: number;
  readonly payloadBytes: number;
  readonly durationS: number;
  readonly warmupS: number;
  /** Outstanding deliveries allowed per publisher and matching subscriber. */
  readonly window: number;
  /** Messages per second and publisher; 0: as fast as the window allows. */
  readonly ratePerS: number;
  /** Filter that all subscribers use; null: each its own topic. */
  readonly filter: string | null;
  /** Subscribers with durable sessions and client ids that go by the topic prefix alone. */
  readonly isPersistent: boolean;
  readonly protocolLevel: 3 | 4 | 5;
  readonly topicPrefix: string;
  /** Connect the publishers, then only hold the connections. */
  readonly isIdle: boolean;
  /** Source addresses 127.0.0.2, .3, …, for more connections than one address has ports. */
  readonly sourceAddresses: number;
  /** Processes whose CPU time and memory count as the broker's. */
  readonly brokerPids: readonly number[];
  /** Processes that the broker keeps its sessions in: their CPU time counts with the broker's. */
  readonly storePids: readonly number[];
  /** Time each PUBACK from the moment at which its message was due, or was sent without a rate. */
  readonly measuresAcks: boolean;
  /** Messages that are queued while the subscribers are away, and then taken; 0: no such run. */
  readonly backlog: number;
}

export const usage = `usage: load [-h host] [-p ports] [-o ports of subscribers] [-P publishers]
  [-S subscribers] [-T topics] [-q qos] [-Q subscribe qos] [-s payload bytes] [-d seconds]
  [-W warm-up seconds] [-w window]
  [-r messages/s per publisher] [-f filter] [-c durable subscribers] [-V 3|4|5]
  [-x topic prefix] [-i idle connections] [-n source addresses] [-k broker pids] [-K store pids]
  [-a time PUBACKs] [-B messages to queue, then to take]`;

const flags = new Set(['a', 'c', 'i']);
const settings = new Set([...'hpoPSTqQsdWwrfVxnkKB']);

export function parseLoadOptions(args: readonly string[]): LoadOptions {
  const given = readLetters(args);
  const number = (letter: string, fallback: number, min: number, max: number): number => {
    const text = given.get(letter);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (text.trim() !== '' && value >= min && value <= max) return value;
    throw new LoadError(`-${letter} ${text}: not a number from ${min} to ${max}`, true);
  };
  const whole = (letter: string, fallback: number, min: number, max: number): number => {
    const value = number(letter, fallback, min, max);
    if (Number.isInteger(value)) return value;
    throw new LoadError(`-${letter} ${value}: not a whole number`, true);
  };
  const publishQos = whole('q', 0, 0, 2);
  const ports = given.get('p') ?? '1883';
  const backlog = whole('B', 0, 0, 1_000_000_000);
  if (given.has('a') && publishQos !== 1) throw new LoadError('-a needs -q 1', true);
  if (backlog > 0 && (publishQos !== 1 || !given.has('c'))) {
    throw new LoadError('-B needs -q 1 and -c', true);
  }
  return {
    host: given.get('h') ?? '127.0.0.1',
    ports: parsePorts('p', ports),
    subscriberPorts: parsePorts('o', given.get('o') ?? ports),
    publishers: whole('P', 1, 0, 1_000_000),
    subscribers: given.has('i') ? 0 : whole('S', 1, 0, 1_000_000),
    topics: whole('T', 1, 1, 1_000_000),
    publishQos,
    subscribeQos: whole('Q', publishQos, 0, 2),
    payloadBytes: whole('s', 64, 0, 16 * 1024 * 1024),
    durationS: number('d', 5, 0.1, 86_400),
    warmupS: number('W', 1, 0, 86_400),
    window: whole('w', 1000, 1, 10_000_000),
    ratePerS: number('r', 0, 0, 10_000_000),
    filter: given.get('f') ?? null,
    isPersistent: given.has('c'),
    protocolLevel: whole('V', 4, 3, 5) as 3 | 4 | 5,
    topicPrefix: given.get('x') ?? 'bench',
    isIdle: given.has('i'),
    sourceAddresses: whole('n', 1, 1, 200),
    brokerPids: parsePids('k', given.get('k') ?? ''),
    storePids: parsePids('K', given.get('K') ?? ''),
    measuresAcks: given.has('a'),
    backlog,
  };
}

function readLetters(args: readonly string[]): Map<string, string> {
  const given = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    const letter = arg.slice(1, 2);
    if (!arg.startsWith('-') || !(flags.has(letter) || settings.has(letter))) {
      throw new LoadError(`unknown argument ${arg}`, true);
    }
    if (flags.has(letter)) {
      if (arg.length > 2) throw new LoadError(`${arg}: -${letter} takes no value`, true);
      given.set(letter, '');
      continue;
    }
    const value = arg.length > 2 ? arg.slice(2) : args[++i];
    if (value === undefined) throw new LoadError(`-${letter} needs a value`, true);
    given.set(letter, value);
  }
  return given;
}

function parsePorts(letter: string, text: string): number[] {
  const ports = parseNumbers(letter, text, 65_535, 'port');
  if (ports.length > 0) return ports;
  throw new LoadError(`-${letter} needs at least one port`, true);
}

function parsePids(letter: string, text: string): number[] {
  return parseNumbers(letter, text, Number.POSITIVE_INFINITY, 'process id');
}

function parseNumbers(letter: string, text: string, max: number, what: string): number[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  return words.map((word) => {
    const value = Number(word);
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    throw new LoadError(`-${letter} ${word}: not a ${what}`, true);
  });
}
