/**
 * `tidewire passwd`: writes password files, with the options of mosquitto_passwd and files that
 * Mosquitto reads (except for `-H scram-sha-256`, which is ours).
 */
import { Buffer } from 'node:buffer';
import { BrokerError } from '../base/errors.js';
import { PasswordEditor } from './password-editor.js';
import {
  formatHash,
  type HashKind,
  hashKinds,
  hashPassword,
  ITERATIONS_DEFAULT,
  ITERATIONS_MAX,
} from './password-hash.js';
import { SecretReader } from './secret-prompt.js';

/** Bytes of a user name or password: what a CONNECT packet can carry [MQTT-1.5.4]. */
const FIELD_BYTES_MAX = 65_535;

export interface PasswdIo {
  /** For `--help`. */
  out(text: string): void;
  /** One line per error or warning. */
  error(text: string): void;
  /** An answer without echo; null when there is none. */
  readSecret(prompt: string): Promise<string | null>;
}

const USAGE = `Usage: tidewire passwd [-H HASH] [-I N] [-c] FILE USER
       tidewire passwd [-H HASH] [-I N] [-c] -b FILE USER PASSWORD
       tidewire passwd -D FILE USER
       tidewire passwd [-H HASH] [-I N] -U FILE

Writes a password file, as mosquitto_passwd does. Without an option: sets the password of USER,
who is added when new, and asks for it twice.

  -b       take the password from the command line, where others may see it
  -c       create the file, replacing one that exists
  -D       delete USER
  -H HASH  sha512-pbkdf2 (default), sha512, or scram-sha-256 for SCRAM logins (not for Mosquitto)
  -I N     PBKDF2 iterations, default ${ITERATIONS_DEFAULT}
  -U       hash the plain-text passwords of FILE; hashed ones stay as they are
`;

interface Options {
  readonly isBatch: boolean;
  readonly isCreate: boolean;
  readonly isDelete: boolean;
  readonly isUpgrade: boolean;
  readonly kind: HashKind;
  readonly iterations: number;
  /** FILE, USER, PASSWORD, as far as given. */
  readonly operands: readonly string[];
}

/** Bad usage, or something the user must know: one line, exit code 1. */
class PasswdError extends Error {
  override readonly name = 'PasswdError';
}

/** Runs the command; resolves with the exit code: 0, or 1 after an error. */
export async function runPasswdCommand(args: readonly string[], io: PasswdIo): Promise<number> {
  try {
    const options = parseOptions(args);
    if (options === null) {
      io.out(USAGE);
      return 0;
    }
    if (options.isUpgrade) await upgrade(options);
    else if (options.isDelete) remove(options);
    else await setPassword(options, io);
    return 0;
  } catch (error) {
    if (!(error instanceof PasswdError) && !(error instanceof BrokerError)) throw error;
    io.error(`Error: ${error.message}\n`);
    return 1;
  }
}

/** The real thing: this process's terminal or standard input. */
export function processPasswdIo(): PasswdIo {
  const reader = new SecretReader(process.stdin, (text) => process.stderr.write(text));
  return {
    out: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(text),
    readSecret: (prompt) => reader.read(prompt),
  };
}

/** Null: help was asked for. */
function parseOptions(args: readonly string[]): Options | null {
  const flags = new Set<string>();
  const values = new Map<string, string>();
  let at = 0;
  for (; at < args.length && args[at].startsWith('-') && args[at] !== '-'; at++) {
    const option = args[at];
    if (option === '--help' || option === '-h') return null;
    if (option === '--') {
      at++;
      break;
    }
    if (option === '-H' || option === '-I') {
      const value = args[++at];
      if (value === undefined) throw new PasswdError(`${option} needs a value; see --help`);
      values.set(option, value);
    } else if (['-b', '-c', '-D', '-U'].includes(option)) {
      flags.add(option);
    } else {
      throw new PasswdError(`unknown option ${option}; see --help`);
    }
  }
  const options: Options = {
    isBatch: flags.has('-b'),
    isCreate: flags.has('-c'),
    isDelete: flags.has('-D'),
    isUpgrade: flags.has('-U'),
    kind: parseKind(values.get('-H')),
    iterations: parseIterations(values.get('-I')),
    operands: args.slice(at),
  };
  checkCombination(options, values);
  return options;
}

