/** What a careful operator would say about a Redis server, and the numbers that it is about. */

export interface Finding {
  /**
   * `error`: messages are lost, or none are taken; `warning`: that may come; `advice`: it could be
   * better.
   */
  readonly level: 'error' | 'warning' | 'advice';
  /** Stable, for tests and scripts: `maxmemory-policy`. */
  readonly name: string;
  readonly what: string;
  readonly why: string;
  readonly todo: string;
}

/** A finding and the nodes that it is about; none: all of it. */
export interface Reported extends Finding {
  readonly nodes: readonly string[];
}

export const findingLevels = ['error', 'warning', 'advice'] as const;

/** All of it in one line. */
export function detailOf({ todo, what, why }: Finding): string {
  return `${what}: ${why}; ${todo}`;
}

/** The findings among what checks said. */
export function found(checks: readonly (Finding | null)[]): Finding[] {
  return checks.filter((check) => check !== null);
}

/** `12 bytes`, `64 MiB`, `1.5 GiB`. */
export function sizeText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${Math.round(value * 10) / 10} ${units[unit]}`;
}
