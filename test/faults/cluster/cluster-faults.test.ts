// slow
// deadline: 240 s
/** The short form of `npm run test:faults -- --brokers 3`: a handful of faults of all kinds. */
import { randomInt } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runClusterFaults } from './cluster-run.js';

const test = suite('faults of several brokers');
const seed = randomInt(2 ** 31 - 1);

test(`three brokers as one lose nothing, and QoS 2 comes once (seed ${seed})`, async () => {
  const report = await runClusterFaults({
    seed,
    brokers: 3,
    kills: 4,
    primaryKills: 1,
    partitions: 2,
    rollingRestarts: 1,
    reshards: 1,
    durationMs: 100_000,
    stopMsMax: 1_500,
    calmMsMax: 700,
    publishers: 3,
    subscribers: 2,
    members: 3,
    transients: 3,
  });

  // What was done and said, for whoever looks for the cause.
  if (report.findings.length > 0) process.stderr.write(`${report.log.join('\n')}\n`);
  const advice = `npm run test:faults -- --brokers 3 --seed ${seed}`;
  assert.equal(report.findings.slice(0, 20), [], `seed ${seed}; longer: ${advice}`);
  for (const { lost, orderBroken, repeatedQos2 } of [
    report.durable,
    report.transient,
    report.shared,
  ]) {
    assert.is(lost + repeatedQos2 + orderBroken, 0);
  }
  assert.is(report.sessionsLost + report.wills.lost + report.wills.repeated, 0);
  // It was a test at all.
  assert.ok((report.injected.get('kill') ?? 0) >= 2, 'kills');
  assert.ok(report.acknowledged.qos1 > 50 && report.acknowledged.qos2 > 50, 'acknowledged');
  assert.ok(report.shared.acknowledged > 20 && report.transient.received > 100, 'received');
  assert.ok(report.wills.due > 3 && report.retained.looks > 1, 'wills and retained messages');
});

test.run();
