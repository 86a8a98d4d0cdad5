/** Wills and session expiry, with restarts in between. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ConnectOptions } from '../support/fake-broker.js';
import { DurableBroker } from './support/durable-broker.js';

const test = suite('durable: lives');

function willOf(delay: number, retain = false): NonNullable<ConnectOptions['will']> {
  return {
    topic: 'will',
    payload: Buffer.from('last'),
    qos: 1,
    retain,
    properties: { willDelayInterval: delay, contentType: 'text/plain' },
  };
}

/** What came to the durable session `heir` of topic `will`, since the last time. */
async function wills(broker: DurableBroker): Promise<string[]> {
  const heir = await broker.durable('heir');
  await broker.settle();
  const payloads: string[] = [];
  for (const { messageId, payload, properties } of heir.take('publish')) {
    payloads.push(payload!.toString());
    assert.is(properties!.contentType, 'text/plain');
    heir.acknowledge('puback', messageId!);
  }
  heir.disconnect();
  await broker.settle();
  return payloads;
}

async function rig(): Promise<DurableBroker> {
  const broker = await DurableBroker.start();
  await broker.subscriber('heir', 'will');
  return broker;
}

test('the will of a client that was here at a crash is published at the start', async () => {
  const broker = await rig();
  await broker.durable('dying', { will: willOf(0) });
  await broker.crash();
  assert.equal(await wills(broker), ['last']);
  await broker.crash();
  assert.equal(await wills(broker), [], 'once');
});

test('the will of a client that said DISCONNECT is not [MQTT-3.14.4-3]', async () => {
  const broker = await rig();
  const client = await broker.durable('polite', { will: willOf(0) });
  client.disconnect(0);
  await broker.settle();
  await broker.crash();
  assert.equal(await wills(broker), []);
});

test('a will that was published is not published again by the next broker', async () => {
  const broker = await rig();
  const client = await broker.durable('dying', { will: willOf(0) });
  client.drop();
  await broker.settle();
  assert.equal(await wills(broker), ['last']);
  await broker.crash();
  assert.equal(await wills(broker), []);
});

test('a delayed will: its time goes on while the broker is down [MQTT-3.1.3-9]', async () => {
  const broker = await rig();
  const client = await broker.durable('dying', { will: willOf(100) });
  client.drop();
  await broker.settle();
  await broker.advance(30_000);
  await broker.crash(30_000);
  assert.equal(await wills(broker), []);
  await broker.advance(39_000);
  assert.equal(await wills(broker), []);
  await broker.advance(1_000);
  assert.equal(await wills(broker), ['last']);
  await broker.crash();
  assert.equal(await wills(broker), []);
});

test('a delayed will is not published when its client comes back [MQTT-3.1.3-9]', async () => {
  const broker = await rig();
  for (const crashes of [false, true]) {
    const client = await broker.durable('dying', { will: willOf(100) });
    client.drop();
    await broker.settle();
    if (crashes) await broker.crash();
    const again = await broker.durable('dying');
    await broker.advance(200_000);
    assert.equal(await wills(broker), []);
    again.disconnect();
    await broker.settle();
    await broker.crash(200_000);
    assert.equal(await wills(broker), []);
  }
});

test('a delayed will is published when its session ends first [MQTT-3.1.2-8]', async () => {
  const broker = await rig();
  const properties = { sessionExpiryInterval: 10 };
  const client = await broker.durable('dying', { will: willOf(100), properties });
  client.drop();
  await broker.settle();
  await broker.crash(10_000);

  assert.equal(await wills(broker), ['last']);
  assert.is(broker.broker.core.sessions.get('dying'), null);
  await broker.advance(200_000);
  assert.equal(await wills(broker), []);
});

test('a retained will is retained by the next broker too', async () => {
  const broker = await rig();
  await broker.durable('dying', { will: willOf(0, true) });
  await broker.crash();
  await broker.crash();
  const reader = await broker.connect({ clientId: 'reader' });
  await broker.subscribe(reader, 'will');

  assert.equal(reader.takePayloads(), ['last']);
});

