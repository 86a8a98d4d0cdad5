/** The few looks at the disk that reading a configuration takes; tests hand in their own. */
import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { messageOf, systemCode } from '../base/errors.js';
import { failAt, type Place } from './place.js';

export interface FileAccess {
  readFile(path: string): Uint8Array;
  /** Names of what is in a folder, in any order. */
  listFolder(path: string): string[];
}

export const diskFiles: FileAccess = {
  readFile: (path) => readFileSync(path),
  listFolder: (path) => readdirSync(path),
};

/** Runs one look at the disk; `what` starts the error, such as `include_dir /etc/x`. */
export function lookAt<T>(place: Place, what: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    return failAt(place, `${what}${reasonOf(error)}`, error);
  }
}

function reasonOf(error: unknown): string {
  switch (systemCode(error)) {
    case 'ENOENT':
      return 'does not exist';
    case 'EACCES':
    case 'EPERM':
      return 'cannot be read: permission denied';
    case 'EISDIR':
      return 'is a folder, not a file';
    case 'ENOTDIR':
      return 'is not a folder';
    default:
      return `cannot be read: ${messageOf(error)}`;
  }
}

/**
 * Files of an `include_dir` in Mosquitto's order: by letter, the capital before the small one
 * (`A.conf`, `a.conf`, `B.conf`).
 */
export function includedFiles(names: readonly string[]): string[] {
  const isIncluded = (name: string) => name.length > '.conf'.length && name.endsWith('.conf');
  return names.filter(isIncluded).sort(byLetter);
}

function byLetter(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const letter = upperCode(a, i) - upperCode(b, i);
    if (letter !== 0) return letter;
    const capital = a.charCodeAt(i) - b.charCodeAt(i);
    if (capital !== 0) return capital;
  }
  return a.length - b.length;
}

function upperCode(name: string, at: number): number {
  const code = name.charCodeAt(at);
  return code >= 0x61 && code <= 0x7a ? code - 0x20 : code;
}

/** False in containers without IPv6, where a listener on `::1` could not start. */
export function hasIpv6Loopback(): boolean {
  const addresses = Object.values(networkInterfaces()).flat();
  return addresses.some((address) => address?.address === '::1');
}
