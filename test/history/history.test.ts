/** What the history hears of a whole broker, what waits for it, and whom a replay reaches. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ClientIdentity } from '../../src/broker/access.js';
import { REPLAY_PROPERTY, REPLAYED_PROPERTY } from '../../src/broker/replays.js';
import { defaultHistory, type HistoryConfig } from '../../src/config/history-config.js';
import { History } from '../../src/history/history.js';
import { REPLAY_STALL_MS, REPLAYS_MAX, REPLAYS_WAITING_MAX } from '../../src/history/limits.js';
import { Presence } from '../../src/history/presence.js';
import type { Store } from '../../src/store/store.js';
import { DurableBroker, type DurableOptions } from '../broker/durable/support/durable-broker.js';
import type { FakeClient, Received } from '../broker/support/fake-broker.js';
import { FakeLog, noFabric } from './fake-log.js';

const test = suite('history of a broker');

interface Kept {
  readonly broker: DurableBroker;
  readonly history: History;
  readonly log: FakeLog;
}

async function keep(
  config: Partial<HistoryConfig> = {},
  options: DurableOptions = {},
): Promise<Kept> {
  const broker = await DurableBroker.start(options);
  const log = new FakeLog();
  const store = Object.assign(Object.create(broker.store) as Store, { history: log });
  const all = defaultHistory({ filters: ['t/#'], ...config });
  const { core } = broker.broker;
  const history = new History(core, store, all, new Presence(noFabric));
  await history.open();
  return { broker, history, log };
}

async function subscribe(
  { broker }: Kept,
  client: FakeClient,
  topic: string,
  replay: string,
): Promise<Received> {
  const userProperties = { [REPLAY_PROPERTY]: replay };
  client.send({
    cmd: 'subscribe',
    messageId: 1,
    subscriptions: [{ topic, qos: 1 }],
    properties: { userProperties },
  });
  await broker.settle();
  return client.takeFirst('suback');
}

test('what matches a filter is written once, whoever publishes it', async () => {
  const { broker, log } = await keep();
  const publisher = await broker.connect({
    clientId: 'p',
    will: { topic: 't/will', payload: Buffer.from('gone'), qos: 1, retain: false },
  });
  await broker.publish(publisher, 't/1', 'a', { qos: 0 });
  await broker.publish(publisher, 't/2', 'b', { qos: 1, messageId: 1, retain: true });
  await broker.publish(publisher, 't/2', 'c', { qos: 2, messageId: 2 });
  await broker.publish(publisher, 't/2', 'c', { qos: 2, messageId: 2, dup: true });
  await broker.publish(publisher, 'other', 'x', { qos: 1, messageId: 3 });
  broker.broker.core.publish('t/own', Buffer.from('d'), { qos: 0, retain: false });
  broker.broker.core.publish('$SYS/t', Buffer.from('e'), { qos: 0, retain: false });
  publisher.drop();
  await broker.settle();
  assert.equal(log.shown, [
    't/1 a 0 by p',
    't/2 b 1 retained by p',
    't/2 c 2 by p',
    't/own d 0 by null',
    't/will gone 1 by p',
  ]);
  assert.equal(
    log.writes.map(({ number }) => number),
    [1, 2, 3, 4, 5],
  );
  assert.ok(log.flushes > 0);
});

test('the broker’s own figures are in no history, whatever the filter', async () => {
  const { broker, log } = await keep({ filters: ['#', '$other/#'] });
  broker.broker.core.publish('$SYS/x', Buffer.from('1'), { qos: 0, retain: false });
  broker.broker.core.publish('$other/x', Buffer.from('2'), { qos: 0, retain: false });
  assert.equal(log.shown, ['$other/x 2 0 by null']);
});

test('a message that is refused is not written', async () => {
  const delivery = { queueFullPolicy: 'refuse' } as const;
  const { broker, log } = await keep({}, { delivery, limits: { queuedMessagesMax: 1 } });
  const slow = await broker.connect({ clientId: 's', properties: { receiveMaximum: 1 } });
  slow.subscribe('t/1', { qos: 1 });
  const publisher = await broker.connect({ clientId: 'p' });
  for (let at = 1; at <= 4; at++) {
    await broker.publish(publisher, 't/1', `${at}`, { qos: 1, messageId: at });
  }
  const codes = publisher.take('puback').map(({ reasonCode }) => reasonCode ?? 0);
  const taken = codes.filter((code) => code < 0x80).length;
  assert.ok(taken < 4, 'one was refused');
  assert.is(log.writes.length, taken);
});

test('PUBACK does not wait for the history', async () => {
  const { broker, log } = await keep();
  log.isHolding = true;
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 't/1', 'a', { qos: 1, messageId: 1 });
  assert.is(publisher.take('puback').length, 1);
});

test('with history_acknowledged it does', async () => {
  const { broker, log } = await keep({ isAcknowledged: true });
  log.isHolding = true;
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 't/1', 'a', { qos: 1, messageId: 1 });
  await broker.publish(publisher, 'other', 'a', { qos: 1, messageId: 2 });
  await broker.publish(publisher, 't/1', 'a', { qos: 2, messageId: 3 });
  assert.equal(publisher.take(), []);
  log.release();
  await broker.settle();
  assert.equal(
    publisher.take().map(({ cmd, messageId }) => [cmd, messageId]),
    [
      ['puback', 1],
      ['puback', 2],
      ['pubrec', 3],
    ],
  );
});

test('what waits beyond history_buffer_bytes is dropped, counted and said', async () => {
  const { broker, history, log } = await keep({ bufferBytes: 10_000 });
  log.isHolding = true;
  const publisher = await broker.connect({ clientId: 'p' });
  for (let at = 0; at < 20; at++) await broker.publish(publisher, 't/1', 'x'.repeat(1_000));
  history.tick();
  const { 'history/dropped': dropped, 'history/pending_bytes': pending } = history.figures();
  assert.is(dropped, 20 - log.writes.length);
  assert.ok(dropped > 5 && pending! > 8_000 && pending! <= 10_000);
  const said = broker.log.events.find(({ event }) => event.startsWith('messages are missing'));
  assert.equal(said?.fields, { count: dropped });
  log.release();
  await broker.publish(publisher, 't/1', 'again');
  assert.is(log.writes.length, 20 - dropped! + 1);
  assert.is(history.figures()['history/logged'], 20 - dropped! + 1);
});

for (const isDurable of [false, true]) {
  const kind = isDurable ? 'durable' : 'transient';
  test(`a ${kind} subscriber gets what it may read, before what comes live`, async () => {
    const kept = await keep();
    const { broker } = kept;
    const publisher = await broker.connect({ clientId: 'p' });
    for (const text of ['1', '2', '3']) await broker.publish(publisher, 't/1', text);
    const properties = { userProperties: { a: 'b' }, messageExpiryInterval: 100 };
    await broker.publish(publisher, 't/1', '4', { qos: 1, messageId: 1, retain: true, properties });
    const client = isDurable
      ? await broker.durable('s')
      : await broker.connect({ clientId: 's', clean: true });
    client.isAcknowledging = true;
    client.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [{ topic: 't/1', qos: 1, rh: 2 }],
      properties: { subscriptionIdentifier: 5, userProperties: { [REPLAY_PROPERTY]: 'last=2' } },
    });
    await broker.settle();
    await broker.settle();
    await broker.publish(publisher, 't/1', 'live');
    const [first, ...rest] = client.take();
    assert.is(first!.cmd, 'suback');
    assert.equal(
      rest.map(({ payload, qos, retain }) => [String(payload), qos, retain]),
      [
        ['3', 0, false],
        ['4', 1, false],
        ['live', 0, false],
      ],
    );
    const { properties: got } = rest[1]!;
    const users = got!.userProperties as Record<string, string>;
    assert.is(users.a, 'b');
    assert.match(users[REPLAYED_PROPERTY]!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.is(got!.subscriptionIdentifier, 5);
    assert.is(got!.messageExpiryInterval, 100);
  });
}

test('what a client may not read is not replayed to it', async () => {
  const kept = await keep();
  const { broker } = kept;
  const publisher = await broker.connect({ clientId: 'p' });
  await broker.publish(publisher, 't/1', 'secret');
  broker.access.restrictsRead = true;
  broker.access.mayRead = (client: ClientIdentity) => client.clientId !== 's';
  const client = await broker.connect({ clientId: 's' });
  assert.equal((await subscribe(kept, client, 't/1', 'last=5')).granted, [1]);
  await broker.settle();
  assert.equal(client.takePayloads(), []);
});

test('a client that leaves, unsubscribes or takes nothing ends its replay', async () => {
  const kept = await keep();
  const { broker, history, log } = kept;
  const publisher = await broker.connect({ clientId: 'p' });
  for (let at = 0; at < 10; at++) {
    await broker.publish(publisher, 't/1', `${at}`, { qos: 1, messageId: 1 });
  }
  assert.is(log.writes.length, 10);
  const replays = (): number => history.figures()['history/replays']!;
  const begin = async (clientId: string): Promise<FakeClient> => {
    const client = await broker.durable(clientId, { properties: { receiveMaximum: 1 } });
    broker.broker.core.limits = { ...broker.broker.core.limits, queuedMessagesMax: 2 };
    await subscribe(kept, client, 't/1', 'since=-60');
    await broker.settle();
    assert.is(replays(), 1);
    return client;
  };
  const leaving = await begin('leaving');
  leaving.drop();
  await broker.settle();
  history.tick();
  assert.is(replays(), 0);

  const changing = await begin('changing');
  changing.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['t/1'] });
  await broker.settle();
  assert.is(replays(), 0);

  await begin('stuck');
  await broker.advance(REPLAY_STALL_MS - 1_000);
  history.tick();
  assert.is(replays(), 1);
  await broker.advance(2_000);
  history.tick();
  assert.is(replays(), 0);
  assert.ok(broker.log.events.some(({ event }) => event === 'a replay ended early'));
});

test('without a history a replay is refused with the reason', async () => {
  const kept = await keep({ filters: [], hasPresence: true });
  const client = await kept.broker.connect({ clientId: 's' });
  const suback = await subscribe(kept, client, 't/1', 'last=5');
  assert.equal(suback.granted, [0x83]);
  assert.match(String(suback.properties!.reasonString), 'this broker keeps no history');
  await kept.broker.subscribe(client, 't/1');
});

test('so many replays wait at most; the next one is refused', async () => {
  const kept = await keep();
  const { broker, history, log } = kept;
  log.drained = () => new Promise(() => undefined);
  const client = await broker.connect({ clientId: 's' });
  const count = REPLAYS_MAX + REPLAYS_WAITING_MAX;
  for (let at = 0; at <= count; at++) {
    const suback = await subscribe(kept, client, `t/${at}`, 'last=1');
    assert.equal(suback.granted, [at < count ? 1 : 0x97]);
  }
  assert.is(history.figures()['history/replays'], count);
  history.close();
  assert.is(history.figures()['history/replays'], 0);
});

test.run();
