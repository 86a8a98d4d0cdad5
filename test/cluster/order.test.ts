// slow
/** Order per publisher, topic and QoS (promise P5), from broker to broker and under load. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TestContext } from '../../conformance/context.js';
import * as build from '../../conformance/raw/build.js';
import type { RawClient } from '../../conformance/raw-client.js';
import { withCluster } from './cluster-suite.js';
import { numbers } from './messages.js';

const test = suite('order between brokers');
const add = withCluster(test);

const COUNT = 300;
/** At once, at most: what every broker's Receive Maximum allows. */
const WINDOW = 20;

/** Publishes numbered messages, several on their way at once, and waits for every answer. */
async function publishStream(t: TestContext, client: RawClient, topic: string, qos: number) {
  for (let at = 0; at < COUNT; at += WINDOW) {
    const ids = Array.from({ length: WINDOW }, (_, index) => at + index + 1);
    client.send(
      ...ids.map((packetId) => {
        const payload = `${packetId - 1}`;
        const id = qos === 0 ? {} : { packetId };
        return build.publish(t.version, { topic, payload, qos, ...id });
      }),
    );
    if (qos === 1) for (const id of ids) await client.expect('puback', id);
    if (qos !== 2) continue;
    for (const id of ids) await client.expect('pubrec', id);
    client.send(...ids.map((id) => build.ack(t.version, 'pubrel', id)));
    for (const id of ids) await client.expect('pubcomp', id);
  }
}

for (const isDurable of [false, true]) {
  for (const qos of [0, 1, 2]) {
    const kind = isDurable ? 'durable' : 'transient';
    add(
      `${kind} subscribers get QoS ${qos} of three publishers in the order of each`,
      async (t) => {
        const topic = (node: number) => t.topic(`${node}`);
        const subscribers = await t.connectAll({ node: 0, isDurable }, { node: 1, isDurable });
        for (const client of subscribers) await client.subscribe(t.topic('+'), qos);
        const publishers = await t.connectAll({ node: 0 }, { node: 1 }, { node: 2 });
        const publishing = publishers.map((client, node) =>
          publishStream(t, client, topic(node), qos),
        );
        const receiving = subscribers.map((client) => client.receiveAll(3 * COUNT));
        const received = await Promise.all(receiving);
        await Promise.all(publishing);
        for (const messages of received) {
          for (const node of [0, 1, 2]) {
            const of = messages.filter((one) => one.topic === topic(node));
            assert.equal(
              of.map(({ payload }) => String(payload)),
              numbers(COUNT),
            );
          }
        }
      },
    );
  }
}

test.run();
