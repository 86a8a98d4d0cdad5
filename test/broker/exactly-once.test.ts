/**
 * QoS 2 across breaks: the connection is cut after every packet of the exchange, on either side
 * of it, and each message still comes once and in order (promise P2, [MQTT-4.3.3-2]).
 *
 * Each side of a cut keeps what a client must keep: a publisher its unacknowledged PUBLISH and
 * PUBREL packets, a subscriber the identifiers that it has seen and not yet released.
 */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeBroker, type FakeClient } from './support/fake-broker.js';

const test = suite('exactly once');

const EXPIRY = { sessionExpiryInterval: 0xffff_ffff };

/** Decides after each packet whether the connection breaks there. */
type Cut = (packet: number) => boolean;

interface Outgoing {
  readonly payload: string;
  readonly packetId: number;
  state: 'publish' | 'pubrel';
  wasSent: boolean;
}

/** A client that sends QoS 2 messages and survives its connections. */
class Publisher {
  readonly waiting: Outgoing[] = [];
  private client: FakeClient | null = null;
  private readonly broker: FakeBroker;
  private readonly isCut: Cut;
  private packets = 0;

  constructor(broker: FakeBroker, isCut: Cut) {
    this.broker = broker;
    this.isCut = isCut;
  }

  run(): void {
    for (let round = 0; this.waiting.length > 0; round++) {
      assert.ok(round < 1_000, 'the exchange comes to its end');
      if (this.client === null) this.connect();
      for (const item of [...this.waiting]) if (this.client !== null) this.push(item);
      for (const packet of this.client?.take() ?? []) this.onPacket(packet.cmd, packet.messageId!);
    }
  }

  private connect(): void {
    const options = { clientId: 'publisher', clean: false, properties: EXPIRY };
    this.client = this.broker.connect(options);
    // Everything that is not acknowledged is sent again, in its order [MQTT-4.4.0-1].
    for (const item of this.waiting) if (item.wasSent) this.send(item, true);
  }

  private push(item: Outgoing): void {
    if (!item.wasSent) this.send(item, false);
  }

  private send(item: Outgoing, dup: boolean): void {
    if (this.client === null) return;
    const { packetId: messageId, payload, state } = item;
    item.wasSent = true;
    if (state === 'pubrel') this.client.send({ cmd: 'pubrel', messageId });
    else this.client.publish('a', payload, { qos: 2, messageId, dup });
    this.cut();
  }

  private onPacket(cmd: string, messageId: number): void {
    const item = this.waiting.find(({ packetId }) => packetId === messageId);
    if (this.client === null || item === undefined) return;
    if (cmd === 'pubrec') {
      item.state = 'pubrel';
      this.send(item, false);
    } else if (cmd === 'pubcomp') {
      this.waiting.splice(this.waiting.indexOf(item), 1);
    }
  }

  /** What the broker has answered by now is lost with the connection. */
  private cut(): void {
    if (!this.isCut(this.packets++)) return;
    this.client!.drop();
    this.client = null;
  }
}

/** A client that takes QoS 2 messages and survives its connections. */
class Subscriber {
  readonly got: string[] = [];
  private readonly held = new Set<number>();
  private client: FakeClient | null = null;
  private readonly broker: FakeBroker;
  private readonly isCut: Cut;
  private packets = 0;

  constructor(broker: FakeBroker, isCut: Cut) {
    this.broker = broker;
    this.isCut = isCut;
    this.connect();
    this.client!.subscribe('a', { qos: 2 });
  }

  run(): void {
    for (let round = 0; round < 1_000; round++) {
      if (this.client === null) this.connect();
      const packets = this.client!.take();
      if (packets.length === 0) return;
      for (const { cmd, messageId, payload } of packets) {
        this.onPacket(cmd, messageId!, payload?.toString() ?? '');
      }
    }
    assert.unreachable('the exchange comes to its end');
  }

  private connect(): void {
    const options = { clientId: 'subscriber', clean: false, properties: EXPIRY };
    this.client = this.broker.connect(options);
  }

