/** Hooks: the program decides who may connect, publish, subscribe and read. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type AccessHooks, type LogFields, ReasonCode } from '../../src/index.js';
import { until } from '../support/until.js';
import { withEmbedded } from './support.js';

const test = suite('library hooks');

/** The same hook, answering at once or later. */
const forms = [
  { name: 'at once', when: <T>(value: T): T | Promise<T> => value },
  { name: 'later', when: async <T>(value: T) => new Promise<T>((r) => setImmediate(r, value)) },
];

for (const { name, when } of forms) {
  test(`authenticate, answering ${name}, lets in whom it likes`, async () => {
    const asked: string[] = [];
    const authenticate: AccessHooks['authenticate'] = (client, password) => {
      asked.push(`${client.username} ${password} ${client.peer.remoteAddress}`);
      return when(password?.toString() === 'secret');
    };
    await withEmbedded({ hooks: { authenticate } }, async ({ connect, open }) => {
      await connect({ username: 'ann', password: 'secret' });
      const refused = [open({ username: 'ann', password: 'x' }), open({ protocolVersion: 4 })];

      await until('two refusals', () => refused.every(({ errors }) => errors.length > 0));
      const codes = refused.map(({ errors }) => (errors[0] as Error & { code?: number }).code);
      assert.equal(codes, [ReasonCode.NotAuthorized, 5]);
      const expected = ['ann secret 127.0.0.1', 'ann x 127.0.0.1', 'null null 127.0.0.1'];
      assert.equal(asked.sort(), expected.sort());
    });
  });

  test(`authenticate, answering ${name}, may name the user and the reason`, async () => {
    const hooks: AccessHooks = {
      authenticate: ({ username }) =>
        username === 'x'
          ? when({ ok: true as const, username: 'renamed' })
          : when({
              ...{ ok: false as const, reasonCode: ReasonCode.Banned, reasonString: 'go away' },
            }),
    };
    await withEmbedded({ hooks }, async ({ broker, connect, open }) => {
      const names: (string | null)[] = [];
      broker.on('clientConnected', ({ username }) => names.push(username));
      await connect({ username: 'x', password: 'y' });
      const refused = open();
      await until('a refusal', () => refused.errors.length > 0);
      await until('the event', () => names.length > 0);

      assert.equal(names, ['renamed']);
      assert.is((refused.errors[0] as Error & { code?: number }).code, ReasonCode.Banned);
    });
  });

  test(`authorizePublish, answering ${name}, decides message by message, in order`, async () => {
    const hooks: AccessHooks = {
      authorizePublish: (_client, topic, qos, retain) =>
        when(topic !== 'no' && !(retain && qos === 0)),
    };
    await withEmbedded({ hooks }, async ({ connect }) => {
      const client = await connect();
      await client.subscribe('#', 2);

      const denied = client.publish('no', 'denied', { qos: 1 }).catch((error) => error);
      const sent = Array.from({ length: 50 }, (_, n) =>
        client.publish(n % 2 === 0 ? 'yes' : 'also', `${n}`, { qos: (n % 3) as 0 | 1 | 2 }),
      );
      await Promise.all(sent);

      assert.is((await denied)?.code, ReasonCode.NotAuthorized);
      await client.untilMessages(50);
      for (const qos of [0, 1, 2]) {
        const numbers = client.packets.filter((packet) => packet.qos === qos).map(String_);
        assert.equal(
          numbers,
          [...numbers].sort((a, b) => a - b),
          `QoS ${qos}`,
        );
      }
    });
  });

  test(`authorizeSubscribe, answering ${name}, decides filter by filter`, async () => {
    const hooks: AccessHooks = {
      authorizeSubscribe: ({ clientId }, filter) => when(filter.startsWith(`${clientId}/`)),
    };
    await withEmbedded({ hooks }, async ({ broker, connect }) => {
      const client = await connect({ clientId: 'me' });
      const codes: number[] = [];
      client.client.on('packetreceive', (packet) => {
        if (packet.cmd === 'suback') codes.push(...(packet.granted as number[]));
      });

      await client.subscribe(['me/a', 'you/a', 'me/b'], 1).catch(() => undefined);

      await until('SUBACK', () => codes.length === 3);
      assert.equal(codes, [1, ReasonCode.NotAuthorized, 1]);
      broker.publish('you/a', 'unseen');
      broker.publish('me/b', 'seen');
      await client.untilMessages(1);
      assert.equal(client.payloads, ['seen']);
    });
  });
}

const String_ = ({ payload }: { payload: string | Buffer }): number => Number(payload.toString());

