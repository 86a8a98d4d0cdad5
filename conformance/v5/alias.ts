/** Topic Alias, both ways (section 3.3.2.3.4). */
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import { describeAll } from '../raw/packet.js';
import { test } from '../registry.js';

test(
  { '5.0': ['MQTT-3.3.2-12'] },
  'accepts every Topic Alias from 1 to its maximum, and maps it anew on demand',
  async (t) => {
    const [client, watcher] = await t.connectAll({}, {});
    await watcher.subscribe(t.topic('#'), 1);
    const maximum = client.connack?.properties.topicAliasMaximum ?? 0;
    ok(maximum > 0, 'a Topic Alias Maximum above 0', `${maximum}`);
    const aliases = [...new Set([1, maximum, Math.ceil(maximum / 2)])];
    const send = (topic: string, topicAlias: number) =>
      client.publish(topic, 'x', { qos: 1, properties: { topicAlias } });
    for (const alias of aliases) await send(t.topic(`first${alias}`), alias);
    for (const alias of aliases) await send('', alias);
    for (const alias of aliases) await send(t.topic(`second${alias}`), alias);
    for (const alias of aliases) await send('', alias);
    const received = await watcher.receiveAll(4 * aliases.length);
    const topics = (name: string) => aliases.map((alias) => t.topic(`${name}${alias}`));
    const [first, second] = [topics('first'), topics('second')];
    const expected = [...first, ...first, ...second, ...second];
    equal(
      received.map((one) => one.topic),
      expected,
      'topics',
    );
    ok(
      received.every((one) => one.properties.topicAlias === undefined),
      'no alias',
      'one',
    );
  },
);

test(
  { '5.0': ['MQTT-3.2.2-17', 'MQTT-3.3.2-9', 'MQTT-3.3.2-8'] },
  'closes at Topic Alias 0, at one above its maximum, and at one that was not set',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('#'), 1);
    const maximum = watcher.connack?.properties.topicAliasMaximum ?? 0;
    const cases: readonly (readonly [string, number])[] = [
      [t.topic(), 0],
      [t.topic(), maximum + 1],
      [t.topic(), 65_535],
      ['', 1],
    ];
    for (const [topic, topicAlias] of cases) {
      if (topicAlias > 0 && topic !== '' && topicAlias <= maximum) continue;
      const client = await t.connect();
      client.send(build.publish(5, { topic, payload: 'x', properties: { topicAlias } }));
      await client.expectClosed({ codes: [0x81, 0x82, 0x90, 0x94] });
    }
    await watcher.expectNothing(watcher, 1);
  },
);

test(
  { '5.0': ['MQTT-3.2.2-18'] },
  'closes at any Topic Alias when it announced none',
  async (t) => {
    const client = await t.connect();
    equal(client.connack?.properties.topicAliasMaximum ?? 0, 0, 'Topic Alias Maximum');
    client.send(build.publish(5, { topic: t.topic(), properties: { topicAlias: 1 } }));
    await client.expectClosed({ codes: [0x82, 0x94] });
  },
  { profile: 'no-alias' },
);

test({ '5.0': ['MQTT-3.3.2-7'] }, 'forgets Topic Aliases with the connection', async (t) => {
  const [watcher, client] = await t.connectAll({}, { isDurable: true });
  await watcher.subscribe(t.topic('#'), 1);
  const properties = { topicAlias: 1 };
  await client.publish(t.topic(), 'x', { qos: 1, properties });
  await watcher.receive();
  await client.disconnect();
  const again = await t.connect({ clientId: client.clientId, isDurable: true });
  again.send(build.publish(5, { topic: '', payload: 'y', properties }));
  await again.expectClosed({ codes: [0x81, 0x82, 0x90, 0x94] });
  await watcher.expectNothing(watcher, 1);
});

test(
  { '5.0': ['MQTT-3.1.2-26', 'MQTT-3.1.2-27', 'MQTT-3.3.2-11', 'MQTT-3.3.2-7'] },
  'uses no Topic Alias above the maximum of the client, and none when it allows none',
  async (t) => {
    const publisher = await t.connect();
    const options = { isDurable: true, properties: { topicAliasMaximum: 2 } };
    const [aliased, plain] = await t.connectAll(options, {});
    await aliased.subscribe(t.topic('#'), 1);
    await plain.subscribe(t.topic('#'), 1);
    const names = ['a', 'b', 'c', 'a', 'a', 'b', 'c', 'd', 'a', 'c'];
    const round = async (client = aliased) => {
      for (const name of names) await publisher.publish(t.topic(name), name, { qos: 1 });
      const topics = new Map<number, string>();
      for (const message of await client.receiveAll(names.length)) {
        const alias = message.properties.topicAlias;
        if (alias !== undefined && message.topic !== '') topics.set(alias, message.topic);
        const topic = message.topic === '' ? topics.get(alias ?? 0) : message.topic;
        equal(topic, t.topic(message.payload.toString()), 'topic by name or alias');
        ok(alias === undefined || alias <= 2, 'alias 1 or 2', describeAll([message]));
      }
    };
    await round();
    for (const message of await plain.receiveAll(names.length)) {
      equal(message.topic, t.topic(message.payload.toString()), 'topic');
      equal(message.properties.topicAlias, undefined, 'alias');
    }
    await aliased.disconnect();
    // On the next connection the broker must begin with full topics again.
    await round(await t.connect({ clientId: aliased.clientId, ...options }));
  },
);
