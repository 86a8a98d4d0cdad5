/** A program that embeds the broker: listening, publishing, events, closing. */
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createBroker, type MessageProperties, MqttError, ReasonCode } from '../../src/index.js';
import { TestClient } from '../integration/support/test-client.js';
import { withTempFolder } from '../support/temp.js';
import { until } from '../support/until.js';
import { withEmbedded } from './support.js';

const test = suite('library');

test('listens on loopback by default and says which port it got', async () => {
  const broker = createBroker();

  const address = (await broker.listen({ port: 0 })) as AddressInfo;

  assert.is(address.address, '127.0.0.1');
  assert.ok(address.port > 0);
  await broker.close();
});

test('listens at several places, Unix sockets among them', async () => {
  await withTempFolder(async (folder) => {
    const broker = createBroker();
    const socketPath = folder.file('mqtt.sock');
    const { port } = (await broker.listen({ port: 0, protocol: 'websockets' })) as AddressInfo;
    assert.is(await broker.listen({ socketPath }), socketPath);

    const web = TestClient.open({ protocol: 'ws', host: '127.0.0.1', port });
    const unix = TestClient.open({ protocol: 'mqtt+unix', unixSocket: true, path: socketPath });
    await Promise.all([web.untilConnected(), unix.untilConnected()]);
    await unix.subscribe('t', 1);
    await web.publish('t', 'x', { qos: 1 });

    await unix.untilMessages(1);
    await Promise.all([web.end(), unix.end()]);
    await broker.close();
  });
});

test('a port in use rejects with one line that names it, and the broker goes on', async () => {
  await withEmbedded({}, async ({ broker, port, connect }) => {
    const error = await broker.listen({ port }).catch((reason) => reason);

    assert.is(error?.name, 'BrokerError');
    assert.is(error.code, 'LISTEN');
    assert.match(error.message, new RegExp(`^[^\\n]*127\\.0\\.0\\.1:${port}[^\\n]*$`));
    await connect();
  });
});

test('publishes to clients, with all properties', async () => {
  await withEmbedded({}, async ({ broker, connect }) => {
    const client = await connect();
    await client.subscribe('from/#', 2);

    broker.publish('from/text', 'hällo');
    broker.publish('from/bytes', Buffer.from([0, 255]), { qos: 1 });
    broker.publish('from/props', '{}', {
      qos: 1,
      properties: {
        payloadFormatIndicator: 1,
        contentType: 'application/json',
        responseTopic: 'to/me',
        correlationData: Buffer.from([1, 2]),
        userProperties: [
          { name: 'a', value: '1' },
          { name: 'b', value: '2' },
        ],
      },
    });

    await client.untilMessages(3);
    const [text, bytes, props] = client.packets;
    assert.is(text.payload.toString(), 'hällo');
    assert.is(text.qos, 0);
    assert.equal([...(bytes.payload as Buffer)], [0, 255]);
    assert.is(bytes.qos, 1);
    const { userProperties, ...others } = { ...props.properties };
    assert.equal({ ...userProperties }, { a: '1', b: '2' });
    assert.equal(others, {
      payloadFormatIndicator: true,
      contentType: 'application/json',
      responseTopic: 'to/me',
      correlationData: Buffer.from([1, 2]),
    });
  });
});

test('a retained message of the program stays until it is cleared', async () => {
  await withEmbedded({}, async ({ broker, connect }) => {
    broker.publish('state', 'on', { retain: true });
    const first = await connect();
    await first.subscribe('state', 1);
    await first.untilMessages(1);
    assert.is(first.packets[0].retain, true);

    broker.publish('state', '', { retain: true });
    const second = await connect();
    await second.subscribe('state', 1);
    broker.publish('state', 'live');

    await second.untilMessages(1);
    assert.equal(second.payloads, ['live']);
  });
});

