/**
 * `psk_file`: pre-shared keys for TLS, one `identity:hexkey` per line, as Mosquitto reads it.
 * Leading zero bytes are part of the key; a key of an odd number of digits gets one zero in front.
 * When an identity stands twice, the last line counts, with a warning.
 */
import type { Log } from '../base/log.js';
import { lineError, readTextFile, type TextFileKind } from './text-file.js';

const pskFileKind: TextFileKind = {
  code: 'PSK_FILE',
  key: 'psk_file',
  isSecret: true,
  remedy: 'create it',
};

/** Bytes of a key: what OpenSSL takes (PSK_MAX_PSK_LEN). */
export const PSK_BYTES_MAX = 256;
/** Bytes of an identity: what OpenSSL takes (PSK_MAX_IDENTITY_LEN). */
export const PSK_IDENTITY_BYTES_MAX = 256;

export class PskFile {
  private readonly keys: ReadonlyMap<string, Buffer>;

  private constructor(keys: ReadonlyMap<string, Buffer>) {
    this.keys = keys;
  }

  static load(path: string, log: Log): PskFile {
    const keys = new Map<string, Buffer>();
    readTextFile(path, pskFileKind, log).forEach((text, index) => {
      if (text.startsWith('#') || text.trim() === '') return;
      const before = keys.size;
      const problem = addLine(keys, text);
      if (problem !== null) throw lineError(pskFileKind, path, index + 1, problem);
      if (keys.size === before) {
        log.write('warning', 'psk_file has an identity twice; the last line counts', {
          file: path,
          line: index + 1,
        });
      }
    });
    return new PskFile(keys);
  }

  get size(): number {
    return this.keys.size;
  }

  /** The key of an identity; null when nobody has it. */
  keyOf(identity: string): Buffer | null {
    return this.keys.get(identity) ?? null;
  }
}

/** Null, or what is wrong with the line. Keys are secrets: no message quotes one. */
function addLine(keys: Map<string, Buffer>, text: string): string | null {
  const colon = text.indexOf(':');
  if (colon <= 0) return 'expected identity:hexkey';
  const identity = text.slice(0, colon);
  const digits = text.slice(colon + 1).trim();
  if (digits === '') return 'the key is missing; write it in hexadecimal after the colon';
  if (!/^[0-9a-fA-F]+$/.test(digits)) return 'the key is not hexadecimal (no "0x" in front)';
  const key = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  if (key.length > PSK_BYTES_MAX) return `the key is longer than ${PSK_BYTES_MAX} bytes`;
  if (Buffer.byteLength(identity) > PSK_IDENTITY_BYTES_MAX) {
    return `the identity is longer than ${PSK_IDENTITY_BYTES_MAX} bytes`;
  }
  keys.set(identity, key);
  return null;
}
