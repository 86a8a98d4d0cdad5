import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../src/base/clock.js';
import { silentLog } from '../../src/base/log.js';
import { dropReasonNames, Metrics } from '../../src/broker/metrics.js';
import { type LimitDefinition, limitDefinitions } from '../../src/config/limits.js';
import { MemoryGuard } from '../../src/ops/memory-guard.js';
import { type SysOptions, SysTopics } from '../../src/ops/sys-topics.js';
import { MemoryStore } from '../../src/store/memory/memory-store.js';
import { FakeBroker } from '../broker/support/fake-broker.js';

const test = suite('$SYS topics');

/** All topics of Mosquitto 2.0.11, as it shows them to `$SYS/#`, but for those of `load`. */
const mosquittoTopics = [
  'version',
  'uptime',
  'clients/total',
  'clients/inactive',
  'clients/disconnected',
  'clients/active',
  'clients/connected',
  'clients/expired',
  'clients/maximum',
  'messages/stored',
  'messages/received',
  'messages/sent',
  'store/messages/count',
  'store/messages/bytes',
  'subscriptions/count',
  'shared_subscriptions/count',
  'retained messages/count',
  'heap/current',
  'heap/maximum',
  'publish/messages/dropped',
  'publish/messages/received',
  'publish/messages/sent',
  'publish/bytes/received',
  'publish/bytes/sent',
  'bytes/received',
  'bytes/sent',
];
const mosquittoLoads = [
  'bytes/received',
  'bytes/sent',
  'connections',
  'messages/received',
  'messages/sent',
  'publish/dropped',
  'publish/received',
  'publish/sent',
  'sockets',
];

function rig(overrides: Partial<SysOptions> = {}, broker = new FakeBroker()) {
  const { core, clock } = broker;
  const usage = { heapUsed: 1_000, rss: 5_000 };
  const sys = new SysTopics(core, {
    clock,
    intervalS: 10,
    version: '1.2.3',
    sharedSubscriptions: () => core.index.sharedSize,
    clientsAccepted: () => core.metrics.clientsAccepted,
    memory: () => usage,
    ...overrides,
  });
  /** What a new subscriber would get; null: nothing. */
  const shown = (name: string): string | null => {
    const message = core.retained.get(`$SYS/broker/${name}`);
    if (message === null) return null;
    const { block, payloadStart, end } = message;
    return block.bytes.toString('utf8', payloadStart, end);
  };
  const names = (): string[] =>
    core.retained.match('$SYS/#').map(({ topic }) => topic.name.slice('$SYS/broker/'.length));
  /** Lets an interval pass. */
  const pass = (seconds = 10): void => {
    clock.advance(seconds * 1_000);
    sys.tick();
    broker.settle();
  };
  return { broker, core, clock, sys, usage, shown, names, pass };
}

test('has every topic of Mosquitto 2.0 from the start', () => {
  const { names } = rig();
  const loads = mosquittoLoads.flatMap((name) =>
    [1, 5, 15].map((minutes) => `load/${name}/${minutes}min`),
  );
  const all = new Set(names());

  const missing = [...mosquittoTopics, ...loads].filter((name) => !all.has(name));
  assert.equal(missing, []);
});

test('says version and uptime in Mosquitto’s words', () => {
  const { shown, pass } = rig();

  assert.is(shown('version'), 'tidewire version 1.2.3');
  assert.is(shown('uptime'), '0 seconds');
  pass(10);
  assert.is(shown('uptime'), '10 seconds');
});

test('counts clients: connected, offline, all, at most', () => {
  const { broker, shown, pass } = rig();
  const durable = { clean: false, properties: { sessionExpiryInterval: 60 } };
  const first = broker.connect({ clientId: 'one', ...durable });
  broker.connect({ clientId: 'two' });
  broker.connect({ clientId: 'three' });
  first.disconnect();

  pass();

  assert.is(shown('clients/connected'), '2');
  assert.is(shown('clients/active'), '2');
  assert.is(shown('clients/disconnected'), '1');
  assert.is(shown('clients/inactive'), '1');
  assert.is(shown('clients/total'), '3');
  assert.is(shown('clients/maximum'), '3');
  assert.is(shown('clients/expired'), '0');
  broker.advance(60_000);
  pass();
  assert.is(shown('clients/expired'), '1');
  assert.is(shown('clients/total'), '2');
});

