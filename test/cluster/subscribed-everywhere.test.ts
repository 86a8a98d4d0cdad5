// slow
/**
 * Promise P4: after SUBACK, no message that is published at any broker with QoS > 0 misses the
 * subscription. Each turn publishes elsewhere as soon as SUBACK has come.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withCluster } from './cluster-suite.js';
import { expectPayloads } from './messages.js';

const test = suite('subscribed means subscribed everywhere');
const add = withCluster(test);

for (const [kind, isDurable, turns] of [
  ['transient', false, 300],
  ['durable', true, 200],
] as const) {
  add(`a new filter of a ${kind} client is known at all brokers, ${turns} times`, async (t) => {
    const options = [0, 1, 2].map((node) => ({ node, isDurable }));
    const subscribers = await Promise.all(options.map((one) => t.connect(one)));
    const publishers = await t.connectAll({ node: 0 }, { node: 1 }, { node: 2 });
    for (let turn = 0; turn < turns; turn++) {
      const subscriber = subscribers[turn % 3];
      const filter = turn % 2 === 0 ? `${turn}/x` : `${turn}/+`;
      await subscriber.subscribe(t.topic(filter), 1 + (turn % 2));
      const sending = publishers.map((publisher, node) =>
        publisher.publish(t.topic(`${turn}/x`), `${turn} ${node}`, {
          qos: 1 + ((turn + node) % 2),
        }),
      );
      const got = (await subscriber.receiveAll(3)).map(({ payload }) => String(payload));
      await Promise.all(sending);
      assert.equal(got.sort(), [`${turn} 0`, `${turn} 1`, `${turn} 2`]);
    }
  });

  add(`a filter of a ${kind} client comes and goes a hundred times`, async (t) => {
    const subscriber = await t.connect({ node: 0, isDurable });
    const publishers = await t.connectAll({ node: 1 }, { node: 2 });
    for (let turn = 0; turn < 100; turn++) {
      await subscriber.subscribe(t.topic(), 1);
      const publisher = publishers[turn % 2];
      await publisher.publish(t.topic(), `on ${turn}`, { qos: 1 });
      let text = String((await subscriber.receive()).payload);
      // Published before the SUBSCRIBE, and still on its way: nothing forbids that it comes.
      if (text === `off ${turn - 1}`) text = String((await subscriber.receive()).payload);
      assert.is(text, `on ${turn}`);
      await subscriber.unsubscribe(t.topic());
      await publisher.publish(t.topic(), `off ${turn}`, { qos: 1 });
    }
    for (const publisher of publishers) await subscriber.expectNothing(publisher, 1);
  });

  add(`a shared subscription of a ${kind} client is known at all brokers`, async (t) => {
    const subscribers = await t.connectAll({ node: 0, isDurable }, { node: 1, isDurable });
    const publisher = await t.connect({ node: 2 });
    for (let turn = 0; turn < 100; turn++) {
      const subscriber = subscribers[turn % 2];
      await subscriber.subscribe(`$share/${t.clientId()}/${t.topic(`${turn}`)}`, 1);
      await publisher.publish(t.topic(`${turn}`), `${turn}`, { qos: 1 });
      await expectPayloads(subscriber, [`${turn}`]);
    }
  });
}

add('many clients that subscribe at once miss nothing', async (t) => {
  const publishers = await t.connectAll({ node: 0 }, { node: 1 }, { node: 2 });
  const clients = await Promise.all(
    Array.from({ length: 60 }, (_, at) => t.connect({ node: at % 3, isDurable: at % 2 === 0 })),
  );
  await Promise.all(
    clients.map(async (client, at) => {
      await client.subscribe(t.topic(`${at}`), 1);
      await publishers[(at + 1) % 3].publish(t.topic(`${at}`), `${at}`, { qos: 1 });
      await expectPayloads(client, [`${at}`]);
    }),
  );
});

test.run();
