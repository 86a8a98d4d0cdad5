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

/** Interleaved rounds of one in-process attempt. */
const ROUNDS = 25;
const ROUND_MS = 8;
const FAN_OUT = 50;
/** What noise and another version of Node do not take away. */
const IN_PROCESS_TOLERANCE = 0.35;
const END_TO_END_TOLERANCE = 0.6;
const settings: EndToEndSettings = { rounds: 1, seconds: 1, warmupSeconds: 0.7 };

export interface Check {
  readonly name: string;
  /** Share of the baseline that may be lost before the check fails. */
  readonly tolerance: number;
  /**
   * How many times faster than the yardstick we are: the best of each side in all calls so far,
   * since other work on the machine only ever makes a figure worse.
   */
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
    inProcess('bytes to bytes, QoS 0, 1 → 50', routeBatch(qos0, FAN_OUT), qos0, FAN_OUT),
    ...endToEndChecks(),
  ];
}

/** @param deliveries that `ours` makes of each packet in `batch` */
function inProcess(name: string, ours: () => void, batch: PacketBatch, deliveries = 1): Check {
  const theirs = mqttPacketRoundTrip(batch);
  let bestOurs = Number.POSITIVE_INFINITY;
  let bestTheirs = Number.POSITIVE_INFINITY;
  const measure = (): Promise<number> => {
    for (let round = 0; round < ROUNDS; round++) {
      bestOurs = Math.min(bestOurs, msPerRun(ours));
      bestTheirs = Math.min(bestTheirs, msPerRun(theirs));
    }
    return Promise.resolve((bestTheirs / bestOurs) * deliveries);
  };
  return { name: `${name}, against mqtt-packet`, tolerance: IN_PROCESS_TOLERANCE, measure };
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
  if (aedes === null) throw new BenchError('aedes is missing: run `npm install`');
  return workloads
    .filter(({ id }) => id === 'qos0-1-1' || id === 'qos1-4-4')
    .map((workload) => endToEnd(workload, tidewire, aedes));
}

function endToEnd(workload: Workload, tidewire: Broker, aedes: Broker): Check {
  let bestOurs = 0;
  let bestTheirs = 0;
  const measure = async (): Promise<number> => {
    const ours = await runOnce(tidewire, workload, workload.load, settings);
    const theirs = await runOnce(aedes, workload, workload.load, settings);
    bestOurs = Math.max(bestOurs, ours.figure);
    bestTheirs = Math.max(bestTheirs, theirs.figure);
    return bestOurs / bestTheirs;
  };
  return {
    name: `end to end, ${workload.name}, against Aedes`,
    tolerance: END_TO_END_TOLERANCE,
    measure,
  };
}
