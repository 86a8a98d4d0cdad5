// slow
/** The history on a real Redis: what is written is read, in order, once, and only for so long. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BrokerError } from '../../../../src/base/errors.js';
import type {
  HistoryMessage,
  HistoryQuery,
  HistoryReading,
  HistorySettings,
} from '../../../../src/store/history.js';
import { decodeRecord, encodeRecord, sourceOf } from '../../../../src/store/record.js';
import { ReadOnlyHistory } from '../../../../src/store/redis/history/read-only.js';
import { eventsScript, historyScript } from '../../../../src/store/redis/history/scripts.js';
import { redisFor } from '../../../support/redis-for.js';
import type { RedisServer } from '../../../support/redis-server.js';
import { until } from '../../../support/until.js';
import { createRedisHarness, type RedisHarness } from '../harness.js';

const test = suite('history in Redis');
const redis = redisFor(test);
const command: RedisServer['command'] = (...args) => redis.server.command(...args);

const settings: HistorySettings = {
  maxAgeS: [0, 0, 0],
  maxBytes: 0,
  maxMessages: 0,
  partitions: 4,
  maxEvents: 1_000,
};

let lastNumber = 0;

async function withStore(
  body: (harness: RedisHarness, prefix: string) => Promise<void>,
  more: Partial<HistorySettings> = {},
): Promise<void> {
  const harness = await createRedisHarness([['127.0.0.1', redis.server.port]]);
  try {
    await harness.store.history.open({ ...settings, ...more });
    await body(harness, harness.prefix);
  } finally {
    await harness.dispose();
  }
}

function recordOf(topic: string, text: string, qos: number): Buffer {
  return encodeRecord(
    sourceOf({
      topic,
      qos,
      retain: false,
      isV5: true,
      ids: null,
      sharedFilter: '',
      publisherId: 'p',
      expiresAtMs: Number.POSITIVE_INFINITY,
      expiryAt: -1,
      properties: Buffer.alloc(0),
      payload: Buffer.from(text),
    }),
  );
}

interface Message {
  readonly topic: string;
  readonly text: string;
  readonly qos?: number;
  readonly timeMs?: number;
}

async function write({ store }: RedisHarness, messages: readonly Message[]): Promise<void> {
  for (const { qos = 1, text, timeMs = Math.floor(store.wallMs()), topic } of messages) {
    const record = recordOf(topic, text, qos);
    const number = ++lastNumber;
    store.history.append({ topic, qos, timeMs, number, record, onDone: () => undefined });
  }
  await store.history.drained();
}

function query(filters: readonly string[], more: Partial<HistoryQuery> = {}): HistoryQuery {
  const forEver = Number.POSITIVE_INFINITY;
  const times = { sinceMs: 0, untilMs: forEver, takenUntilMs: forEver };
  return { filters, ...times, isWanted: () => true, ...more };
}

const texts = (messages: readonly HistoryMessage[]) =>
  messages.map(({ record }) => String(decodeRecord(record).payload));

async function all(reading: HistoryReading, wanted: HistoryQuery): Promise<string[]> {
  const cursor = reading.cursor(wanted);
  const found: string[] = [];
  for (;;) {
    const messages = await cursor.next(1_000);
    if (messages.length === 0) return found;
    found.push(...texts(messages));
  }
}

async function last(reading: HistoryReading, filter: string, count: number): Promise<string[]> {
  return texts((await reading.last(query([filter]), count, 1_000_000)).messages);
}

const series = (topic: string, count: number, more: Partial<Message> = {}): Message[] =>
  Array.from({ length: count }, (_, at) => ({ topic, text: `${topic} ${at}`, ...more }));

test('what was written is read by exact topics and by wildcards, the oldest first', () =>
  withStore(async (harness) => {
    const { history } = harness.store;
    const startMs = Math.floor(harness.store.wallMs());
    const messages = Array.from({ length: 300 }, (_, at) => ({
      topic: `a/${at % 7}`,
      text: `${at}`,
      qos: at % 3,
      timeMs: startMs + at,
    }));
    await write(harness, messages);
    const expected = messages.map(({ text }) => text);
    assert.equal(await all(history, query(['a/#'])), expected);
    assert.equal(await all(history, query(['+/3', 'nothing'])), expectedOf(messages, 'a/3'));
    assert.equal(await all(history, query(['a/5'])), expectedOf(messages, 'a/5'));
    assert.equal(await all(history, query(['b/#'])), []);
    assert.equal(await last(history, 'a/#', 5), expected.slice(-5));
    assert.equal(await last(history, 'a/2', 3), expectedOf(messages, 'a/2').slice(-3));
    assert.equal(await last(history, '#', 1_000), expected);
    const since = query(['#'], { sinceMs: startMs + 290, untilMs: startMs + 292 });
    assert.equal(await all(history, since), ['290', '291', '292']);
  }));

const expectedOf = (messages: readonly Message[], topic: string) =>
  messages.filter((one) => one.topic === topic).map(({ text }) => text);

test('messages of one turn and topic keep their order, although they have the same time', () =>
  withStore(async (harness) => {
    const timeMs = Math.floor(harness.store.wallMs());
    const messages = series('t', 2_500, { timeMs });
    await write(harness, messages);
    const expected = messages.map(({ text }) => text);
    assert.equal(await all(harness.store.history, query(['t'])), expected);
    assert.equal(await last(harness.store.history, 't', 2_000), expected.slice(-2_000));
  }));

test('a cursor that has come to the end finds what comes later', () =>
  withStore(async (harness) => {
    const cursor = harness.store.history.cursor(query(['t']));
    assert.equal(await cursor.next(1_000), []);
    await write(harness, [{ topic: 't', text: 'one' }]);
    assert.equal(texts(await cursor.next(1_000)), ['one']);
    assert.equal(await cursor.next(1_000), []);
    await write(harness, [{ topic: 't', text: 'two' }]);
    assert.equal(texts(await cursor.next(1_000)), ['two']);
  }));

test('a search for the last messages ends at its limit, and says so', () =>
  withStore(async (harness) => {
    await write(harness, [{ topic: 'rare', text: 'old' }]);
    for (let at = 0; at < 40; at++) await write(harness, series(`busy/${at}`, 50));
    const { history } = harness.store;
    const cut = await history.last(query(['rare/#']), 1, 500);
    assert.is(cut.isCut, true);
    assert.ok(cut.scanned >= 500 && cut.scanned < 2_001, String(cut.scanned));
    const whole = await history.last(query(['rare/#']), 5, 1_000_000);
    assert.equal([texts(whole.messages), whole.isCut], [['old'], false]);
  }));

test('a call that is repeated, since its answer was lost, writes once', () =>
  withStore(async (harness) => {
    for (let at = 0; at < 5; at++) {
      const written = write(harness, series(`t/${at}`, 20));
      await nextTurn();
      await command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await written;
    }
    const found = await all(harness.store.history, query(['t/#']));
    assert.is(found.length, 100);
    assert.is(new Set(found).size, 100);
  }));

test('what is written while Redis stands still is there once, in order', () =>
  withStore(async (harness) => {
    await write(harness, series('t', 10));
    redis.server.signal('SIGSTOP');
    try {
      const later = series('t', 50).slice(10);
      const written = later.map((message) => write(harness, [message]));
      await until('redis to be away', () => harness.heard.away > 0);
      redis.server.signal('SIGCONT');
      await Promise.all(written);
    } finally {
      redis.server.signal('SIGCONT');
    }
    const expected = series('t', 50).map(({ text }) => text);
    assert.equal(await all(harness.store.history, query(['t'])), expected);
  }));

test('Redis recognises a call that it has seen, of messages and of events', async () => {
  const entry = Buffer.from([1]);
  const keys = ['w', 'c', '0', '1', '2'].map((part) => `again:{hist:0}:${part}`);
  const events = ['w', 'log'].map((part) => `again:{events}:${part}`);
  for (const [call, expected] of [
    [1, 1],
    [1, 0],
    [2, 1],
  ] as const) {
    const args = [...keys, 'writer', call, 1, 1, entry, 2, 1, entry];
    assert.is(await command('EVAL', historyScript.source, 5, ...args), expected);
    const said = [...events, 'writer', call, 10, 2, 'type', 'connect'];
    assert.is(await command('EVAL', eventsScript.source, 2, ...said), expected);
  }
  assert.is(await command('XLEN', keys[3]!), 2);
  assert.is(await command('XLEN', keys[4]!), 2);
  assert.is(await command('XLEN', events[1]!), 2);
});

test('a clock that goes back changes no order between messages of different QoS', () =>
  withStore(
    async (harness, prefix) => {
      const messages = Array.from({ length: 30 }, (_, at) => ({
        topic: 't',
        text: `${at}`,
        qos: at % 3,
      }));
      await write(harness, messages.slice(0, 10));
      const ahead = Math.floor(harness.store.wallMs()) + 60_000;
      await command('HSET', `${prefix}{hist:0}:c`, 'ms', ahead, 'seq', 3);
      for (const message of messages.slice(10)) await write(harness, [message]);
      const expected = expectedOf(messages, 't');
      assert.equal(await all(harness.store.history, query(['t'])), expected);
      assert.equal(await last(harness.store.history, 't', 25), expected.slice(-25));

      await command('DEL', `${prefix}{hist:0}:c`);
      await write(harness, [{ topic: 't', text: 'without counters', qos: 1 }]);
      assert.is((await last(harness.store.history, 't', 1))[0], 'without counters');
    },
    { partitions: 1 },
  ));

test('what is over the number of messages goes, the oldest first', () =>
  withStore(
    async (harness) => {
      const { history } = harness.store;
      // More entries than one call deletes.
      const messages = series('t', 260);
      for (const message of messages) await write(harness, [message]);
      history.tick(0);
      await trimmed(harness);
      assert.equal(await all(history, query(['t'])), expectedOf(messages.slice(-5), 't'));
    },
    { maxMessages: 5, partitions: 1 },
  ));

test('what is over the bytes goes, of each QoS by itself', () =>
  withStore(
    async (harness) => {
      const { history } = harness.store;
      await write(harness, [{ topic: 't', text: 'seldom', qos: 2 }]);
      for (let at = 0; at < 90; at++) {
        await write(harness, [{ topic: 't', text: `${at} ${'x'.repeat(1_000)}`, qos: at % 2 }]);
      }
      history.tick(0);
      await trimmed(harness);
      const found = (await all(history, query(['t']))).map((text) => text.split(' ')[0]);
      const last = Array.from({ length: 18 }, (_, at) => String(90 - 18 + at));
      assert.equal(found, ['seldom', ...last]);
    },
    { maxBytes: 10_000, partitions: 1 },
  ));

test('each QoS has an age of its own', () =>
  withStore(
    async (harness, prefix) => {
      const { history } = harness.store;
      // As if it had been written an hour ago.
      const hourAgo = Math.floor(harness.store.wallMs()) - 3_600_000;
      await write(harness, [{ topic: 't', text: 'seed', qos: 0 }]);
      const [[, fields]] = (await command('XRANGE', `${prefix}{hist:0}:0`, '-', '+')) as [
        [string, string[]],
      ];
      assert.is(fields[0], 'w');
      for (const qos of [0, 1]) {
        const key = `${prefix}{hist:0}:${qos}`;
        await command('DEL', key);
        await command('XADD', key, `${hourAgo}-0`, 'w', 'x', 'n', 0, 'a', '0:1', 'd', 'x');
      }
      await write(harness, [{ topic: 't', text: 'new', qos: 0 }]);
      history.tick(0);
      await trimmed(harness);
      assert.is(await command('XLEN', `${prefix}{hist:0}:0`), 1);
      assert.is(await command('XLEN', `${prefix}{hist:0}:1`), 1);
    },
    { maxAgeS: [60, 7_200, 0], partitions: 1 },
  ));

/** All calls that were begun are over: the store's own count of them. */
async function trimmed({ store }: RedisHarness): Promise<void> {
  while (store.figures().pending! > 0) await nextTurn();
}

