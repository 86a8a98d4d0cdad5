/**
 * Temporary folders. Each one is removed at the latest when the test process exits; the test
 * runner also gives every test file its own TMPDIR and removes that, for files that were killed.
 *
 * Paths are short on purpose: a Unix socket path inside must stay below 108 bytes.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class TempFolder {
  readonly path: string;

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), 'tw-'));
    folders.add(this);
  }

  /** The absolute path of a name in the folder. */
  file(name: string): string {
    return join(this.path, name);
  }

  /** Writes a file and returns its absolute path. */
  write(name: string, content: string | Uint8Array, mode = 0o600): string {
    const path = this.file(name);
    writeFileSync(path, content, { mode });
    return path;
  }

  remove(): void {
    folders.delete(this);
    rmSync(this.path, { recursive: true, force: true, maxRetries: 3 });
  }
}

const folders = new Set<TempFolder>();

process.once('exit', () => {
  for (const folder of [...folders]) folder.remove();
});

/** Runs `body` with a folder that is gone afterwards, also when it throws. */
export async function withTempFolder<T>(body: (folder: TempFolder) => T | Promise<T>): Promise<T> {
  const folder = new TempFolder();
  try {
    return await body(folder);
  } finally {
    folder.remove();
  }
}
