// slow
// deadline: 300 s
/** The durable part in small: what is measured is there, and is what the broker did. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { measureDraining } from '../../../bench/durable/draining.js';
import { latencyCases, measureLatency } from '../../../bench/durable/latency.js';
import { durableWorkloads, measureSpeed } from '../../../bench/durable/speed.js';
import { measureStartUp } from '../../../bench/durable/start-up.js';
import { findTargets, type Target } from '../../../bench/durable/targets.js';
import { hasProcFs } from '../../../bench/load/process-usage.js';

const test = suite('durable benchmarks');

const times = { seconds: 1.5, warmupSeconds: 0.2 };
const targets = findTargets();
const said: string[] = [];
const say = (line: string): void => void said.push(line);

function target(id: Target['id']): Target {
  const found = targets.find((one) => one.id === id);
  if (found === undefined) throw new Error(`no ${id}: is redis-server installed?`);
  return found;
}

/** CPU time of other processes is read from /proc. */
const testOnLinux = hasProcFs ? test : test.skip;

testOnLinux(
  'speed: every broker delivers, and its CPU time and its store’s are counted',
  async () => {
    const settings = { rounds: 1, ...times };
    const [row] = await measureSpeed(targets, durableWorkloads.slice(0, 1), settings, say);
    assert.equal(
      row.measurements.map((one) => one.target),
      ['redis', 'cluster', 'disk', 'aedes'],
    );
    for (const { target: id, lost, ...figures } of row.measurements) {
      assert.ok(figures.figure > 0 && figures.perSecond > 0, id);
      assert.ok(figures.brokerCpu > 0, id);
      assert.is(figures.storeCpu > 0, id !== 'disk', id);
      assert.is((figures.syncsPerS ?? 0) > 0, id === 'disk', id);
      assert.is(lost, 0, id);
    }
  },
);

testOnLinux('latency: PUBACKs are timed at the rate that was asked for', async () => {
  // A short run on a busy machine: the steady rate itself is for the real one.
  const cases = latencyCases.filter(({ target: id }) => id === 'disk');
  const settings = { ...times, ratePerS: 500, rounds: 1 };
  const [row] = await measureLatency([target('disk')], cases, settings, say);
  assert.ok(row.sentPerS > 400, `${row.sentPerS}`);
  assert.ok(row.p50Us > 0 && row.p50Us <= row.p99Us && row.p99Us <= row.p999Us);
});

for (const id of ['disk', 'redis'] as const) {
  testOnLinux(`${id}: a queue is filled and taken, all of it`, async () => {
    const [row] = await measureDraining([target(id)], 2_000, say);
    assert.is(row.messages, 2_000);
    assert.ok(row.perSecond > 0 && row.queuedPerS > 0);
    assert.ok(row.beforeMiB > 0 && row.drainMiB > 0 && row.residentMiB >= row.drainMiB);
    assert.is(row.storeMiB > 0, id === 'redis');
  });

  testOnLinux(`${id}: the broker starts again with all that was stored`, async () => {
    const size = { retained: 100, sessions: 50, queued: 2 };
    const [row] = await measureStartUp([target(id)], size, say);
    for (const { seconds, ownMiB, residentMiB } of [row.ordered, row.killed]) {
      assert.ok(seconds > 0 && ownMiB > 0 && residentMiB >= ownMiB);
    }
  });
}

test.run();
