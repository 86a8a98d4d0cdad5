/** Session Expiry Interval and Will Delay Interval (sections 3.1.2.11.2, 3.1.3.2.2, 3.14.2.2.2). */

import type { ConnectOptions } from '../context.js';
import { equal, ok } from '../expect.js';
import { describeAll } from '../raw/packet.js';
import { test } from '../registry.js';

const expiry = (seconds: number): ConnectOptions => ({
  clean: false,
  properties: { sessionExpiryInterval: seconds },
});
/** Waits until a deadline that is the statement's own: whole seconds of real time. */
const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000));

test(
  { '5.0': ['MQTT-4.1.0-2', 'MQTT-3.2.2-3', 'MQTT-3.1.2-23'] },
  'throws a session away when its Session Expiry Interval is over, and not before',
  async (t) => {
    const [short, long] = await t.connectAll(expiry(1), { isDurable: true });
    await short.subscribe(t.topic(), 1);
    await long.subscribe(t.topic(), 1);
    await Promise.all([short.disconnect(), long.disconnect()]);
    await seconds(3);
    const shortAgain = await t.connect({ clientId: short.clientId, ...expiry(0) });
    const longAgain = await t.connect({ clientId: long.clientId, isDurable: true });
    equal(shortAgain.connack?.sessionPresent, false, 'Session Present after expiry');
    equal(longAgain.connack?.sessionPresent, true, 'Session Present before expiry');
    await longAgain.publish(t.topic(), 'x', { qos: 1 });
    await longAgain.receive();
    await shortAgain.expectNothing(longAgain, 1);
  },
  { isSlow: true },
);

test(
  { '5.0': ['MQTT-4.1.0-2', 'MQTT-3.2.2-3'] },
  'throws a session with expiry 0, or without one, away at once',
  async (t) => {
    for (const options of [expiry(0), { clean: false }]) {
      const client = await t.connect(options);
      await client.subscribe(t.topic(), 1);
      await client.disconnect();
      const again = await t.connect({ clientId: client.clientId, ...options });
      equal(again.connack?.sessionPresent, false, 'Session Present');
      await again.expectNothing(again, 1);
    }
  },
);

test(
  { '5.0': ['MQTT-4.1.0-2', 'MQTT-3.1.2-23'] },
  'takes a new Session Expiry Interval from DISCONNECT',
  async (t) => {
    const [ending, lasting] = await t.connectAll(expiry(100), expiry(100));
    await ending.disconnect({ reasonCode: 0, properties: { sessionExpiryInterval: 0 } });
    const again = await t.connect({ clientId: ending.clientId, ...expiry(0) });
    equal(again.connack?.sessionPresent, false, 'Session Present after expiry 0');
    await lasting.disconnect({ reasonCode: 0, properties: { sessionExpiryInterval: 60 } });
    const stays = await t.connect({ clientId: lasting.clientId, ...expiry(0) });
    equal(stays.connack?.sessionPresent, true, 'Session Present after expiry 60');
  },
);

test(
  { '5.0': ['MQTT-4.13.1-1'] },
  'refuses a DISCONNECT that gives an interval to a session that had none',
  async (t) => {
    const client = await t.connect(expiry(0));
    const { clientId } = client;
    await client.disconnect({ reasonCode: 0, properties: { sessionExpiryInterval: 60 } });
    const again = await t.connect({ clientId, ...expiry(0) });
    equal(again.connack?.sessionPresent, false, 'Session Present');
  },
);

const will = (topic: string, willDelayInterval: number) => ({
  topic,
  payload: 'gone',
  qos: 1,
  properties: { willDelayInterval },
});

test(
  { '5.0': ['MQTT-3.1.2-8', 'MQTT-3.1.2-10'] },
  'publishes a will after its Will Delay Interval, or when the session ends before that',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('#'), 1);
    const [delayed, ended] = await t.connectAll(
      { ...expiry(300), will: will(t.topic('delayed'), 2) },
      { ...expiry(1), will: will(t.topic('ended'), 300) },
    );
    const start = performance.now();
    delayed.cut();
    ended.cut();
    const wills = await watcher.fence(watcher, 1);
    const isEarly = performance.now() - start < 1000;
    ok(!isEarly || wills.length === 0, 'nothing delivered', describeAll(wills));
    for (const one of wills) await watcher.acknowledge(one);
    while (wills.length < 2) wills.push(await watcher.receive(8000));
    const took = (performance.now() - start) / 1000;
    const topics = wills.map((one) => one.topic).toSorted();
    equal(topics, [t.topic('delayed'), t.topic('ended')], 'wills');
    ok(took > 1.5, 'the later will near 2 s', `${took.toFixed(2)} s`);
    const clean = await t.connect({ clientId: delayed.clientId });
    await clean.disconnect();
    await watcher.expectNothing(watcher, 1);
  },
  { isSlow: true },
);

test(
  { '5.0': ['MQTT-3.1.2-8'] },
  'publishes a will with a delay at once when the session ends with its connection',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('#'), 1);
    const client = await t.connect({ ...expiry(0), will: will(t.topic('will'), 300) });
    client.cut();
    equal((await watcher.receive()).topic, t.topic('will'), 'topic');
  },
);

test(
  { '5.0': ['MQTT-3.1.3-9', 'MQTT-3.1.2-8'] },
  'publishes no will when the session is resumed within the Will Delay Interval',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('#'), 1);
    const client = await t.connect({ ...expiry(300), will: will(t.topic('will'), 1) });
    client.cut();
    const again = await t.connect({ clientId: client.clientId, isDurable: true });
    equal(again.connack?.sessionPresent, true, 'Session Present');
    await seconds(2.5);
    await watcher.expectNothing(again, 1);
    await again.disconnect();
    await watcher.expectNothing(watcher, 1);
  },
  { isSlow: true },
);

test(
  { '5.0': ['MQTT-3.14.4-3', 'MQTT-3.1.2-8', 'MQTT-3.1.2-10'] },
  'publishes the will after DISCONNECT 0x04, and after 0x00 never',
  async (t) => {
    const watcher = await t.connect();
    await watcher.subscribe(t.topic('#'), 1);
    const with04 = await t.connect({ will: will(t.topic('with'), 0) });
    await with04.disconnect({ reasonCode: 0x04 });
    equal((await watcher.receive()).topic, t.topic('with'), 'topic');
    const with00 = await t.connect({ ...expiry(1), will: will(t.topic('without'), 0) });
    await with00.disconnect({ reasonCode: 0x00 });
    // Nor when the session ends later.
    await seconds(2.5);
    await watcher.expectNothing(watcher, 1);
  },
  { isSlow: true },
);
