/** Shared subscriptions of stored sessions: restored, and passed on when a session ends. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerError } from '../../../src/base/errors.js';
import { DropReason } from '../../../src/broker/metrics.js';
import { defaultLimits } from '../../../src/config/limits.js';
import { DurableBroker, FOREVER } from './support/durable-broker.js';

const test = suite('durable: shared subscriptions');

/** An offline member with messages that it alone was there to get. */
async function left(
  properties = FOREVER,
  options: Parameters<typeof DurableBroker.start>[0] = {},
  qos: 1 | 2 = 1,
): Promise<DurableBroker> {
  const broker = await DurableBroker.start(options);
  const leaving = await broker.durable('leaving', { properties });
  await broker.subscribe(leaving, '$share/g/a/#', 2);
  leaving.drop();
  await broker.settle();
  const publisher = await broker.connect({ clientId: 'p' });
  for (let id = 1; id <= 3; id++) {
    await broker.publish(publisher, 'a/b', `${id}`, { qos, messageId: id });
    if (qos === 2) publisher.acknowledge('pubrel', id);
  }
  publisher.disconnect();
  await broker.settle();
  return broker;
}

test('groups come back, and a member gets each message once', async () => {
  const broker = await DurableBroker.start();
  for (const clientId of ['one', 'two']) await broker.subscriber(clientId, '$share/g/a');
  await broker.crash();
  const one = await broker.durable('one');
  const two = await broker.durable('two');
  const publisher = await broker.connect({ clientId: 'p' });
  for (let id = 1; id <= 4; id++) {
    await broker.publish(publisher, 'a', `${id}`, { qos: 1, messageId: id });
  }

  assert.equal([...one.takePayloads(), ...two.takePayloads()].sort(), ['1', '2', '3', '4']);
});

test('a session that expires leaves its messages to others [MQTT-4.8.2-5]', async () => {
  const broker = await left({ sessionExpiryInterval: 10 });
  await broker.subscriber('heir', '$share/g/a/#', 2);
  await broker.advance(10_000);

  assert.is(broker.broker.core.sessions.get('leaving'), null);
  const heir = await broker.durable('heir');
  await broker.settle();
  assert.equal(heir.takePayloads(), ['1', '2', '3']);
  assert.is(broker.store.figures().sessions, 1);
});

test('so does one that expired while the broker was down', async () => {
  const broker = await left({ sessionExpiryInterval: 10 });
  await broker.subscriber('heir', '$share/g/a/#', 2);
  await broker.crash(60_000);

  const heir = await broker.durable('heir');
  await broker.settle();
  assert.equal(heir.takePayloads(), ['1', '2', '3']);
});

test('so does one whose client is back after its end, and before that was noticed', async () => {
  const broker = await left({ sessionExpiryInterval: 10 });
  await broker.subscriber('heir', '$share/g/a/#', 2);
  broker.broker.clock.advance(10_001);
  const back = await broker.durable('leaving');
  assert.is(back.connack.sessionPresent, false);
  assert.is(broker.broker.core.metrics.sessionsExpired, 1);

  const heir = await broker.durable('heir');
  await broker.settle();
  assert.equal(heir.takePayloads(), ['1', '2', '3']);
  assert.equal(back.take('publish'), []);
});

test('so does one that its client starts anew', async () => {
  for (const properties of [FOREVER, {}]) {
    const broker = await left();
    await broker.subscriber('heir', '$share/g/a/#', 2);
    const anew = await broker.connect({ clientId: 'leaving', clean: true, properties });
    assert.is(anew.connack.sessionPresent, false);

    const heir = await broker.durable('heir');
    await broker.settle();
    assert.equal(heir.takePayloads(), ['1', '2', '3']);
    assert.equal(anew.take('publish'), []);
  }
});

test('what was acknowledged, or of QoS 2 and begun, is not passed on', async () => {
  const broker = await DurableBroker.start();
  const properties = { sessionExpiryInterval: 10, receiveMaximum: 3 };
  const leaving = await broker.durable('leaving', { properties });
  await broker.subscribe(leaving, '$share/g/a', 2);
  const publisher = await broker.connect({ clientId: 'p' });
  for (const [index, qos] of [1, 1, 2, 2, 1].entries()) {
    const messageId = index + 1;
    await broker.publish(publisher, 'a', `${messageId}`, { qos: qos as 1 | 2, messageId });
  }
  const sent = leaving.take('publish');
  assert.is(sent.length, 3);
  leaving.acknowledge('puback', sent[0]!.messageId!);
  await broker.settle();
  // The fourth has begun as well now.
  assert.is(leaving.take('publish').length, 1);
  leaving.drop();
  await broker.subscriber('heir', '$share/g/a', 2);
  await broker.advance(10_000);

  const heir = await broker.durable('heir');
  await broker.settle();
  assert.equal(heir.takePayloads(), ['2', '5']);
  assert.is(broker.dropped(DropReason.SessionEnded), 2);
});

