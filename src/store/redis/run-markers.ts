/**
 * Finds out that a primary came back empty: each has a key that was made when it was first seen,
 * and that nothing ever deletes. Markers belong to slots, and move with them.
 */
import type { Connection } from './connection.js';
import type { Keys } from './keys.js';
import { Refusal, refusalOf } from './reply-error.js';
import { SLOTS, tagIn } from './slot.js';

export class RunMarkers {
  private readonly keys: Keys;
  private readonly own: string;
  /** What was found, by slot. */
  private readonly known = new Map<number, string>();

  constructor(keys: Keys, own: string) {
    this.keys = keys;
    this.own = own;
  }

  /** True when a marker that was there is gone, or another one. */
  async check(connection: Connection, isServed: (slot: number) => boolean): Promise<boolean> {
    const slots = [...this.known.keys()].filter(isServed);
    if (slots.length === 0) {
      const first = firstServed(isServed);
      if (first < 0) return false;
      slots.push(first);
    }
    let isLost = false;
    for (const slot of slots) {
      const key = this.keys.run(tagIn(slot));
      const before = await this.ask(connection, key);
      // It moved meanwhile, and is looked for when its new link is set up.
      if (before === undefined) continue;
      const value = before === null ? this.own : String(before);
      const known = this.known.get(slot);
      if (known !== undefined && (before === null || known !== value)) isLost = true;
      this.known.set(slot, value);
    }
    return isLost;
  }

  /** The marker before this one; null: none was there. */
  private async ask(connection: Connection, key: string): Promise<unknown> {
    try {
      return await connection.command('SET', key, this.own, 'NX', 'GET');
    } catch (error) {
      const refusal = error instanceof Error ? refusalOf(error) : Refusal.Later;
      if (refusal === Refusal.Moved || refusal === Refusal.Ask) return undefined;
      throw error;
    }
  }
}

function firstServed(isServed: (slot: number) => boolean): number {
  for (let slot = 0; slot < SLOTS; slot++) if (isServed(slot)) return slot;
  return -1;
}
