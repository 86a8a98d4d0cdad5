/**
 * The start of a broker that has much to load: seconds until clients can connect, and its memory
 * then; after an orderly end, and after SIGKILL.
 */
import { ownMiBOf, residentMiBOf } from '../load/process-usage.js';
import { addRetained, addSessions, checkFilled, queueForAll } from './fill.js';
import { RunningTarget, type Target } from './targets.js';

const START_MS = 300_000;
/** An orderly end writes what has gathered. */
const STOP_MS = 120_000;
/** Between the open port and the look at the memory: garbage of the start may go. */
const SETTLE_MS = 1000;

export interface StartUpSize {
  readonly retained: number;
  readonly sessions: number;
  /** In the queue of each session. */
  readonly queued: number;
}

export interface StartUpRow {
  readonly name: string;
  readonly size: StartUpSize;
  readonly fillSeconds: number;
  /** After an orderly end. */
  readonly ordered: Start;
  readonly killed: Start;
}

export interface Start {
  readonly seconds: number;
  /** The broker's own memory. */
  readonly ownMiB: number;
  /** With what is mapped of files. */
  readonly residentMiB: number;
}

export async function measureStartUp(
  targets: readonly Target[],
  size: StartUpSize,
  progress: (line: string) => void,
): Promise<StartUpRow[]> {
  const rows: StartUpRow[] = [];
  for (const target of targets) {
    const row = await runOnce(target, size);
    progress(
      `start with ${size.retained} retained, ${size.sessions} sessions, ${row.name}: ` +
        `${describe(row.ordered)}; after SIGKILL ${describe(row.killed)}`,
    );
    rows.push(row);
  }
  return rows;
}

async function runOnce(target: Target, size: StartUpSize): Promise<StartUpRow> {
  const running = await RunningTarget.start(target);
  try {
    const startedMs = performance.now();
    const { port } = running.broker;
    await addSessions(port, size.sessions);
    await queueForAll(port, size.sessions, size.queued);
    await addRetained(port, size.retained);
    const fillSeconds = (performance.now() - startedMs) / 1000;
    await running.broker.stop(STOP_MS);
    const ordered = await startAgain(running, size);
    await running.broker.kill();
    const killed = await startAgain(running, size);
    return { name: target.name, size, fillSeconds, ordered, killed };
  } finally {
    await running.stop();
  }
}

async function startAgain(running: RunningTarget, size: StartUpSize): Promise<Start> {
  await running.startAgain(START_MS);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const { broker } = running;
  const pids = [broker.pid];
  const seconds = broker.startedInMs / 1000;
  const start = { seconds, ownMiB: ownMiBOf(pids), residentMiB: residentMiBOf(pids) };
  await checkFilled(broker.port, size);
  return start;
}

function describe({ seconds, ownMiB }: Start): string {
  return `${seconds.toFixed(1)} s, ${ownMiB.toFixed(0)} MiB`;
}
