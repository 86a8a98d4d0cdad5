import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { durableWorkloads, type SpeedMeasurement } from '../../../bench/durable/speed.js';
import {
  durableDetailTable,
  durableFactor,
  durableTable,
  durableTables,
  latencyTable,
  startUpTable,
} from '../../../bench/report/durable-tables.js';
import { toReport } from '../../../bench/report/markdown.js';
import type { DurableResults, Results } from '../../../bench/report/results.js';

const test = suite('durable tables');

const machine = { cpu: 'a chip', cores: 2, memoryGiB: 4, system: 'linux', node: 'v20' };
const [workload] = durableWorkloads;

function measured(target: SpeedMeasurement['target'], figure: number): SpeedMeasurement {
  return {
    ...{ target, figure, spread: 0.05, perSecond: figure, p50Us: 900, p99Us: 12_000 },
    ...{ brokerCpu: 0.7, storeCpu: 0.3, generatorCpu: 0.2, rssMiB: 80, lost: 0 },
    syncsPerS: target === 'disk' ? 1_234 : null,
  };
}

function results(redis: number, aedes: number | null): DurableResults {
  const measurements = [measured('redis', redis), measured('disk', 50_000)];
  if (aedes !== null) measurements.push(measured('aedes', aedes));
  const names = { redis: 'Tidewire, Redis', disk: 'Tidewire, disk', aedes: 'Aedes, Redis' };
  const ids = aedes === null ? (['redis', 'disk'] as const) : (['redis', 'disk', 'aedes'] as const);
  return {
    redis: '7.0.15',
    settings: { rounds: 3, seconds: 3, warmupSeconds: 1 },
    targets: ids.map((id) => ({ id, name: names[id] })),
    speed: [{ workload, measurements }],
    ...{ latency: [], draining: [], startUp: [] },
  };
}

test('figures are compared with those of Aedes, and the must is that of Redis', () => {
  const reached = results(100_000, 5_000);
  assert.is(durableFactor(reached.speed[0], 'redis'), 20);
  const [headings, row] = durableTable(reached);
  assert.is(headings.length, row.length);
  assert.equal(row.slice(1), ['100,000', '50,000', '5,000', '20.0×', '10.0×', '20×', 'must']);
  assert.is(durableTable(results(99_999, 5_000))[1].at(-1), 'below must');
});

test('without Aedes there is nothing to compare with', () => {
  assert.equal(durableTable(results(100_000, null))[1].slice(-4), ['–', '–', '20×', '–']);
});

test('fsyncs per second stand beside the disk alone', () => {
  const [headings, ...rows] = durableDetailTable(results(100_000, 5_000));
  const column = headings.indexOf('fsyncs/s');
  assert.equal(
    rows.map((row) => row[column]),
    ['–', '1,234', '–'],
  );
});

test('p99 has to be below its must', () => {
  const row = {
    ...{ name: 'a broker', mustMs: 20, sentPerS: 10_000, p50Us: 1_500, p999Us: 30_000 },
    ...{ deliveryP99Us: 9_000, brokerCpu: 0.2, storeCpu: 0.3, generatorCpu: 0.1 },
  };
  const verdict = (p99Us: number, mustMs: number | null) => {
    const latency = [{ ...row, p99Us, mustMs }];
    return latencyTable({ ...results(1, 1), latency })[1][6];
  };
  assert.is(verdict(19_999, 20), 'must');
  assert.is(verdict(20_000, 20), 'below must');
  assert.is(verdict(20_000, null), '–');
});

test('each kind of end of the broker before a start has a line', () => {
  const start = { seconds: 4.31, ownMiB: 1_234, residentMiB: 2_000 };
  const size = { retained: 1_000_000, sessions: 100_000, queued: 10 };
  const startUp = [{ name: 'x', size, fillSeconds: 1, ordered: start, killed: start }];
  const rows = startUpTable({ ...results(1, 1), startUp }).slice(1);
  const cells = ['4.3', '1,234', '2,000'];
  assert.equal(
    rows.map((row) => row.slice(4)),
    [
      ['orderly', ...cells],
      ['SIGKILL', ...cells],
    ],
  );
});

test('the report has what was measured, with the machine, and nothing else', () => {
  const empty: Results = {
    ...{ version: 2, endToEnd: null, otherGenerator: null, micro: null },
    ...{ scale: null, durable: null, cluster: null },
  };
  assert.not.match(toReport(empty), 'Durable');
  const durable = { date: '2026-01-31', machine, ...results(100_000, 5_000) };
  const report = toReport({ ...empty, durable });
  assert.match(
    report,
    '## Durable sessions\n\n2026-01-31, a chip, 2 cores, 4 GiB, linux, Node v20',
  );
  assert.match(report, 'Redis 7.0.15; 3 rounds of 3 s each');
  assert.match(report, '20.0×');
  assert.not.match(report, '### A long queue');
  assert.equal(
    durableTables(durable).map(({ title }) => title),
    ['Durable: deliveries per second of CPU time of broker and store', 'Durable: wall clock'],
  );
});

test.run();
