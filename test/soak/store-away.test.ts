// slow
// deadline: 600 s
/**
 * Redis is away under load: nothing is acknowledged meanwhile that is not safe, memory is bounded,
 * connections stay, and all goes on by itself.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RunningBroker, withBroker } from '../integration/support/broker.js';
import { type TempFolder, withTempFolder } from '../support/temp.js';
import { until } from '../support/until.js';
import { Presser, Taken } from './support/presser.js';
import { RawClient } from './support/raw-client.js';
import { type AwayRedis, killedCluster, killedRedis, silentRedis } from './support/redis-away.js';
import {
  CollectedMemory,
  collectingOptions,
  MemoryWatch,
  MIB,
  residentBytes,
  say,
  scaled,
} from './support/soak.js';

const test = suite('store away');

const publishers = 4;
const payloadBytes = 256;
const warmUp = scaled(2_000, 50_000);
const awayMs = scaled(4_000, 60_000);
/** Shorter than Redis is away: who is held by the broker does not die of it. */
const keepAlive = scaled(1, 20);
/** More than the broker takes of one client while acknowledgements wait. */
const pressingWindow = 40_000;
/** While nothing comes in any more, garbage aside: what buffers do. */
const flatMax = 8 * MIB;
/** What was taken before the broker stopped reading: 16 384 messages of each publisher. */
const heldMax = 160 * MIB;
/** All of that again, on its way to Redis and to the subscribers, and the garbage of it. */
const resumingMax = 320 * MIB;
const stillMs = 700;
const after = 1_000;

const session = { version: 5 as const, cleanStart: false, sessionExpiryInterval: 3_600 };

/** Four publishers with a durable subscriber each, and one more that is away. */
class Scene {
  readonly pressers: Presser[] = [];
  readonly taken = new Taken();
  readonly subscribers: RawClient[] = [];
  private readonly port: number;

  private constructor(port: number) {
    this.port = port;
  }

  static async set(broker: RunningBroker): Promise<Scene> {
    const port = broker.ports[0]!;
    const scene = new Scene(port);
    const absent = await RawClient.connect({ port, ...session, clientId: 'absent' });
    await absent.subscribe('press/#', 1);
    absent.destroy();
    for (let n = 0; n < publishers; n++) {
      const subscriber = await RawClient.connect({ port, ...session, clientId: `reader-${n}` });
      await subscriber.subscribe(`press/${n}`, 1);
      scene.taken.watch(subscriber);
      scene.subscribers.push(subscriber);
      const client = await RawClient.connect({ port, clientId: `presser-${n}`, keepAlive });
      scene.pressers.push(new Presser(client, n, `press/${n}`, payloadBytes));
    }
    for (const presser of scene.pressers) presser.start();
    const isWarm = () => scene.pressers.every(({ acknowledged }) => acknowledged >= warmUp);
    await until('the load', isWarm, { deadlineMs: 60_000 });
    return scene;
  }

