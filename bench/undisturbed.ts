/**
 * Samples of a virtual machine whose hypervisor gives its processors to others now and then: what
 * was measured meanwhile is measured again. Per CPU second, too, figures suffer: whoever waits for
 * a starved load generator gets smaller batches.
 */
import { readFileSync } from 'node:fs';

/** Of the processor time that was wanted, so much may have gone to others. */
const STOLEN_MAX = 0.05;
/** A quick run has one: it is to be over soon, whoever has the processors. */
const ATTEMPTS = 6;

/** Processor time since the start of the machine, in ticks. */
export interface ProcessorTimes {
  readonly used: number;
  readonly stolen: number;
}

/**
 * The result of `run`, of the first attempt that was hardly disturbed, or else of the one that was
 * least. What `run` throws ends it.
 *
 * @param times left out: the machine's
 */
export async function undisturbed<T>(
  run: () => Promise<T>,
  progress: (line: string) => void,
  attempts: number = ATTEMPTS,
  times: () => ProcessorTimes = processorTimes,
): Promise<T> {
  let best: { readonly result: T; readonly stolen: number } | null = null;
  for (let attempt = 1; ; attempt++) {
    const before = times();
    const result = await run();
    const stolen = stolenShare(before, times());
    if (best === null || stolen < best.stolen) best = { result, stolen };
    if (best.stolen <= STOLEN_MAX || attempt === attempts) return best.result;
    const percent = (stolen * 100).toFixed(0);
    progress(`${percent} % of the processors went to other machines: measured again`);
  }
}

function stolenShare(before: ProcessorTimes, after: ProcessorTimes): number {
  const stolen = after.stolen - before.stolen;
  const wanted = after.used - before.used + stolen;
  return wanted <= 0 ? 0 : stolen / wanted;
}

/** Zeros where there is no /proc. */
function processorTimes(): ProcessorTimes {
  try {
    return parseProcessorTimes(readFileSync('/proc/stat', 'utf8'));
  } catch {
    return { used: 0, stolen: 0 };
  }
}

/** Of the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal. */
export function parseProcessorTimes(text: string): ProcessorTimes {
  const line = /^cpu +(.+)$/m.exec(text)?.[1] ?? '';
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, stolen = 0] = line
    .split(' ')
    .map(Number);
  return { used: user + nice + system + irq + softirq, stolen };
}