test('brokers agree on the number of partitions', () =>
  withStore(async ({ store }) => {
    try {
      await store.history.open({ ...settings, partitions: 5 });
      assert.unreachable();
    } catch (error) {
      assert.instance(error, BrokerError);
      const { code, message } = error as BrokerError;
      assert.is(code, 'HISTORY');
      assert.match(message, /^history_partitions is 5 here, and 4 .*: set history_partitions 4/);
    }
  }));

test('an entry of another format is said to be one', () =>
  withStore(async ({ store }, prefix) => {
    const key = `${prefix}{hist:0}:1`;
    await command('XADD', key, '*', 'w', 'x', 'n', 1, 'a', '1:1', 'd', Buffer.from([9]));
    try {
      await all(store.history, query(['#']));
      assert.unreachable();
    } catch (error) {
      assert.match((error as Error).message, 'format 9; this broker knows format 1');
    }
  }));

test('events are plain fields, in order, and only so many', () =>
  withStore(
    async ({ store }, prefix) => {
      let done = 0;
      for (let at = 0; at < 450; at++) {
        store.history.addEvent({ type: 'connect', client: `c${at}` }, () => done++);
      }
      store.history.flush();
      while (done < 450) await nextTurn();
      const length = Number(await command('XLEN', `${prefix}{events}:log`));
      assert.ok(length >= 100 && length < 450, String(length));
      const [[, fields]] = (await command(
        'XREVRANGE',
        `${prefix}{events}:log`,
        '+',
        '-',
        'COUNT',
        1,
      )) as [[string, string[]]];
      assert.equal(fields, ['type', 'connect', 'client', 'c449']);
    },
    { maxEvents: 100 },
  ));

