/** Runs the micro benchmarks with tinybench, one group after the other. */
import { Bench } from 'tinybench';
import { BenchError } from '../bench-error.js';
import type { MicroRow } from '../report/results.js';
import { codecTasks } from './codec-tasks.js';
import { indexTasks } from './index-tasks.js';
import type { MicroTask } from './micro-task.js';
import { qosTasks } from './qos-tasks.js';
import { routingTasks } from './routing-tasks.js';

const TIME_MS = 500;
const QUICK_TIME_MS = 100;
const WARMUP_MS = 200;

/** Made one at a time, so that a group's memory is gone when the next one is measured. */
const groups: readonly (() => MicroTask[])[] = [codecTasks, routingTasks, qosTasks, indexTasks];

export function measureMicro(
  isQuick: boolean,
  isWanted: (name: string) => boolean,
  progress: (line: string) => void,
): MicroRow[] {
  return groups.flatMap((makeTasks) => {
    const tasks = makeTasks().filter(({ group, name }) => isWanted(`${group}: ${name}`));
    return tasks.map((task) => {
      const row = measureTask(task, isQuick ? QUICK_TIME_MS : TIME_MS);
      progress(`micro: ${row.group}: ${row.name}: ${row.ns.toFixed(1)} ns`);
      return row;
    });
  });
}

function measureTask(task: MicroTask, time: number): MicroRow {
  const bench = new Bench({ time, warmupTime: WARMUP_MS, throws: true });
  bench.add(task.name, task.run, { async: false });
  bench.runSync();
  const result = bench.tasks[0]?.result;
  if (result === undefined || result.state !== 'completed') {
    throw new BenchError(`micro benchmark "${task.name}" did not complete`);
  }
  return {
    group: task.group,
    name: task.name,
    ns: (result.latency.p50 * 1e6) / task.operations,
    errorPercent: result.latency.rme,
  };
}
