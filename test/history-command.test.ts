// slow
/** tidewire history: its options, what it prints, its exit codes, on a real Redis. */
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../src/base/clock.js';
import { runHistoryCommand } from '../src/history-command.js';
import { brokerPath, RunningBroker } from './integration/support/broker.js';
import { run } from './support/process.js';
import { redisFor } from './support/redis-for.js';
import { withTempFolder } from './support/temp.js';
import { until } from './support/until.js';

const test = suite('history command');
let broker: RunningBroker | null = null;

// Before its Redis ends.
test.after(() => broker?.stop());
const redis = redisFor(test);

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

async function history(args: readonly string[], environment = {}): Promise<Outcome> {
  const parts: Buffer[] = [];
  let errors = '';
  const code = await runHistoryCommand(args, {
    out: async (bytes) => {
      parts.push(Buffer.from(bytes));
    },
    error: (text) => {
      errors += text;
    },
    environment,
    clock: systemClock,
  });
  return { code, out: Buffer.concat(parts).toString(), errors };
}

/** With a broker that keeps what matters here; made once. */
async function withBroker(body: (broker: RunningBroker, place: string) => Promise<void>) {
  const place = `127.0.0.1:${redis.server.port}`;
  broker ??= await RunningBroker.start({
    global: [
      'store redis',
      `redis_nodes ${place}`,
      'node_name history-test',
      'history_filter sensors/#',
      'presence_stream true',
      'history_acknowledged true',
    ],
  });
  await body(broker, place);
}

test('messages are printed as mosquitto_sub -v does, behind their time', () =>
  withBroker(async (running, place) => {
    const publisher = await running.connect({ clientId: 'meter', protocolVersion: 5 });
    for (let at = 0; at < 8; at++) {
      await publisher.client.publishAsync(`sensors/${at % 2}`, `value ${at}`, { qos: 1 });
    }
    await publisher.client.publishAsync('other', 'x', { qos: 1 });
    const redis = ['--redis-nodes', place];

    const all = await history([...redis, '#']);
    assert.equal([all.code, all.errors], [0, '']);
    const lines = all.out.trimEnd().split('\n');
    assert.is(lines.length, 8);
    assert.match(lines[0]!, /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z sensors\/0 value 0$/);

    const last = await history([...redis, '--last', '3', 'sensors/1']);
    assert.equal(valuesOf(last), ['value 3', 'value 5', 'value 7']);
    const file = await history(['-c', running.configFile, '--last=2', 'sensors/+']);
    assert.equal(valuesOf(file), ['value 6', 'value 7']);
    assert.equal(valuesOf(await history([...redis, '--since', '1h', 'sensors/0'])).length, 4);
    assert.equal(valuesOf(await history([...redis, '--until', '1h', 'sensors/0'])), []);

    const json = await history([...redis, '--json', '--last', '1', 'sensors/#']);
    const { time, ...rest } = JSON.parse(json.out) as Record<string, unknown>;
    assert.match(String(time), /^20/);
    assert.equal(rest, {
      topic: 'sensors/1',
      qos: 1,
      retain: false,
      publisher: 'meter',
      payload: 'value 7',
    });
    const environment = { TIDEWIRE_STORE: 'redis', TIDEWIRE_REDIS_NODES: place };
    assert.equal(valuesOf(await history(['--last', '1', '#'], environment)), ['value 7']);
  }));

function valuesOf({ out }: Outcome): string[] {
  const lines = out === '' ? [] : out.trimEnd().split('\n');
  return lines.map((line) => line.split(' ').slice(2).join(' '));
}

