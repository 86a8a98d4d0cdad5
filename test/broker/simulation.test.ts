/**
 * A random life of a broker: clients come and go in every way, subscribe, publish, acknowledge or
 * not, and time passes. Whatever happens, each message that matched a session reaches it or is
 * counted as dropped for it (promise P6), QoS 2 once (P2), in order (P5), and in the end nothing
 * is left.
 *
 * Every message has a topic of its own, so that a drop can be told from others.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { XorShift32 } from '../../src/base/prng.js';
import { DropReason } from '../../src/broker/metrics.js';
import type { DeliveryConfig } from '../../src/config/config.js';
import type { Limits } from '../../src/config/limits.js';
import { matches } from '../../src/protocol/topic.js';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('simulation');

const FILTERS = ['#', 'a/+', 'b/+', '+/+', 'a/#', '+/#', '$x/#'];
const FOLDERS = ['a', 'b', '$x'];

interface Settings {
  readonly delivery?: Partial<DeliveryConfig>;
  readonly limits?: Partial<Limits>;
  /** Of a hundred steps. */
  readonly acknowledging: number;
  /** Bytes of a payload; 0: no more than its number. */
  readonly size?: number;
  /** Clients stop reading and go on again. */
  readonly isStalling?: boolean;
  /** What must have happened at least once, or the simulation shows nothing about it. */
  readonly shows: readonly DropReason[];
}

/** A client through all its connections. */
class Device {
  readonly id: string;
  client: FakeClient | null = null;
  /** Numbers of the messages that came, by QoS, in the order of their first coming. */
  readonly firsts: number[][] = [[], [], []];
  readonly got = new Set<number>();
  private readonly held = new Set<number>();
  private unanswered: { cmd: string; messageId: number; qos: number }[] = [];

  constructor(id: string) {
    this.id = id;
  }

  /** A new session: the old one's identifiers mean nothing any more. */
  forget(): void {
    this.held.clear();
  }

  /** The connection is over; what was not answered comes again. */
  leave(): void {
    this.client = null;
    this.unanswered = [];
  }

  read(): void {
    for (const { cmd, qos = 0, dup, messageId = 0, payload } of this.client?.take() ?? []) {
      if (cmd === 'publish') {
        this.onPublish(Number.parseInt(payload!.toString(), 10), qos, dup === true, messageId);
        if (qos > 0) this.unanswered.push({ cmd, messageId, qos });
      } else if (cmd === 'pubrel') {
        this.held.delete(messageId);
        this.unanswered.push({ cmd, messageId, qos: 2 });
      }
    }
  }

  /** Answers some of what came, in its order [MQTT-4.6.0-2]. */
  answer(count: number): void {
    for (const { cmd, messageId, qos } of this.unanswered.splice(0, count)) {
      const answer = cmd === 'pubrel' ? 'pubcomp' : qos === 1 ? 'puback' : 'pubrec';
      this.client?.acknowledge(answer, messageId);
    }
  }

  get isIdle(): boolean {
    return this.unanswered.length === 0;
  }

  private onPublish(number: number, qos: number, dup: boolean, messageId: number): void {
    if (qos === 2 && this.held.has(messageId)) {
      assert.ok(dup, 'an identifier in use comes again with DUP only');
      assert.ok(this.got.has(number), 'an identifier in use stands for the same message');
      return;
    }
    const isNew = !this.got.has(number);
    assert.ok(isNew || (qos === 1 && dup), `message ${number} comes twice at QoS ${qos}`);
    if (qos === 2) this.held.add(messageId);
    if (!isNew) return;
    this.got.add(number);
    this.firsts[qos]!.push(number);
  }
}

class Simulation {
  readonly broker: FakeBroker;
  private readonly prng: XorShift32;
  private readonly devices = Array.from({ length: 6 }, (_, n) => new Device(`device-${n}`));
  private readonly publisher: FakeClient;
  private readonly expected: { device: Device; number: number }[] = [];
  private readonly dropped = new Set<string>();
  private readonly settings: Settings;
  private count = 0;