function parseKind(value: string | undefined): HashKind {
  if (value === undefined) return 'sha512-pbkdf2';
  const kind = hashKinds.find((known) => known === value);
  if (kind === undefined) {
    throw new PasswdError(`unknown hash "${value}" for -H; one of ${hashKinds.join(', ')}`);
  }
  return kind;
}

function parseIterations(value: string | undefined): number {
  if (value === undefined) return ITERATIONS_DEFAULT;
  const iterations = Number(value);
  if (!/^[0-9]+$/.test(value) || iterations < 1 || iterations > ITERATIONS_MAX) {
    throw new PasswdError(`-I ${value}: expected a whole number from 1 to ${ITERATIONS_MAX}`);
  }
  return iterations;
}

function checkCombination(options: Options, values: ReadonlyMap<string, string>): void {
  const { isBatch, isCreate, isDelete, isUpgrade, operands } = options;
  if (isDelete && (isCreate || isUpgrade || isBatch || values.size > 0)) {
    throw new PasswdError('-D goes with no other option');
  }
  if (isUpgrade && (isCreate || isBatch)) throw new PasswdError('-U goes with -H and -I only');
  if (options.kind === 'sha512' && values.has('-I')) {
    throw new PasswdError('-I is for PBKDF2 hashes; sha512 has no iterations');
  }
  const wanted = isUpgrade ? ['FILE'] : ['FILE', 'USER', ...(isBatch ? ['PASSWORD'] : [])];
  if (operands.length < wanted.length) {
    throw new PasswdError(`${wanted[operands.length]} is missing; see --help`);
  }
  if (operands.length > wanted.length) {
    throw new PasswdError(`${wanted.join(' ')} is all that is expected here; see --help`);
  }
}

async function upgrade({ operands, kind, iterations }: Options): Promise<void> {
  const editor = PasswordEditor.open(operands[0]);
  await editor.upgrade((password) => hashText(password, kind, iterations));
  editor.save();
}

function remove({ operands: [file, username] }: Options): void {
  const editor = PasswordEditor.open(file);
  if (!editor.remove(username)) throw new PasswdError(`${file}: no user "${username}"`);
  editor.save();
}

async function setPassword(options: Options, io: PasswdIo): Promise<void> {
  const [file, username] = options.operands;
  checkUsername(username);
  // Before the question, so that nobody types a password for nothing.
  const editor = options.isCreate ? PasswordEditor.create(file) : PasswordEditor.open(file);
  const password = options.isBatch ? options.operands[2] : await askTwice(io);
  if (password === '') throw new PasswdError('the password is empty');
  if (Buffer.byteLength(password) > FIELD_BYTES_MAX) {
    throw new PasswdError(`the password is longer than ${FIELD_BYTES_MAX} bytes`);
  }
  editor.set(username, await hashText(password, options.kind, options.iterations));
  editor.save();
}

function checkUsername(username: string): void {
  if (username === '') throw new PasswdError('the user name is empty');
  if (username.includes(':')) throw new PasswdError('a user name must not contain ":"');
  if (username.startsWith('#')) {
    throw new PasswdError('a user name must not start with "#": such a line is a comment');
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (/[\x00-\x1f\x7f]/.test(username)) {
    throw new PasswdError('a user name must not contain control characters');
  }
  if (username.trim() === '') throw new PasswdError('a user name must not be blank');
  if (Buffer.byteLength(username) > FIELD_BYTES_MAX) {
    throw new PasswdError(`the user name is longer than ${FIELD_BYTES_MAX} bytes`);
  }
}

async function askTwice(io: PasswdIo): Promise<string> {
  const password = await io.readSecret('Password: ');
  if (password === null || password === '') throw new PasswdError('no password was given');
  const again = await io.readSecret('Reenter password: ');
  if (again !== password) throw new PasswdError('the passwords do not match; nothing was changed');
  return password;
}

async function hashText(password: string, kind: HashKind, iterations: number): Promise<string> {
  return formatHash(await hashPassword(kind, Buffer.from(password), iterations));
}