test('a will that is due during a claim does not dismiss the next one', async () => {
  for (const isSameTurn of [false, true]) {
    const broker = await rig();
    const client = await broker.durable('dying', { will: willOf(10) });
    client.drop();
    await broker.settle();
    broker.store.isHolding = true;
    const again = await broker.request({
      clientId: 'dying',
      clean: false,
      properties: { sessionExpiryInterval: 1000 },
      will: willOf(0),
    });
    const { clock, core } = broker.broker;
    clock.advance(10_000);
    core.tick();
    if (!isSameTurn) broker.broker.endTurn();
    broker.store.flow();
    // The answer to the claim comes before the turn ends.
    await new Promise<void>((resolve) => setImmediate(resolve));
    await broker.settle();
    again.takeFirst('connack');
    assert.equal(await wills(broker), ['last'], 'the first one');
    await broker.crash();
    assert.equal(await wills(broker), ['last'], 'the second one');
  }
});

for (const isHeldRouted of [true, false]) {
  const kind = isHeldRouted ? 'a batch that happens as a whole' : 'a batch that happens in parts';

  test(`${kind}: a will comes in spite of a crash, and of QoS 2 once`, async () => {
    for (const delay of [0, 5]) {
      for (const expiry of [3, 1000]) {
        for (let released = 0; released <= 8; released++) {
          const broker = await DurableBroker.start({ habits: { isHeldRouted } });
          for (const [clientId, qos] of [
            ['one', 1],
            ['two', 2],
          ] as const) {
            await broker.subscriber(clientId, 'will', qos);
          }
          const will = { ...willOf(delay), qos: 2 as const };
          const properties = { sessionExpiryInterval: expiry };
          const client = await broker.durable('dying', { will, properties });
          broker.store.isHolding = true;
          client.drop();
          await broker.settle();
          broker.store.release(delay === 0 ? released : 1);
          await broker.settle();
          await broker.advance(6_000);
          broker.store.release(released);
          await broker.settle();
          await broker.crash(10_000);
          await broker.advance(10_000);

          const when = `delay ${delay}, expiry ${expiry}, ${released} calls`;
          const two = await broker.durable('two');
          await broker.settle();
          assert.equal(two.takePayloads(), ['last'], when);
          const one = await broker.durable('one');
          await broker.settle();
          assert.ok(one.takePayloads().length > 0, when);
        }
      }
    }
  });
}

for (const isHeldRouted of [true, false]) {
  const kind = isHeldRouted ? 'a batch that happens as a whole' : 'a batch that happens in parts';

  test(`${kind}: the will of a session that ends with its connection comes once`, async () => {
    for (let released = 0; released <= 8; released++) {
      const broker = await DurableBroker.start({ habits: { isHeldRouted } });
      await broker.subscriber('heir', 'will', 2);
      const will = { ...willOf(0), qos: 2 as const };
      const client = await broker.durable('dying', { will });
      broker.store.isHolding = true;
      client.disconnect(4, { sessionExpiryInterval: 0 });
      await broker.settle();
      broker.store.release(released);
      await broker.settle();
      await broker.crash(10_000);
      const heir = await broker.durable('heir');
      await broker.settle();
      assert.equal(heir.takePayloads(), ['last'], `${released} calls`);
    }
  });
}

test('each will of a client comes, also at QoS 2 and in a batch of parts', async () => {
  const broker = await DurableBroker.start({ habits: { isHeldRouted: false } });
  await broker.subscriber('heir', 'will', 2);
  const will = { ...willOf(0), qos: 2 as const };
  for (let n = 0; n < 3; n++) {
    const client = await broker.durable('dying', { will });
    client.drop();
    await broker.settle();
  }
  const client = await broker.durable('dying', { will, clean: true });
  client.drop();
  await broker.settle();

  const heir = await broker.durable('heir');
  await broker.settle();
  assert.equal(heir.takePayloads(), ['last', 'last', 'last', 'last']);
  assert.is(broker.broker.core.deadlines.size, 0);
});

