// slow
/** Sessions that outlive their connections, whatever ends those. */
import { fileURLToPath } from 'node:url';
import type { IClientOptions } from 'mqtt';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Child } from '../support/process.js';
import { until } from '../support/until.js';
import { RunningBroker } from './support/broker.js';
import type { TestClient } from './support/test-client.js';

const test = suite('sessions');
const flowScript = fileURLToPath(new URL('support/flow.js', import.meta.url));
const takenOver = 0x8e;
const packetIdNotFound = 0x92;

let broker: RunningBroker;

test.before(async () => {
  broker = await RunningBroker.start({ global: ['max_queued_messages 0', 'sys_interval 1'] });
});
test.after.each(() => broker.leave());
test.after(() => broker?.stop());

function durable(clientId: string): IClientOptions {
  return { clientId, clean: false, properties: { sessionExpiryInterval: 3600 } };
}

function flow(role: 'publish' | 'subscribe', id: string, qos: number, count = 0): Promise<Child> {
  const args = [flowScript, role, `${broker.ports[0]}`, id, `${qos}`, `${count}`];
  return Child.start(process.execPath, args);
}

function numbers(lines: readonly string[]): number[] {
  return lines.filter((line) => /^\d+$/.test(line)).map(Number);
}

for (const qos of [1, 2] as const) {
  test(`QoS ${qos}: what came while the client was away is there, in order`, async () => {
    const id = `away-${qos}`;
    const first = await broker.connect(durable(id));
    assert.is(first.sessionPresent, false);
    await first.subscribe('queue/#', qos);
    await first.end();
    const publisher = await broker.connect();
    for (let n = 0; n < 300; n++) await publisher.publish('queue/x', `${n}`, { qos });

    const second = await broker.connect(durable(id));

    assert.is(second.sessionPresent, true);
    await second.untilMessages(300);
    assert.equal(
      second.payloads,
      Array.from({ length: 300 }, (_, n) => `${n}`),
    );
    assert.is(
      second.packets.every(({ dup }) => !dup),
      true,
    );
  });
}

test('a subscriber that is killed again and again misses nothing', async () => {
  const count = 3_000;
  const seen: number[] = [];
  let subscriber = await flow('subscribe', 'killed-subscriber', 1);
  await subscriber.untilLine('subscribed');
  const publisher = await flow('publish', 'steady', 1, count);

  for (const share of [0.1, 0.3, 0.5, 0.7]) {
    await until(
      'more messages',
      () => numbers(subscriber.lines).length + seen.length > count * share,
      { deadlineMs: 30_000 },
    );
    subscriber.signal('SIGKILL');
    await subscriber.exited;
    seen.push(...numbers(subscriber.lines));
    subscriber = await flow('subscribe', 'killed-subscriber', 1);
  }
  await publisher.untilExit({ deadlineMs: 30_000 });
  const all = () => new Set([...seen, ...numbers(subscriber.lines)]);
  await until('the rest', () => all().size === count, { deadlineMs: 30_000 });

  await subscriber.stop('SIGKILL');
});

test('what was acknowledged to a publisher that is killed arrives', async () => {
  const watcher = await broker.connect(durable('watcher'));
  await watcher.subscribe('flow', 1);
  const publisher = await flow('publish', 'killed-publisher', 1, 100_000);
  await until('a thousand acknowledgements', () => numbers(publisher.lines).length > 1_000, {
    deadlineMs: 20_000,
  });

  publisher.signal('SIGKILL');
  await publisher.exited;

  const acknowledged = numbers(publisher.lines);
  const missing = () => {
    const seen = new Set(watcher.payloads.map(Number));
    return acknowledged.filter((n) => !seen.has(n)).length;
  };
  await until('all that was acknowledged', () => missing() === 0);
  assert.is(new Set(watcher.payloads).size, watcher.payloads.length, 'none came twice');
});

/** Cuts a client's connection as often as `payloads` passes one of the marks. */
async function cutAt(client: TestClient, marks: readonly number[], came: () => number) {
  for (const mark of marks) {
    await until(`message ${mark}`, () => came() >= mark, { deadlineMs: 20_000 });
    const before = client.connects;
    client.client.stream.destroy();
    await until('the next connection', () => client.connects > before);
    assert.is(client.sessionPresent, true);
  }
}

