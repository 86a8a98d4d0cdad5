/** Factors: each round's own, since the machine is not as fast in one round as in the next. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Measurement } from '../../../bench/e2e/end-to-end.js';
import { workloads } from '../../../bench/e2e/workloads.js';
import { factorOf, verdictOf } from '../../../bench/report/results.js';
import { summaryTable } from '../../../bench/report/tables.js';
import { median } from '../../../bench/statistics.js';

const test = suite('factors');

const machine = { cpu: 'a chip', cores: 2, memoryGiB: 4, system: 'linux', node: 'v20' };
const workload = workloads.find(({ must, kind }) => kind === 'rate' && must === 8)!;

function measured(broker: Measurement['broker'], figures: readonly number[]): Measurement {
  return {
    ...{ broker, figure: median(figures), figures, spread: 0, perSecond: 1, brokerCpu: 1 },
    ...{ generatorCpu: 0.5, p50Us: 1, p99Us: 1, rssMiB: 1, lost: 0, isGeneratorBound: false },
  };
}

const rowOf = (...measurements: Measurement[]) => ({ workload, measurements, note: '' });

test('the median of the rounds counts, and both ends are told', () => {
  const row = rowOf(measured('tidewire', [100, 160, 400]), measured('mosquitto', [10, 20, 16]));
  assert.equal(factorOf(row, 'tidewire', 'mosquitto'), { middle: 10, least: 8, most: 25 });
  // The quotient of the medians would be 8.
  const other = rowOf(measured('tidewire', [70, 80, 400]), measured('mosquitto', [10, 8, 100]));
  assert.is(factorOf(other, 'tidewire', 'mosquitto')!.middle, 7);
  assert.is(verdictOf(other), 'below must');
});

test('without one of the two there is no factor', () => {
  const row = rowOf(measured('tidewire', [100]));
  assert.is(factorOf(row, 'tidewire', 'mosquitto'), null);
  assert.is(verdictOf(row), '–');
});

test('the table has the factor and where its rounds were', () => {
  const brokers = [
    { id: 'tidewire', name: 'Tidewire', version: '1' },
    { id: 'mosquitto', name: 'Mosquitto', version: '2' },
  ] as const;
  const settings = { rounds: 2, seconds: 3, warmupSeconds: 1 };
  const row = rowOf(measured('tidewire', [100, 240]), measured('mosquitto', [10, 16]));
  const section = { date: '2026-01-01', machine, settings, brokers, rows: [row] };
  const [headings, cells] = summaryTable(section);
  const at = headings.indexOf('× Mosquitto');
  assert.equal(cells.slice(at, at + 2), ['12.5×', '10.0–15.0']);
  assert.is(cells.at(-1), 'aim');
});

test.run();
