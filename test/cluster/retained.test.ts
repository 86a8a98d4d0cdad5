// slow
/** Retained messages are the same at all brokers, from the acknowledgement on. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TestContext } from '../../conformance/context.js';
import { until } from '../support/until.js';
import { elapsed, withCluster } from './cluster-suite.js';
import { numbers, payloads } from './messages.js';

const test = suite('retained messages between brokers');
const add = withCluster(test);
const NODES = [0, 1, 2];

/** What a new subscriber at that broker gets, by topic. */
async function retainedAt(t: TestContext, node: number, filter: string) {
  const client = await t.connect({ node });
  await client.subscribe(filter, 1);
  const packets = await client.fence(client, 0);
  client.cut();
  for (const { retain, type } of packets) assert.equal([type, retain], ['publish', true]);
  return packets;
}

const textsOf = async (t: TestContext, node: number, filter: string) =>
  payloads(await retainedAt(t, node, filter));

add('each broker has what was published at any other, the latest alone', async (t) => {
  const publishers = await Promise.all(NODES.map((node) => t.connect({ node })));
  for (const [at, publisher] of publishers.entries()) {
    for (const qos of [1, 2]) {
      const text = `${at} ${qos}`;
      await publisher.publish(t.topic('a/one'), text, { qos, retain: true });
      await publisher.publish(t.topic(`a/of ${at}`), text, { qos, retain: true });
      for (const node of NODES) {
        assert.equal(await textsOf(t, node, t.topic('a/one')), [text]);
        const messages = await retainedAt(t, node, t.topic('a/+'));
        const topics = messages.map(({ topic }) => topic).sort();
        const expected = ['one', ...numbers(at + 1, 'of ')].map((name) => t.topic(`a/${name}`));
        assert.equal(topics, expected.sort());
      }
    }
  }
});

add('SUBSCRIBE right after PUBACK elsewhere sees the message, 200 times', async (t) => {
  const clients = await Promise.all(NODES.map((node) => t.connect({ node })));
  for (let turn = 0; turn < 200; turn++) {
    const publisher = clients[turn % 3];
    const subscriber = clients[(turn + 1 + (turn % 2)) % 3];
    const topic = t.topic(`${turn % 7}`);
    const qos = 1 + (turn % 2);
    await publisher.publish(topic, `${turn}`, { qos, retain: true });
    await subscriber.subscribe(topic, 1);
    const message = await subscriber.receive();
    assert.equal([String(message.payload), message.retain], [`${turn}`, true]);
    await subscriber.unsubscribe(topic);
  }
});

add('SUBSCRIBE right after the PUBACK of a deletion elsewhere sees nothing', async (t) => {
  const clients = await Promise.all(NODES.map((node) => t.connect({ node })));
  for (let turn = 0; turn < 100; turn++) {
    const [first, second, third] = [0, 1, 2].map((at) => clients[(turn + at) % 3]);
    await first.publish(t.topic(), `${turn}`, { qos: 1, retain: true });
    await second.publish(t.topic(), '', { qos: 1, retain: true });
    await third.subscribe(t.topic(), 0);
    await third.ping();
    assert.equal(payloads(third.packets.splice(0)), []);
    await third.unsubscribe(t.topic());
  }
});

add('a QoS 0 retained message comes to all brokers, too', async (t) => {
  const publisher = await t.connect({ node: 0 });
  await publisher.publish(t.topic(), 'unsure', { retain: true });
  for (const node of NODES) {
    await until(`it at ${node}`, async () => {
      const texts = await textsOf(t, node, t.topic());
      return texts.join() === 'unsure';
    });
  }
});

add('brokers that write one topic at once agree in the end', async (t) => {
  const publishers = await Promise.all(NODES.map((node) => t.connect({ node })));
  await Promise.all(
    publishers.map(async (publisher, at) => {
      for (let turn = 0; turn < 60; turn++) {
        for (const name of ['a', 'b']) {
          const text = turn % 5 === 4 ? '' : `${at} ${turn}`;
          await publisher.publish(t.topic(name), text, { qos: 1, retain: true });
        }
      }
      await publisher.publish(t.topic('a'), `last of ${at}`, { qos: 1, retain: true });
    }),
  );
  for (const name of ['a', 'b']) {
    const found = await Promise.all(NODES.map((node) => textsOf(t, node, t.topic(name))));
    assert.equal(found[1], found[0]);
    assert.equal(found[2], found[0]);
    if (name === 'a') assert.match(found[0].join(), /^last of [012]$/);
  }
});

add('they expire at all brokers, and their interval goes down', async (t) => {
  const publisher = await t.connect({ node: 0 });
  for (const [name, messageExpiryInterval] of [
    ['short', 2],
    ['long', 100],
  ] as const) {
    const properties = { messageExpiryInterval };
    await publisher.publish(t.topic(name), name, { qos: 1, retain: true, properties });
  }
  await elapsed(3_100);
  for (const node of NODES) {
    const messages = await retainedAt(t, node, t.topic('+'));
    assert.equal(payloads(messages), ['long']);
    const left = messages[0].properties.messageExpiryInterval ?? -1;
    assert.ok(left >= 85 && left <= 97, `${left} seconds left at ${node}`);
  }
  // What expired is not in the way of what comes next.
  await publisher.publish(t.topic('short'), 'again', { qos: 1, retain: true });
  for (const node of NODES) assert.equal(await textsOf(t, node, t.topic('short')), ['again']);
});

add('large ones are whole at every broker', async (t) => {
  const publisher = await t.connect({ node: 1 });
  const payload = Buffer.alloc(300_000, 'x');
  await publisher.publish(t.topic(), payload, { qos: 1, retain: true });
  for (const node of NODES) {
    const [message] = await retainedAt(t, node, t.topic());
    assert.ok(message.payload.equals(payload));
  }
});

add('a broker that joins serves all of them at once, and follows', async (t, cluster) => {
  const publishers = await Promise.all(NODES.map((node) => t.connect({ node })));
  const count = 600;
  await Promise.all(
    publishers.map(async (publisher, at) => {
      for (let number = at; number < count; number += 3) {
        await publisher.publish(t.topic(`m/${number}`), `${number}`, { qos: 1, retain: true });
      }
    }),
  );
  const joined = await cluster.add();
  const client = await t.connect({ node: joined });
  await client.subscribe(t.topic('m/+'), 1);
  const got = payloads(await client.receiveAll(count)).map(Number);
  assert.equal(
    got.sort((a, b) => a - b),
    numbers(count).map(Number),
  );
  await publishers[0].publish(t.topic('m/0'), '', { qos: 1, retain: true });
  await client.receive();
  assert.equal(await textsOf(t, joined, t.topic('m/0')), []);
  await client.publish(t.topic('m/1'), 'new', { qos: 1, retain: true });
  for (const node of NODES) assert.equal(await textsOf(t, node, t.topic('m/1')), ['new']);
});

test.run();
