/**
 * The command line. Same flags as mosquitto(8); what cannot be had is refused with the reason.
 */
import { BrokerError } from '../base/errors.js';
import { hint } from './nearest.js';

export interface RunOptions {
  /** `-c FILE`; null: none. */
  readonly configFile: string | null;
  /** `-p PORT`, in order; 0: any free port. */
  readonly ports: readonly number[];
  readonly isVerbose: boolean;
  readonly isQuiet: boolean;
}

/** What the command line asks for. */
export type Invocation =
  | { readonly command: 'run'; readonly options: RunOptions }
  | { readonly command: 'config-test'; readonly options: RunOptions }
  | { readonly command: 'passwd' | 'redis-check' | 'history'; readonly args: readonly string[] }
  | { readonly command: 'version' }
  | { readonly command: 'help' };

export const usage = `Usage: tidewire [-c FILE] [-p PORT]... [-v | -q]
       tidewire --config-test -c FILE
       tidewire passwd --help
       tidewire redis-check --help
       tidewire history --help

  -c, --config FILE   read this configuration, in the dialect of mosquitto.conf
  -p, --port PORT     without listeners in FILE: listen on this port of the loopback address
                      instead of 1883; may be repeated
  -v, --verbose       log everything, whatever FILE says
  -q, --quiet         log nothing, whatever FILE says
      --config-test   check the configuration and exit
      --version       print the version and exit
  -h, --help          print this and exit

Without FILE the broker listens on port 1883 of the loopback address, lets everybody in and keeps
everything in memory.
TIDEWIRE_<KEY> in the environment sets a global key, such as TIDEWIRE_MAX_KEEPALIVE=300.
Signals: TERM and INT stop, HUP reloads the configuration, USR1 logs the state.`;

/** Mosquitto's own bound. */
const PORTS_MAX = 10;

const refused: Readonly<Record<string, string>> = {
  '-d':
    'running in the background is left to systemd or a container: leave -d out, or add "&" in ' +
    'a shell',
  '--tls-keylog': 'use Node’s own option: NODE_OPTIONS=--tls-keylog=FILE',
};

const longNames: Readonly<Record<string, string>> = {
  '--config': '-c',
  '--config-file': '-c',
  '--daemon': '-d',
  '--help': '-h',
  '--port': '-p',
  '--quiet': '-q',
  '--test-config': '--config-test',
  '--verbose': '-v',
};

const known = [
  ...['-c', '-p', '-v', '-q', '-h', '--config-test', '--version'],
  ...['passwd', 'redis-check', 'history'],
  ...Object.keys(longNames),
  ...Object.keys(refused),
];

/** `args` without the interpreter and the script. Throws a `BrokerError` with code `USAGE`. */
export function parseFlags(args: readonly string[]): Invocation {
  const [first] = args;
  if (first === 'passwd' || first === 'redis-check' || first === 'history') {
    return { command: first, args: args.slice(1) };
  }
  const ports: number[] = [];
  const seen = new Set<string>();
  let configFile: string | null = null;
  for (let i = 0; i < args.length; i++) {
    const { flag, attached } = splitFlag(args[i]);
    if (Object.hasOwn(refused, flag)) fail(`${args[i]}: ${refused[flag]}`);
    if (flag === '-h') return { command: 'help' };
    if (flag === '--version') return { command: 'version' };
    if (flag === '-c' || flag === '-p') {
      const value = attached ?? args[++i];
      if (value === undefined || value === '') fail(`${flag} needs ${valueNames[flag]}`);
      if (flag === '-p') ports.push(portOf(value));
      else if (configFile === null) configFile = value;
      else fail('-c was given twice: a file can include others with include_dir');
    } else if (attached === null && ['-v', '-q', '--config-test'].includes(flag)) {
      seen.add(flag);
    } else {
      fail(`unknown option ${args[i]}${hint(args[i], known)}: see tidewire --help`);
    }
  }
  if (ports.length > PORTS_MAX) fail(`-p can be given at most ${PORTS_MAX} times`);
  const options = {
    configFile,
    ports,
    isVerbose: seen.has('-v'),
    isQuiet: seen.has('-q'),
  };
  return { command: seen.has('--config-test') ? 'config-test' : 'run', options };
}

const valueNames = { '-c': 'the path of a file', '-p': 'a port' } as const;

/** `--port=1883` is `-p` with a value attached; every flag is known by its short name. */
function splitFlag(arg: string): { flag: string; attached: string | null } {
  const equals = arg.startsWith('--') ? arg.indexOf('=') : -1;
  const name = equals < 0 ? arg : arg.slice(0, equals);
  const attached = equals < 0 ? null : arg.slice(equals + 1);
  return { flag: Object.hasOwn(longNames, name) ? longNames[name] : name, attached };
}

function portOf(value: string): number {
  const port = /^[0-9]{1,5}$/.test(value) ? Number(value) : Number.NaN;
  if (!(port <= 65_535)) fail(`-p ${value.slice(0, 60)}: a port is a number from 0 to 65535`);
  return port;
}

function fail(message: string): never {
  throw new BrokerError('USAGE', message.replace(/[\r\n]+/g, ' '));
}
