/** Waiting for a time that is drawn: it is what a fault is, not what a test waits for. */
import { until } from '../support/until.js';

/** A machine may be so busy. */
const lateMsMax = 60_000;

export async function pass(ms: number): Promise<void> {
  const endMs = performance.now() + ms;
  const isOver = (): boolean => performance.now() >= endMs;
  await until('the time to pass', isOver, { deadlineMs: ms + lateMsMax });
}