  get acknowledged(): number {
    return this.pressers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  get sent(): number {
    return this.pressers.reduce((sum, { sent }) => sum + sent, 0);
  }

  set window(messages: number) {
    for (const presser of this.pressers) presser.window = messages;
  }

  stop(): void {
    for (const presser of this.pressers) presser.stop();
  }

  /** The queue of the session that was away. */
  async absentees(): Promise<Taken> {
    const taken = new Taken();
    const client = RawClient.begin({ port: this.port, ...session, clientId: 'absent' });
    taken.watch(client);
    await client.untilConnected();
    assert.is(client.sessionPresent, true);
    const isWhole = () => taken.total >= this.sent;
    await until('the queue of the absent one', isWhole, { deadlineMs: 60_000 });
    client.destroy();
    return taken;
  }

  /** All connections that it has. */
  get clients(): RawClient[] {
    return [...this.subscribers, ...this.pressers.map(({ client }) => client)];
  }
}

const cases: readonly [string, (folder: TempFolder) => Promise<AwayRedis>][] = [
  ['a server that is stopped', silentRedis],
  ['a server that is killed and started again', killedRedis],
  ['a cluster that is killed and started again', killedCluster],
];

for (const [name, makeRedis] of cases) {
  test(`${name}: nothing false is acknowledged, memory is bounded, all goes on`, async () => {
    await withRedis(makeRedis, async (redis, global) => {
      await withBroker({ global, nodeOptions: collectingOptions }, async (broker) => {
        await withScene(broker, async (scene) => {
          const before = residentBytes(broker.child.pid);
          const most = await mostMemory(broker, async () => {
            await redis.goAway();
            await whileAway(broker, scene, before);
            await redis.comeBack();

            await broker.child.untilLine('the store is back', { deadlineMs: 30_000 });
            await untilAllIsDone(scene);
          });
          say(`${name}: ${inMib(before)} before, ${inMib(most)} at most`);
          assert.ok(most - before < resumingMax, `${most - before} bytes more`);
          for (const { isClosed, disconnectCode } of scene.clients) {
            assert.is(isClosed, false, `${disconnectCode}`);
          }
          await allIsThere(scene);
        });
      });
    });
  });
}

/** Everything that was published, in order, once: at the readers and at the one who was away. */
async function allIsThere(scene: Scene): Promise<void> {
  const absentees = await scene.absentees();
  for (const [index, { sent }] of scene.pressers.entries()) {
    const all = Array.from({ length: sent }, (_, n) => n);
    assert.equal(scene.taken.of(index), all);
    assert.equal(absentees.of(index), all);
  }
}

/** From the moment at which Redis is away until it is to come back. */
async function whileAway(broker: RunningBroker, scene: Scene, before: number): Promise<void> {
  const endMs = performance.now() + awayMs;
  scene.window = pressingWindow;
  await broker.child.untilLine('the store is away', { deadlineMs: 10_000 });
  await untilStill('the acknowledgements to end', () => scene.acknowledged);
  const { acknowledged } = scene;
  await untilStill('the broker to stop reading', () => scene.sent);
  const most = residentBytes(broker.child.pid);
  assert.ok(most - before < heldMax, `${most - before} bytes more`);
  const memory = new CollectedMemory(broker);
  const held = await memory.look();
  await othersGoOn(broker);
  const isOver = () => performance.now() >= endMs;
  await until('the end of the outage', isOver, { deadlineMs: awayMs + 10_000 });
  const growth = (await memory.look()) - held;
  say(`${scene.sent - acknowledged} held: ${inMib(most - before)} more, then ${inMib(growth)}`);
  assert.ok(growth < flatMax, `${growth} bytes more while nothing came in`);
  assert.is(scene.acknowledged, acknowledged);
}

/** The most resident bytes that the broker had during `body`. */
async function mostMemory(broker: RunningBroker, body: () => Promise<void>): Promise<number> {
  const memory = new MemoryWatch(broker);
  try {
    await body();
  } finally {
    memory.stop();
  }
  return memory.stop();
}

/** What needs no store is served meanwhile, and what does is refused soon. */
async function othersGoOn(broker: RunningBroker): Promise<void> {
  const port = broker.ports[0]!;
  const subscriber = await RawClient.connect({ port, clientId: 'bystander', keepAlive });
  const pinging = setInterval(() => subscriber.ping(), (keepAlive * 1_000) / 2).unref();
  await subscriber.subscribe('other', 1);
  const publisher = await RawClient.connect({ port, clientId: 'other' });
  publisher.publish('other', Buffer.from('goes on'), 1);
  await until('a message without a store', () => subscriber.publishes === 1);
  await until('its PUBACK', () => publisher.pubacks === 1);
  const durable = RawClient.begin({ port, ...session, clientId: 'newcomer' });
  await until('the refusal', () => durable.connackCode > 0, { deadlineMs: 10_000 });
  assert.is(durable.connackCode, 0x88);
  clearInterval(pinging);
  for (const client of [subscriber, publisher, durable]) client.destroy();
}

/** The load goes on for a while; then it ends, and all of it is acknowledged and delivered. */
async function untilAllIsDone(scene: Scene): Promise<void> {
  const sent = scene.pressers.map((presser) => presser.sent);
  scene.window = 1_000;
  const goesOn = () => scene.pressers.every((presser, n) => presser.sent >= sent[n]! + after);
  await until('the load to go on', goesOn, { deadlineMs: 60_000 });
  scene.stop();
  await until('all PUBACKs', () => scene.acknowledged === scene.sent, { deadlineMs: 60_000 });
  await until('all messages', () => scene.taken.total >= scene.sent, { deadlineMs: 60_000 });
}

test('a broker that dies while Redis is away: all that it acknowledged is there', async () => {
  await withRedis(killedRedis, async (redis, global) => {
    let acknowledged: number[] = [];
    let taken = new Taken();
    await withTempFolder(async (folder) => {
      const broker = await RunningBroker.start({ global, folder });
      await withScene(broker, async (scene) => {
        await redis.goAway();
        scene.window = pressingWindow;
        await untilStill('the acknowledgements to end', () => scene.acknowledged);
        broker.child.signal('SIGKILL');
        await broker.child.exited;
        scene.stop();
        acknowledged = scene.pressers.map((presser) => presser.acknowledged);
        taken = scene.taken;
      });
    });

    await redis.comeBack();

    await withBroker({ global }, async (broker) => {
      const port = broker.ports[0]!;
      const clients: RawClient[] = [];
      for (let n = 0; n < publishers; n++) {
        const client = RawClient.begin({ port, ...session, clientId: `reader-${n}` });
        taken.watch(client);
        await client.untilConnected();
        assert.is(client.sessionPresent, true);
        clients.push(client);
      }
      const isThere = () => acknowledged.every((count, n) => new Set(taken.of(n)).size >= count);
      await until('what was acknowledged', isThere, { deadlineMs: 30_000 });
      for (const [n, count] of acknowledged.entries()) {
        const numbers = new Set(taken.of(n));
        const lost = Array.from({ length: count }, (_, number) => number).filter(
          (number) => !numbers.has(number),
        );
        assert.equal(lost, [], `of ${count} from publisher ${n}`);
      }
      for (const client of clients) client.destroy();
    });
  });
});

async function withScene(
  broker: RunningBroker,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const scene = await Scene.set(broker);
  try {
    await body(scene);
  } finally {
    scene.stop();
    for (const client of scene.clients) client.destroy();
  }
}

async function withRedis(
  make: (folder: TempFolder) => Promise<AwayRedis>,
  body: (redis: AwayRedis, global: readonly string[]) => Promise<void>,
): Promise<void> {
  await withTempFolder(async (folder) => {
    const redis = await make(folder);
    try {
      await body(redis, ['max_queued_messages 0', ...redis.lines]);
    } finally {
      await redis.stop();
    }
  });
}

function inMib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

/** The value has not changed for a while. */
async function untilStill(what: string, value: () => number): Promise<void> {
  let seen = value();
  let sinceMs = performance.now();
  const isStill = () => {
    if (value() !== seen) {
      seen = value();
      sinceMs = performance.now();
    }
    return performance.now() - sinceMs > stillMs;
  };
  await until(what, isStill, { deadlineMs: 30_000 });
}

test.run();
