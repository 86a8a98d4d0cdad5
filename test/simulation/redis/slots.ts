/** Which slot a key is in. */
import { slotOf } from '../../../src/store/redis/slot.js';

/** Histories use the same keys again and again. */
const CACHED_MAX = 10_000;
const cached = new Map<string, number>();

export function slotOfKey(key: string): number {
  let slot = cached.get(key);
  if (slot !== undefined) return slot;
  const open = key.indexOf('{');
  const close = key.indexOf('}', open + 1);
  const tag = open >= 0 && close > open + 1 ? key.slice(open + 1, close) : key;
  slot = slotOf(Buffer.from(tag, 'latin1').toString('utf8'));
  if (cached.size >= CACHED_MAX) cached.clear();
  cached.set(key, slot);
  return slot;
}
