/**
 * Whether a test file passed, judged by how its process ended and by uvu's summary. uvu itself
 * calls a file without `.run()`, or one that exits early, a success; here both fail.
 */
export interface Ending {
  readonly output: string;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Null when the file ended in time. */
  readonly deadlineMsMissed: number | null;
}

export interface Verdict {
  readonly passed: number;
  /** At least 1 when the file failed for whatever reason. */
  readonly failed: number;
  readonly skipped: number;
  /** Null when all is well. */
  readonly problem: string | null;
}

export function judge(ending: Ending): Verdict {
  const summary = readSummary(ending.output);
  const passed = summary?.passed ?? 0;
  const skipped = summary?.skipped ?? 0;
  const problem = findProblem(ending, summary);
  const failed = problem === null ? 0 : Math.max(1, (summary?.total ?? 0) - passed);
  return { passed, failed, skipped, problem };
}

interface Summary {
  readonly total: number;
  readonly passed: number;
  readonly skipped: number;
}

/** uvu's last three lines of numbers; null when there are none. */
function readSummary(output: string): Summary | null {
  const pattern = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)$/gm;
  const last = [...output.matchAll(pattern)].at(-1);
  if (last === undefined) return null;
  return { total: Number(last[1]), passed: Number(last[2]), skipped: Number(last[3]) };
}

function findProblem(ending: Ending, summary: Summary | null): string | null {
  if (ending.deadlineMsMissed !== null) {
    return `took longer than its deadline of ${ending.deadlineMsMissed / 1000} s`;
  }
  if (ending.signal !== null) return `ended by ${ending.signal}`;
  if (summary === null) return `ended without a summary, exit code ${ending.exitCode}`;
  if (summary.total === 0) return 'ran no test: is .run() missing?';
  const failed = summary.total - summary.passed;
  if (failed > 0) return `${failed} of ${summary.total} tests failed`;
  if (ending.exitCode !== 0) return `exit code ${ending.exitCode} though all tests passed`;
  return null;
}