test('counts shared subscriptions by themselves, as Mosquitto does', () => {
  const { broker, shown, pass } = rig();
  const client = broker.connect();
  client.subscribe('a/#');
  client.subscribe('b');
  client.subscribe('$share/g/c');

  pass();

  assert.is(shown('subscriptions/count'), '2');
  assert.is(shown('shared_subscriptions/count'), '1');
});

test('counts packets, messages and bytes both ways', () => {
  const { broker, shown, pass } = rig();
  const subscriber = broker.connect();
  const publisher = broker.connect();
  subscriber.subscribe('a');
  for (let count = 0; count < 3; count++) publisher.publish('a', 'hello');

  pass();

  assert.is(shown('publish/messages/received'), '3');
  assert.is(shown('publish/messages/sent'), '3');
  assert.is(shown('publish/bytes/received'), '15');
  assert.is(shown('publish/bytes/sent'), '15');
  assert.is(shown('messages/received'), '6');
  assert.is(shown('messages/sent'), '6');
  assert.ok(Number(shown('bytes/received')) > 15);
  assert.ok(Number(shown('bytes/sent')) > 15);
  assert.is(shown('load/publish/received/1min'), (18 * (1 - Math.exp(-1 / 6))).toFixed(2));
  assert.is(shown('load/sockets/1min'), (12 * (1 - Math.exp(-1 / 6))).toFixed(2));
  assert.is(shown('load/connections/1min'), (12 * (1 - Math.exp(-1 / 6))).toFixed(2));
});

test('counts every dropped message by its reason', () => {
  const { core, shown, pass } = rig();
  dropReasonNames.forEach((_, reason) => {
    core.metrics.dropped[reason] = reason + 1;
  });

  pass();

  dropReasonNames.forEach((name, reason) => {
    assert.is(shown(`dropped/${name}`), String(reason + 1));
  });
  assert.is(shown('publish/messages/dropped'), '66');
});

test('counts what is queued at each pass', () => {
  const { broker, shown, pass } = rig();
  const properties = { sessionExpiryInterval: 60 };
  const away = broker.connect({ clientId: 'away', clean: false, properties });
  away.subscribe('a', { qos: 1 });
  away.drop();
  broker.connect().publish('a', 'hello', { qos: 1, messageId: 1 });

  pass();

  assert.is(shown('queued/messages/count'), '1');
  assert.is(shown('queued/messages/bytes'), '5');
});

const gauges = ['dropped', 'messagesQueued', 'bytesQueued'];
for (const field of Object.keys(new Metrics()).filter((name) => !gauges.includes(name))) {
  test(`shows the metric ${field}`, () => {
    const { core, shown, names, pass } = rig();
    const metrics = core.metrics as unknown as Record<string, number>;
    metrics[field]! += 987_654;

    pass();

    const values = names().map((name) => shown(name));
    assert.ok(values.some((value) => value?.startsWith('987')));
  });
}

test('shows every counter of docs/limits.md under the name it has there', () => {
  const { core, clock } = new FakeBroker();
  const memory = () => ({ rss: 0, heapUsed: 0, external: 0 });
  const nothing = () => undefined;
  const options = { log: silentLog, heapBytesMax: 1, collect: nothing, setAccepting: nothing };
  const guard = new MemoryGuard(core, { ...options, clock, memory });
  const { names } = rig({ extras: () => guard.figures() });

  const all: LimitDefinition[] = Object.values(limitDefinitions);
  const missing = all.flatMap(({ counters }) => counters).filter((one) => !names().includes(one));
  assert.equal(missing, []);
  assert.ok(all.some(({ counters }) => counters.length > 0));
});

