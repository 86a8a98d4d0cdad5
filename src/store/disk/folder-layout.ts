/**
 * The file `layout`: which form the folder's other files have. A folder of a form that is not
 * known, or with files that are not a store's, is refused and left as it is.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { BrokerError } from '../../base/errors.js';
import { syncFolder } from './segment-file.js';

const NAME = 'layout';
const WORDS = 'tidewire disk store';
const VERSION = 1;
/** Files of the lock, and of a layout that was not finished. */
const PASSING = /^(lock|layout\.new)/;

/**
 * Marks a new folder as ours, or checks that it is.
 *
 * @throws BrokerError `STORE_LAYOUT`
 */
export async function checkLayout(folder: string): Promise<void> {
  const names = readdirSync(folder).filter((name) => !PASSING.test(name));
  if (names.length === 0) {
    await writeLayout(folder);
    return;
  }
  if (!names.includes(NAME)) {
    const detail =
      `${folder} holds files that are not the broker's, such as ${names[0]}; ` +
      'give it a folder of its own';
    throw new BrokerError('STORE_LAYOUT', detail);
  }
  const text = readFileSync(join(folder, NAME), 'utf8').trim();
  if (text === `${WORDS} ${VERSION}`) return;
  const detail =
    `${folder} has the layout '${text.slice(0, 60)}', this broker knows '${WORDS} ${VERSION}'; ` +
    'use the broker that wrote it, or another folder';
  throw new BrokerError('STORE_LAYOUT', detail);
}

async function writeLayout(folder: string): Promise<void> {
  const path = join(folder, `${NAME}.new`);
  const handle = await open(path, 'w', 0o600);
  try {
    await handle.writeFile(`${WORDS} ${VERSION}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(path, join(folder, NAME));
  await syncFolder(folder);
}
