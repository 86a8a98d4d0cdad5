// slow
// deadline: 300 s
/** The cluster part in small: what is measured is there, and is what the brokers did. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { measureJoining } from '../../../bench/cluster/joining.js';
import { clusterLatencyCases, measureClusterLatency } from '../../../bench/cluster/latency.js';
import { measureResuming } from '../../../bench/cluster/resuming.js';
import { measureClusterSpeed } from '../../../bench/cluster/speed.js';
import { measureSubscribing } from '../../../bench/cluster/subscribing.js';
import { clusterWorkloads } from '../../../bench/cluster/workloads.js';
import { hasProcFs } from '../../../bench/load/process-usage.js';

const test = suite('cluster benchmarks');

const times = { attempts: 1, seconds: 1, warmupSeconds: 0.2 };
const said: string[] = [];
const say = (line: string): void => void said.push(line);

/** CPU time of other processes is read from /proc. */
const testOnLinux = hasProcFs ? test : test.skip;

testOnLinux('speed: brokers deliver to each other, and all CPU time is counted', async () => {
  const chosen = clusterWorkloads.filter(({ id }) => id === 'remote-durable');
  const rows = await measureClusterSpeed([1, 2], chosen, { rounds: 1, ...times }, say);
  assert.is(rows.length, 1);
  // One broker has no other to send to.
  assert.equal(
    rows[0].measurements.map(({ brokers }) => brokers),
    [2],
  );
  const [found] = rows[0].measurements;
  assert.ok(found.figure > 0 && found.perSecond > 0);
  assert.ok(found.brokerCpu > 0 && found.primaryCpu > 0 && found.replicaCpu > 0);
  assert.is(found.lost, 0);
});

testOnLinux('latency: local and remote deliveries are timed, and a bare Redis hop', async () => {
  const settings = { ratePerS: 200, hops: 20, ...times };
  const cases = clusterLatencyCases.filter(({ name }) => name === 'QoS 0');
  const { hop, rows } = await measureClusterLatency(cases, settings, say);
  const [{ local, remote }] = rows;
  for (const { p50Us, p99Us } of [hop, local, remote]) assert.ok(p50Us > 0 && p50Us <= p99Us);
});

testOnLinux('subscriptions: every broker pays for those of one', async () => {
  const [alone, two] = await measureSubscribing([1, 2], { subscriptions: 8_000, timed: 5 }, say);
  assert.is(alone.otherUs, null);
  assert.ok(alone.ownUs > 0 && alone.primariesUs > 0 && alone.perSecond > 0 && alone.p50Ms > 0);
  assert.ok(two.otherUs! > 0);
  // Of so few, buffers that a process gives back hide the bytes; that they are read is to be seen.
  for (const bytes of [two.ownBytes, two.otherBytes!, two.redisBytes]) {
    assert.ok(Number.isFinite(bytes) && bytes !== 0, `${bytes} bytes`);
  }
});

testOnLinux('joins: a further broker has all that was there', async () => {
  // So many that Redis needs more than a tick of its clock of processor time for them.
  const size = { retained: 20_000, sessions: 200, filtersEach: 10, joins: 2 };
  const rows = await measureJoining(size, () => true, say);
  assert.equal(
    rows.map(({ count }) => count),
    [0, 2_000, 20_000],
  );
  for (const { joinCpuS, joinedMiB, joinS } of rows) {
    assert.ok(joinS > 0 && joinCpuS > 0 && joinedMiB > 0);
  }
  const [empty, subscriptions, retained] = rows;
  assert.is(empty.made, null);
  for (const { made } of [subscriptions, retained]) {
    assert.ok(made !== null && made.brokersUs > 0 && made.redisUs > 0 && made.redisBytes > 0);
  }
});

testOnLinux('kill -9: every client has its session at another broker', async () => {
  const settings = { clients: [20], kills: 1, warmUp: 50, ratePerS: 100 };
  const { rows } = await measureResuming(settings, say);
  const [{ clients, longestUs, p50Us, p99Us }] = rows;
  assert.is(clients, 20);
  assert.ok(p50Us > 0 && p50Us <= p99Us && p99Us <= longestUs);
});

test.run();
