/** Wills: each way in which a connection can end, and the delay [MQTT-3.1.2-8]. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ReasonCode } from '../../src/protocol/reason-codes.js';
import { type ConnectOptions, FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('wills');

const SECOND_MS = 1000;
const PINGREQ_WITH_BODY = [0xc0, 1, 0];

interface Setup {
  readonly broker: FakeBroker;
  readonly watcher: FakeClient;
  readonly client: FakeClient;
}

function setup(options: ConnectOptions = {}, willDelayInterval = 0, expiry = 0): Setup {
  const broker = new FakeBroker();
  const watcher = broker.connect({ clientId: 'watcher' });
  watcher.subscribe('#', { qos: 2, rap: true });
  const isV5 = (options.version ?? 5) === 5;
  const client = broker.connect({
    clientId: 'one',
    keepalive: 10,
    ...(isV5 ? { properties: { sessionExpiryInterval: expiry } } : {}),
    ...options,
    will: {
      topic: 'will',
      payload: Buffer.from('gone'),
      qos: 1,
      ...(isV5 ? { properties: { willDelayInterval } } : {}),
    },
  });
  return { broker, watcher, client };
}

/** How a connection ends, and whether its will is published. */
const endings: Readonly<Record<string, readonly [(setup: Setup) => void, boolean]>> = {
  'the connection breaks': [({ client }) => client.drop(), true],
  'the client closes without DISCONNECT': [
    ({ client, broker }) => {
      client.transport.hangUp();
      broker.settle();
    },
    true,
  ],
  'DISCONNECT 0x00 [MQTT-3.14.4-3]': [({ client }) => client.disconnect(), false],
  'DISCONNECT 0x04': [({ client }) => client.disconnect(4), true],
  'DISCONNECT 0x80': [({ client }) => client.disconnect(0x80), true],
  'the keep-alive is over': [({ broker }) => broker.advance(15 * SECOND_MS), true],
  'a malformed packet': [({ client }) => client.sendBytes(PINGREQ_WITH_BODY), true],
  'a takeover': [({ broker }) => broker.connect({ clientId: 'one', clean: false }), true],
  'a takeover with Clean Start': [({ broker }) => broker.connect({ clientId: 'one' }), true],
  'an operator': [
    ({ broker }) => {
      const { connection } = broker.core.sessions.get('one')!;
      connection!.disconnect(ReasonCode.AdministrativeAction, 'by hand');
      broker.settle();
    },
    true,
  ],
  'access that was withdrawn': [
    ({ broker }) => {
      broker.access.mayStay = ({ clientId }) => clientId !== 'one';
      broker.core.recheckAccess();
      broker.settle();
    },
    true,
  ],
  'the shutdown of the broker': [
    ({ broker }) => {
      broker.core.shutdown(ReasonCode.ServerShuttingDown);
      broker.settle();
    },
    true,
  ],
};

for (const [how, [end, isPublished]] of Object.entries(endings)) {
  for (const expiry of [0, 100]) {
    const outcome = isPublished ? 'published once' : 'not published';
    test(`${how}, session expiry ${expiry}: ${outcome}`, () => {
      const all = setup({}, 0, expiry);
      end(all);
      all.broker.advance(1_000 * SECOND_MS);
      assert.equal(all.watcher.takePayloads(), isPublished ? ['gone'] : []);
    });
  }
}

for (const version of [3, 4] as const) {
  test(`version ${version}: a break publishes the will, DISCONNECT takes it back`, () => {
    const broken = setup({ version });
    broken.client.drop();
    assert.equal(broken.watcher.takePayloads(), ['gone']);
    const ended = setup({ version });
    ended.client.disconnect();
    assert.equal(ended.watcher.takePayloads(), []);
  });
}

test('Will Delay: the will waits, then it is published once', () => {
  const { broker, watcher, client } = setup({}, 10, 100);
  client.drop();
  broker.advance(10 * SECOND_MS - 1);
  assert.equal(watcher.takePayloads(), []);
  broker.advance(1);
  assert.equal(watcher.takePayloads(), ['gone']);
  broker.advance(1_000 * SECOND_MS);
  assert.equal(watcher.takePayloads(), []);
});

test('Will Delay: the end of the session comes first [MQTT-3.1.3-9]', () => {
  const { broker, watcher, client } = setup({}, 100, 10);
  client.drop();
  broker.advance(10 * SECOND_MS - 1);
  assert.equal(watcher.takePayloads(), []);
  broker.advance(1);
  assert.equal(watcher.takePayloads(), ['gone']);
  broker.advance(1_000 * SECOND_MS);
  assert.equal(watcher.takePayloads(), []);
});

test('Will Delay and expiry at the same instant: once', () => {
  const { broker, watcher, client } = setup({}, 10, 10);
  client.drop();
  broker.advance(10 * SECOND_MS);
  assert.equal(watcher.takePayloads(), ['gone']);
  assert.is(broker.core.deadlines.size, 0);
});

test('Will Delay with expiry 0: the session ends with the connection, so at once', () => {
  const { watcher, client } = setup({}, 10, 0);
  client.drop();
  assert.equal(watcher.takePayloads(), ['gone']);
});

test('Will Delay: DISCONNECT 0x04 with expiry 0 publishes at once', () => {
  const { watcher, client } = setup({}, 10, 100);
  client.disconnect(4, { sessionExpiryInterval: 0 });
  assert.equal(watcher.takePayloads(), ['gone']);
});

