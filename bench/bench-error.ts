/** What ends a benchmark for a reason that the person at the keyboard can do something about. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}
