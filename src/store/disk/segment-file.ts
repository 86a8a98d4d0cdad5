/** The file operations of the journal, so that tests can have them fail. */
import { constants, fdatasync, fsync, writev } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface SegmentFile {
  /** Bytes of the file when it was opened. */
  readonly size: number;
  /** Writes all of `buffers`. */
  write(buffers: readonly Buffer[], at: number): Promise<void>;
  /** What was written before survives a loss of power. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a file, and makes it where there is none, with its name safe in its folder.
 *
 * @param syncsWrites what `write` has written is safe when it returns, as if by `sync`
 */
export type OpenSegmentFile = (path: string, syncsWrites: boolean) => Promise<SegmentFile>;

/** One call instead of two; elsewhere the flag is missing, or does not reach the medium. */
const DSYNC = process.platform === 'linux' ? constants.O_DSYNC : 0;

export const openSegmentFile: OpenSegmentFile = async (path, syncsWrites) => {
  const flags = constants.O_RDWR | constants.O_CREAT | (syncsWrites ? DSYNC : 0);
  const handle = await open(path, flags, 0o600);
  try {
    await syncFolder(dirname(path));
    const { size } = await handle.stat();
    return {
      size,
      write: async (buffers, at) => {
        await writeAll(handle.fd, buffers, at);
        if (syncsWrites && DSYNC === 0) await sync(handle.fd);
      },
      sync: () => sync(handle.fd),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
};

/** What was created, renamed or removed in a folder survives a loss of power. */
export async function syncFolder(path: string): Promise<void> {
  // Folders cannot be opened there.
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await new Promise<void>((resolve, reject) => {
      fsync(handle.fd, (error) => (error === null ? resolve() : reject(error)));
    });
  } finally {
    await handle.close();
  }
}

function sync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function writeAll(fd: number, buffers: readonly Buffer[], at: number): Promise<void> {
  let rest = buffers;
  while (rest.length > 0) {
    const written = await writeSome(fd, rest, at);
    at += written;
    rest = after(rest, written);
  }
}

function writeSome(fd: number, buffers: readonly Buffer[], at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(fd, buffers, at, (error, written) => {
      if (error !== null) reject(error);
      else if (written === 0) reject(new Error('nothing was written'));
      else resolve(written);
    });
  });
}

/** What is left of `buffers` when so many bytes of them were written. */
function after(buffers: readonly Buffer[], written: number): readonly Buffer[] {
  let index = 0;
  while (index < buffers.length && written >= buffers[index]!.length) {
    written -= buffers[index]!.length;
    index++;
  }
  const rest = buffers.slice(index);
  if (written > 0) rest[0] = rest[0]!.subarray(written);
  return rest;
}
