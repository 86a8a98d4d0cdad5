/**
 * `password_file`: who has which password, in Mosquitto's format.
 *
 *     # comment
 *     alice:$7$10000$c2FsdA==$…
 *
 * A name may hold anything but ':'. When a name stands twice, the last line counts, as in
 * Mosquitto, and a warning names both. Anything else that is wrong refuses the file.
 */
import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { Log } from '../base/log.js';
import { type PasswordHash, parseHash, type ScramVerifier } from './password-hash.js';
import { lineError, readTextFile, type TextFileKind } from './text-file.js';

export const passwordFileKind: TextFileKind = {
  code: 'PASSWORD_FILE',
  key: 'password_file',
  isSecret: true,
  remedy: 'create it with "tidewire passwd -c"',
};

// One key per process: what an unknown name is answered stays the same for as long as it lives.
const decoyKey = randomBytes(32);

interface Entry {
  readonly hash: PasswordHash;
  /** As in the file, to see whether a reload changed it. */
  readonly text: string;
  readonly line: number;
}

export class PasswordFile {
  private readonly entries: ReadonlyMap<string, Entry>;
  private readonly all: readonly PasswordHash[];
  private readonly scram: readonly ScramVerifier[];

  private constructor(entries: ReadonlyMap<string, Entry>) {
    this.entries = entries;
    this.all = Array.from(entries.values(), (entry) => entry.hash);
    this.scram = this.all.filter((hash) => hash.kind === 'scram-sha-256');
  }

  static load(path: string, log: Log): PasswordFile {
    const entries = new Map<string, Entry>();
    readTextFile(path, passwordFileKind, log).forEach((text, index) => {
      const line = index + 1;
      if (isSkipped(text)) return;
      const colon = text.indexOf(':');
      if (colon <= 0) {
        throw lineError(passwordFileKind, path, line, 'expected user:hash, as passwd writes it');
      }
      const name = text.slice(0, colon);
      const hash = parseHash(text.slice(colon + 1));
      if (typeof hash === 'string') throw lineError(passwordFileKind, path, line, advice(hash));
      const earlier = entries.get(name);
      if (earlier !== undefined) {
        log.write('warning', 'password_file has a user twice; the last line counts', {
          file: path,
          line,
          earlierLine: earlier.line,
        });
      }
      entries.set(name, { hash, text: text.slice(colon + 1), line });
    });
    return new PasswordFile(entries);
  }

  get size(): number {
    return this.entries.size;
  }

  has(username: string): boolean {
    return this.entries.has(username);
  }

  hashOf(username: string): PasswordHash | null {
    return this.entries.get(username)?.hash ?? null;
  }

  /**
   * A hash to spend time on when nobody is called `username`, null in an empty file: that of some
   * user, always the same one for a name. So unknown names take as long as known ones do, also in
   * a file with hashes of several kinds. Its result must be ignored.
   */
  decoyFor(username: string): PasswordHash | null {
    return pick(this.all, username);
  }

  /** False: nobody could log in with SCRAM. */
  get hasScram(): boolean {
    return this.scram.length > 0;
  }

  scramOf(username: string): ScramVerifier | null {
    const hash = this.hashOf(username);
    return hash?.kind === 'scram-sha-256' ? hash : null;
  }

  /** A verifier for a name that has none: looks real, stays the same, opens to nobody. */
  scramDecoyFor(username: string): ScramVerifier | null {
    const shape = pick(this.scram, username);
    if (shape === null) return null;
    return {
      kind: 'scram-sha-256',
      iterations: shape.iterations,
      salt: derive(username, 'salt', shape.salt.length),
      storedKey: derive(username, 'stored key', 32),
      serverKey: derive(username, 'server key', 32),
    };
  }

  /** Names whose line is gone or has changed in `next`. */
  changedUsers(next: PasswordFile): Set<string> {
    const changed = new Set<string>();
    for (const [name, entry] of this.entries) {
      if (next.entries.get(name)?.text !== entry.text) changed.add(name);
    }
    return changed;
  }
}

/** True for lines without a user: blank ones and comments. */
export function isSkipped(line: string): boolean {
  return line.startsWith('#') || line.trim() === '';
}

function advice(problem: string): string {
  return `${problem}; set it again with "tidewire passwd", or convert plain text with -U`;
}

function pick<T>(list: readonly T[], username: string): T | null {
  if (list.length === 0) return null;
  const digest = createHmac('sha256', decoyKey).update(`pick\0${username}`).digest();
  return list[digest.readUInt32LE(0) % list.length];
}

function derive(username: string, purpose: string, length: number): Buffer {
  const info = Buffer.from(`${purpose}\0`);
  // The name goes in as the salt: HKDF's info is limited to 1024 bytes, names are not.
  return Buffer.from(hkdfSync('sha256', decoyKey, Buffer.from(username), info, length));
}
