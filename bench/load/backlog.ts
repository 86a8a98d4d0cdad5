/**
 * A backlog: messages are queued while the durable subscribers are away; then they connect and take
 * all. What counts is the rate, and that the broker's memory does not grow with the queue.
 */
import { elapsed, fanOutPerTopic, newRun, round, sourceAddress } from './closed-loop.js';
import { LoadClient, type Run } from './load-client.js';
import { LoadError } from './load-error.js';
import type { LoadOptions } from './options.js';
import { nowUs } from './packets.js';
import { PeakMemory } from './peak-memory.js';
import { cpuSecondsOf, ownMiBOf, residentMiBOf } from './process-usage.js';

/** Before the memory is read: what is under way has ended. */
const SETTLE_MS = 1000;
const TICK_MS = 1;
/** A broker that does nothing for so long has failed. */
const STALL_MS = 30_000;

/** One line of JSON. */
export interface BacklogResult {
  /** In all queues together. */
  readonly messages: number;
  readonly size: number;
  readonly queued_per_s: number;
  readonly drain_s: number;
  readonly drained_per_s: number;
  /** The broker's own memory: with the sessions there and nothing queued. */
  readonly own_before_mb: number;
  /** The most while the messages came. */
  readonly own_queueing_mb: number;
  /** With everything queued. */
  readonly own_queued_mb: number;
  /** The most while the queues were taken. */
  readonly own_drain_mb: number;
  /** The same with what is mapped of files. */
  readonly rss_drain_mb: number;
  /** Of the store's processes, with everything queued. */
  readonly store_rss_mb: number;
  /** CPU seconds per second while the queues were taken; so are the two below. */
  readonly broker_cpu: number;
  readonly store_cpu: number;
  readonly generator_cpu: number;
  readonly lost: number;
  readonly dup: number;
}

export async function runBacklog(options: LoadOptions): Promise<BacklogResult> {
  const run = newRun(options);
  const failed = new Promise<never>((_, reject) => {
    run.onFailure = reject;
  });
  return await Promise.race([queueAndTake(run), failed]);
}

type Queued = Pick<
  BacklogResult,
  'messages' | 'queued_per_s' | 'own_before_mb' | 'own_queueing_mb' | 'own_queued_mb'
>;

async function queueAndTake(run: Run): Promise<BacklogResult> {
  const queued = await queue(run);
  const { brokerPids, storePids, payloadBytes } = run.options;
  const storeRssMiB = residentMiBOf(storePids);
  const own = new PeakMemory(brokerPids, ownMiBOf);
  const resident = new PeakMemory(brokerPids);
  const cpuBefore = cpuSecondsOf(brokerPids);
  const storeBefore = cpuSecondsOf(storePids);
  const usedBefore = process.cpuUsage();
  const startedMs = performance.now();
  const subscribers = await connectAll(run, false);
  await untilStill(
    () => run.received,
    () => run.received >= queued.messages,
  );
  const drainS = (performance.now() - startedMs) / 1000;
  const used = process.cpuUsage(usedBefore);
  const perSecond = (cpuS: number): number => round(cpuS / drainS, 2);
  const result: BacklogResult = {
    ...queued,
    size: payloadBytes,
    drain_s: round(drainS, 2),
    drained_per_s: Math.round(run.received / drainS),
    own_drain_mb: round(own.stop(), 1),
    rss_drain_mb: round(resident.stop(), 1),
    store_rss_mb: round(storeRssMiB, 1),
    broker_cpu: perSecond(cpuSecondsOf(brokerPids) - cpuBefore),
    store_cpu: perSecond(cpuSecondsOf(storePids) - storeBefore),
    generator_cpu: perSecond((used.user + used.system) / 1e6),
    lost: queued.messages - run.received,
    dup: run.duplicates,
  };
  for (const client of subscribers) client.close();
  return result;
}

/** The subscribers come, subscribe and leave; then the publishers send everything. */
async function queue(run: Run): Promise<Queued> {
  const { options } = run;
  const subscribers = await connectAll(run, false);
  for (const client of subscribers) await client.subscribe();
  for (const client of subscribers) client.close();
  const publishers = await connectAll(run, true);
  await elapsed(SETTLE_MS);
  const ownBefore = ownMiBOf(options.brokerPids);
  const memory = new PeakMemory(options.brokerPids, ownMiBOf);
  const startedMs = performance.now();
  const each = Math.ceil(options.backlog / publishers.length);
  await publishAll(publishers, each, options.window);
  const queueS = (performance.now() - startedMs) / 1000;
  const ownQueueing = memory.stop();
  for (const client of publishers) client.close();
  await elapsed(SETTLE_MS);
  const fanOut = fanOutPerTopic(options);
  const deliveries = publishers.map(({ index }) => each * fanOut[index % options.topics]);
  return {
    messages: deliveries.reduce((sum, count) => sum + count, 0),
    queued_per_s: Math.round((each * publishers.length) / queueS),
    own_before_mb: round(ownBefore, 1),
    own_queueing_mb: round(ownQueueing, 1),
    own_queued_mb: round(ownMiBOf(options.brokerPids), 1),
  };
}

async function connectAll(run: Run, isPublisher: boolean): Promise<LoadClient[]> {
  const { options } = run;
  const count = isPublisher ? options.publishers : options.subscribers;
  const clients = Array.from({ length: count }, (_, index) => {
    return new LoadClient(run, index, isPublisher);
  });
  for (const client of clients) await client.connect(sourceAddress(options, client.index));
  return clients;
}

/** Resolves when each publisher has sent `each` messages and all are acknowledged. */
async function publishAll(
  publishers: readonly LoadClient[],
  each: number,
  window: number,
): Promise<void> {
  const left = new Map(publishers.map((client) => [client, each]));
  const progress = (): number => {
    let waiting = 0;
    for (const [client, count] of left) {
      let rest = count;
      while (!client.isBlocked && rest > 0 && client.inflight < window) {
        const burst = Math.min(rest, window - client.inflight, client.burstMax);
        client.publish(burst, nowUs());
        rest -= burst;
      }
      left.set(client, rest);
      waiting += rest + client.inflight;
    }
    return waiting;
  };
  let waiting = 0;
  await untilStill(
    () => waiting,
    () => {
      waiting = progress();
      return waiting === 0;
    },
  );
}

/** Until `isDone`, or until `progress` has not changed for long. */
async function untilStill(progress: () => number, isDone: () => boolean): Promise<void> {
  let seen = progress();
  let sinceMs = performance.now();
  while (!isDone()) {
    await elapsed(TICK_MS);
    if (progress() !== seen) {
      seen = progress();
      sinceMs = performance.now();
    } else if (performance.now() - sinceMs > STALL_MS) {
      throw new LoadError(`nothing happened for ${STALL_MS / 1000} s: ${seen} of the messages`);
    }
  }
}
