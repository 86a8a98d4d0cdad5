/**
 * A random flood: publishers that do not wait, subscribers that stop reading and go on, clients
 * that vanish, an authorizer that takes its time, memory that gets tight. In the end, when everyone
 * reads and answers again, nobody is paused, nothing waits, and everything the broker took has
 * arrived or is counted as dropped (promise P6).
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { XorShift32 } from '../../src/base/prng.js';
import type { Connection } from '../../src/broker/connection.js';
import { DropReason } from '../../src/broker/metrics.js';
import type { DeliveryConfig } from '../../src/config/config.js';
import type { Limits } from '../../src/config/limits.js';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';
import { numberOf, Sink, Source } from './support/flood.js';

const test = suite('flood');

const KIB = 1024;
const STEPS = 400;
/** Of 50 ms; all of them are less than a keep-alive, or `GONE_MS`. */
const ROUNDS_MAX = 1_000;

interface Settings {
  readonly limits?: Partial<Limits>;
  readonly delivery?: Partial<DeliveryConfig>;
  /** The authorizer answers later, and not always yes. */
  readonly isAsking?: boolean;
  /** Publishers are held as MemoryGuard does it. */
  readonly isTight?: boolean;
}

const COMMON: Partial<Limits> = {
  outputBytesMax: 32 * KIB,
  outputBytesTotalMax: 1024 * KIB,
  queuedMessagesMax: 40,
  inflightMessagesMax: 10,
  receiveMaximum: 16,
};

class Flood {
  readonly broker: FakeBroker;
  private readonly prng: XorShift32;
  private readonly sinks: Sink[];
  private readonly sources: Source[];
  private readonly questions: ((isAllowed: boolean) => void)[] = [];
  private held: Connection[] = [];
  private readonly settings: Settings;
  private count = 0;

  constructor(seed: number, settings: Settings) {
    this.settings = settings;
    this.prng = new XorShift32(seed);
    this.broker = new FakeBroker({
      seed,
      limits: { ...COMMON, ...settings.limits },
      delivery: { ...settings.delivery },
      observer: {
        wantsPublish: true,
        published: (_client, { topic, qos }) => {
          for (const sink of this.sinks) sink.expect(numberOf(topic.name), qos);
        },
        dropped: (reason, clientId, topic) => this.onDropped(reason, clientId, numberOf(topic)),
      },
    });
    const { broker, prng } = this;
    if (settings.isAsking) {
      broker.access.restrictsPublish = true;
      broker.access.mayPublish = () =>
        prng.below(4) > 0 || new Promise((resolve) => this.questions.push(resolve));
    }
    this.sinks = Array.from({ length: 6 }, (_, index) => new Sink(broker, index, prng));
    this.sources = Array.from({ length: 4 }, () => new Source(broker, prng));
  }

  async run(): Promise<void> {
    for (const one of [...this.sinks, ...this.sources]) one.connect();
    for (let step = 0; step < STEPS; step++) {
      this.step();
      if (this.prng.below(3) > 0) this.broker.settle();
      else this.broker.endTurn();
      if (this.settings.isAsking) await this.broker.settleLater();
      this.read();
    }
    await this.comeToRest();
    this.isAllWell();
    this.isNothingLeft();
  }

  private onDropped(reason: number, clientId: string | null, number: number): void {
    const sink = this.sinks.find(({ id }) => id === clientId);
    if (sink === undefined) return;
    if (reason === DropReason.SessionEnded) sink.giveUp(number);
    else assert.ok(sink.settle(number), `${number} is dropped once, and not after it arrived`);
  }

  private step(): void {
    const { prng, broker } = this;
    const sink = this.sinks[prng.below(this.sinks.length)]!;
    const source = this.sources[prng.below(this.sources.length)]!;
    const dice = prng.below(100);
    if (dice < 50) this.burst(source);
    else if (dice < 60) sink.client?.transport.stall();
    else if (dice < 72) sink.client?.transport.drain();
    else if (dice < 75) sink.drop();
    else if (dice < 80) sink.connect();
    else if (dice < 82) source.leave(prng.below(2) === 0);
    else if (dice < 86 && source.client === null) source.connect();
    else if (dice < 88) pingMuch(sink.client);
    else if (dice < 92) this.questions.shift()?.(prng.below(5) > 0);
    else if (dice < 94 && this.settings.isTight) this.tighten();
    else if (dice < 96) this.loosen();
    else broker.advance(prng.below(200));
  }

  private burst(source: Source): void {
    const messages = 1 + this.prng.below(30);
    for (let n = 0; n < messages; n++) source.post(this.count++, this.prng.below(6) * KIB);
  }

  private tighten(): void {
    for (const connection of this.broker.core.connections) {
      if (!connection.hasPublished || this.held.includes(connection)) continue;
      this.held.push(connection);
      connection.hold();
    }
  }

