/** A long queue of a session that was away: how fast it is taken, and what it costs in memory. */
import { BenchError } from '../bench-error.js';
import { runLoad } from '../e2e/load-process.js';
import type { BacklogResult } from '../load/backlog.js';
import { RunningTarget, type Target } from './targets.js';

const OVERHEAD_MS = 600_000;
/** The queue is as long as it gets; everything else is as it is by default. */
const lines = ['max_queued_messages 0'];

export interface DrainingRow {
  readonly name: string;
  readonly messages: number;
  readonly queuedPerS: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** The broker's own: with the session there and nothing queued; with all queued; the most. */
  readonly beforeMiB: number;
  readonly queuedMiB: number;
  readonly drainMiB: number;
  /** The most, with what is mapped of files. */
  readonly residentMiB: number;
  /** Of the store's processes, with all queued. */
  readonly storeMiB: number;
  readonly brokerCpu: number;
  readonly storeCpu: number;
  readonly generatorCpu: number;
}

export async function measureDraining(
  targets: readonly Target[],
  messages: number,
  progress: (line: string) => void,
): Promise<DrainingRow[]> {
  const rows: DrainingRow[] = [];
  for (const target of targets) {
    const row = await runOnce(target, messages);
    const memory = [row.beforeMiB, row.queuedMiB, row.drainMiB].map((mib) => mib.toFixed(0));
    progress(
      `drain ${row.messages}, ${row.name}: ${row.perSecond}/s, ` +
        `${memory.join(', ')} MiB (before, queued, most while draining)`,
    );
    rows.push(row);
  }
  return rows;
}

async function runOnce(target: Target, messages: number): Promise<DrainingRow> {
  const running = await RunningTarget.start(target, lines);
  try {
    const result = await runLoad<BacklogResult>({
      port: running.broker.port,
      brokerPid: running.broker.pid,
      storePids: running.store.pids,
      options: `-P 4 -S 1 -T 1 -q 1 -w 1000 -c -B ${messages}`.split(' '),
      overheadMs: OVERHEAD_MS,
      seconds: 1,
      warmupSeconds: 0,
    });
    if (result.lost > 0) throw new BenchError(`${target.name}: ${result.lost} messages are lost`);
    return {
      name: target.name,
      messages: result.messages,
      queuedPerS: result.queued_per_s,
      seconds: result.drain_s,
      perSecond: result.drained_per_s,
      beforeMiB: result.own_before_mb,
      queuedMiB: result.own_queued_mb,
      drainMiB: result.own_drain_mb,
      residentMiB: result.rss_drain_mb,
      storeMiB: result.store_rss_mb,
      brokerCpu: result.broker_cpu,
      storeCpu: result.store_cpu,
      generatorCpu: result.generator_cpu,
    };
  } finally {
    await running.stop();
  }
}
