// slow
// deadline: 120 s
/** The short form of `npm run test:faults`: half a minute of faults at most on the disk store. */
import { randomInt } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runFaults } from './fault-run.js';

const test = suite('faults');
const seed = randomInt(2 ** 31 - 1);

test(`on disk nothing is lost, and QoS 2 comes once (seed ${seed})`, async () => {
  const report = await runFaults({
    seed,
    store: 'disk',
    kills: 10,
    primaryKills: 0,
    durationMs: 30_000,
    stopMsMax: 800,
    calmMsMax: 700,
    publishers: 3,
    subscribers: 3,
  });

  const advice = `npm run test:faults -- --store disk --seed ${seed}`;
  assert.equal(report.findings.slice(0, 20), [], `seed ${seed}; longer: ${advice}`);
  assert.is(report.lost + report.repeatedQos2 + report.orderBroken + report.sessionsLost, 0);
  // It was a test at all.
  assert.ok((report.injected.get('kill') ?? 0) >= 2, 'kills');
  assert.ok(report.acknowledged.qos1 > 50 && report.acknowledged.qos2 > 50, 'acknowledged');
  assert.ok(report.wills.due > 3 && report.retained.looks > 1, 'wills and retained messages');
});

test.run();
