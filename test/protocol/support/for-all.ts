/** Property tests by fast-check, which prints the seed and the smallest counterexample. */
import * as fc from 'fast-check';

export interface ForAllOptions {
  /** Default 200. */
  readonly runs?: number;
}

/** Fails unless `check` returns without throwing for every generated value. */
export function forAll<Value>(
  values: fc.Arbitrary<Value>,
  check: (value: Value) => void,
  options: ForAllOptions = {},
): void {
  const outcome = fc.check(
    fc.property(values, (value) => check(value)),
    { numRuns: options.runs ?? 200 },
  );
  if (outcome instanceof Promise) throw new Error('the property is asynchronous');
  if (!outcome.failed) return;
  throw new Error(fc.defaultReportMessage(outcome), { cause: outcome.errorInstance });
}
