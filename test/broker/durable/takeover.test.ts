/** Claims: takeover while writes are pending, and connections that race for one session. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WriteStatus } from '../../../src/store/store.js';
import { DurableBroker, FOREVER } from './support/durable-broker.js';

const test = suite('durable: takeover');

const session = (clientId: string) => ({ clientId, clean: false, properties: FOREVER });

test('a takeover while writes are pending loses nothing [MQTT-3.1.4-3]', async () => {
  const broker = await DurableBroker.start();
  const first = await broker.durable('s');
  await broker.subscribe(first, 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 'a', '1', { qos: 1, messageId: 1 });
  const { messageId } = first.takeFirst('publish');
  broker.store.isHolding = true;
  first.acknowledge('puback', messageId!);
  await broker.publish(publisher, 'a', '2', { qos: 1, messageId: 2 });
  const second = await broker.request(session('s'));
  await broker.publish(publisher, 'a', '3', { qos: 1, messageId: 3 });
  assert.is(first.takeFirst('disconnect').reasonCode, 0x8e);
  assert.equal(second.take(), [], 'CONNACK waits for the store');
  broker.store.flow();
  await broker.settle();

  assert.is(second.takeFirst('connack').sessionPresent, true);
  assert.equal(second.takePayloads(), ['2', '3']);
  assert.equal(first.take('publish'), []);
  assert.is(publisher.take('puback').length, 3);
});

test('connections with one client identifier follow each other', async () => {
  const broker = await DurableBroker.start();
  broker.store.isHolding = true;
  const clients = [];
  for (let index = 0; index < 4; index++) clients.push(await broker.request(session('s')));
  assert.is(broker.store.claims.length, 1, 'one claim at a time');
  broker.store.flow();
  await broker.settle();

  assert.equal(
    clients.map((client) => client.take().map(({ cmd }) => cmd)),
    [['connack', 'disconnect'], ['connack', 'disconnect'], ['connack', 'disconnect'], ['connack']],
  );
  assert.equal(
    clients.map(({ isOpen }) => isOpen),
    [false, false, false, true],
  );
  const { metrics, sessions } = broker.broker.core;
  assert.equal(
    [metrics.clientsConnected, metrics.sessions, sessions.claims!.size, sessions.arriving],
    [1, 1, 0, 0],
  );
});

test('a client that leaves while it waits for its turn claims nothing', async () => {
  const broker = await DurableBroker.start();
  const holder = await broker.durable('s');
  broker.store.isHolding = true;
  const first = await broker.request(session('s'));
  const second = await broker.request(session('s'));
  second.drop();
  await broker.settle();
  broker.store.flow();
  await broker.settle();

  assert.not.ok(holder.isOpen);
  assert.ok(first.isOpen);
  assert.is(broker.store.claims.length, 2);
});

test('a client that leaves during its claim leaves an offline session', async () => {
  const broker = await DurableBroker.start();
  broker.store.isHolding = true;
  const will = { topic: 'w', payload: Buffer.from('gone'), qos: 1 as const, retain: false };
  const client = await broker.request({ ...session('s'), will });
  client.drop();
  await broker.settle();
  broker.store.flow();
  await broker.settle();

  const { core } = broker.broker;
  assert.is(core.sessions.get('s')!.connection, null);
  assert.is(broker.stored('s').window, null);
  assert.is(core.metrics.clientsConnected, 0);
  assert.ok(broker.store.writes.some(({ disconnect }) => disconnect !== null));
});

test('what a client sent before it left is heard although its claim takes time', async () => {
  const broker = await DurableBroker.start();
  await broker.subscriber('s', 'a');
  broker.store.isHolding = true;
  const client = broker.broker.open({ version: 4 });
  client.post({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clientId: 'p',
    clean: false,
    keepalive: 0,
  });
  client.post({
    cmd: 'publish',
    topic: 'a',
    payload: 'last words',
    qos: 1,
    dup: false,
    retain: false,
    messageId: 1,
  });
  client.transport.hangUp();
  await broker.settle();
  broker.store.flow();
  await broker.settle();
  assert.is(broker.broker.core.metrics.clientsConnected, 0);

  const subscriber = await broker.durable('s');
  await broker.settle();
  assert.equal(subscriber.takePayloads(), ['last words']);
});

test('global_max_clients counts those that the store is asked about', async () => {
  const broker = await DurableBroker.start({ limits: { clientsMax: 2 } });
  broker.store.isHolding = true;
  const codes: (number | undefined)[] = [];
  const clients = [];
  for (const clientId of ['a', 'b', 'c']) clients.push(await broker.request(session(clientId)));
  broker.store.flow();
  await broker.settle();
  for (const client of clients) codes.push(client.takeFirst('connack').reasonCode);

  assert.equal(codes, [0, 0, 0x97]);
  assert.is(broker.broker.core.sessions.arriving, 0);
});

test('a session that is somebody else’s now: the connection is closed, 0x8E', async () => {
  const broker = await DurableBroker.start();
  const client = await broker.durable('s');
  await broker.subscribe(client, 'a');
  await broker.subscriber('other', 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  broker.store.refusal = WriteStatus.Stale;
  client.acknowledge('pubrel', 99);
  client.send({ cmd: 'subscribe', messageId: 5, subscriptions: [{ topic: 'b', qos: 1 }] });
  await broker.settle();
  assert.is(client.takeFirst('disconnect').reasonCode, 0x8e);
  assert.is(client.take('suback').length, 0, 'it was not stored');
  broker.store.refusal = null;
  await broker.publish(publisher, 'a', 'x', { qos: 1, messageId: 1 });

  assert.is(publisher.take('puback').length, 1);
  const again = await broker.durable('s');
  await broker.settle();
  assert.equal(again.takePayloads(), ['x'], 'what is for its queue goes there, whoever owns it');
});

test('a message that met Stale goes to its queue all the same', async () => {
  const broker = await DurableBroker.start();
  const client = await broker.durable('s');
  await broker.subscribe(client, 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  broker.store.isHolding = true;
  broker.store.refusal = WriteStatus.Stale;
  await broker.publish(publisher, 'a', 'x', { qos: 1, messageId: 1 });
  broker.store.refusal = null;
  broker.store.flow();
  await broker.settle();

  assert.not.ok(client.isOpen);
  assert.is(publisher.take('puback').length, 1);
  const again = await broker.durable('s');
  await broker.settle();
  assert.equal(again.takePayloads(), ['x']);
  assert.is(broker.stored('s').underway, 0);
});

test('a session that is gone: its client is told, and losses are counted', async () => {
  const broker = await DurableBroker.start();
  const client = await broker.durable('s');
  await broker.subscribe(client, 'a');
  const publisher = await broker.connect({ clientId: 'p' });
  broker.store.refusal = WriteStatus.Gone;
  await broker.publish(publisher, 'a', 'x', { qos: 1, messageId: 1 });

  assert.is(client.takeFirst('disconnect').reasonCode, 0x83);
  assert.is(publisher.take('puback').length, 1);
  assert.equal(broker.drops, [['session_ended', 's', 'a']]);
  assert.is(broker.broker.core.journal!.pendingBytes, 0);
});

test('nothing is pending once all is quiet', async () => {
  const broker = await DurableBroker.start();
  const subscriber = await broker.durable('s');
  subscriber.isAcknowledging = true;
  await broker.subscribe(subscriber, 'a', 2);
  const publisher = await broker.durable('p');
  publisher.isAcknowledging = true;
  for (let id = 1; id <= 100; id++) {
    await broker.publish(publisher, 'a', `${id}`, { qos: 2, messageId: id, retain: id % 7 === 0 });
    publisher.acknowledge('pubrel', id);
  }
  await broker.settle();

  const { journal } = broker.broker.core;
  assert.equal([journal!.pendingWrites, journal!.pendingBytes], [0, 0]);
  assert.is(broker.stored('s').underway, 0);
  assert.is(broker.broker.core.sessions.get('p')!.receiver!.size, 0);
});

test.run();