/** PUBREL again after PUBCOMP was lost: "not an error during recovery", but MQTT.js says one. */
function orCompletedBefore(error: Error & { code?: number }): void {
  if (error.code !== packetIdNotFound) throw error;
}

test('QoS 2: each message comes once though both connections are cut again and again', async () => {
  const count = 2_000;
  const back = { reconnectPeriod: 1 };
  const subscriber = await broker.connect({ ...durable('once-subscriber'), ...back });
  const publisher = await broker.connect({ ...durable('once-publisher'), ...back });
  await subscriber.subscribe('once', 2);
  const marks = [50, 300, 301, 700, 1_200, 1_500];

  const sent = Promise.all(
    Array.from({ length: count }, (_, n) =>
      publisher.publish('once', `${n}`, { qos: 2 }).catch(orCompletedBefore),
    ),
  );
  const came = () => subscriber.packets.length;
  await Promise.all([
    cutAt(subscriber, marks, came),
    cutAt(
      publisher,
      marks.map((mark) => mark + 100),
      came,
    ),
    sent,
  ]);
  await subscriber.untilMessages(count, 20_000);

  assert.is(new Set(subscriber.payloads).size, count);
  assert.is(subscriber.packets.length, count);
});

test('a session ends when its time is over, and not before', async () => {
  const short = { clientId: 'short', clean: false, properties: { sessionExpiryInterval: 1 } };
  const first = await broker.connect(short);
  await first.end();
  const again = await broker.connect(short);
  assert.is(again.sessionPresent, true);
  await again.end();
  const watcher = await broker.connect();
  await watcher.subscribe('$SYS/broker/clients/expired');

  await until('the session to expire', () => watcher.payloads.some((text) => Number(text) > 0), {
    deadlineMs: 10_000,
  });

  const late = await broker.connect(short);
  assert.is(late.sessionPresent, false);
});

test('a client takes its session over from an older connection of its own', async () => {
  let holder = await broker.connect(durable('twice'));
  await holder.subscribe('twice', 1);
  for (let round = 0; round < 50; round++) {
    const next = await broker.connect(durable('twice'));
    assert.is(next.sessionPresent, true);
    await holder.untilClosed();
    assert.equal(holder.disconnects, [takenOver]);
    holder = next;
  }
  const publisher = await broker.connect();

  await publisher.publish('twice', 'still here', { qos: 1 });

  await holder.untilMessages(1);
});

test('two clients that fight for one id harm nobody else', async () => {
  const bystander = await broker.connect();
  await bystander.subscribe('calm', 1);
  const fighting = { ...durable('fought'), reconnectPeriod: 1 };
  const fighters = [broker.open(fighting), broker.open(fighting)];
  const rounds = () => Math.min(...fighters.map((fighter) => fighter.disconnects.length));

  await until('a hundred rounds', () => rounds() >= 100, { deadlineMs: 20_000 });

  assert.ok(fighters.every(({ disconnects }) => disconnects.every((code) => code === takenOver)));
  await Promise.all(fighters.map((fighter) => fighter.end()));
  await bystander.publish('calm', 'fine', { qos: 1 });
  await bystander.untilMessages(1);
  assert.is(bystander.closes, 0);
});

test('a hundred clients that are cut off together all come back to their sessions', async () => {
  const ids = Array.from({ length: 100 }, (_, n) => `storm-${n}`);
  const options = (id: string) => ({ ...durable(id), reconnectPeriod: 1 });
  const clients = await Promise.all(ids.map((id) => broker.connect(options(id))));
  await Promise.all(clients.map((client) => client.subscribe('storm', 1)));
  const publisher = await broker.connect();

  for (let round = 1; round <= 5; round++) {
    for (const { client } of clients) client.stream.destroy();
    await publisher.publish('storm', `${round}`, { qos: 1 });
    await until('all to be back', () => clients.every(({ connects }) => connects > round), {
      deadlineMs: 15_000,
    });
    assert.ok(clients.every(({ sessionPresent }) => sessionPresent));
  }

  const distinct = ({ payloads }: TestClient) => [...new Set(payloads)].join();
  await until('every message at every client', () =>
    clients.every((client) => distinct(client) === '1,2,3,4,5'),
  );
});

test.run();
