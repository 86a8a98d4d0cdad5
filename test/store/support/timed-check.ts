/**
 * Random runs for a time. fast-check's own time limit leaves the run that is under way to itself:
 * what it finds is lost, and it goes on when its server has stopped.
 */
import * as fc from 'fast-check';

export interface TimedCheck {
  /** It stops after so many runs, or when a run ends and this has passed. */
  readonly runs: number;
  readonly timeLimitMs: number;
}

/** As `fc.assert`. A failure is shrunk for as long again. */
export async function timedCheck<Value>(
  arbitrary: fc.Arbitrary<Value>,
  { runs, timeLimitMs }: TimedCheck,
  body: (value: Value) => Promise<void>,
): Promise<void> {
  let endMs = performance.now() + timeLimitMs;
  let hasFailed = false;
  const property = fc.asyncProperty(arbitrary, async (value) => {
    if (performance.now() >= endMs) return;
    try {
      await body(value);
    } catch (error) {
      if (!hasFailed) endMs = performance.now() + timeLimitMs;
      hasFailed = true;
      throw error;
    }
  });
  await fc.assert(property, { numRuns: runs, includeErrorInReport: true });
}