test('the expiry of a message that the program publishes counts', async () => {
  await withEmbedded({}, async ({ broker, connect }) => {
    const away = { clientId: 'away', clean: false, properties: { sessionExpiryInterval: 60 } };
    const absent = await connect(away);
    await absent.subscribe('t', 1);
    await absent.end();
    broker.publish('t', 'long', { qos: 1, properties: { messageExpiryInterval: 1_000 } });
    broker.publish('t', 'short', { qos: 1, properties: { messageExpiryInterval: 1 } });
    broker.publish('kept', 'short', { retain: true, properties: { messageExpiryInterval: 1 } });
    const seen = () => {
      let count = 0;
      broker.subscribe('kept', () => count++)();
      return count;
    };
    await until('the retained message to expire', async () => {
      const client = await connect();
      await client.subscribe(['kept', 'end'], 1);
      broker.publish('end', 'end', { qos: 1 });
      await until('the end', () => client.payloads.includes('end'));
      return !client.payloads.includes('short');
    });

    const back = await connect(away);
    broker.publish('t', 'last', { qos: 1 });

    await back.untilMessages(2);
    assert.equal(back.payloads, ['long', 'last']);
    assert.is(seen(), 0);
  });
});

test('a topic that is none is an error at once', async () => {
  await withEmbedded({}, async ({ broker }) => {
    for (const topic of ['', 'a/#', 'a/+/b', 'a\u0000', 'a\ud800', 'a'.repeat(65_536)]) {
      assert.throws(
        () => broker.publish(topic, 'x'),
        (error: unknown) =>
          error instanceof MqttError && error.reasonCode === ReasonCode.TopicNameInvalid,
        topic,
      );
    }
    for (const filter of ['', 'a/#/b', 'a+', '$share/x', '$share/a+/b', 'a\u0000']) {
      assert.throws(
        () => broker.subscribe(filter, () => undefined),
        (error: unknown) =>
          error instanceof MqttError && error.reasonCode === ReasonCode.TopicFilterInvalid,
        filter,
      );
    }
  });
});

test('properties that no client could take are an error at once', async () => {
  await withEmbedded({}, async ({ broker }) => {
    const bad: MessageProperties[] = [
      { contentType: 'a\u0000' },
      { responseTopic: 'a/#' },
      { correlationData: Buffer.alloc(65_536) },
      { messageExpiryInterval: -1 },
      { userProperties: [{ name: 'a', value: '\udc00' }] },
      { payloadFormatIndicator: 1 },
    ];
    for (const properties of bad) {
      assert.throws(
        () => broker.publish('t', Buffer.from([0xff]), { properties }),
        (error: unknown) => error instanceof MqttError,
        JSON.stringify(properties),
      );
    }
  });
});

test('events tell of clients, their subscriptions and their messages', async () => {
  await withEmbedded({}, async ({ broker, connect }) => {
    const events: string[] = [];
    broker.on('clientConnected', ({ clientId }, isPresent) => {
      events.push(`connected ${clientId} ${isPresent}`);
    });
    broker.on('clientDisconnected', ({ clientId }, reasonCode) => {
      events.push(`disconnected ${clientId} ${reasonCode}`);
    });
    broker.on('subscribed', ({ clientId }, filter, qos) => {
      events.push(`subscribed ${clientId} ${filter} ${qos}`);
    });
    broker.on('unsubscribed', ({ clientId }, filter) => {
      events.push(`unsubscribed ${clientId} ${filter}`);
    });
    broker.on('published', (client, message) => {
      const { topic, payload, qos, retain } = message;
      events.push(`published ${client?.clientId} ${topic} ${payload} ${qos} ${retain}`);
    });

    const will = { topic: 'will', payload: Buffer.from('w'), qos: 1, retain: false } as const;
    const client = await connect({ clientId: 'c', will, username: 'u' });
    await client.subscribe('a/#', 1);
    await client.publish('a/b', 'x', { qos: 1, retain: true });
    await client.client.unsubscribeAsync('a/#');
    broker.publish('own', 'y', { qos: 2 });
    await client.cut();

    await until('the last event', () => events.length >= 7);
    assert.equal(events, [
      'connected c false',
      'subscribed c a/# 1',
      'published c a/b x 1 true',
      'unsubscribed c a/#',
      'published undefined own y 2 false',
      'published c will w 1 false',
      'disconnected c 128',
    ]);
  });
});

