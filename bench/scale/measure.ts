/**
 * One size of the scale report, in a process of its own so that nothing else is in its memory:
 * `node --expose-gc build/bench/scale/measure.js <subscriptions>`. Prints one `ScaleRow`.
 */
import { MatchResult, SubscriptionIndex } from '../../src/broker/subscription-index.js';
import type { ScaleMatch, ScaleRow } from '../report/results.js';
import { median } from '../statistics.js';
import { SubscriptionSet } from './subscription-set.js';

const BATCHES = 50;
const TOPICS_PER_BATCH = 1000;

function measure(subscriptions: number): ScaleRow {
  const set = new SubscriptionSet(subscriptions);
  const index = new SubscriptionIndex();
  const before = usedBytes();
  const insertMs = set.addTo(index, subscriptions);
  const bytes = usedBytes() - before;
  return {
    subscriptions,
    insertNs: (insertMs * 1e6) / subscriptions,
    heapMiB: bytes / 2 ** 20,
    bytesPerSubscription: bytes / index.size,
    matches: [
      measureMatch('Match: device', index, () => set.deviceTopic()),
      measureMatch('unknown device', index, () => set.unknownDeviceTopic()),
      measureMatch('unknown site', index, () => set.strangeTopic()),
    ],
  };
}

function measureMatch(name: string, index: SubscriptionIndex, topic: () => string): ScaleMatch {
  const result = new MatchResult();
  const times: number[] = [];
  let targets = 0;
  for (let batch = 0; batch < BATCHES; batch++) {
    const topics = Array.from({ length: TOPICS_PER_BATCH }, topic);
    const startedMs = performance.now();
    for (const name of topics) {
      result.clear();
      index.match(name, result);
      targets += result.subscriptions.length;
    }
    times.push(((performance.now() - startedMs) * 1e6) / TOPICS_PER_BATCH);
  }
  return { name, ns: median(times), targets: targets / (BATCHES * TOPICS_PER_BATCH) };
}

function usedBytes(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error('start with --expose-gc');
  gc();
  gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

process.stdout.write(`${JSON.stringify(measure(Number(process.argv[2])))}\n`);