for (const how of ['comes back', 'takes over']) {
  test(`Will Delay: a client that ${how} in time has no will published [MQTT-3.1.3-9]`, () => {
    const { broker, watcher, client } = setup({}, 10, 100);
    if (how === 'comes back') client.drop();
    broker.advance(9 * SECOND_MS);
    const properties = { sessionExpiryInterval: 100 };
    const back = broker.connect({ clientId: 'one', clean: false, properties });
    broker.advance(1_000 * SECOND_MS);
    assert.equal(watcher.takePayloads(), []);
    back.drop();
    assert.equal(watcher.takePayloads(), [], 'the new connection has no will');
  });

  test(`Will Delay: Clean Start of a client that ${how} ends the session and publishes`, () => {
    const { broker, watcher, client } = setup({}, 10, 100);
    if (how === 'comes back') client.drop();
    broker.connect({ clientId: 'one', clean: true });
    assert.equal(watcher.takePayloads(), ['gone']);
    broker.advance(1_000 * SECOND_MS);
    assert.equal(watcher.takePayloads(), []);
  });
}

test('the will has its QoS, RETAIN and properties; its expiry begins when it is published', () => {
  const broker = new FakeBroker();
  const watcher = broker.connect({ clientId: 'watcher' });
  watcher.subscribe('#', { qos: 2, rap: true });
  const client = broker.connect({
    clientId: 'one',
    properties: { sessionExpiryInterval: 100 },
    will: {
      topic: 'will',
      payload: Buffer.from('gone'),
      qos: 2,
      retain: true,
      properties: {
        willDelayInterval: 50,
        messageExpiryInterval: 20,
        contentType: 'text',
        responseTopic: 'answer',
        correlationData: Buffer.from('id'),
        payloadFormatIndicator: true,
        userProperties: { name: 'value' },
      },
    },
  });
  client.drop();
  broker.advance(50 * SECOND_MS);
  const will = watcher.takeFirst('publish');
  assert.equal([will.topic, will.qos, will.retain], ['will', 2, true]);
  assert.equal(
    { ...will.properties, userProperties: { ...(will.properties!.userProperties as object) } },
    {
      messageExpiryInterval: 20,
      contentType: 'text',
      responseTopic: 'answer',
      correlationData: Buffer.from('id'),
      payloadFormatIndicator: true,
      userProperties: { name: 'value' },
    },
  );
  broker.advance(19 * SECOND_MS);
  const late = broker.connect({ clientId: 'late' });
  late.subscribe('will');
  assert.is(late.takeFirst('publish').properties!.messageExpiryInterval, 1);
  broker.advance(SECOND_MS);
  assert.is(broker.core.retained.size, 0);
});

test('an empty retained will deletes what was retained', () => {
  const { broker } = setup();
  const client = broker.connect({
    clientId: 'two',
    will: { topic: 'a', payload: Buffer.alloc(0), qos: 0, retain: true },
  });
  client.publish('a', 'x', { retain: true });
  assert.is(broker.core.retained.size, 1);
  client.drop();
  assert.is(broker.core.retained.size, 0);
});

test('a will that its client may not publish is dropped and counted', async () => {
  for (const answer of [false, Promise.resolve(false), Promise.reject(new Error('down'))]) {
    const { broker, watcher, client } = setup();
    broker.access.restrictsPublish = true;
    broker.access.mayPublish = () => answer;
    client.drop();
    await broker.settleLater();
    assert.equal(watcher.takePayloads(), []);
    assert.equal(broker.core.metrics.droppedTotal, 1);
  }
});

test('a will whose authorizer takes its time is published then', async () => {
  const { broker, watcher, client } = setup();
  broker.access.restrictsPublish = true;
  broker.access.mayPublish = () => Promise.resolve(true);
  client.drop();
  await broker.settleLater();
  assert.equal(watcher.takePayloads(), ['gone']);
});

test('a will with more levels than max_topic_levels does no harm', () => {
  const broker = new FakeBroker({ limits: { topicLevelsMax: 5 } });
  const client = broker.request({
    will: { topic: 'a/b/c/d/e/f', payload: Buffer.from('gone'), qos: 0 },
  });
  const [connack] = client.take('connack');
  if (connack?.reasonCode !== 0) {
    assert.is(connack?.reasonCode, ReasonCode.TopicNameInvalid);
    return;
  }
  client.drop();
  assert.is(broker.core.sessions.size, 0);
});

test('a will with its mount point longer than a topic can be does no harm', () => {
  const broker = new FakeBroker();
  const listener = { ...broker.listener, mountPoint: 'mounted/' };
  const client = broker.request({
    listener,
    will: { topic: 'x'.repeat(65_530), payload: Buffer.from('gone'), qos: 0 },
  });
  if (client.take('connack')[0]?.reasonCode === 0) client.drop();
  assert.is(broker.core.sessions.size, 0);
});

test('at shutdown, those without a will still get the wills of the others', () => {
  const broker = new FakeBroker();
  const will = { topic: 'will', payload: Buffer.from('gone'), qos: 0 as const };
  const before = broker.connect({ clientId: 'before' });
  const [first, second] = ['first', 'second'].map((clientId) => broker.connect({ clientId, will }));
  const after = broker.connect({ clientId: 'after' });
  for (const client of [before, after]) client.subscribe('will');
  broker.core.shutdown(ReasonCode.ServerShuttingDown);
  broker.settle();
  for (const client of [before, after]) {
    assert.equal(client.takePayloads(), ['gone', 'gone']);
    assert.is(client.takeFirst('disconnect').reasonCode, ReasonCode.ServerShuttingDown);
  }
  assert.ok(![before, first!, second!, after].some((client) => client.isOpen));
});

test.run();
