/**
 * Routes and members of brokers that are neither alive nor on the list of the dead: a write of
 * theirs came late, after they were worked off. Only one that was so for a while counts, since the
 * list and the maps are heard of apart.
 */
import type { MapTable } from './map-table.js';

export class Strays {
  private readonly tables: () => readonly MapTable[];
  private suspects = new Set<string>();
  private lookedMs = Number.NEGATIVE_INFINITY;

  constructor(tables: () => readonly MapTable[]) {
    this.tables = tables;
  }

  /**
   * @param known brokers that are alive, or will be worked off
   * @param everyMs how long somebody has to be unknown
   */
  find(known: ReadonlySet<string>, nowMs: number, everyMs: number): readonly string[] {
    if (nowMs - this.lookedMs < everyMs) return [];
    this.lookedMs = nowMs;
    const found = new Set<string>();
    for (const table of this.tables()) {
      for (const node of table.nodes()) if (!known.has(node)) found.add(node);
    }
    const strays = [...found].filter((node) => this.suspects.has(node));
    this.suspects = found;
    return strays;
  }
}