test('without another member the messages are dropped and counted', async () => {
  const broker = await left({ sessionExpiryInterval: 10 });
  await broker.advance(10_000);

  assert.is(broker.dropped(DropReason.SessionEnded), 3);
  assert.is(broker.store.figures().sessions, 0);
});

test('a session whose messages cannot be passed on now is tried again', async () => {
  const broker = await left({ sessionExpiryInterval: 10 });
  await broker.subscriber('heir', '$share/g/a/#', 2);
  broker.store.goAway();
  await broker.advance(10_000);
  await broker.advance(10_000);
  broker.store.comeBack();
  await broker.advance(10_000);

  const heir = await broker.durable('heir');
  await broker.settle();
  assert.equal(heir.takePayloads(), ['1', '2', '3']);
  assert.is(broker.store.figures().sessions, 1);
});

for (const [kind, isHeldRouted] of [
  ['a turn as a whole', true],
  ['a batch in parts', false],
] as const) {
  for (let released = 0; released < 9; released++) {
    test(`${kind}: a crash after ${released} steps of passing on repeats no QoS 2`, async () => {
      const properties = { sessionExpiryInterval: 10 };
      const broker = await left(properties, { habits: { isHeldRouted } }, 2);
      const heirs = ['heir', 'heiress', 'third'];
      for (const clientId of heirs) await broker.subscriber(clientId, '$share/g/a/#', 2);
      broker.store.isHolding = true;
      await broker.advance(10_000);
      for (let step = 0; step < released; step++) {
        broker.store.release(1);
        await broker.settle();
      }
      await broker.crash(20_000);

      const got: string[] = [];
      for (const clientId of heirs) {
        const heir = await broker.durable(clientId);
        await broker.settle();
        got.push(...heir.takePayloads());
      }
      assert.equal(got.sort(), ['1', '2', '3']);
      assert.is(broker.store.figures().sessions, heirs.length);
      assert.is(broker.dropped(DropReason.SessionEnded), 0);
    });
  }
}

test('crashes again and again before all is passed on lose nothing', async () => {
  const broker = await left({ sessionExpiryInterval: 10 });
  await broker.subscriber('heir', '$share/g/a/#', 2);
  for (let released = 0; released < 6; released++) {
    broker.store.isHolding = true;
    await broker.advance(10_000);
    broker.store.release(released);
    await broker.settle();
    await broker.crash(20_000);
  }

  const heir = await broker.durable('heir');
  await broker.settle();
  assert.equal(heir.takePayloads(), ['1', '2', '3']);
  assert.is(broker.store.figures().sessions, 1);
});

test('in parts: a crash while many are passed on repeats and loses none', async () => {
  const count = 700;
  for (let released = 0; released < 16; released++) {
    const broker = await DurableBroker.start({
      habits: { isHeldRouted: false },
      limits: defaultLimits({ queuedMessagesMax: 0 }),
    });
    await broker.subscriber('leaving', '$share/g/a', 2);
    const publisher = await broker.connect({ clientId: 'p' });
    for (let id = 1; id <= count; id++) {
      publisher.publish('a', `${id}`, { qos: 2, messageId: id });
      publisher.acknowledge('pubrel', id);
    }
    await broker.settle();
    for (const heir of ['one', 'two']) await broker.subscriber(heir, '$share/g/a', 2);
    broker.store.isHolding = true;
    broker.broker.request({ clientId: 'leaving', clean: true, properties: FOREVER });
    await broker.settle();
    for (let step = 0; step < released; step++) {
      broker.store.release(1);
      await broker.settle();
    }
    await broker.crash();
    await broker.durable('leaving', { clean: true });
    const got: number[] = [];
    for (const clientId of ['one', 'two']) {
      const properties = { receiveMaximum: 65_535 };
      const heir = await broker.durable(clientId, { properties });
      for (let more = 1; more > 0; ) {
        await broker.settle();
        const packets = heir.take();
        more = packets.length;
        for (const { cmd, messageId, payload } of packets) {
          if (cmd === 'publish') got.push(Number(payload));
          heir.acknowledge(cmd === 'publish' ? 'pubrec' : 'pubcomp', messageId!);
        }
      }
    }
    got.sort((a, b) => a - b);
    assert.is(new Set(got).size, got.length, `${released}: none twice`);
    assert.is(got.length, count, `${released}: none lost`);
  }
});