test('a message that is published in the turn in which its session ends is counted', async () => {
  const broker = await DurableBroker.start();
  const client = await broker.durable('s');
  await broker.subscribe(client, 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  broker.broker.core.publish('a', Buffer.from('x'), { qos: 1, retain: false });
  client.disconnect(0, { sessionExpiryInterval: 0 });
  await broker.settle();

  assert.ok(publisher.isOpen);
  assert.equal(broker.drops, [['session_ended', 's', 'a']]);
});

test('a session expires in its time, though the broker was restarted [MQTT-3.1.2-23]', async () => {
  const broker = await DurableBroker.start();
  const properties = { sessionExpiryInterval: 100 };
  const client = await broker.durable('s', { properties });
  await broker.subscribe(client, 'a');
  client.drop();
  await broker.settle();
  await broker.advance(40_000);
  await broker.restart(40_000);
  await broker.advance(19_000);
  assert.is(broker.broker.core.sessions.size, 1);
  await broker.advance(1_000);

  assert.is(broker.broker.core.sessions.size, 0);
  assert.is(broker.broker.core.metrics.sessionsExpired, 1);
  assert.is(broker.store.figures().sessions, 0);
});

test('a session that expired while the broker was down is not resumed', async () => {
  const broker = await DurableBroker.start();
  const properties = { sessionExpiryInterval: 100 };
  const client = await broker.durable('s', { properties });
  client.drop();
  await broker.settle();
  await broker.crash(100_000);
  const again = await broker.durable('s', { properties });

  assert.is(again.connack.sessionPresent, false);
});

test('a crash is where the expiry of an online session begins', async () => {
  const broker = await DurableBroker.start();
  await broker.durable('s', { properties: { sessionExpiryInterval: 100 } });
  await broker.advance(500_000);
  await broker.crash(0);
  await broker.advance(99_000);
  assert.is(broker.broker.core.sessions.size, 1);
  await broker.advance(1_000);
  assert.is(broker.broker.core.sessions.size, 0);
});

test('DISCONNECT with another Session Expiry Interval is what counts [MQTT-3.14.2-2]', async () => {
  const broker = await DurableBroker.start();
  for (const [clientId, interval] of [
    ['never', 0xffff_ffff],
    ['soon', 5],
    ['now', 0],
  ] as const) {
    const client = await broker.durable(clientId, { properties: { sessionExpiryInterval: 1000 } });
    client.disconnect(0, { sessionExpiryInterval: interval });
    await broker.settle();
  }
  const ids = (): string[] =>
    [...broker.broker.core.sessions.values()].map(({ clientId }) => clientId).sort();
  assert.equal(ids(), ['never', 'soon']);
  await broker.crash(4_000);
  assert.equal(ids(), ['never', 'soon']);
  await broker.advance(1_000);
  assert.equal(ids(), ['never']);
  await broker.crash(1_000_000_000);
  assert.equal(ids(), ['never']);
});

test('a session that is resumed with interval 0 ends with its connection', async () => {
  const broker = await DurableBroker.start();
  await broker.subscriber('s', 'a');
  const client = await broker.connect({ clientId: 's', clean: false });
  assert.is(client.connack.sessionPresent, true);
  client.drop();
  await broker.settle();

  assert.is(broker.broker.core.sessions.size, 0);
  assert.is(broker.store.figures().sessions, 0);
});

test('a session whose time comes during its claim is resumed', async () => {
  const broker = await DurableBroker.start();
  const properties = { sessionExpiryInterval: 10 };
  const first = await broker.durable('s', { properties });
  await broker.subscribe(first, '$share/g/a');
  await broker.subscribe(first, 'b');
  first.drop();
  await broker.settle();
  broker.store.isHolding = true;
  const second = await broker.request({ clientId: 's', clean: false, properties });
  await broker.advance(10_000);
  broker.store.flow();
  await broker.settle();
  assert.is(second.takeFirst('connack').sessionPresent, true);
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 'a', 'shared', { qos: 1, messageId: 1 });
  await broker.publish(publisher, 'b', 'own', { qos: 1, messageId: 2 });

  assert.ok(second.isOpen);
  assert.equal(second.takePayloads(), ['shared', 'own']);
  await broker.advance(20_000);
  assert.ok(second.isOpen, 'it does not expire while its client is here');
});

test('what cannot be read of a stored session is said, and the broker starts', async () => {
  const broker = await rig();
  await broker.subscriber('other', 'a');
  const { inner } = broker.store.medium;
  const open = inner.open.bind(inner);
  inner.open = (loader) =>
    open({
      onSession: (stored) =>
        loader.onSession(
          stored.clientId === 'other' ? { ...stored, info: Buffer.from('{') } : stored,
        ),
      onSubscription: (clientId, subscription) => loader.onSubscription(clientId, subscription),
      onRetained: (topic, record) => loader.onRetained(topic, record),
    });
  await broker.crash();

  assert.is(broker.damaged, 1);
  assert.is(broker.broker.core.sessions.size, 1);
  const said = broker.log.events.filter(({ event }) => event === 'stored session cannot be read');
  assert.equal(
    said.map(({ fields }) => fields.name),
    ['other'],
  );
});

test.run();
