/**
 * Changes to a password file, for `tidewire passwd`. Lines that are not meant stay as they are,
 * comments too. The new file replaces the old one in one step, with its mode and owner: a broker
 * that reloads meanwhile reads either the one or the other.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { BrokerError, messageOf, systemCode } from '../base/errors.js';
import { silentLog } from '../base/log.js';
import { isSkipped, passwordFileKind } from './password-file.js';
import { parseHash } from './password-hash.js';
import { lineError, readTextFile } from './text-file.js';

/** Of a new file: it is a secret. */
const NEW_FILE_MODE = 0o600;

export class PasswordEditor {
  private readonly path: string;
  private lines: string[];

  private constructor(path: string, lines: string[]) {
    this.path = path;
    this.lines = lines;
  }

  /** Starts with nothing; an existing file is replaced by `save`. */
  static create(path: string): PasswordEditor {
    return new PasswordEditor(path, []);
  }

  /** Reads an existing file. Each line must be one that can be kept. */
  static open(path: string): PasswordEditor {
    // Its permissions are the broker's concern, not that of whoever changes a password.
    const lines = readTextFile(path, passwordFileKind, silentLog);
    lines.forEach((line, index) => {
      if (!isSkipped(line) && line.indexOf(':') <= 0) {
        throw lineError(passwordFileKind, path, index + 1, 'expected user:hash; correct the line');
      }
    });
    return new PasswordEditor(path, lines);
  }

  /** Puts the user's line where the first one was, or at the end. */
  set(username: string, hash: string): void {
    const line = `${username}:${hash}`;
    const at = this.lines.findIndex((existing) => nameOf(existing) === username);
    if (at < 0) {
      this.lines.push(line);
      return;
    }
    this.lines[at] = line;
    this.lines = this.lines.filter((other, index) => index === at || nameOf(other) !== username);
  }

  /** False when there is no such user. */
  remove(username: string): boolean {
    const before = this.lines.length;
    this.lines = this.lines.filter((line) => nameOf(line) !== username);
    return this.lines.length < before;
  }

  /** Hashes what is plain text; the number of lines that were. */
  async upgrade(hash: (password: string) => Promise<string>): Promise<number> {
    let upgraded = 0;
    for (let index = 0; index < this.lines.length; index++) {
      const line = this.lines[index];
      const name = nameOf(line);
      if (name === null) continue;
      const password = line.slice(name.length + 1);
      if (typeof parseHash(password) !== 'string') continue;
      if (password === '') {
        throw lineError(passwordFileKind, this.path, index + 1, 'the password is empty; set one');
      }
      this.lines[index] = `${name}:${await hash(password)}`;
      upgraded++;
    }
    return upgraded;
  }

  save(): void {
    const content = this.lines.map((line) => `${line}\n`).join('');
    try {
      replaceFile(this.path, content);
    } catch (error) {
      throw new BrokerError(
        'PASSWORD_FILE',
        `${this.path}: cannot be written: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }
}

function nameOf(line: string): string | null {
  return isSkipped(line) ? null : line.slice(0, line.indexOf(':'));
}

function replaceFile(path: string, content: string): void {
  const target = resolveLinks(path);
  const existing = statOrNull(target);
  if (existing !== null && !existing.isFile()) throw new Error('not a regular file');
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  const fd = openSync(temporary, 'wx', NEW_FILE_MODE);
  try {
    try {
      if (existing !== null) keepOwnerAndMode(fd, existing);
      writeFileSync(fd, content);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(target));
}

/** A link stays a link: what it points to is replaced. */
function resolveLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return path;
    throw error;
  }
}

function statOrNull(path: string): Stats | null {
  return statSync(path, { throwIfNoEntry: false }) ?? null;
}

function keepOwnerAndMode(fd: number, existing: Stats): void {
  const created = fstatSync(fd);
  // Before the mode: changing the owner may clear bits of it.
  if (created.uid !== existing.uid || created.gid !== existing.gid) {
    fchownSync(fd, existing.uid, existing.gid);
  }
  fchmodSync(fd, existing.mode & 0o777);
}

/** So that the new name survives a power cut, where folders can be synced at all. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
