import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { perSubscription } from '../../../bench/cluster/subscribing.js';
import {
  type ClusterWorkload,
  clusterWorkloads,
  subscriberPorts,
} from '../../../bench/cluster/workloads.js';
import { fanOutPerTopic } from '../../../bench/load/closed-loop.js';
import { type LoadOptions, parseLoadOptions } from '../../../bench/load/options.js';

const test = suite('cluster workloads');

const ports = [11, 12, 13];

function optionsOf(workload: ClusterWorkload, brokers: number): LoadOptions {
  const from = ports.slice(0, brokers);
  const to = subscriberPorts(workload, from);
  return parseLoadOptions([
    ...['-p', from.join(','), '-o', to.join(',')],
    ...workload.load(brokers, 'bench'),
  ]);
}

/** Which ports' publishers and subscribers share a topic. */
function waysOf({ ports: from, publishers, subscribers, topics, ...options }: LoadOptions) {
  const ways = new Set<string>();
  const to = options.subscriberPorts;
  for (let p = 0; p < publishers; p++) {
    for (let s = 0; s < subscribers; s++) {
      if (p % topics === s % topics) ways.add(`${from[p % from.length]} → ${to[s % to.length]}`);
    }
  }
  return [...ways].sort();
}

test('local traffic stays on its broker, remote traffic goes to the next', () => {
  for (const workload of clusterWorkloads) {
    const { kind } = workload;
    if (kind !== 'local' && kind !== 'remote') continue;
    const ways = waysOf(optionsOf(workload, 3));
    const local = ['11 → 11', '12 → 12', '13 → 13'];
    const remote = ['11 → 12', '12 → 13', '13 → 11'];
    assert.equal(ways, kind === 'local' ? local : remote, workload.id);
    assert.is(workload.brokersMin, kind === 'local' ? 1 : 2, workload.id);
  }
});

test('each message is delivered once, but for the fan-out, whose subscribers are spread', () => {
  for (const workload of clusterWorkloads) {
    for (const brokers of [1, 2, 3].filter((count) => count >= workload.brokersMin)) {
      const options = optionsOf(workload, brokers);
      const deliveries = new Set(fanOutPerTopic(options));
      assert.is(deliveries.size, 1, workload.id);
      const [each] = deliveries;
      if (workload.kind === 'fan-out') assert.is(each! % brokers, 0, workload.id);
      else assert.is(each, 1, workload.id);
    }
  }
});

test('what a subscription costs is told apart by who pays', () => {
  const cpu = { brokers: [2, 0.5, 1.5], primaries: 3, replicas: 1 };
  const before = { brokers: [1_000, 2_000, 3_000], redis: 500 };
  const after = { brokers: [101_000, 52_000, 153_000], redis: 20_500 };
  const { otherBytes, otherUs, ownBytes, ownUs, perSecond, primariesUs, redisBytes, replicasUs } =
    perSubscription(cpu, before, after, 1_000, 4);
  assert.equal([ownUs, otherUs, primariesUs, replicasUs], [2_000, 1_000, 3_000, 1_000]);
  assert.equal([ownBytes, otherBytes, redisBytes], [100, 100, 20]);
  assert.is(perSecond, 250);
});

test('a broker that is alone has no others to pay', () => {
  const cpu = { brokers: [1], primaries: 1, replicas: 1 };
  const bytes = { brokers: [0], redis: 0 };
  const { otherBytes, otherUs } = perSubscription(cpu, bytes, bytes, 10, 1);
  assert.is(otherUs, null);
  assert.is(otherBytes, null);
});

test.run();
