/** What `tidewire redis-check` is asked to look at: options, a broker's configuration, or both. */
import { readFileSync } from 'node:fs';
import { BrokerError, messageOf } from './base/errors.js';
import type { RedisNode, RedisStoreConfig, RedisTlsConfig } from './config/config.js';
import { DEFAULT_LEASE_S } from './config/defaults.js';
import type { Environment } from './config/environment.js';
import { ackLevel, redisNodes } from './config/keys-store.js';
import { parseConfig } from './config/mosquitto-conf.js';
import type { LineContext } from './config/place.js';

export const redisCheckUsage = `Usage: tidewire redis-check -c FILE [--json] [HOST:PORT]...
       tidewire redis-check [LOGIN]... [--ack-level LEVEL] [--json] HOST:PORT...

Looks at a Redis Cluster, or at one Redis server and its replicas, as "store redis" would use it,
and says what to change and why. It writes nothing.

  -c, --config FILE     a broker's configuration: its redis_nodes, login, TLS and ack_level count;
                        with HOST:PORT these nodes are asked instead of redis_nodes
      --ack-level LEVEL primary, replica or aof, as in a configuration
      --json            print one JSON object, for scripts
  -h, --help            print this and exit

LOGIN, where no configuration says it:
      --user NAME            user of Redis' ACL
      --password-file FILE   the password is its first line
      --tls                  speak TLS; the next ones imply it
      --cafile FILE          CAs that Redis' certificate is checked against
      --certfile FILE        our certificate, and
      --keyfile FILE         its key, where Redis demands one
      --insecure             do not check Redis' certificate

Without -c and HOST:PORT the environment counts: TIDEWIRE_STORE=redis, TIDEWIRE_REDIS_NODES, ….

Exit code: 0: no error was found, but perhaps warnings and advice; 1: bad usage, or no node can be
asked; 2: there are errors: messages may be lost, or are not taken.
`;

export interface RedisCheckOptions {
  readonly redis: RedisStoreConfig;
  readonly isJson: boolean;
}

export const loginFlags = ['--tls', '--insecure'];
export const loginValues = ['--user', '--password-file', '--cafile', '--certfile', '--keyfile'];
const longNames: Readonly<Record<string, string>> = { '--config': '-c', '--help': '-h' };

/** Options that were given, of `loginFlags` and `loginValues` among others. */
export interface GivenLogin {
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
}

interface Given extends GivenLogin {
  readonly operands: readonly string[];
}

/** Null: help was asked for. @throws BrokerError `USAGE`, or what the configuration says */
export function parseRedisCheck(
  args: readonly string[],
  environment: Environment,
): RedisCheckOptions | null {
  const given = split(args);
  if (given === null) return null;
  const { flags, operands, values } = given;
  const nodes = operands.flatMap((operand) => nodesOf(operand));
  const isJson = flags.has('--json');
  const file = values.get('-c') ?? null;
  if (file === null && nodes.length > 0) return { redis: givenRedis(given, nodes), isJson };
  const extra = [...loginFlags, ...loginValues, '--ack-level'].find(
    (option) => flags.has(option) || values.has(option),
  );
  if (extra !== undefined) {
    fail(file === null ? 'HOST:PORT is missing; see --help' : `${extra}: ${file} says that`);
  }
  const redis = configuredRedis(file, environment);
  return { redis: nodes.length === 0 ? redis : { ...redis, nodes }, isJson };
}

function split(args: readonly string[]): Given | null {
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const operands: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at];
    const equals = arg.startsWith('--') ? arg.indexOf('=') : -1;
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const option = Object.hasOwn(longNames, name) ? longNames[name] : name;
    if (option === '-h') return null;
    if (option === '-c' || option === '--ack-level' || loginValues.includes(option)) {
      const value = equals < 0 ? args[++at] : arg.slice(equals + 1);
      if (value === undefined || value === '') fail(`${name} needs a value; see --help`);
      if (values.has(option)) fail(`${name} was given twice`);
      values.set(option, value);
    } else if (equals < 0 && (option === '--json' || loginFlags.includes(option))) {
      flags.add(option);
    } else if (arg.startsWith('-')) {
      fail(`unknown option ${arg}; see --help`);
    } else {
      operands.push(arg);
    }
  }
  return { flags, values, operands };
}

export function nodesOf(operand: string, name = 'HOST:PORT'): readonly RedisNode[] {
  return redisNodes.read(operand, contextOf(name));
}

/** What is given is read as a configuration's key would be. */
function contextOf(key: string): LineContext {
  return { key, place: { file: key, line: 0 }, warn: () => undefined, fail };
}

/**
 * The file's, the environment's before it, as the broker reads them.
 *
 * @param option by which nodes are named otherwise
 * @throws BrokerError `USAGE`, or what the configuration says
 */
export function configuredRedis(
  file: string | null,
  environment: Environment,
  option = 'HOST:PORT',
): RedisStoreConfig {
  const { store } = parseConfig({ file, environment }).config;
  if (store.kind === 'redis') return store;
  return fail(
    file === null
      ? `name a node (${option}), or a configuration with -c FILE; see --help`
      : `${file}: the store is ${store.kind}, not redis: name a node (${option}) without -c`,
  );
}

/** What options alone say. @throws BrokerError `USAGE` */
export function givenRedis(given: GivenLogin, nodes: readonly RedisNode[]): RedisStoreConfig {
  const { values } = given;
  const username = values.get('--user') ?? null;
  const passwordFile = values.get('--password-file');
  const level = values.get('--ack-level');
  if (username !== null && passwordFile === undefined) fail('--user needs --password-file');
  return {
    kind: 'redis',
    nodes,
    username,
    password: passwordFile === undefined ? null : passwordIn(passwordFile),
    tls: tlsOf(given),
    prefix: '',
    ackLevel: level === undefined ? null : ackLevel.read(level, contextOf('--ack-level')),
    nodeName: 'redis-check',
    leaseS: DEFAULT_LEASE_S,
  };
}

function passwordIn(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return fail(`--password-file ${file}: ${messageOf(error)}`);
  }
  const password = text.split(/\r?\n/, 1)[0];
  return password === '' ? fail(`--password-file ${file}: its first line is empty`) : password;
}

function tlsOf({ flags, values }: GivenLogin): RedisTlsConfig | null {
  const files = {
    caFile: values.get('--cafile') ?? null,
    caPath: null,
    certFile: values.get('--certfile') ?? null,
    keyFile: values.get('--keyfile') ?? null,
  };
  if ((files.certFile === null) !== (files.keyFile === null)) {
    fail('--certfile and --keyfile go together');
  }
  const insecure = flags.has('--insecure');
  const hasFile = files.caFile !== null || files.certFile !== null;
  return flags.has('--tls') || insecure || hasFile ? { ...files, insecure } : null;
}

function fail(message: string): never {
  throw new BrokerError('USAGE', message.replace(/[\r\n]+/g, ' '));
}
