/** A shard of the maps as a whole: how far its log is, and what is in it. */
import { decodeEntry, type MapEntry } from '../map-entries.js';
import { SCAN_BYTES, SCAN_COUNT } from '../tuning.js';

/** Where in a shard's log. */
export interface Place {
  /** Number of the entry; 0: before the first one. */
  readonly entry: number;
  readonly chain: string;
}

export interface Mark {
  readonly place: Place;
  /** Last call of each writer that is in the shard. */
  readonly calls: ReadonlyMap<string, number>;
}

/** Of the answer to HGETALL of the shard's `w`. */
export function marksOf(reply: unknown): Mark {
  const parts = (reply as readonly unknown[]).map(String);
  const calls = new Map<string, number>();
  let place: Place = { entry: 0, chain: '' };
  for (let at = 0; at < parts.length; at += 2) {
    const one = placeOf(parts[at + 1]!);
    if (parts[at] === '#') place = one;
    else calls.set(parts[at]!, one.entry);
  }
  return { place, calls };
}

/** A number and what comes behind the colon. */
export function placeOf(text: string): Place {
  const colon = text.indexOf(':');
  return { entry: Number(text.slice(0, colon)), chain: text.slice(colon + 1) };
}

/** All entries, in steps of about the same weight. What changes meanwhile may be there or not. */
export async function scanShard(
  ask: (...parts: readonly string[]) => Promise<unknown>,
  key: string,
  take: (entries: readonly MapEntry[]) => Promise<void>,
): Promise<void> {
  let cursor = '0';
  let count = SCAN_COUNT;
  do {
    const reply = await ask('HSCAN', key, cursor, 'COUNT', String(count));
    const [next, parts] = reply as readonly [Buffer, readonly Buffer[]];
    cursor = String(next);
    const entries: MapEntry[] = [];
    let bytes = 0;
    for (let at = 0; at < parts.length; at += 2) {
      const entry = decodeEntry(parts[at]!, parts[at + 1]!);
      if (entry !== null) entries.push(entry);
      bytes += parts[at]!.length + parts[at + 1]!.length;
    }
    await take(entries);
    if (bytes > SCAN_BYTES) count = Math.max(1, Math.floor(count / 2));
    else if (bytes < SCAN_BYTES / 4) count = Math.min(SCAN_COUNT, count * 2);
  } while (cursor !== '0');
}
