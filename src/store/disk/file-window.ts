/** Reads a file of any size piece by piece, for the recovery at the start. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const WINDOW_BYTES = 4 * 1024 * 1024;

export class FileWindow {
  readonly size: number;
  private readonly file: number;
  private window = Buffer.alloc(0);
  /** Where in the file the window begins. */
  private windowAt = 0;

  constructor(path: string) {
    this.file = openSync(path, 'r');
    this.size = fstatSync(this.file).size;
  }

  /** The bytes from `at` on, which stay as they are; null when the file ends before. */
  view(at: number, bytes: number): Buffer | null {
    if (at + bytes > this.size) return null;
    const isInside = at >= this.windowAt && at + bytes <= this.windowAt + this.window.length;
    if (!isInside && !this.move(at, bytes)) return null;
    const start = at - this.windowAt;
    return this.window.subarray(start, start + bytes);
  }

  close(): void {
    closeSync(this.file);
  }

  private move(at: number, bytes: number): boolean {
    const wanted = Math.min(Math.max(bytes, WINDOW_BYTES), this.size - at);
    const window = Buffer.allocUnsafeSlow(wanted);
    let length = 0;
    while (length < wanted) {
      const read = readSync(this.file, window, length, wanted - length, at + length);
      if (read === 0) return false;
      length += read;
    }
    this.window = window;
    this.windowAt = at;
    return true;
  }
}