test('authorizeRead decides what a client gets, live and retained', async () => {
  const hooks: AccessHooks = { authorizeRead: (_client, topic) => !topic.endsWith('/secret') };
  await withEmbedded({ hooks }, async ({ broker, connect }) => {
    broker.publish('a/secret', 'kept secret', { retain: true });
    broker.publish('a/open', 'kept', { retain: true });
    const client = await connect();
    await client.subscribe('a/#', 1);
    broker.publish('a/secret', 'secret');
    broker.publish('a/open', 'open');

    await client.untilMessages(2);

    assert.equal(client.payloads, ['kept', 'open']);
  });
});

test('accessChanged: what authorizeRead answered is asked again', async () => {
  let isOpen = true;
  const asked: string[] = [];
  const hooks: AccessHooks = {
    authorizeRead: ({ clientId }, topic) => {
      asked.push(`${clientId} ${topic}`);
      return isOpen || topic !== 'a';
    },
  };
  await withEmbedded({ hooks }, async ({ broker, connect }) => {
    const client = await connect({ clientId: 'c' });
    await client.subscribe('#', 1);
    for (const payload of ['1', '2']) broker.publish('a', payload);
    await client.untilMessages(2);
    assert.equal(asked, ['c a'], 'once per client and topic');

    isOpen = false;
    broker.accessChanged();
    broker.publish('a', '3');
    broker.publish('b', '4');
    await client.untilMessages(3);

    assert.equal(client.payloads, ['1', '2', '4']);
  });
});

test('accessChanged: clients of which mayStay says no are disconnected', async () => {
  const banned = new Set<string>();
  const hooks: AccessHooks = { mayStay: ({ clientId }) => !banned.has(clientId) };
  await withEmbedded({ hooks }, async ({ broker, connect }) => {
    const [one, two] = [await connect({ clientId: 'one' }), await connect({ clientId: 'two' })];
    await two.subscribe('t', 1);

    banned.add('one');
    broker.accessChanged();

    await one.untilClosed();
    broker.publish('t', 'x');
    await two.untilMessages(1);
    assert.is(broker.metrics.clientsConnected, 1);
  });
});

for (const { name, when } of forms) {
  test(`publishAnswersLast, answers ${name}: they count until accessChanged`, async () => {
    for (const publishAnswersLast of [false, true]) {
      let isOpen = true;
      let asked = 0;
      const hooks: AccessHooks = {
        authorizePublish: () => {
          asked++;
          return when(isOpen);
        },
      };
      await withEmbedded({ hooks, publishAnswersLast }, async ({ broker, connect }) => {
        const client = await connect();
        for (let n = 0; n < 3; n++) await client.publish('a', `${n}`, { qos: 1 });
        assert.is(asked, publishAnswersLast ? 1 : 3);
        await client.publish('b', 'x', { qos: 1 });
        assert.is(asked, publishAnswersLast ? 2 : 4);

        isOpen = false;
        broker.accessChanged();
        const denied = await client.publish('b', 'x', { qos: 1 }).catch((error) => error);

        assert.is(denied?.code, ReasonCode.NotAuthorized);
      });
    }
  });
}

test('a hook that throws or rejects refuses, and the log says which one', async () => {
  const lines: string[] = [];
  const log = {
    enabled: () => true,
    write: (level: string, event: string, fields: LogFields = {}) => {
      if (level === 'error') lines.push(`${event}: ${fields.hook} ${fields.reason}`);
    },
  };
  const hooks: AccessHooks = {
    authenticate: async ({ username }) => {
      if (username === 'bad') throw new Error('database is away');
      return true;
    },
    authorizePublish: () => {
      throw new Error('no rules');
    },
  };
  await withEmbedded({ hooks, log }, async ({ connect, open }) => {
    const refused = open({ username: 'bad' });
    await until('a refusal', () => refused.errors.length > 0);
    const client = await connect();

    const denied = await client.publish('t', 'x', { qos: 1 }).catch((error) => error);

    assert.is(denied?.code, ReasonCode.NotAuthorized);
    assert.equal(lines, [
      'access hook failed, refused: authenticate database is away',
      'access hook failed, refused: authorizePublish no rules',
    ]);
  });
});

test('a client that leaves while a hook thinks is no trouble', async () => {
  let answer: (isIn: boolean) => void = () => undefined;
  let asked = 0;
  const hooks: AccessHooks = {
    authenticate: () =>
      new Promise((resolve) => {
        asked++;
        answer = resolve;
      }),
  };
  await withEmbedded({ hooks }, async ({ broker, connect, open }) => {
    const impatient = open({ clientId: 'c' });
    await until('the question', () => asked === 1);
    await impatient.cut();
    // Nothing is read from a client while its CONNECT is being answered.
    answer(true);
    await until('the end', () => broker.metrics.connectionsOpen === 0);

    const patient = connect({ clientId: 'c' });
    await until('the next question', () => asked === 2);
    answer(true);

    const client = await patient;
    assert.is(client.sessionPresent, false);
    assert.is(broker.metrics.clientsConnected, 1);
  });
});

test.run();
