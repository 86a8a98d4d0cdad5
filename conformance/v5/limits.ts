/** Servers with less than everything: Maximum QoS, Retain Available, Server Keep Alive. */
import { equal, ok, oneOf } from '../expect.js';
import * as build from '../raw/build.js';
import { test } from '../registry.js';

for (const maximum of [0, 1]) {
  const inProfile = { profile: `max-qos-${maximum === 0 ? 0 : 1}` } as const;

  test(
    { '5.0': ['MQTT-3.2.2-9', 'MQTT-3.2.2-10'] },
    `announces Maximum QoS ${maximum} and accepts subscriptions of every QoS`,
    async (t) => {
      const client = await t.connect();
      equal(client.connack?.properties.maximumQos, maximum, 'Maximum QoS');
      const filters = [0, 1, 2].map((qos) => ({ filter: t.topic(`${qos}`), qos }));
      const suback = await client.subscribe(filters);
      // Granting what was asked is allowed as well: nothing above the maximum can come in.
      for (const [qos, code] of suback.reasonCodes.entries()) {
        oneOf(code, [Math.min(qos, maximum), qos], 'granted QoS');
      }
      await client.publish(t.topic('2'), 'x', { qos: maximum });
      equal((await client.receive()).qos, maximum, 'QoS');
    },
    inProfile,
  );

  test(
    { '5.0': ['MQTT-3.2.2-11'] },
    `closes at a PUBLISH above Maximum QoS ${maximum}`,
    async (t) => {
      const [watcher, client] = await t.connectAll({}, {});
      await watcher.subscribe(t.topic(), 1);
      const qos = maximum + 1;
      client.send(build.publish(5, { topic: t.topic(), qos, packetId: 1, payload: 'x' }));
      await client.expectClosed({ codes: [0x9b] });
      await watcher.expectNothing(watcher, 0);
    },
    inProfile,
  );

  test(
    { '5.0': ['MQTT-3.2.2-12'] },
    `refuses a will above Maximum QoS ${maximum}`,
    async (t) => {
      const client = await t.begin({ will: { topic: t.topic(), payload: 'x', qos: maximum + 1 } });
      await client.expectClosed({ codes: [0x9b] });
      await t.connect({ will: { topic: t.topic(), payload: 'x', qos: maximum } });
    },
    inProfile,
  );
}

test({ '5.0': ['MQTT-3.2.2-9'] }, 'announces no Maximum QoS when it supports QoS 2', async (t) => {
  const client = await t.connect();
  equal(client.connack?.properties.maximumQos, undefined, 'Maximum QoS');
  await client.publish(t.topic(), 'x', { qos: 2 });
});

test(
  { '5.0': ['MQTT-3.2.2-13'] },
  'refuses a retained will when it has no retained messages',
  async (t) => {
    const will = { topic: t.topic(), payload: 'x', retain: true };
    const client = await t.begin({ will });
    await client.expectClosed({ codes: [0x9a] });
  },
  { profile: 'restricted' },
);

test(
  { '5.0': ['MQTT-3.2.2-14'] },
  'announces Retain Available 0, and closes at a retained PUBLISH then',
  async (t) => {
    const [watcher, client] = await t.connectAll({}, {});
    equal(client.connack?.properties.retainAvailable, 0, 'Retain Available');
    await watcher.subscribe(t.topic(), 1);
    client.send(build.publish(5, { topic: t.topic(), payload: 'x', retain: true }));
    await client.expectClosed({ codes: [0x9a] });
    await watcher.expectNothing(watcher, 1);
  },
  { profile: 'restricted' },
);

test(
  { '5.0': ['MQTT-3.1.2-22'] },
  'enforces the Server Keep Alive that it announces',
  async (t) => {
    const client = await t.connect({ keepAlive: 600 });
    const serverKeepAlive = client.connack?.properties.serverKeepAlive ?? 0;
    ok(serverKeepAlive >= 1 && serverKeepAlive <= 10, 'a Server Keep Alive', `${serverKeepAlive}`);
    const start = performance.now();
    const deadlineMs = serverKeepAlive * 1500 + 10_000;
    await client.expectClosed({ codes: [0x8d], deadlineMs });
    const seconds = (performance.now() - start) / 1000;
    ok(seconds >= serverKeepAlive, 'no close before that', `a close after ${seconds.toFixed(2)} s`);
    const latest = serverKeepAlive * 1.5 + 2.5;
    ok(seconds < latest, `a close within ${latest} s`, `a close after ${seconds.toFixed(2)} s`);
  },
  { profile: 'restricted', isSlow: true },
);

test(
  { '5.0': [] },
  'announces what it offers as it is: wildcards, identifiers and shared subscriptions work',
  async (t) => {
    const client = await t.connect();
    const properties = client.connack?.properties ?? {};
    for (const name of [
      'wildcardSubscriptionAvailable',
      'subscriptionIdentifierAvailable',
      'sharedSubscriptionAvailable',
      'retainAvailable',
    ] as const) {
      equal(properties[name] ?? 1, 1, name);
    }
    await client.subscribe(t.topic('#'), 1, { properties: { subscriptionIdentifiers: [9] } });
    await client.subscribe(`$share/${t.clientId()}/${t.topic()}`, 1);
  },
);
