// slow
/** A message published at one broker reaches subscribers at every other one as it would at one. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withCluster } from './cluster-suite.js';
import { expectPayloads, NO_MATCHING_SUBSCRIBERS, payloads, untilMatched } from './messages.js';

const test = suite('routing between brokers');
const add = withCluster(test);
const NODES = [0, 1, 2];

for (const isDurable of [false, true]) {
  const kind = isDurable ? 'durable' : 'transient';

  for (const version of [4, 5] as const) {
    add(`each QoS reaches ${kind} subscribers at all brokers once, MQTT ${version}`, async (t) => {
      const clients = await Promise.all(
        NODES.map((node) => t.connect({ node, isDurable, version })),
      );
      for (const client of clients) await client.subscribe(t.topic('+/x'), 2);
      for (const node of NODES) {
        const publisher = await t.connect({ node, version });
        for (const qos of [0, 1, 2]) {
          const text = `${node} at ${qos}`;
          await publisher.publish(t.topic(`${node}/x`), text, { qos });
          for (const client of clients) {
            const message = await client.receive();
            assert.equal([String(message.payload), message.qos], [text, qos]);
            assert.equal([message.retain, message.dup], [false, false]);
          }
        }
        for (const client of clients) await client.expectNothing(publisher);
      }
    });
  }

  add(`the lower of published and granted QoS counts for ${kind} subscribers`, async (t) => {
    const publisher = await t.connect({ node: 0 });
    for (const granted of [0, 1, 2]) {
      const client = await t.connect({ node: 1 + (granted % 2), isDurable });
      await client.subscribe(t.topic(), granted);
      for (const qos of [0, 1, 2]) {
        await publisher.publish(t.topic(), 'x', { qos });
        assert.is((await client.receive()).qos, Math.min(qos, granted));
      }
      await client.unsubscribe(t.topic());
    }
  });

  add(`filters match for ${kind} subscribers elsewhere as they do here`, async (t) => {
    const publisher = await t.connect({ node: 0 });
    const filters = ['a/b', 'a/+', '+/b', 'a/b/#', '#', 'a/#', 'a', 'A/b', 'a/b/c', '/a/b', '+'];
    for (const node of [1, 2]) {
      const clients = await Promise.all(filters.map(() => t.connect({ node, isDurable })));
      for (const [at, client] of clients.entries()) {
        await client.subscribe(t.topic(filters[at]), 1);
      }
      await publisher.publish(t.topic('a/b'), 'x', { qos: 1 });
      const matching = clients.filter((_, at) => at < 6);
      for (const client of matching) assert.is((await client.receive()).topic, t.topic('a/b'));
      for (const client of clients) await client.expectNothing(publisher, 1);
    }
  });

  add(
    `overlapping subscriptions of a ${kind} client give one copy, with all identifiers`,
    async (t) => {
      const publisher = await t.connect({ node: 2 });
      const client = await t.connect({ node: 0, isDurable });
      for (const [filter, qos, identifier] of [
        ['a/+', 0, 7],
        ['a/#', 2, 268_435_455],
        ['+/b', 1, 128],
      ] as const) {
        const properties = { subscriptionIdentifiers: [identifier] };
        await client.subscribe([{ filter: t.topic(filter), qos }], qos, { properties });
      }
      await client.subscribe(t.topic('a/b'), 1);
      for (const qos of [2, 1]) {
        await publisher.publish(t.topic('a/b'), 'x', { qos });
        const message = await client.receive();
        assert.is(message.qos, qos);
        const identifiers = [...(message.properties.subscriptionIdentifiers ?? [])];
        assert.equal(
          identifiers.sort((a, b) => a - b),
          [7, 128, 268_435_455],
        );
      }
      await client.expectNothing(publisher, 1);
    },
  );

  add(`properties reach a ${kind} subscriber elsewhere as published, in order`, async (t) => {
    const publisher = await t.connect({ node: 0 });
    const client = await t.connect({ node: 1, isDurable });
    await client.subscribe(t.topic(), 2);
    const properties = {
      payloadFormatIndicator: 1,
      contentType: 'text/plain',
      responseTopic: 'answers/here',
      correlationData: Buffer.of(0, 1, 2, 255),
      userProperties: [
        ['a', '1'],
        ['b', ''],
        ['a', '2'],
        ['a', '1'],
      ],
    } as const;
    for (const qos of [0, 1, 2]) {
      await publisher.publish(t.topic(), 'text', { qos, properties });
      const got = (await client.receive()).properties;
      assert.equal(
        got.userProperties?.map((pair) => pair.map(String)),
        properties.userProperties,
      );
      assert.is(got.payloadFormatIndicator, 1);
      assert.is(String(got.contentType), 'text/plain');
      assert.is(String(got.responseTopic), 'answers/here');
      assert.is(
        Buffer.compare(Buffer.from(got.correlationData ?? ''), properties.correlationData),
        0,
      );
    }
  });

  add(`a ${kind} client gets RETAIN as published from elsewhere only when it asks`, async (t) => {
    const publisher = await t.connect({ node: 1 });
    const [as, cleared] = await t.connectAll({ node: 0, isDurable }, { node: 2, isDurable });
    await as.subscribe([{ filter: t.topic(), qos: 1, retainAsPublished: true }]);
    await cleared.subscribe([{ filter: t.topic(), qos: 1 }]);
    for (const retain of [true, false]) {
      await publisher.publish(t.topic(), 'x', { qos: 1, retain });
      assert.is((await as.receive()).retain, retain);
      assert.is((await cleared.receive()).retain, false);
    }
    await publisher.publish(t.topic(), '', { qos: 1, retain: true });
  });

  add(`a ${kind} client's interval of expiry goes along, and never grows`, async (t) => {
    const publisher = await t.connect({ node: 0 });
    const client = await t.connect({ node: 2, isDurable });
    await client.subscribe(t.topic(), 1);
    for (let interval = 1_000; interval < 1_020; interval++) {
      const properties = { messageExpiryInterval: interval };
      await publisher.publish(t.topic(), 'x', { qos: 1, properties });
      const left = (await client.receive()).properties.messageExpiryInterval ?? -1;
      assert.ok(left <= interval && left >= interval - 5, `${interval} became ${left}`);
    }
  });

  add(`large messages reach a ${kind} subscriber elsewhere whole and in their order`, async (t) => {
    const publisher = await t.connect({ node: 0 });
    const client = await t.connect({ node: 1, isDurable });
    await client.subscribe(t.topic(), 2);
    const lengths = [1_000_000, 3, 65_536, 200_000, 0, 4_096];
    for (const qos of [0, 1, 2]) {
      for (const [at, length] of lengths.entries()) {
        await publisher.publish(t.topic(), Buffer.alloc(length, at + 1), { qos });
      }
      for (const [at, length] of lengths.entries()) {
        const { payload } = await client.receive();
        assert.ok(payload.equals(Buffer.alloc(length, at + 1)), `${payload.length}, not ${length}`);
      }
    }
  });

  add(
    `nothing comes to a ${kind} client that has unsubscribed, and its route vanishes`,
    async (t) => {
      const publisher = await t.connect({ node: 0 });
      const [staying, going] = await t.connectAll({ node: 1, isDurable }, { node: 1, isDurable });
      const answer = await publisher.publish(t.topic(), 'nobody', { qos: 1 });
      assert.is(answer?.reasonCode, NO_MATCHING_SUBSCRIBERS);
      for (const client of [staying, going]) await client.subscribe(t.topic(), 1);
      await publisher.publish(t.topic(), 'both', { qos: 1 });
      for (const client of [staying, going]) await expectPayloads(client, ['both']);
      await going.unsubscribe(t.topic());
      await publisher.publish(t.topic(), 'one', { qos: 1 });
      await expectPayloads(staying, ['one']);
      await going.expectNothing(publisher, 1);
      await staying.unsubscribe(t.topic());
      await untilMatched(publisher, t.topic(), false, 5_000);
      await staying.expectNothing(publisher, 1);
    },
  );
}

add('No Local holds for a client at whichever broker it is', async (t) => {
  const other = await t.connect({ node: 1 });
  const first = await t.connect({ node: 0, isDurable: true });
  await first.subscribe([{ filter: t.topic(), qos: 1, noLocal: true }]);
  await first.publish(t.topic(), 'own', { qos: 1 });
  const second = await t.connect({ node: 2, clientId: first.clientId, isDurable: true });
  await second.publish(t.topic(), 'own, elsewhere', { qos: 1 });
  await other.publish(t.topic(), 'of another client', { qos: 1 });
  await expectPayloads(second, ['of another client']);
  await second.expectNothing(other, 1);
});

add('a client that subscribes and publishes at different brokers hears itself', async (t) => {
  const clientId = t.clientId();
  const first = await t.connect({ node: 0, clientId, isDurable: true });
  await first.subscribe(t.topic(), 2);
  const second = await t.connect({ node: 1, clientId, isDurable: true });
  for (const qos of [0, 1, 2]) await second.publish(t.topic(), `${qos}`, { qos });
  assert.equal(payloads(await second.receiveAll(3)).sort(), ['0', '1', '2']);
});

add('one copy goes to each member of several groups, and to plain subscribers', async (t) => {
  const group = (name: string) => `$share/${t.clientId(name)}/${t.topic('#')}`;
  const groups = [group('a'), group('b')];
  const members = groups.map((filter) => NODES.map((node) => ({ filter, node })));
  const clients = await Promise.all(
    members.map((list) => Promise.all(list.map(({ node }) => t.connect({ node })))),
  );
  for (const [at, list] of members.entries()) {
    for (const [index, { filter }] of list.entries()) await clients[at][index].subscribe(filter, 2);
  }
  const plain = await t.connect({ node: 2 });
  await plain.subscribe(t.topic('#'), 2);
  const publishers = await Promise.all(NODES.map((node) => t.connect({ node })));
  const sent: string[] = [];
  for (let count = 0; count < 30; count++) {
    const text = `${count}`.padStart(2, '0');
    sent.push(text);
    await publishers[count % 3].publish(t.topic(text), text, { qos: 1 + (count % 2) });
  }
  assert.equal(payloads(await plain.receiveAll(30)).sort(), sent);
  for (const list of clients) {
    const got: string[] = [];
    for (const client of list) {
      const before = await client.fence(publishers[0], 0);
      got.push(...payloads(before.filter(({ type }) => type === 'publish')));
    }
    assert.equal(got.sort(), sent);
  }
});

test.run();
