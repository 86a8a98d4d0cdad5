// slow
// deadline: 240 s
/**
 * Every broker is restarted, one after the other, under load: as an upgrade does it, by SIGTERM,
 * and as a bad night does it, by SIGKILL. Nothing acknowledged is lost, QoS 2 comes once, order
 * is kept.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TestContext } from '../../conformance/context.js';
import type { BrokerCluster } from '../support/broker-cluster.js';
import { until } from '../support/until.js';
import { deathMs, leaseSeconds, withCluster } from './cluster-suite.js';
import { Publisher, Subscriber } from './devices.js';
import { numbers } from './messages.js';

const test = suite('rolling restart');
const add = withCluster(test, { leaseSeconds });

interface Sent {
  readonly topic: string;
  readonly qos: 1 | 2;
  readonly publisher: Publisher;
  /** Messages that were acknowledged to their end. */
  count: number;
}

/** Publishers that go on until they are told to stop, over as many connections as it takes. */
class Load {
  readonly subscribers: Subscriber[] = [];
  readonly streams: Sent[] = [];
  private readonly t: TestContext;
  private readonly cluster: BrokerCluster;
  private isOver = false;
  private running: Promise<void>[] = [];

  constructor(t: TestContext, cluster: BrokerCluster) {
    this.t = t;
    this.cluster = cluster;
  }

  async start(): Promise<void> {
    const nodes = () => this.cluster.live;
    for (const node of [0, 1, 2]) {
      const subscriber = new Subscriber(this.t, nodes);
      await (await subscriber.connectTo(node)).subscribe(this.t.topic('+'), 2);
      subscriber.roam();
      this.subscribers.push(subscriber);
    }
    for (const node of [0, 1, 2]) {
      for (const qos of [1, 2] as const) {
        const publisher = new Publisher(this.t, nodes);
        await publisher.connectTo(node);
        const topic = this.t.topic(`${node}-${qos}`);
        const stream: Sent = { topic, qos, publisher, count: 0 };
        this.streams.push(stream);
        this.running.push(this.publish(stream, `${node}-${qos}-`));
      }
    }
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.running);
  }

  async check(): Promise<void> {
    const prefixOf = ({ topic }: Sent) => `${topic.slice(topic.lastIndexOf('/') + 1)}-`;
    const all = this.streams.flatMap((one) => numbers(one.count, prefixOf(one)));
    for (const subscriber of this.subscribers) {
      await subscriber.untilGot(all, deathMs);
      subscriber.rest();
      for (const one of this.streams) {
        const prefix = prefixOf(one);
        // A message that its publisher sent again came again, later: what counts is the first.
        const of = [...new Set(subscriber.got)].filter((text) => text.startsWith(prefix));
        assert.equal(of, numbers(one.count, prefix));
      }
    }
    const devices = [...this.subscribers, ...this.streams.map(({ publisher }) => publisher)];
    assert.equal(
      devices.flatMap(({ faults }) => faults),
      [],
    );
  }

  private async publish(stream: Sent, prefix: string): Promise<void> {
    while (!this.isOver) {
      await stream.publisher.deliver(stream.topic, `${prefix}${stream.count}`, stream.qos);
      stream.count++;
    }
  }
}

/** Enough that every stream goes on with the new broker in place. */
async function untilProgress(load: Load): Promise<void> {
  const before = load.streams.map(({ count }) => count);
  const hasMoved = () => load.streams.every(({ count }, at) => count >= before[at] + 20);
  await until('every publisher to go on', hasMoved, { deadlineMs: deathMs });
}

for (const [how, restart] of [
  ['SIGTERM', (cluster: BrokerCluster, node: number) => cluster.restart(node)],
  [
    'SIGKILL',
    async (cluster: BrokerCluster, node: number) => {
      await cluster.kill(node);
      await cluster.start(node);
    },
  ],
] as const) {
  add(`of three brokers by ${how} under QoS 1 and 2 loses nothing`, async (t, cluster) => {
    const load = new Load(t, cluster);
    await load.start();
    for (const node of [0, 1, 2]) {
      await untilProgress(load);
      await restart(cluster, node);
    }
    await untilProgress(load);
    await load.stop();
    await load.check();
    await cluster.untilMembers([0, 1, 2], { deadlineMs: deathMs });
  });
}

test.run();