  constructor(seed: number, settings: Settings) {
    this.settings = settings;
    const { delivery = {}, limits = {} } = settings;
    this.prng = new XorShift32(seed);
    this.broker = new FakeBroker({
      delivery,
      limits,
      seed,
      observer: {
        dropped: (_reason, clientId, topic) => this.dropped.add(`${clientId} ${topic}`),
      },
    });
    this.publisher = this.broker.connect({ clientId: 'publisher' });
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      this.step(this.devices[this.prng.below(this.devices.length)]!);
      for (const device of this.devices) device.read();
    }
    this.finish();
  }

  private step(device: Device): void {
    const { prng, broker } = this;
    const dice = prng.below(100);
    if (dice < this.settings.acknowledging) device.answer(1 + prng.below(10));
    else if (dice < 75) this.publish();
    else if (dice < 80) this.connect(device);
    else if (dice < 83) this.disconnect(device);
    else if (dice < 92) {
      const filter = FILTERS[prng.below(FILTERS.length)]!;
      const isUnsubscribing = prng.below(3) === 0;
      if (device.client === null) return;
      // It waits for the answer.
      this.drain(device);
      if (isUnsubscribing) device.client.unsubscribe(filter);
      else device.client.subscribe(filter, { qos: prng.below(3) as 0 | 1 | 2 });
    } else if (dice < 96 && this.settings.isStalling) {
      if (prng.below(2) === 0) device.client?.transport.stall();
      else this.drain(device);
    } else broker.advance(prng.below(4_000));
  }

  /** The client reads again, and has read all that was on its way. */
  private drain(device: Device): void {
    device.client?.transport.drain();
    this.broker.settle();
    device.read();
  }

  private publish(): void {
    const { prng, broker } = this;
    // A filling queue may have paused it, and then nothing would be published now.
    while (this.publisher.transport.isPaused) broker.advance(50);
    const number = this.count++;
    const topic = `${FOLDERS[prng.below(FOLDERS.length)]}/${number}`;
    const qos = prng.below(3) as 0 | 1 | 2;
    for (const device of this.devices) {
      const { subscriptions } = broker.core.sessions.get(device.id) ?? {};
      const filters = [...(subscriptions?.keys() ?? [])];
      if (filters.some((filter) => matches(filter, topic))) this.expected.push({ device, number });
    }
    const expiry = prng.below(10) === 0 ? { messageExpiryInterval: 1 + prng.below(5) } : {};
    const payload = String(number).padEnd(this.settings.size ?? 0);
    this.publisher.publish(topic, payload, { qos, messageId: 1, properties: expiry });
    if (qos === 2) this.publisher.acknowledge('pubrel', 1);
    this.publisher.take();
  }

  private connect(device: Device, isLast = false): void {
    const { prng, broker } = this;
    const version = ([4, 5] as const)[prng.below(2)]!;
    const clean = !isLast && prng.below(6) === 0;
    const sessionExpiryInterval = prng.below(3) === 0 && !isLast ? 0 : 1 + prng.below(20);
    const receiveMaximum = 1 + prng.below(20);
    const properties =
      version === 5 ? { properties: { sessionExpiryInterval, receiveMaximum } } : {};
    // A takeover: what is on its way to the old connection has arrived already.
    this.drain(device);
    device.leave();
    const client = broker.request({ clientId: device.id, version, clean, ...properties });
    const { sessionPresent } = client.takeFirst('connack');
    if (!sessionPresent) device.forget();
    device.client = client;
  }

  private disconnect(device: Device): void {
    const { client } = device;
    if (client === null) return;
    this.drain(device);
    if (this.prng.below(2) === 0) client.drop();
    else client.disconnect();
    device.leave();
  }

  /** Every session that is still there gets the rest. */
  private finish(): void {
    const { broker, devices } = this;
    for (const device of devices) {
      this.drain(device);
      if (device.client === null && broker.core.sessions.get(device.id) !== null) {
        this.connect(device, true);
      }
      do {
        device.read();
        device.answer(100);
        device.read();
      } while (!device.isIdle);
    }
    for (const { device, number } of this.expected) {
      const isDropped = FOLDERS.some((folder) =>
        this.dropped.has(`${device.id} ${folder}/${number}`),
      );
      assert.ok(device.got.has(number) || isDropped, `${device.id} lost message ${number}`);
    }
    for (const { id, firsts } of devices) {
      firsts.forEach((numbers, qos) => {
        const isOrdered = numbers.every((n, index) => index === 0 || n > numbers[index - 1]!);
        assert.ok(isOrdered, `${id} gets QoS ${qos} in order`);
      });
    }
    this.isEmptyAfterAll();
  }

  private isEmptyAfterAll(): void {
    const { broker, devices, publisher } = this;
    for (const device of devices) {
      broker.connect({ clientId: device.id, clean: true }).disconnect();
    }
    publisher.disconnect();
    broker.advance(10_000);
    const { core } = broker;
    core.refreshGauges();
    const { metrics } = core;
    assert.equal(
      [core.sessions.size, core.index.size, core.deadlines.size, core.connections.size],
      [0, 0, 0, 0],
    );
    assert.equal(
      [metrics.bytesWaiting, metrics.messagesQueued, metrics.bytesQueued, metrics.clientsConnected],
      [0, 0, 0, 0],
    );
  }
}

