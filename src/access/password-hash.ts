/**
 * What a password file keeps instead of passwords.
 *
 *   $6$SALT$HASH                                    SHA-512(password ‖ salt), one round
 *   $7$ITERATIONS$SALT$HASH                         PBKDF2-HMAC-SHA512, 64 bytes
 *   $scram-sha-256$ITERATIONS$SALT$STORED$SERVER    RFC 5802 keys; serves SCRAM and passwords
 *
 * The first two are Mosquitto's, byte for byte; the third is ours. Binary fields are base64.
 */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { assert, unreachable } from '../base/assert.js';
import { preparePassword } from './saslprep.js';

/** PBKDF2 rounds: of `tidewire passwd` without `-I`, about 5 ms of one core per login. */
export const ITERATIONS_DEFAULT = 10_000;
/** A line with more is refused: one login would keep a thread busy for seconds. */
export const ITERATIONS_MAX = 10_000_000;
/** Mosquitto 2.0 reads salts of this length and no other. */
const SALT_BYTES = 12;
const SALT_BYTES_MAX = 256;
const SHA512_BYTES = 64;
const SHA256_BYTES = 32;

export const hashKinds = ['sha512-pbkdf2', 'sha512', 'scram-sha-256'] as const;
export type HashKind = (typeof hashKinds)[number];

export interface ScramVerifier {
  readonly kind: 'scram-sha-256';
  readonly iterations: number;
  readonly salt: Buffer;
  /** H(ClientKey): proves that a client knows the password, without being able to log in. */
  readonly storedKey: Buffer;
  /** Proves to the client that the server knows the verifier. */
  readonly serverKey: Buffer;
}

export type PasswordHash =
  | { readonly kind: 'sha512'; readonly salt: Buffer; readonly hash: Buffer }
  | {
      readonly kind: 'sha512-pbkdf2';
      readonly iterations: number;
      readonly salt: Buffer;
      readonly hash: Buffer;
    }
  | ScramVerifier;

const pbkdf2Async = promisify(pbkdf2);

/** A new hash with a fresh salt. */
export async function hashPassword(
  kind: HashKind,
  password: Uint8Array,
  iterations: number,
): Promise<PasswordHash> {
  assert(iterations >= 1 && iterations <= ITERATIONS_MAX, 'iterations are checked by the caller');
  const salt = randomBytes(SALT_BYTES);
  switch (kind) {
    case 'sha512':
      return { kind, salt, hash: sha512(password, salt) };
    case 'sha512-pbkdf2':
      return { kind, iterations, salt, hash: await pbkdf2Sha512(password, salt, iterations) };
    case 'scram-sha-256':
      return { kind, iterations, salt, ...(await deriveScramKeys(password, salt, iterations)) };
    default:
      return unreachable(kind);
  }
}

/** True when `password` is the one that was hashed. Time does not depend on where they differ. */
export async function verifyPassword(hash: PasswordHash, password: Uint8Array): Promise<boolean> {
  switch (hash.kind) {
    case 'sha512':
      return timingSafeEqual(sha512(password, hash.salt), hash.hash);
    case 'sha512-pbkdf2': {
      const derived = await pbkdf2Sha512(password, hash.salt, hash.iterations);
      return timingSafeEqual(derived, hash.hash);
    }
    case 'scram-sha-256': {
      const keys = await deriveScramKeys(password, hash.salt, hash.iterations);
      return timingSafeEqual(keys.storedKey, hash.storedKey);
    }
    default:
      return unreachable(hash);
  }
}

/** The text after `user:`. */
export function formatHash(hash: PasswordHash): string {
  switch (hash.kind) {
    case 'sha512':
      return `$6$${base64(hash.salt)}$${base64(hash.hash)}`;
    case 'sha512-pbkdf2':
      return `$7$${hash.iterations}$${base64(hash.salt)}$${base64(hash.hash)}`;
    case 'scram-sha-256': {
      const keys = `${base64(hash.storedKey)}$${base64(hash.serverKey)}`;
      return `$scram-sha-256$${hash.iterations}$${base64(hash.salt)}$${keys}`;
    }
    default:
      return unreachable(hash);
  }
}

