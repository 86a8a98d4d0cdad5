/** "Did you mean …": the known word that is the fewest typing slips away. */

/** The nearest of `known`, or null when nothing is near enough to be worth a guess. */
export function nearest(word: string, known: Iterable<string>): string | null {
  const reach = word.length < 4 ? word.length - 2 : Math.max(2, Math.floor(word.length / 3));
  let best: string | null = null;
  let bestDistance = reach + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** ` (did you mean "…"?)`, or nothing. */
export function hint(word: string, known: Iterable<string>): string {
  const near = nearest(word.slice(0, MAX_WORD), known);
  return near === null ? '' : ` (did you mean "${near}"?)`;
}

/** A line may be long; a guess needs no more than this, and the cost is quadratic. */
const MAX_WORD = 64;

/** Insertions, deletions, replacements and swaps of neighbours, each counting one. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (isSame ? 0 : 1));
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) cost = Math.min(cost, beforeLast[j - 2] + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length];
}