test('somebody who is no broker reads all of it and writes nothing', () =>
  withStore(async (harness, prefix) => {
    await write(harness, series('t', 20));
    let done = 0;
    for (let at = 0; at < 600; at++) {
      harness.store.history.addEvent({ type: 'connect', client: `c${at}` }, () => done++);
    }
    harness.store.history.flush();
    while (done < 600) await nextTurn();
    const before = await redis.server.info('rdb_changes_since_last_save');
    const { clock } = harness.store.options;
    const login = { username: null, password: null, tls: null };
    const nodes = [['127.0.0.1', redis.server.port]] as const;
    const history = await ReadOnlyHistory.open({ nodes, ...login, prefix, clock });
    try {
      const reading = (await history.messages())!;
      assert.is((await all(reading, query(['#']))).length, 20);
      assert.equal(await last(reading, 't', 2), ['t 18', 't 19']);
      const events: string[] = [];
      for await (const some of history.events(0, Number.POSITIVE_INFINITY, 0)) {
        events.push(...some.map(({ fields }) => fields.client!));
      }
      assert.equal(
        events,
        Array.from({ length: 600 }, (_, at) => `c${at}`),
      );
      for await (const some of history.events(0, Number.POSITIVE_INFINITY, 2)) {
        assert.equal(
          some.map(({ fields }) => fields.client),
          ['c598', 'c599'],
        );
      }
    } finally {
      history.close();
    }
    assert.is(await redis.server.info('rdb_changes_since_last_save'), before);
    const other = await ReadOnlyHistory.open({ nodes, ...login, prefix: 'none:', clock });
    assert.is(await other.messages(), null);
    other.close();
  }));

test.run();