test('a member that ends its session in a crash is not resumed by the next broker', async () => {
  const broker = await DurableBroker.start();
  const leaving = await broker.durable('leaving', { properties: { receiveMaximum: 1 } });
  await broker.subscribe(leaving, '$share/g/a');
  const publisher = await broker.connect({ clientId: 'p' });
  for (let id = 1; id <= 3; id++) {
    await broker.publish(publisher, 'a', `${id}`, { qos: 1, messageId: id });
  }
  await broker.subscriber('heir', '$share/g/a');
  broker.store.isHolding = true;
  leaving.disconnect(0, { sessionExpiryInterval: 0 });
  await broker.settle();
  broker.store.release(1);
  await broker.settle();
  await broker.crash();

  assert.is(broker.broker.core.sessions.get('leaving'), null);
  const heir = await broker.durable('heir');
  await broker.settle();
  assert.equal(heir.takePayloads(), ['1', '2', '3']);
});

test('a long queue that could be read in part only is passed on once', async () => {
  const broker = await DurableBroker.start();
  await broker.subscriber('leaving', '$share/g/a');
  await broker.subscriber('heir', '$share/g/a');
  const publisher = await broker.connect({ clientId: 'p' });
  const payload = (id: number): string => `${id}`.padEnd(200_000, '.');
  for (let id = 1; id <= 8; id++) {
    await broker.publish(publisher, 'a', payload(id), { qos: 1, messageId: id });
  }
  const { inner } = broker.store.medium;
  const read = inner.read.bind(inner);
  let reads = 0;
  inner.read = async (clientId, fromSeq, bytesMax) => {
    if (clientId === 'leaving' && ++reads === 2) throw new BrokerError('STORE_AWAY', 'away');
    return read(clientId, fromSeq, bytesMax);
  };
  const leaving = await broker.durable('leaving', { properties: { receiveMaximum: 1 } });
  await broker.settle();
  assert.is(leaving.take('publish').length, 1);
  reads = 0;
  leaving.disconnect(0, { sessionExpiryInterval: 0 });
  await broker.settle();
  assert.is(broker.store.figures().sessions, 2, 'it is tried again');
  await broker.advance(2_000);
  assert.is(broker.store.figures().sessions, 1);

  const heir = await broker.durable('heir');
  await broker.settle();
  const got = heir.takePayloads().map((one) => Number.parseInt(one, 10));
  assert.equal(got.sort(), [1, 2, 3, 4, 5, 6, 7, 8]);
});

test('a client that is back before its messages are passed on waits for that', async () => {
  const broker = await left({ sessionExpiryInterval: 10 });
  await broker.subscriber('heir', '$share/g/a/#', 2);
  broker.store.isHolding = true;
  await broker.advance(10_000);
  const back = await broker.request({ clientId: 'leaving', clean: false, properties: FOREVER });
  assert.equal(back.take(), []);
  broker.store.flow();
  await broker.settle();
  assert.is(back.takeFirst('connack').sessionPresent, false);

  const heir = await broker.durable('heir');
  await broker.settle();
  assert.equal(heir.takePayloads(), ['1', '2', '3']);
  assert.ok(back.isOpen);
});

test('a client that is back while the store is away gets no ended session', async () => {
  const broker = await left({ sessionExpiryInterval: 10 });
  await broker.subscriber('heir', '$share/g/a/#', 2);
  broker.store.goAway();
  await broker.advance(10_000);
  const refused = await broker.request({ clientId: 'leaving', clean: false, properties: FOREVER });
  assert.is(refused.takeFirst('connack').reasonCode, 0x88);
  broker.store.comeBack();
  const back = await broker.durable('leaving');

  assert.is(back.connack.sessionPresent, false);
  const heir = await broker.durable('heir');
  await broker.settle();
  assert.equal(heir.takePayloads(), ['1', '2', '3']);
});

test('a damaged record does not keep the others from being passed on', async () => {
  const broker = await left({ sessionExpiryInterval: 10 });
  await broker.subscriber('heir', '$share/g/a/#', 2);
  const { inner } = broker.store.medium;
  const read = inner.read.bind(inner);
  inner.read = async (clientId, fromSeq, bytesMax) => {
    const found = await read(clientId, fromSeq, bytesMax);
    if (clientId === 'leaving') found.records[1]!.record[0] = 99;
    return found;
  };
  await broker.advance(10_000);

  const heir = await broker.durable('heir');
  await broker.settle();
  assert.equal(heir.takePayloads(), ['1', '3']);
  assert.is(broker.dropped(DropReason.Unreadable), 1);
});

test.run();
