// slow
/** Wills of clients that come back, or do not, at another broker: each one once, or not at all. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TestContext } from '../../conformance/context.js';
import type { RawClient } from '../../conformance/raw-client.js';
import { elapsed, withCluster } from './cluster-suite.js';
import { payloads } from './messages.js';

const test = suite('wills and takeover');
const add = withCluster(test);

const DELAYED_S = 300;

interface Options {
  readonly willDelay: number;
  readonly isDurable: boolean;
  readonly text?: string;
}

async function withWill(t: TestContext, node: number, options: Options, clientId = t.clientId()) {
  const { isDurable, text = 'first', willDelay } = options;
  const properties = { willDelayInterval: willDelay };
  const will = { topic: t.topic(`will/${clientId}`), payload: text, qos: 1, properties };
  return t.connect({ node, clientId, isDurable, will });
}

async function watch(t: TestContext): Promise<RawClient[]> {
  const watchers = await t.connectAll({ node: 0 }, { node: 1 }, { node: 2 });
  for (const watcher of watchers) await watcher.subscribe(t.topic('will/#'), 1);
  return watchers;
}

/** Each watcher gets these, and nothing else. */
async function expectWills(watchers: readonly RawClient[], expected: string[]): Promise<void> {
  for (const watcher of watchers) {
    assert.equal(payloads(await watcher.receiveAll(expected.length)), expected);
  }
  for (const watcher of watchers) await watcher.expectNothing(watcher, 1);
}

for (const [kind, options] of Object.entries({
  'a durable client without a delay': { isDurable: true, willDelay: 0 },
  'a transient client': { isDurable: false, willDelay: 0 },
  'a transient client, with a delay that its session does not outlive': {
    isDurable: false,
    willDelay: DELAYED_S,
  },
})) {
  add(`taken over elsewhere, ${kind} leaves its will once`, async (t) => {
    const watchers = await watch(t);
    const { clientId } = await withWill(t, 0, options);
    const second = await t.connect({ node: 1, clientId, isDurable: options.isDurable });
    await expectWills(watchers, ['first']);
    await second.disconnect();
    await expectWills(watchers, []);
  });

  add(`cut, ${kind} leaves its will once at every broker`, async (t) => {
    const watchers = await watch(t);
    for (const node of [0, 1, 2]) {
      const client = await withWill(t, node, options);
      client.cut();
      await expectWills(watchers, ['first']);
      await (await t.connect({ node: (node + 1) % 3, clientId: client.clientId })).disconnect();
    }
    await expectWills(watchers, []);
  });
}

add('a delayed will gives way to that of the next connection', async (t) => {
  const watchers = await watch(t);
  const first = { isDurable: true, willDelay: DELAYED_S };
  const { clientId } = await withWill(t, 0, first);
  const second = await withWill(t, 1, { isDurable: true, willDelay: 0, text: 'second' }, clientId);
  await expectWills(watchers, []);
  second.cut();
  await expectWills(watchers, ['second']);
});

add('a delayed will is not published when the client is back elsewhere in time', async (t) => {
  const watchers = await watch(t);
  const client = await withWill(t, 0, { isDurable: true, willDelay: 2 });
  client.cut();
  const again = await t.connect({ node: 1, clientId: client.clientId, isDurable: true });
  assert.is(again.connack?.sessionPresent, true);
  await elapsed(4_000);
  await expectWills(watchers, []);
  await again.disconnect();
  await expectWills(watchers, []);
});

add('a delayed will is published once when nobody comes back', async (t) => {
  const watchers = await watch(t);
  const client = await withWill(t, 2, { isDurable: true, willDelay: 1 });
  client.cut();
  await expectWills(watchers, ['first']);
  const again = await t.connect({ node: 1, clientId: client.clientId, isDurable: true });
  assert.is(again.connack?.sessionPresent, true);
  await again.disconnect();
  await expectWills(watchers, []);
});

add('a clean start elsewhere ends the session, and sends its delayed will', async (t) => {
  const watchers = await watch(t);
  const options = { isDurable: true, willDelay: DELAYED_S };
  const [connected, away] = [await withWill(t, 0, options), await withWill(t, 2, options)];
  const isOf = (client: RawClient) => t.topic(`will/${client.clientId}`);
  await t.connect({ node: 1, clientId: connected.clientId, clean: true });
  for (const watcher of watchers) assert.is((await watcher.receive()).topic, isOf(connected));
  away.cut();
  await expectWills(watchers, []);
  await t.connect({ node: 1, clientId: away.clientId, clean: true });
  for (const watcher of watchers) assert.is((await watcher.receive()).topic, isOf(away));
  await expectWills(watchers, []);
});

add('a retained will is what later subscribers get at every broker', async (t) => {
  const will = { topic: t.willRetain(t.topic('kept')), payload: 'gone', qos: 1, retain: true };
  const watchers = await t.connectAll({ node: 0 }, { node: 1 }, { node: 2 });
  for (const watcher of watchers) await watcher.subscribe(will.topic, 1);
  (await t.connect({ node: 1, will })).cut();
  for (const watcher of watchers) assert.is((await watcher.receive()).retain, false);
  for (const node of [0, 1, 2]) {
    const later = await t.connect({ node });
    await later.subscribe(will.topic, 1);
    const message = await later.receive();
    assert.equal([String(message.payload), message.retain], ['gone', true]);
  }
});

test.run();