/** Reads what `formatHash` or mosquitto_passwd wrote; a string says what is wrong with it. */
export function parseHash(text: string): PasswordHash | string {
  const fields = text.split('$');
  if (fields[0] !== '' || fields.length < 3) return 'the password is not hashed';
  switch (fields[1]) {
    case '6':
      return parseSha512(fields);
    case '7':
      return parsePbkdf2(fields);
    case 'scram-sha-256':
      return parseScram(fields);
    default:
      return 'unknown hash; $6$, $7$ and $scram-sha-256$ are known';
  }
}

/** PBKDF2-HMAC-SHA256 and the two keys of RFC 5802 section 3, on the thread pool. */
export async function deriveScramKeys(
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
): Promise<{ storedKey: Buffer; serverKey: Buffer }> {
  const prepared = preparePassword(password);
  const salted = await pbkdf2Async(prepared, salt, iterations, SHA256_BYTES, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  return {
    storedKey: createHash('sha256').update(clientKey).digest(),
    serverKey: createHmac('sha256', salted).update('Server Key').digest(),
  };
}

/** Strict base64: null for anything that an encoder would not have written. */
export function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

function sha512(password: Uint8Array, salt: Uint8Array): Buffer {
  return createHash('sha512').update(password).update(salt).digest();
}

function pbkdf2Sha512(password: Uint8Array, salt: Uint8Array, iterations: number): Promise<Buffer> {
  return pbkdf2Async(password, salt, iterations, SHA512_BYTES, 'sha512');
}

function parseSha512(fields: readonly string[]): PasswordHash | string {
  if (fields.length !== 4) return 'a $6$ hash has the fields $6$salt$hash';
  const salt = parseSalt(fields[2]);
  if (salt === null) return BAD_SALT;
  const hash = parseBytes(fields[3], SHA512_BYTES);
  if (hash === null) return 'the hash is not base64 of 64 bytes';
  return { kind: 'sha512', salt, hash };
}

function parsePbkdf2(fields: readonly string[]): PasswordHash | string {
  if (fields.length !== 5) return 'a $7$ hash has the fields $7$iterations$salt$hash';
  const iterations = parseIterations(fields[2]);
  if (iterations === null) return BAD_ITERATIONS;
  const salt = parseSalt(fields[3]);
  if (salt === null) return BAD_SALT;
  const hash = parseBytes(fields[4], SHA512_BYTES);
  if (hash === null) return 'the hash is not base64 of 64 bytes';
  return { kind: 'sha512-pbkdf2', iterations, salt, hash };
}

function parseScram(fields: readonly string[]): PasswordHash | string {
  if (fields.length !== 6) {
    return 'a SCRAM line has the fields $scram-sha-256$iterations$salt$storedKey$serverKey';
  }
  const iterations = parseIterations(fields[2]);
  if (iterations === null) return BAD_ITERATIONS;
  const salt = parseSalt(fields[3]);
  if (salt === null) return BAD_SALT;
  const storedKey = parseBytes(fields[4], SHA256_BYTES);
  const serverKey = parseBytes(fields[5], SHA256_BYTES);
  if (storedKey === null || serverKey === null) return 'a key is not base64 of 32 bytes';
  return { kind: 'scram-sha-256', iterations, salt, storedKey, serverKey };
}

const BAD_SALT = `the salt is not base64 of 1 to ${SALT_BYTES_MAX} bytes`;
const BAD_ITERATIONS = `the iterations are not a whole number from 1 to ${ITERATIONS_MAX}`;

function parseIterations(text: string): number | null {
  if (!/^[1-9][0-9]{0,9}$/.test(text)) return null;
  const iterations = Number(text);
  return iterations <= ITERATIONS_MAX ? iterations : null;
}

function parseSalt(text: string): Buffer | null {
  const salt = decodeBase64(text);
  return salt !== null && salt.length > 0 && salt.length <= SALT_BYTES_MAX ? salt : null;
}

function parseBytes(text: string, length: number): Buffer | null {
  const bytes = decodeBase64(text);
  return bytes !== null && bytes.length === length ? bytes : null;
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64');
}