const { OfflineQos0, Expired, SessionEnded, QueueFull, SlowSubscriber } = DropReason;

const settings: Readonly<Record<string, Settings>> = {
  'as it comes': { acknowledging: 40, shows: [OfflineQos0, Expired, SessionEnded] },
  'slow acknowledgements': { acknowledging: 10, shows: [OfflineQos0, Expired, SessionEnded] },
  'short queues': { acknowledging: 15, limits: { queuedMessagesMax: 5 }, shows: [QueueFull] },
  'short queues, drop_oldest': {
    acknowledging: 15,
    shows: [QueueFull],
    limits: { queuedMessagesMax: 5 },
    delivery: { queueFullPolicy: 'drop_oldest' },
  },
  'few bytes in queue and in flight': {
    acknowledging: 20,
    shows: [QueueFull],
    limits: { queuedBytesMax: 30, inflightBytesMax: 10 },
  },
  'QoS upgraded': {
    acknowledging: 30,
    shows: [SessionEnded],
    delivery: { upgradeOutgoingQos: true },
  },
  'clients that stop reading': {
    acknowledging: 25,
    shows: [SlowSubscriber, QueueFull],
    size: 6_000,
    isStalling: true,
    limits: { outputBytesMax: 64 * 1024, queuedMessagesMax: 30 },
  },
  'QoS 0 queued, clients that stop reading': {
    acknowledging: 25,
    shows: [SlowSubscriber, QueueFull],
    size: 6_000,
    isStalling: true,
    limits: { outputBytesMax: 64 * 1024, queuedMessagesMax: 30 },
    delivery: { queueQos0Messages: true },
  },
  'QoS 0 queued': {
    acknowledging: 30,
    shows: [SessionEnded],
    delivery: { queueQos0Messages: true },
  },
};

for (const [what, options] of Object.entries(settings)) {
  test(`${what}: nothing is lost without being counted`, () => {
    const dropped = new Map<DropReason, number>();
    for (let seed = 1; seed <= 4; seed++) {
      try {
        const simulation = new Simulation(seed, options);
        simulation.run(2_000);
        for (const reason of options.shows) {
          const count = simulation.broker.core.metrics.dropped[reason]!;
          dropped.set(reason, (dropped.get(reason) ?? 0) + count);
        }
      } catch (error) {
        if (error instanceof Error) error.message = `seed ${seed}: ${error.message}`;
        throw error;
      }
    }
    for (const reason of options.shows) assert.ok(dropped.get(reason)! > 0, `reason ${reason}`);
  });
}

test.run();
