/**
 * One process per folder: a file `lock` that says who holds it.
 *
 * A process that was killed leaves its file behind. It is known to be dead when no process has its
 * number, or one that started at another time, or when the machine was started anew. A file of
 * another host, such as an earlier container, is left alone as long as it is refreshed.
 *
 * The file comes into its place by `link`, which fails if there is one, and a dead one's goes by
 * `rename`, which only one process can do. Who took a dead one's place looks again a little later,
 * for another process may have judged by the same dead file and have been slower.
 */
import {
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { BrokerError, messageOf, systemCode } from '../../base/errors.js';

const REFRESH_EVERY_MS = 2_000;
/** Another host's lock that was not refreshed for so long is dead. */
const FOREIGN_PATIENCE_MS = 10_000;
const SECOND_LOOK_MS = 100;

/** Locks taken by this process: no two have the same text. */
let taken = 0;

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Changes when the machine starts anew; empty where there is no such thing. */
  readonly boot: string;
  /** When the process started, in the system's own words; empty where it cannot be known. */
  readonly started: string;
}

export class FolderLock {
  private readonly path: string;
  private readonly own: string;
  /** Another process has taken the folder, because this one was stopped for too long. */
  onLost: () => void = () => undefined;
  private readonly timer: NodeJS.Timeout;

  private constructor(path: string, own: string) {
    this.path = path;
    this.own = own;
    this.timer = setInterval(() => this.refresh(), REFRESH_EVERY_MS);
    this.timer.unref();
  }

  /** @throws BrokerError `STORE_LOCKED`, or `STORE_FOLDER` when the folder cannot be written */
  static async take(folder: string, patienceMs = FOREIGN_PATIENCE_MS): Promise<FolderLock> {
    const path = join(folder, 'lock');
    taken++;
    const own = JSON.stringify({ ...thisProcess(), taken });
    const candidate = `${path}.${process.pid}-${taken}`;
    try {
      writeFileSync(candidate, own, { mode: 0o600 });
    } catch (error) {
      const detail =
        `cannot write in ${folder}: ${messageOf(error)}; ` +
        'give the broker a folder of its own that it may write';
      throw new BrokerError('STORE_FOLDER', detail, { cause: error });
    }
    try {
      await takePlace(candidate, path, own, folder, patienceMs);
    } finally {
      rmSync(candidate, { force: true });
    }
    return new FolderLock(path, own);
  }

  release(): void {
    clearInterval(this.timer);
    if (readText(this.path) === this.own) rmSync(this.path, { force: true });
  }

  private refresh(): void {
    const found = readText(this.path);
    // Somebody removed it by hand: nothing that a refresh could mend.
    if (found === null) return;
    if (found !== this.own) {
      clearInterval(this.timer);
      this.onLost();
      return;
    }
    const now = (performance.timeOrigin + performance.now()) / 1000;
    utimesSync(this.path, now, now);
  }
}

async function takePlace(
  candidate: string,
  path: string,
  own: string,
  folder: string,
  patienceMs: number,
): Promise<void> {
  for (;;) {
    if (tryLink(candidate, path)) return;
    const found = readText(path);
    if (found === null) continue;
    const holder = parse(found);
    if (holder !== null && !(await isDead(holder, path, patienceMs))) throw locked(folder, holder);
    if (!removeDead(path, candidate, found)) continue;
    if (!tryLink(candidate, path)) continue;
    await pause(SECOND_LOOK_MS);
    if (readText(path) === own) return;
  }
}

/** False: somebody else did it, or it is not the same file any more. */
function removeDead(path: string, candidate: string, found: string): boolean {
  const aside = `${candidate}.dead`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
  const isSame = readText(aside) === found;
  // Somebody living was faster: back it goes.
  if (!isSame) tryLink(aside, path);
  rmSync(aside, { force: true });
  return isSame;
}

async function isDead(holder: Holder, path: string, patienceMs: number): Promise<boolean> {
  const self = thisProcess();
  if (holder.host !== self.host) return isAbandoned(path, patienceMs);
  if (holder.boot !== self.boot) return true;
  if (!isRunning(holder.pid)) return true;
  const started = startOf(holder.pid);
  return started !== '' && holder.started !== '' && started !== holder.started;
}

/** Another host cannot be asked: its lock is watched for a while. */
async function isAbandoned(path: string, patienceMs: number): Promise<boolean> {
  const before = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  await pause(patienceMs);
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs === before;
}

function locked(folder: string, { pid, host }: Holder): BrokerError {
  const detail =
    `${folder} is in use by process ${pid} on ${host}; ` +
    'stop that broker, or give this one a folder of its own';
  return new BrokerError('STORE_LOCKED', detail);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

function thisProcess(): Holder {
  const boot = readText('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
  return { pid: process.pid, host: hostname(), boot, started: startOf(process.pid) };
}

/** Field 22 of /proc/<pid>/stat; the second one, in brackets, may have blanks in it. */
function startOf(pid: number): string {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === null) return '';
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** Null: it cannot be read, as after a crash in the middle of its making; that one is dead. */
function parse(text: string): Holder | null {
  try {
    const holder: unknown = JSON.parse(text);
    const isHolder = typeof holder === 'object' && holder !== null && 'pid' in holder;
    return isHolder ? (holder as Holder) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'EACCES' || code === 'ESRCH') return null;
    throw error;
  }
}