test('events are printed with what is known of them', () =>
  withBroker(async (running, place) => {
    const client = await running.connect({ clientId: 'a b', username: 'alice' });
    await client.client.subscribeAsync('sensors/x', { qos: 1 });
    await client.client.endAsync();
    const isThere = async () =>
      (await history(['--redis-nodes', place, '--events'])).out.includes('disconnect client="a b"');
    await until('the events', isThere);
    const { code, out } = await history(['--redis-nodes', place, '--events', '--last', '3']);
    assert.is(code, 0);
    const [connect, subscribe, disconnect] = out.trimEnd().split('\n');
    assert.match(
      connect!,
      /^20\S+Z connect client="a b" node=history-test~\S+ user=alice address=127\.0\.0\.1:\d+$/,
    );
    assert.match(subscribe!, / subscribe client="a b" .* filter=sensors\/x qos=1$/);
    assert.match(disconnect!, / disconnect client="a b" .* reason=/);
    const json = await history(['--redis-nodes', place, '--events', '--last', '1', '--json']);
    assert.is((JSON.parse(json.out) as Record<string, string>).type, 'disconnect');
  }));

test('where no broker keeps a history, the exit code says so', () =>
  withBroker(async (_, place) => {
    const none = await history(['--redis-nodes', place, '--redis-prefix', 'other:', '#']);
    assert.is(none.code, 2);
    assert.match(none.errors, /^Error: there is no history below other:: give a broker .*\n$/);
  }));

test('a broker that names another number of partitions does not start', () =>
  withBroker((running, place) =>
    withTempFolder(async (files) => {
      const lines = `store redis\nredis_nodes ${place}\nnode_name second\nhistory_filter a\n`;
      const path = files.write('second.conf', `${lines}history_partitions 5\n`);
      const { code, output } = await run(process.execPath, [brokerPath, '-c', path, '-p', '0'], {
        deadlineMs: 20_000,
      });
      assert.is(code, 1, running.configFile);
      assert.match(
        output.replaceAll('\n', ' | '),
        /tidewire: history_partitions is 5 here, and 16 .*: set history_partitions/,
      );
    }),
  ));

test('bad usage is one line that says what to do, and exit code 1', () =>
  withTempFolder(async (files) => {
    const memory = files.write('memory.conf', 'store memory\n');
    const redis = files.write('redis.conf', 'store redis\nredis_nodes 127.0.0.1:1\n');
    const nodes = ['--redis-nodes', '127.0.0.1:1'];
    for (const [args, message] of [
      [[], /FILTER is missing/],
      [['#'], /name a node \(--redis-nodes HOST:PORT\), or a configuration with -c FILE/],
      [['--redis-nodes', 'h', '#'], /--redis-nodes "h" is not valid: expected host:port/],
      [[...nodes, 'a/#/b'], /a\/#\/b is no topic filter/],
      [[...nodes, '$share/g/a'], /a shared subscription has no history/],
      [[...nodes, '--last', '0', '#'], /--last "0" is not valid: expected a whole number from 1/],
      [[...nodes, '--since', 'noon', '#'], /--since "noon" is not valid: expected a time such as/],
      [[...nodes, '--since', '1h', '--until', '2h', '#'], /--until is before --since/],
      [[...nodes, '--events', '#'], /--events takes no FILTER/],
      [[...nodes, '--nonsense', '#'], /unknown option --nonsense/],
      [[...nodes, '--last'], /--last needs a value/],
      [['-c', redis, ...nodes, '#'], /-c and --redis-nodes exclude each other/],
      [['-c', redis, '--tls', '#'], /--tls: .*redis\.conf says that/],
      [['-c', memory, '#'], /memory\.conf: the store is memory, not redis/],
      [['--redis-prefix', 'x:', '#'], /--redis-prefix needs --redis-nodes/],
      [[...nodes, '#'], /no Redis node answers/],
    ] as const) {
      const { code, errors, out } = await history(args);
      assert.equal([code, out], [1, ''], args.join(' '));
      assert.match(errors, /^Error: [^\n]+\n$/);
      assert.match(errors, message);
    }
  }));

test('the executable has it, and says how it is used', async () => {
  const script = fileURLToPath(new URL('../src/broker.js', import.meta.url));
  const help = await run(process.execPath, [script, 'history', '-h']);
  assert.is(help.code, 0);
  assert.match(help.stdout, /^Usage: tidewire history /);
  const bad = await run(process.execPath, [script, 'history', '--events=1']);
  assert.is(bad.code, 1);
  assert.match(bad.output, /^Error: unknown option --events=1/);
});

test.run();
