/**
 * A suite whose tests share one cluster of brokers. Each test gets clients of the conformance
 * suite, which parse strictly, and say which broker they connect to (`node`). It finds every
 * broker alive, whatever the test before did. Its failure shows the logs.
 */
import type { Callback, Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Broker } from '../../conformance/brokers/broker.js';
import { user } from '../../conformance/brokers/profiles.js';
import { TestContext } from '../../conformance/context.js';
import type { Endpoint } from '../../conformance/raw/wire.js';
import { brokerPath } from '../integration/support/broker.js';
import { BrokerCluster, type BrokerClusterOptions } from '../support/broker-cluster.js';
import { until } from '../support/until.js';

export type ClusterOptions = Omit<BrokerClusterOptions, 'brokerPath'>;

export type ClusterTest = (t: TestContext, cluster: BrokerCluster) => Promise<void>;

/** In tests about the death of brokers: short, but longer than a busy machine's pauses. */
export const leaseSeconds = 4;
/** Until everybody has noticed a death and has done what is to be done. */
export const deathMs = 20_000;

/** Gives the suite a cluster. @returns what adds a test about it */
export function withCluster(
  suite: Test,
  options: ClusterOptions = {},
): (name: string, body: ClusterTest) => void {
  let cluster: BrokerCluster | null = null;
  let failure: unknown = null;
  suite.before(async () => {
    try {
      cluster = await startCluster(options);
    } catch (error) {
      // Said by the first test: uvu says nothing about its hooks.
      failure = error;
    }
  });
  suite.after(async () => {
    await cluster?.close();
  });
  return (name, body) => {
    const run: Callback = async () => {
      if (cluster === null) throw failure;
      await runIn(cluster, body);
    };
    suite(name, run);
  };
}

export function startCluster(options: ClusterOptions = {}): Promise<BrokerCluster> {
  return BrokerCluster.start({ brokerPath, ...options });
}

/** Runs a test in a cluster that is whole. */
export async function runIn(cluster: BrokerCluster, body: ClusterTest): Promise<void> {
  const t = new TestContext('5.0', asBroker(cluster), 'default');
  try {
    await cluster.heal();
    await body(t, cluster);
    assert.equal(t.breaches(), []);
  } catch (error) {
    throw cluster.explain(error);
  } finally {
    t.cutAll();
  }
}

/** Waits for a time that the statement itself is about: a deadline of the specification's. */
export async function elapsed(ms: number): Promise<void> {
  const endMs = performance.now() + ms;
  await until(`${ms} ms to pass`, () => performance.now() >= endMs, { deadlineMs: 2 * ms + 1000 });
}

/** The cluster as the conformance suite sees brokers. */
function asBroker(cluster: BrokerCluster): Broker {
  return {
    name: 'cluster',
    get nodes() {
      return cluster.live;
    },
    credentials: user,
    missing: () => null,
    start: async () => undefined,
    endpoint: (_, node = 0): Endpoint => ({ host: '127.0.0.1', port: cluster.port(node) }),
    folder: (profile) => {
      throw new Error(`no folder of ${profile}`);
    },
    faults: () => cluster.troubles,
    stop: async () => undefined,
  };
}
