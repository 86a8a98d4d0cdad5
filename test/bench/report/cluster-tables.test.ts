import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ClusterMeasurement, ClusterSpeedRow } from '../../../bench/cluster/speed.js';
import { clusterWorkloads } from '../../../bench/cluster/workloads.js';
import { clusterLimits, joiningLimits } from '../../../bench/report/cluster-limits.js';
import { clusterPart } from '../../../bench/report/cluster-part.js';
import {
  clusterTable,
  clusterTables,
  costOf,
  costTable,
  keptOf,
} from '../../../bench/report/cluster-tables.js';
import { toReport } from '../../../bench/report/markdown.js';
import type { ClusterResults } from '../../../bench/report/results.js';

const test = suite('cluster tables');

function measured(brokers: number, figure: number, primaryCpu = 0.2): ClusterMeasurement {
  return {
    ...{ brokers, figure, perSecond: 50_000, brokerCpu: 1, primaryCpu, replicaCpu: 0.1 },
    ...{ generatorCpu: 0.5, p50Us: 900, p99Us: 12_000, spread: 0.05, lost: 0 },
    isGeneratorBound: false,
  };
}

function row(...measurements: readonly ClusterMeasurement[]): ClusterSpeedRow {
  const { id, name, kind } = clusterWorkloads[0];
  return { workload: { id, name, kind }, measurements };
}

const hop = { p50Us: 100, p99Us: 300 };
const results: ClusterResults = {
  redis: '7.0.15',
  settings: { rounds: 3, seconds: 2, warmupSeconds: 1 },
  speed: clusterWorkloads.map(({ id, name, kind, brokersMin }) => ({
    workload: { id, name, kind },
    measurements: [1, 2, 3].filter((size) => size >= brokersMin).map((size) => measured(size, 9)),
  })),
  latency: { ratePerS: 500, hop, rows: [{ name: 'QoS 0', local: hop, remote: hop }] },
  subscribing: [
    {
      ...{ brokers: 2, perSecond: 9_000, ownUs: 30, otherUs: 20, primariesUs: 10 },
      ...{ replicasUs: 5, ownBytes: 700, otherBytes: 300, redisBytes: 90, p50Ms: 0.8 },
    },
  ],
  joining: [
    { what: 'empty', count: 0, made: null, joinS: 0.5, joinCpuS: 0.4, joinedMiB: 50 },
    {
      ...{ what: 'durable subscriptions', count: 1_000_000, joinS: 5.5, joinCpuS: 5 },
      made: { seconds: 60, brokersUs: 50, redisUs: 20, brokerBytes: 300, redisBytes: 100 },
      joinedMiB: 400,
    },
  ],
  resuming: {
    ratePerS: 500,
    rows: [
      { clients: 1, kills: 5, p50Us: 5_000, p99Us: 9_000, longestUs: 9_000 },
      { clients: 1_000, kills: 5, p50Us: 90_000, p99Us: 190_000, longestUs: 200_000 },
    ],
  },
};

test('what is kept compares the most brokers with the fewest', () => {
  assert.is(keptOf(row(measured(1, 200), measured(2, 190), measured(3, 150))), 0.75);
  assert.is(keptOf(row(measured(2, 200))), null);
  assert.is(keptOf(row()), null);
});

test('the cost of a delivery is that with the most brokers', () => {
  const cost = costOf(row(measured(1, 9, 0.9), measured(3, 9)))!;
  assert.is(cost.brokersUs, 20);
  assert.is(cost.primariesUs, 4);
  assert.is(cost.replicasUs, 2);
  assert.is(cost.perBrokerCore, 50_000);
  assert.is(cost.perPrimaryCore, 250_000);
  assert.is(costOf(row()), null);
});

test('where Redis has no part, its core is good for any number of brokers', () => {
  const lastOf = (primaryCpu: number) => {
    return costTable({ ...results, speed: [row(measured(1, 9, primaryCpu))] })[1].at(-1);
  };
  assert.is(lastOf(0.2), '5.0');
  assert.is(lastOf(0.001), '> 100');
  assert.is(lastOf(0), '> 100');
});

test('a number of brokers without a figure leaves a gap', () => {
  const speed = [row(measured(1, 1_000), measured(2, 900)), row(measured(2, 500))];
  assert.equal(
    clusterTable({ ...results, speed }).map((cells) => cells.slice(1)),
    [
      ['1 broker', '2 brokers', 'Kept'],
      ['1,000', '900', '90 %'],
      ['–', '500', '–'],
    ],
  );
});

test('the rows of all tables are as long as their headings', () => {
  const tables = clusterTables(results);
  assert.is(tables.length, 8);
  for (const { table, title } of tables) {
    for (const cells of table) assert.is(cells.length, table[0].length, title);
  }
});

test('each workload has a line on what limits it and where the model puts the ceiling', () => {
  const lines = clusterLimits(results);
  for (const [index, { name }] of clusterWorkloads.entries()) {
    assert.ok(lines[index].startsWith(`${name}: `), name);
    assert.match(lines[index], /Model:\s/);
    assert.match(lines[index], /measured: 100 %/);
  }
});

test('a join is reckoned against that of an empty cluster', () => {
  const [empty, subscriptions] = joiningLimits(results);
  assert.match(empty, /^Empty: 0\.40 s/);
  assert.match(subscriptions, /5\.0 µs each/);
  assert.match(subscriptions, /300 B each in every broker/);
  assert.match(subscriptions, /2\.8 GiB/);
});

test('the report has a section for what was measured, and nothing else', () => {
  const machine = { cpu: 'a chip', cores: 2, memoryGiB: 4, system: 'linux', node: 'v20' };
  const report = toReport({
    ...{ version: 2, endToEnd: null, otherGenerator: null, micro: null },
    ...{ scale: null, durable: null },
    cluster: { date: '2026-01-31', machine, ...results },
  });
  assert.match(report, '## Cluster\n\n2026-01-31, a chip');
  assert.match(report, '### A further broker joins');
  const none = { ...results, latency: null, subscribing: [], joining: [] };
  const part = clusterPart(none).join('\n');
  for (const title of ['Latency', 'A transient', 'Many durable', 'A further']) {
    assert.not.match(part, `### ${title}`);
  }
  assert.match(report, '### Clients go on after `kill -9`');
  assert.match(report, /which carry 500\sdurable/);
  assert.match(report, /take\s+5,000\/s/);
  const { resuming, ...older } = none;
  assert.ok(resuming);
  for (const one of [older, { ...none, resuming: null }]) {
    assert.not.match(clusterPart(one).join('\n'), '### Clients go on');
  }
});

test.run();
