/** What the crash test's child and its checker agree on. */
export const subscribers: readonly string[] = ['s0', 's1', 's2'];
export const publisher = 'p';

/** How many messages batch `number` puts into each queue. */
export function messagesOfBatch(number: number): number {
  return ((number * 7_919) % 5) + 1;
}
