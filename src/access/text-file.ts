/**
 * The text files that decide about access: read whole, as UTF-8, and refused with one clear line.
 * Read at start and on reload only, so synchronously: a reload is one step, nothing in between.
 */
import { readFileSync, type Stats, statSync } from 'node:fs';
import { BrokerError, messageOf, systemCode } from '../base/errors.js';
import type { Log } from '../base/log.js';

/** Bytes of one file; a larger one is refused. A million users take about 150 MB. */
export const ACCESS_FILE_BYTES_MAX = 256 * 1024 * 1024;

const OTHERS_READ = 0o004;
const OTHERS_WRITE = 0o002;

export interface TextFileKind {
  /** Code of the `BrokerError` for this file: `PASSWORD_FILE`, `ACL_FILE`, `PSK_FILE`. */
  readonly code: string;
  /** The configuration key that names the file. */
  readonly key: string;
  /** Secrets: a file that everybody can read is worth a warning. */
  readonly isSecret: boolean;
  /** How to get one that is missing. */
  readonly remedy: string;
}

/** The lines of a file without their ends; line n of the file is at n - 1. */
export function readTextFile(path: string, kind: TextFileKind, log: Log): string[] {
  let bytes: Buffer;
  try {
    const stats = statSync(path);
    checkStats(path, kind, stats);
    warnAboutMode(path, kind, stats, log);
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof BrokerError) throw error;
    throw new BrokerError(kind.code, `${kind.key} ${path}: ${reasonOf(error, kind)}`, {
      cause: error,
    });
  }
  return toLines(bytes, path, kind);
}

/** `FILE:LINE: message`, for something that is wrong in a file. */
export function lineError(
  kind: TextFileKind,
  path: string,
  line: number,
  message: string,
): BrokerError {
  return new BrokerError(kind.code, `${path}:${line}: ${message}`);
}

function checkStats(path: string, kind: TextFileKind, stats: Stats): void {
  if (!stats.isFile()) {
    throw new BrokerError(kind.code, `${kind.key} ${path}: not a regular file; name a text file`);
  }
  if (stats.size > ACCESS_FILE_BYTES_MAX) {
    throw new BrokerError(
      kind.code,
      `${kind.key} ${path}: ${stats.size} bytes are more than ${ACCESS_FILE_BYTES_MAX}; split it`,
    );
  }
}

function warnAboutMode(path: string, kind: TextFileKind, stats: Stats, log: Log): void {
  if (process.platform === 'win32') return;
  const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
  if ((stats.mode & OTHERS_WRITE) !== 0) {
    log.write('warning', 'access file can be changed by every user; chmod o-rwx it', {
      key: kind.key,
      file: path,
      mode,
    });
  } else if (kind.isSecret && (stats.mode & OTHERS_READ) !== 0) {
    log.write('warning', 'access file can be read by every user; chmod o-rwx it', {
      key: kind.key,
      file: path,
      mode,
    });
  }
}

function reasonOf(error: unknown, kind: TextFileKind): string {
  switch (systemCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return `no such file; ${kind.remedy} or correct the path`;
    case 'EACCES':
    case 'EPERM':
      return 'the broker may not read it; check owner and mode of the file and its folders';
    default:
      return `cannot be read: ${messageOf(error)}`;
  }
}

function toLines(bytes: Buffer, path: string, kind: TextFileKind): string[] {
  // TextDecoder drops a byte order mark, which some editors put first.
  try {
    return splitLines(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw lineError(kind, path, firstBadLine(bytes), 'not valid UTF-8; save the file as UTF-8');
  }
}

function splitLines(text: string): string[] {
  const lines = text.split('\n');
  if (lines[lines.length - 1] === '') lines.pop();
  return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
}

function firstBadLine(bytes: Buffer): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    try {
      decoder.decode(bytes.subarray(start, end));
    } catch {
      // This is the line that was looked for; the caller reports it.
      return line;
    }
    start = end + 1;
  }
  return line;
}