test('docs/observability.md has a line about every counter of docs/limits.md', () => {
  const text = readFileSync(resolve('docs/observability.md'), 'utf8');
  const all: LimitDefinition[] = Object.values(limitDefinitions);
  const missing = all
    .flatMap(({ counters }) => counters)
    .filter((one) => !text.includes(`\`${one}\``));
  assert.equal(missing, []);
});

test('shows the memory, at most too, and figures of others', () => {
  const figures = { 'memory/state': 0 };
  const { usage, shown, pass } = rig({ extras: () => figures });
  usage.heapUsed = 9_000;
  pass();
  usage.heapUsed = 4_000;
  figures['memory/state'] = 2;
  pass();

  assert.is(shown('heap/current'), '4000');
  assert.is(shown('heap/maximum'), '9000');
  assert.is(shown('memory/resident'), '5000');
  assert.is(shown('memory/state'), '2');
});

test('shows a durable store: its figures, and what waits for it', async () => {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const { broker, shown, names, pass } = rig({}, new FakeBroker({ clock, store }));
  assert.is(shown('store/pending_bytes'), '0');
  assert.is(shown('store/sessions'), '0');
  broker.core.publish('t', Buffer.from('12345'), { qos: 1, retain: true });
  broker.settle();
  pass();

  assert.is(shown('store/pending_writes'), '1');
  assert.ok(Number(shown('store/pending_bytes')) > 5);
  await new Promise((resolve) => setImmediate(resolve));
  pass();
  assert.is(shown('store/pending_writes'), '0');
  assert.is(shown('store/retained'), '1');
  assert.not(names().includes('store/messages'), 'that is store/messages/count');
});

test('shows nothing of a store where there is none', () => {
  const { names } = rig();

  const ours = names().filter((name) => name.startsWith('store/'));
  assert.equal(ours.sort(), ['store/messages/bytes', 'store/messages/count']);
});

test('sends only what has changed, retained, at QoS 2', () => {
  const { broker, pass } = rig();
  const client = broker.connect();
  client.isAcknowledging = true;
  client.subscribe('$SYS/#', { qos: 2, rap: true });
  client.take();
  pass();
  client.take();
  pass();

  const packets = client.take('publish');
  const topics = packets.map(({ topic }) => topic);
  assert.ok(topics.includes('$SYS/broker/uptime'));
  assert.not(topics.includes('$SYS/broker/version'));
  assert.not(topics.includes('$SYS/broker/clients/total'));
  assert.ok(packets.every(({ qos, retain }) => qos === 2 && retain === true));
});

test('waits for its interval', () => {
  const { clock, sys, shown } = rig();

  for (let second = 1; second < 10; second++) {
    clock.advance(1_000);
    sys.tick();
  }
  assert.is(shown('uptime'), '0 seconds');
  clock.advance(1_000);
  sys.tick();

  assert.is(shown('uptime'), '10 seconds');
});

test('publishes nothing with sys_interval 0', () => {
  const { names, pass } = rig({ intervalS: 0 });

  pass();

  assert.equal(names(), []);
});

test('disappears when a reload switches it off, and comes back', () => {
  const { sys, names, shown, pass } = rig();

  sys.setInterval(0);
  assert.equal(names(), []);
  pass();
  assert.equal(names(), []);
  sys.setInterval(5);
  assert.is(shown('uptime'), '10 seconds');
  pass(5);

  assert.is(shown('uptime'), '15 seconds');
});

test('never shows a client id', () => {
  const { broker, names, shown, pass } = rig();
  const client = broker.connect({ clientId: 'secret-device' });
  client.subscribe('a');
  client.publish('a', 'x', { qos: 1, messageId: 1 });
  pass();

  for (const name of names()) {
    assert.not(name.includes('secret'));
    assert.not(shown(name)?.includes('secret'));
  }
});

test.run();