  private onPacket(cmd: string, messageId: number, payload: string): void {
    if (this.client === null) return;
    if (cmd === 'publish') {
      if (!this.held.has(messageId)) this.got.push(payload);
      this.held.add(messageId);
      if (this.cut()) return;
      this.client.acknowledge('pubrec', messageId);
    } else {
      this.held.delete(messageId);
      if (this.cut()) return;
      this.client.acknowledge('pubcomp', messageId);
    }
    this.cut();
  }

  private cut(): boolean {
    if (!this.isCut(this.packets++)) return false;
    this.client!.drop();
    this.client = null;
    return true;
  }
}

function exchange(count: number, publisherCuts: Cut, subscriberCuts: Cut): void {
  const broker = new FakeBroker();
  const subscriber = new Subscriber(broker, subscriberCuts);
  const publisher = new Publisher(broker, publisherCuts);
  const payloads = Array.from({ length: count }, (_, index) => `message ${index}`);
  payloads.forEach((payload, index) => {
    publisher.waiting.push({ payload, packetId: index + 1, state: 'publish', wasSent: false });
  });
  publisher.run();
  subscriber.run();
  assert.equal(subscriber.got, payloads);
  const { receiver } = broker.core.sessions.get('publisher')!;
  assert.is(receiver!.size, 0, 'no identifier is left on the way in');
  const { outbox } = broker.core.sessions.get('subscriber')!;
  assert.equal([outbox!.queued, outbox!.inflight, outbox!.inflightBytes], [0, 0, 0]);
}

const never: Cut = () => false;

for (let cut = 0; cut < 8; cut++) {
  test(`the publisher's connection breaks after its packet ${cut}`, () => {
    exchange(3, (packet) => packet === cut, never);
  });
  test(`the subscriber's connection breaks at its point ${cut}`, () => {
    exchange(3, never, (packet) => packet === cut);
  });
}

test('every packet of the publisher is followed by a break, the first time it is sent', () => {
  for (let every = 2; every < 7; every++) {
    exchange(4, (packet) => packet % every === every - 1 && packet < 60, never);
  }
});

test('breaks anywhere on both sides', () => {
  const cuts = fc.uniqueArray(fc.nat(40), { maxLength: 15 });
  fc.assert(
    fc.property(cuts, cuts, fc.integer({ min: 1, max: 6 }), (ofPublisher, ofSubscriber, count) => {
      exchange(
        count,
        (packet) => ofPublisher.includes(packet),
        (packet) => ofSubscriber.includes(packet),
      );
    }),
    { numRuns: 300 },
  );
});

for (const version of [4, 5] as const) {
  test(`version ${version}: a repeated PUBLISH is not delivered again [MQTT-4.3.3-10]`, () => {
    const broker = new FakeBroker();
    const watcher = broker.connect({ version });
    watcher.subscribe('a', { qos: 2 });
    const client = broker.connect({ version });
    for (const dup of [false, true, true]) client.publish('a', 'x', { qos: 2, messageId: 9, dup });
    assert.is(client.take('pubrec').length, 3);
    assert.equal(watcher.takePayloads(), ['x']);
    client.acknowledge('pubrel', 9);
    assert.is(client.takeFirst('pubcomp').messageId, 9);
    client.publish('a', 'y', { qos: 2, messageId: 9 });
    assert.equal(watcher.takePayloads(), ['y'], 'after PUBREL the identifier is a new message');
  });

  test(`version ${version}: PUBREL, PUBREC and PUBCOMP of identifiers that nobody knows`, () => {
    const broker = new FakeBroker();
    const client = broker.connect({ version });
    const code = version === 5 ? 0x92 : undefined;
    client.acknowledge('pubrel', 7);
    assert.is(client.takeFirst('pubcomp').reasonCode, code);
    client.acknowledge('pubrec', 7);
    assert.is(client.takeFirst('pubrel').reasonCode, code);
    client.acknowledge('pubcomp', 7);
    client.acknowledge('puback', 7);
    assert.equal(client.take(), []);
    assert.is(client.isOpen, true);
  });
}

test.run();