test('a message that is dropped is an event with its reason', async () => {
  await withEmbedded({ limits: { queuedMessagesMax: 2 } }, async ({ broker, connect }) => {
    const dropped: string[] = [];
    broker.on('dropped', (reason, clientId, topic) =>
      dropped.push(`${reason} ${clientId} ${topic}`),
    );
    const away = { clientId: 'away', clean: false, properties: { sessionExpiryInterval: 60 } };
    const absent = await connect(away);
    await absent.subscribe('t', 1);
    await absent.end();

    for (let n = 0; n < 3; n++) broker.publish('t', `${n}`, { qos: 1 });
    broker.publish('t', 'x', { qos: 0 });

    await until('the events', () => dropped.length === 2);
    assert.equal(dropped, ['queue_full away t', 'offline_qos0 away t']);
    assert.is(broker.metrics.droppedTotal, 2);
    assert.is(broker.metrics.messagesQueued, 2);
  });
});

test('handlers of events may publish, subscribe and disconnect', async () => {
  await withEmbedded({}, async ({ broker, connect }) => {
    broker.on('clientConnected', ({ clientId }) => broker.publish('online', clientId));
    broker.on('published', (client, { topic, payload }) => {
      if (client === null) return;
      if (topic === 'echo') broker.publish('echoed', payload, { qos: 1 });
      if (topic === 'leave') broker.disconnect(client.clientId, 'as you wish');
    });
    const watcher = await connect({ clientId: 'watcher' });
    await watcher.subscribe(['online', 'echoed', 'leave'], 1);
    const client = await connect({ clientId: 'guest' });

    await client.publish('echo', '1', { qos: 1 });
    client.client.publish('leave', 'bye');

    await client.untilClosed();
    assert.equal(client.disconnects, [ReasonCode.AdministrativeAction]);
    await watcher.untilMessages(3);
    assert.equal(watcher.payloads, ['guest', '1', 'bye']);
  });
});

test('disconnect says whether there was such a client', async () => {
  await withEmbedded({}, async ({ broker, connect }) => {
    const client = await connect({ clientId: 'here' });

    assert.is(broker.disconnect('here'), true);
    assert.is(broker.disconnect('nobody'), false);

    await client.untilClosed();
    assert.is(broker.disconnect('here'), false);
  });
});

test('closing says goodbye, publishes wills and rejects what comes later', async () => {
  await withEmbedded({}, async ({ broker, port, connect, open }) => {
    const watcher = await connect();
    await watcher.subscribe('will', 1);
    const will = { topic: 'will', payload: Buffer.from('w'), qos: 1, retain: false } as const;
    const clients = [await connect({ will }), await connect({ protocolVersion: 4 })];

    await broker.close();

    await Promise.all([watcher, ...clients].map((client) => client.untilClosed()));
    assert.equal(watcher.disconnects, [ReasonCode.ServerShuttingDown]);
    assert.equal(watcher.payloads, ['w']);
    const late = open();
    await until('a refusal', () => late.errors.length > 0);
    const error = await broker.listen({ port }).catch((reason) => reason);
    assert.is(error?.code, 'CLOSED');
    await broker.close();
  });
});

test('two brokers in one process know nothing of each other', async () => {
  await withEmbedded({}, (one) =>
    withEmbedded({}, async (two) => {
      const here = await one.connect({ clientId: 'same' });
      const there = await two.connect({ clientId: 'same' });
      await Promise.all([here.subscribe('#', 1), there.subscribe('#', 1)]);

      one.broker.publish('t', 'one', { qos: 1 });
      two.broker.publish('t', 'two', { qos: 1 });
      await here.publish('t', 'here', { qos: 1 });

      await Promise.all([here.untilMessages(2), there.untilMessages(1)]);
      assert.equal(here.payloads, ['one', 'here']);
      assert.equal(there.payloads, ['two']);
      await one.broker.close();
      await there.publish('t', 'still', { qos: 1 });
      await there.untilMessages(2);
    }),
  );
});

test('limits and delivery options hold', async () => {
  const options = { limits: { packetBytesMax: 100 }, delivery: { retainAvailable: false } };
  await withEmbedded(options, async ({ connect }) => {
    const client = await connect();
    client.client.publish('t', Buffer.alloc(101));
    await client.untilClosed();
    assert.equal(client.disconnects, [ReasonCode.PacketTooLarge]);
    const other = await connect();
    other.client.publish('t', 'x', { retain: true });
    await other.untilClosed();
    assert.equal(other.disconnects, [ReasonCode.RetainNotSupported]);
  });
});

test.run();
