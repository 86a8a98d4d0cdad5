/**
 * A map of strings without the limit of `Map`, which throws at 2^24 entries. Up to `MAP_MAX`
 * entries it is one map, and as fast.
 */

const MAP_MAX = 8_000_000;

export class LargeMap<Value> {
  private readonly first = new Map<string, Value>();
  private readonly more: Map<string, Value>[] = [];
  private readonly mapMax: number;

  /** @param mapMax entries per map; for tests */
  constructor(mapMax: number = MAP_MAX) {
    this.mapMax = mapMax;
  }

  get size(): number {
    return this.more.reduce((sum, map) => sum + map.size, this.first.size);
  }

  get(key: string): Value | undefined {
    const found = this.first.get(key);
    if (found !== undefined || this.more.length === 0) return found;
    return this.mapOf(key)?.get(key);
  }

  set(key: string, value: Value): void {
    const map = this.mapOf(key) ?? this.roomy();
    map.set(key, value);
  }

  delete(key: string): boolean {
    return this.mapOf(key)?.delete(key) ?? false;
  }

  /** The map that has `key`. */
  private mapOf(key: string): Map<string, Value> | undefined {
    if (this.first.has(key)) return this.first;
    return this.more.find((map) => map.has(key));
  }

  private roomy(): Map<string, Value> {
    if (this.first.size < this.mapMax) return this.first;
    const map = this.more.find(({ size }) => size < this.mapMax);
    if (map !== undefined) return map;
    this.more.push(new Map());
    return this.more.at(-1)!;
  }
}
