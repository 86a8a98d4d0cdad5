/**
 * What the guard compares. Each check is a ratio of two things measured side by side, so that a
 * slow or busy machine slows both.
 *
 * - In this process: Tidewire's codec, and its whole path from bytes to bytes, against mqtt-packet
 *   decoding and encoding the same packets.
 * - End to end: Tidewire against Aedes, deliveries per second of broker CPU time.
 */

import { BenchError } from '../bench-error.js';
import { type Broker, findAedes, findTidewire } from '../e2e/brokers.js';
import { type EndToEndSettings, runOnce } from '../e2e/end-to-end.js';
import { type Workload, workloads } from '../e2e/workloads.js';
import { hasProcFs } from '../load/process-usage.js';
import { publishRoundTrip } from '../micro/codec-tasks.js';
import { mqttPacketRoundTrip, type PacketBatch, publishBatch } from '../micro/packet-batch.js';
import { routeBatch } from '../micro/routing-tasks.js';

/** Interleaved rounds of one in-process comparison; the best of each side counts. */
const ROUNDS = 25;
const ROUND_MS = 8;
const settings: EndToEndSettings = { rounds: 1, seconds: 1, warmupSeconds: 0.7 };

export interface Check {
  readonly name: string;
  /** Share of the baseline that may be lost before the check fails. */
  readonly tolerance: number;
  /** How many times faster than the yardstick we are. */
  readonly measure: () => Promise<number>;
}

export function guardChecks(): Check[] {
  const qos0 = publishBatch(0, false, false);
  const qos1 = publishBatch(1, false, false);
  const withProperties = publishBatch(1, true, true);
  return [
    inProcess('codec, QoS 0', publishRoundTrip(qos0), qos0),
    inProcess('codec, QoS 1 v5 with properties', publishRoundTrip(withProperties), withProperties),
    inProcess('bytes to bytes, QoS 0, 1 → 1', routeBatch(qos0, 1), qos0),
    inProcess('bytes to bytes, QoS 1, 1 → 1', routeBatch(qos1, 1), qos1),
    inProcess('bytes to bytes, QoS 0, 1 → 50', routeBatch(qos0, 50), qos0),
    ...endToEndChecks(),
  ];
}

function inProcess(name: string, ours: () => void, batch: PacketBatch): Check {
  const theirs = mqttPacketRoundTrip(batch);
  const measure = (): Promise<number> => {
    let bestOurs = Number.POSITIVE_INFINITY;
    let bestTheirs = Number.POSITIVE_INFINITY;
    for (let round = 0; round < ROUNDS; round++) {
      bestOurs = Math.min(bestOurs, msPerRun(ours));
      bestTheirs = Math.min(bestTheirs, msPerRun(theirs));
    }
    return Promise.resolve(bestTheirs / bestOurs);
  };
  return { name: `${name}, against mqtt-packet`, tolerance: 0.4, measure };
}

function msPerRun(run: () => void): number {
  const startedMs = performance.now();
  let runs = 0;
  let tookMs = 0;
  while (tookMs < ROUND_MS) {
    run();
    runs++;
    tookMs = performance.now() - startedMs;
  }
  return tookMs / runs;
}

/** None where CPU time cannot be read. */
function endToEndChecks(): Check[] {
  if (!hasProcFs) return [];
  const tidewire = findTidewire();
  const aedes = findAedes();
  if (tidewire === null) throw new BenchError('dist/broker.js is missing: run `npm run build`');
  if (aedes === null) throw new BenchError('aedes is missing: run `npm install`');
  return workloads
    .filter(({ id }) => id === 'qos0-1-1' || id === 'qos1-4-4')
    .map((workload) => endToEnd(workload, tidewire, aedes));
}

function endToEnd(workload: Workload, tidewire: Broker, aedes: Broker): Check {
  const measure = async (): Promise<number> => {
    const ours = await runOnce(tidewire, workload, workload.load, settings);
    const theirs = await runOnce(aedes, workload, workload.load, settings);
    return ours.figure / theirs.figure;
  };
  return { name: `end to end, ${workload.name}, against Aedes`, tolerance: 0.5, measure };
}
