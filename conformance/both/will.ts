/** The Will Message (sections 3.1.2.5, 3.1.2.6, 3.14.4). */
import { equal, ok } from '../expect.js';
import * as build from '../raw/build.js';
import type { RawClient } from '../raw-client.js';
import { test } from '../registry.js';

type Ending = (client: RawClient, version: build.Version) => void;

const endings: Readonly<Record<string, Ending>> = {
  'the connection is cut': (client) => client.cut(),
  'the client closes without DISCONNECT': (client) => client.end(),
  'the client breaks the protocol': (client, version) =>
    client.send(build.subscribe(version, { packetId: 0, filters: [{ filter: 'x' }] })),
  'the client sends garbage': (client) => client.send(Buffer.alloc(8, 0xff)),
};

for (const [when, end] of Object.entries(endings)) {
  test(
    {
      '3.1': [],
      '3.1.1': ['MQTT-3.1.2-8', 'MQTT-3.1.2-10'],
      '5.0': ['MQTT-3.1.2-7', 'MQTT-3.1.2-8', 'MQTT-3.1.2-10'],
    },
    `publishes the will once when ${when}`,
    async (t) => {
      const watcher = await t.connect();
      await watcher.subscribe(t.topic('#'), 1);
      const will = { topic: t.topic('will'), payload: 'gone', qos: 1 };
      const client = await t.connect({ will });
      end(client, t.version);
      const message = await watcher.receive();
      equal([message.topic, message.payload.toString()], [will.topic, 'gone'], 'will');
      // The session's next connection has no will: cutting it publishes nothing.
      const next = await t.connect({ clientId: client.clientId });
      next.cut();
      const another = await t.connect({ clientId: client.clientId });
      await another.ping();
      await watcher.expectNothing(another, 1);
    },
  );
}

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.14.4-3', 'MQTT-3.1.2-10', 'MQTT-3.1.2-8'],
    '5.0': ['MQTT-3.14.4-3', 'MQTT-3.1.2-10', 'MQTT-3.1.2-8'],
  },
  'publishes no will after DISCONNECT',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('#'), 1);
    const will = { topic: t.topic('will'), payload: 'gone', qos: 1 };
    const client = await t.connect({ will, isDurable: true });
    await client.disconnect();
    const next = await t.connect({ clientId: client.clientId, clean: true });
    await next.ping();
    await watcher.expectNothing(next, 1);
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.1.2-12'], '5.0': [] },
  'publishes nothing when a connection without a will is cut',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('#'), 1);
    const client = await t.connect();
    client.cut();
    const next = await t.connect({ clientId: client.clientId });
    await next.ping();
    await watcher.expectNothing(next, 1);
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.1.2-14'], '5.0': ['MQTT-3.1.2-12'] },
  'publishes the will at its Will QoS',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('#'), 2);
    for (const qos of [0, 1, 2]) {
      const will = { topic: t.topic(`will${qos}`), payload: `${qos}`, qos };
      (await t.connect({ will })).cut();
      const message = await watcher.receive();
      equal([message.topic, message.qos, message.retain], [will.topic, qos, false], 'will');
    }
  },
);

test(
  {
    '3.1': [],
    '3.1.1': ['MQTT-3.1.2-16', 'MQTT-3.1.2-17'],
    '5.0': ['MQTT-3.1.2-14', 'MQTT-3.1.2-15'],
  },
  'retains the will when Will Retain is 1, and only then',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('#'), 1);
    const kept = t.willRetain(t.topic('kept'));
    (await t.connect({ will: { topic: kept, payload: 'kept', qos: 1, retain: true } })).cut();
    equal((await watcher.receive()).topic, kept, 'topic');
    (await t.connect({ will: { topic: t.topic('live'), payload: 'live', qos: 1 } })).cut();
    equal((await watcher.receive()).topic, t.topic('live'), 'topic');
    const later = await t.connect();
    await later.subscribe(t.topic('#'), 1);
    const message = await later.receive();
    equal([message.topic, message.payload.toString()], [kept, 'kept'], 'retained will');
    ok(message.retain, 'RETAIN 1', 'RETAIN 0');
    await later.expectNothing(watcher, 1);
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.1.2-8'], '5.0': ['MQTT-3.1.2-8'] },
  'publishes an empty will',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('#'), 1);
    (await t.connect({ will: { topic: t.topic('will'), payload: '', qos: 1 } })).cut();
    const message = await watcher.receive();
    equal([message.topic, message.payload.length], [t.topic('will'), 0], 'will');
  },
);

test(
  { '3.1': [], '3.1.1': ['MQTT-3.14.4-2'], '5.0': ['MQTT-3.14.4-1'] },
  'does nothing that follows a DISCONNECT',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('#'), 1);
    const client = await t.connect();
    client.send(
      build.disconnect(t.version),
      build.publish(t.version, { topic: t.topic('late'), payload: 'x' }),
    );
    await client.expectClosed();
    await watcher.expectNothing(watcher, 1);
  },
);