  private loosen(): void {
    for (const connection of this.held) connection.release();
    this.held = [];
  }

  private read(): void {
    for (const one of [...this.sinks, ...this.sources]) one.read();
  }

  /** Everyone is there, reads and answers, until nothing moves any more. */
  private async comeToRest(): Promise<void> {
    this.loosen();
    for (const sink of this.sinks) if (sink.client === null) sink.connect();
    for (let round = 0; round < ROUNDS_MAX; round++) {
      for (const answer of this.questions.splice(0)) answer(true);
      for (const { client } of this.sinks) client!.transport.drain();
      this.broker.advance(50);
      if (this.settings.isAsking) await this.broker.settleLater();
      this.read();
      if (this.isIdle) return;
    }
    throw new Error('it does not come to rest');
  }

  private get isIdle(): boolean {
    const { core } = this.broker;
    core.refreshGauges();
    const isRead = [...this.sinks, ...this.sources].every(
      ({ client }) => client === null || (!client.transport.isPaused && isQuiet(client)),
    );
    const open = this.sources.filter(({ client }) => client !== null);
    const hasLeft = core.connections.size === this.sinks.length + open.length;
    const isDone = core.metrics.messagesQueued === 0 && core.metrics.bytesWaiting === 0;
    return isRead && hasLeft && isDone && this.sources.every(({ isIdle }) => isIdle);
  }

  private isAllWell(): void {
    for (const { id, due, client } of this.sinks) {
      assert.equal([...due], [], `${id} has got all, or it is counted`);
      assert.ok(client!.isOpen, `${id} is connected`);
    }
    const open = this.sources.filter(({ client }) => client !== null);
    for (const { client } of open) assert.ok(client!.isOpen);
    const { metrics, connections } = this.broker.core;
    assert.is(metrics.clientsConnected, connections.size);
    assert.equal([metrics.protocolErrors, metrics.keepAliveTimeouts], [0, 0]);
    for (const { received } of this.sinks) assert.ok(received > 0);
  }

  private isNothingLeft(): void {
    const { broker } = this;
    for (const { client } of [...this.sinks, ...this.sources]) client?.disconnect();
    broker.advance(1_000_000);
    const { core } = broker;
    core.refreshGauges();
    const { bytesWaiting, messagesQueued, bytesQueued, clientsConnected, sessions } = core.metrics;
    assert.equal(
      [bytesWaiting, messagesQueued, bytesQueued, clientsConnected, sessions],
      [0, 0, 0, 0, 0],
    );
    assert.equal(
      [core.connections.size, core.index.size, core.deadlines.size, core.openRuns.length],
      [0, 0, 0, 0],
    );
  }
}

function isQuiet({ transport }: FakeClient): boolean {
  return transport.unread === 0;
}

/** Answers that it does not read. */
function pingMuch(client: FakeClient | null): void {
  client?.transport.fromPeer(Buffer.alloc(8_000, Buffer.from([0xc0, 0])));
}

const settings: Readonly<Record<string, Settings>> = {
  'as it comes': {},
  'little for all sockets together': { limits: { outputBytesTotalMax: 100 * KIB } },
  'no pause for slow subscribers': { limits: { slowSubscriberPauseMs: 0 } },
  'a long pause for slow subscribers': { limits: { slowSubscriberPauseMs: 5_000 } },
  'rate limits': { limits: { publishRatePerClient: 100, publishBytesPerClient: 200 * KIB } },
  'memory that gets tight': { isTight: true },
  'an authorizer that takes its time': { isAsking: true },
  'QoS 0 in queues': { delivery: { queueQos0Messages: true } },
  'everything at once': {
    isAsking: true,
    isTight: true,
    limits: { outputBytesTotalMax: 200 * KIB, publishRatePerClient: 300, inflightBytesMax: 9_000 },
    delivery: { queueQos0Messages: true, queueFullPolicy: 'drop_oldest' },
  },
};

for (const [what, options] of Object.entries(settings)) {
  test(`${what}: nobody stays paused, nothing is lost without being counted`, async () => {
    let paused = 0;
    let dropped = 0;
    for (let seed = 1; seed <= 3; seed++) {
      try {
        const flood = new Flood(seed, options);
        await flood.run();
        const { metrics } = flood.broker.core;
        paused += metrics.publishersPaused;
        dropped += metrics.dropped[DropReason.SlowSubscriber]!;
        dropped += metrics.dropped[DropReason.QueueFull]!;
      } catch (error) {
        if (error instanceof Error) error.message = `seed ${seed}: ${error.message}`;
        throw error;
      }
    }
    assert.ok(paused > 0, 'somebody was paused');
    assert.ok(dropped > 0, 'somebody was too slow');
  });
}

test.run();
