/** One thing to time: `run` does `operations` of them, so that the timer's own cost vanishes. */
export interface MicroTask {
  readonly group: string;
  readonly name: string;
  readonly operations: number;
  readonly run: () => void;
}

/** Results go here, so that the compiler cannot drop the work that made them. */
export const sink = { value: 0 };
