/**
 * Lines to a file descriptor, without ever holding up the event loop: one asynchronous write at a
 * time, and a bounded buffer behind it. What does not fit is lost, counted, and the count is
 * written when there is room again. A reader that is gone or a full disk costs log lines and one
 * notice, never the broker.
 *
 *     idle ──write──▶ writing ──written──▶ idle, or writing what came meanwhile
 *                      ├─EAGAIN──▶ waiting ──time──▶ writing
 *                      ├─EPIPE, EBADF──▶ broken, until it gets another descriptor
 *                      └─other error──▶ idle; these lines are lost, the next ones are tried
 */
import * as fs from 'node:fs';
import { messageOf, systemCode } from '../base/errors.js';

/** Characters that wait for one destination; further lines are lost and counted. */
export const PENDING_CHARS_MAX = 1024 * 1024;
const RETRY_MS = 50;
const CLOSE_DEADLINE_MS = 1_000;

/** Standard input, output and error stay open for others. */
const FIRST_OWN_FD = 3;

const goneForGood: readonly (string | null)[] = ['EPIPE', 'EBADF', 'ENXIO'];

/** The calls of `node:fs` that are needed. */
export interface LineFiles {
  write(
    fd: number,
    bytes: Buffer,
    at: number,
    length: number,
    done: (error: Error | null, written: number) => void,
  ): void;
  writeSync(fd: number, bytes: Buffer, at: number, length: number): number;
  closeSync(fd: number): void;
}

const realFiles: LineFiles = {
  write: (fd, bytes, at, length, done) => fs.write(fd, bytes, at, length, null, done),
  writeSync: (fd, bytes, at, length) => fs.writeSync(fd, bytes, at, length, null),
  closeSync: (fd) => fs.closeSync(fd),
};

export interface LineSinkOptions {
  /** The first error since the last success. */
  readonly onTrouble: (message: string) => void;
  /** The line, with its end, that tells of lost ones. */
  readonly lostLine: (count: number) => string;
  /** Default: `node:fs`. */
  readonly files?: LineFiles;
}

export class LineSink {
  private readonly options: LineSinkOptions;
  private readonly files: LineFiles;
  private fd: number;
  /** Takes the place of `fd` after the write that is going on; -1: none. */
  private nextFd = -1;
  private pending: string[] = [];
  private pendingChars = 0;
  private lost = 0;
  private batch: Buffer | null = null;
  private batchAt = 0;
  private isBroken = false;
  /** The last line that got out may lack its end. */
  private isTorn = false;
  private isComplaining = false;
  private retry: NodeJS.Timeout | null = null;
  private waiting: (() => void)[] = [];

  constructor(fd: number, options: LineSinkOptions) {
    this.fd = fd;
    this.options = options;
    this.files = options.files ?? realFiles;
  }

  /** `line` has its end. */
  write(line: string): void {
    if (this.isBroken || this.pendingChars + line.length > PENDING_CHARS_MAX) {
      this.lost++;
      return;
    }
    this.pending.push(line);
    this.pendingChars += line.length;
    if (this.batch === null) this.start();
  }

  /** Goes on with another descriptor and closes the old one once it is done with. */
  replace(fd: number): void {
    if (this.nextFd >= 0) this.closeFd(this.nextFd);
    this.nextFd = fd;
    if (this.batch === null) this.swap();
  }

  /** Resolves when everything is written, or when it cannot be. */
  flush(): Promise<void> {
    if (this.batch === null) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /**
   * Writes at once what waits, as far as it goes without waiting, for a process that is about to
   * end. A write that is going on may have happened already: then its lines come twice.
   */
  flushSync(): void {
    const rest = this.batch?.subarray(this.batchAt) ?? Buffer.alloc(0);
    const bytes = Buffer.concat([rest, this.takePending()]);
    if (this.isBroken) return;
    try {
      let at = 0;
      while (at < bytes.length) {
        at += this.files.writeSync(this.fd, bytes, at, bytes.length - at);
      }
    } catch (error) {
      this.complain(error);
    }
  }

  /** Writes what is left, as far as that is possible in a second, and closes the descriptor. */
  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_DEADLINE_MS);
    });
    await Promise.race([this.flush(), late]);
    clearTimeout(timer);
    this.isBroken = true;
    if (this.retry !== null) clearTimeout(this.retry);
    // A write that still goes on must not end up in whatever gets the number next.
    if (this.batch === null || this.retry !== null) this.closeFd(this.fd);
  }

  private start(): void {
    this.batch = this.takePending();
    this.batchAt = 0;
    this.writeRest(this.batch);
  }

  private takePending(): Buffer {
    if (this.lost > 0) {
      this.pending.push(this.options.lostLine(this.lost));
      this.lost = 0;
    }
    const text = this.pending.join('');
    this.pending = [];
    this.pendingChars = 0;
    const isTorn = this.isTorn;
    this.isTorn = false;
    return Buffer.from(isTorn ? `\n${text}` : text);
  }

  private writeRest(batch: Buffer): void {
    const length = batch.length - this.batchAt;
    this.files.write(this.fd, batch, this.batchAt, length, (error, written) => {
      if (error !== null) {
        this.onError(error, batch);
        return;
      }
      this.batchAt += written;
      if (this.batchAt < batch.length) this.writeRest(batch);
      else this.onBatchWritten();
    });
  }

  private onBatchWritten(): void {
    this.isComplaining = false;
    this.becomeIdle();
    if (this.pending.length > 0 || this.lost > 0) this.start();
    else this.wake();
  }

  private onError(error: Error, batch: Buffer): void {
    const code = systemCode(error);
    if (code === 'EAGAIN' || code === 'EBUSY') {
      this.retry = setTimeout(() => this.writeRest(batch), RETRY_MS).unref();
      return;
    }
    this.complain(error);
    this.isBroken = goneForGood.includes(code);
    this.lost += batch.subarray(this.batchAt).filter((byte) => byte === 0x0a).length;
    this.isTorn = this.batchAt > 0 && batch[this.batchAt - 1] !== 0x0a;
    this.becomeIdle();
    this.wake();
  }

  private becomeIdle(): void {
    this.batch = null;
    this.batchAt = 0;
    this.retry = null;
    if (this.nextFd >= 0) this.swap();
  }

  private closeFd(fd: number): void {
    if (fd >= FIRST_OWN_FD) this.files.closeSync(fd);
  }

  private swap(): void {
    this.closeFd(this.fd);
    this.fd = this.nextFd;
    this.nextFd = -1;
    this.isBroken = false;
    this.isTorn = false;
    this.isComplaining = false;
  }

  private complain(error: unknown): void {
    if (this.isComplaining) return;
    this.isComplaining = true;
    this.options.onTrouble(messageOf(error));
  }

  private wake(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/**
 * A descriptor of our own for a terminal or pipe, one that says EAGAIN instead of waiting when
 * nobody reads. Where the system has no such thing (not Linux, another user's pipe) it is `fd`
 * itself: then a slow reader holds up a thread of the pool, still not the event loop.
 */
export function unblockedDescriptor(fd: 1 | 2): number {
  const { O_WRONLY, O_NONBLOCK, O_APPEND } = fs.constants;
  try {
    const stat = fs.fstatSync(fd);
    // A file opened twice would have two positions.
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return fd;
    return fs.openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_APPEND);
  } catch (error) {
    if (systemCode(error) === null) throw error;
    return fd;
  }
}
