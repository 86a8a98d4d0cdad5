/** Subscribing in the program itself. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReceivedMessage } from '../../src/index.js';
import { until } from '../support/until.js';
import { withEmbedded } from './support.js';

const test = suite('library subscriptions');

test('a handler gets what clients and the program publish, as it was sent', async () => {
  await withEmbedded({}, async ({ broker, connect }) => {
    const seen: ReceivedMessage[] = [];
    broker.subscribe('in/#', (message) => seen.push(message));
    const client = await connect({ clientId: 'c' });
    const properties = {
      ...{ payloadFormatIndicator: true, messageExpiryInterval: 60, contentType: 'text/plain' },
      ...{ responseTopic: 'back', correlationData: Buffer.from([7]) },
      userProperties: { a: '1', b: '2' },
    };

    await client.publish('in/v5', 'five', { qos: 2, retain: true, properties });
    const old = await connect({ clientId: 'old', protocolVersion: 4 });
    await old.publish('in/v4', 'four', { qos: 1 });
    await old.publish('out', 'unseen', { qos: 1 });
    broker.publish('in/own', 'own');

    await until('three messages', () => seen.length === 3);
    assert.equal(
      seen.map(({ topic, payload, qos, retain, publisherId }) => [
        ...[topic, `${payload}`, qos, retain, publisherId],
      ]),
      [
        ['in/v5', 'five', 2, true, 'c'],
        ['in/v4', 'four', 1, false, 'old'],
        ['in/own', 'own', 0, false, null],
      ],
    );
    assert.equal(seen[0].properties, {
      payloadFormatIndicator: 1,
      messageExpiryInterval: 60,
      contentType: 'text/plain',
      responseTopic: 'back',
      correlationData: Buffer.from([7]),
      userProperties: [
        { name: 'a', value: '1' },
        { name: 'b', value: '2' },
      ],
    });
    assert.equal(seen[1].properties, {});
  });
});

test('what a handler got stays as it is', async () => {
  await withEmbedded({}, async ({ broker, connect }) => {
    const seen: ReceivedMessage[] = [];
    broker.subscribe('t', (message) => seen.push(message));
    const client = await connect();
    const payloads = Array.from({ length: 200 }, (_, n) => `${n} `.repeat(n));

    await Promise.all(payloads.map((payload) => client.publish('t', payload, { qos: 1 })));

    await until('all messages', () => seen.length === payloads.length);
    assert.equal(
      seen.map(({ payload }) => payload.toString()),
      payloads,
    );
  });
});

test('retained messages come first, and again for each new subscription', async () => {
  await withEmbedded({}, async ({ broker }) => {
    broker.publish('state/a', '1', { retain: true });
    broker.publish('state/b', '2', { retain: true });
    const first: string[] = [];
    const second: string[] = [];

    broker.subscribe('state/+', ({ payload, retain }) => first.push(`${payload} ${retain}`));
    broker.publish('state/a', '3');
    await until('three messages', () => first.length === 3);
    broker.subscribe('state/b', ({ payload }) => second.push(`${payload}`));
    await until('one message', () => second.length === 1);

    assert.equal(first.slice(0, 2).sort(), ['1 true', '2 true']);
    assert.is(first[2], '3 false');
    assert.equal(second, ['2']);
  });
});

test('ending a subscription ends it at once, also within its own handler', async () => {
  await withEmbedded({}, async ({ broker }) => {
    const seen: string[] = [];
    const end = broker.subscribe('t', ({ payload }) => {
      seen.push(`${payload}`);
      if (seen.length === 2) end();
    });
    const others: string[] = [];
    broker.subscribe('t', ({ payload }) => others.push(`${payload}`));

    for (let n = 0; n < 5; n++) broker.publish('t', `${n}`);

    await until('all at the other one', () => others.length === 5);
    assert.equal(seen, ['0', '1']);
    end();
    broker.publish('t', 'later');
    await until('one more at the other one', () => others.length === 6);
    assert.is(seen.length, 2);
  });
});

test('a handler may publish, to its own topic too', async () => {
  await withEmbedded({}, async ({ broker, connect }) => {
    const client = await connect();
    await client.subscribe('count', 1);
    broker.subscribe('count', ({ payload }) => {
      const n = Number(payload);
      if (n < 100) broker.publish('count', `${n + 1}`, { qos: 1 });
    });

    await client.publish('count', '0', { qos: 1 });

    await client.untilMessages(101);
    assert.equal(
      client.payloads,
      Array.from({ length: 101 }, (_, n) => `${n}`),
    );
  });
});

test('a handler may subscribe and unsubscribe others', async () => {
  await withEmbedded({}, async ({ broker }) => {
    const inner: string[] = [];
    const ends: (() => void)[] = [];
    broker.subscribe('outer', ({ payload }) => {
      if (`${payload}` === 'stop') for (const end of ends) end();
      else ends.push(broker.subscribe('inner', (message) => inner.push(`${message.payload}`)));
    });

    broker.publish('outer', 'go');
    broker.publish('outer', 'go');
    await until('two subscriptions', () => ends.length === 2);
    broker.publish('inner', '1');
    broker.publish('outer', 'stop');
    await until('both messages', () => inner.length === 2);
    broker.publish('inner', '2');
    let isOver = false;
    broker.subscribe('end', () => {
      isOver = true;
    });
    broker.publish('end', '');
    await until('the end', () => isOver);

    assert.equal(inner, ['1', '1']);
  });
});

test('what a handler throws is its own affair: everybody else gets everything', async () => {
  await withEmbedded({}, async ({ broker, connect }) => {
    const thrown: unknown[] = [];
    const onError = (error: unknown) => thrown.push(error);
    process.on('uncaughtException', onError);
    try {
      const faulty: string[] = [];
      broker.subscribe('t', ({ payload }) => {
        faulty.push(`${payload}`);
        throw new Error(`about ${payload}`);
      });
      broker.on('subscribed', () => {
        throw new Error('about a subscription');
      });
      const client = await connect();
      await client.subscribe('t', 1);

      for (let n = 0; n < 3; n++) await client.publish('t', `${n}`, { qos: 1 });

      await client.untilMessages(3);
      assert.equal(faulty, ['0', '1', '2']);
      await until('all errors', () => thrown.length === 4);
      assert.equal(thrown.map((error) => (error as Error).message).sort(), [
        ...['about 0', 'about 1', 'about 2', 'about a subscription'],
      ]);
    } finally {
      process.off('uncaughtException', onError);
    }
  });
});

test('many subscriptions of the program cost nothing when they are ended', async () => {
  await withEmbedded({}, async ({ broker }) => {
    const before = broker.metrics.sessions;
    const ends = Array.from({ length: 500 }, (_, n) => broker.subscribe(`t/${n}`, () => undefined));

    for (const end of ends) end();

    assert.is(broker.metrics.sessions, before);
  });
});

test.run();
